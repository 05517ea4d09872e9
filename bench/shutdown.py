"""Measure how a replica ends and how soon the other one acts, asked to end and killed.

    .venv/bin/python bench/shutdown.py [--lease SECONDS] [--times N]

Two replicas run on the sandbox. In each situation one gets the signal, and a job is created at once. Measured from the
signal: until the process has ended, the submissions that reached the service in that time, until the other replica
holds the Lease, and until it submits the new job. Each figure is the worst of all times. Nothing else should run on
the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "operator"), str(ROOT / "tests")]

from integration.replicas import SITUATIONS, Replicas, open_replicas, open_sandbox, until  # noqa: E402

STANDING_BY = "standing by"
NAMES = {"submitting": "submitting, not accepted", "submitted": "submitting, accepted", "reading": "reading a delivery"}


@dataclass
class Measured:
    """Seconds from the signal; None where it does not apply."""

    situation: str
    how: str
    code: int
    exited: float
    submissions: int
    leads: float | None
    submits: float


async def measure(world: Replicas, situation: str, number: signal.Signals, lease: int) -> Measured:
    settings = {
        "RELTIO_EXPORT_LEASE_DURATION_SECONDS": str(lease),
        "RELTIO_EXPORT_SUBMIT_SETTLE_SECONDS": "75",  # as by default: the sandbox's tests are in a hurry
    }
    first = await world.elect(**settings)
    await world.target(spec={"maxConcurrentJobs": 4})
    await world.ready()
    victim = "b" if situation == STANDING_BY else "a"
    if situation != STANDING_BY:
        await SITUATIONS[situation](world)
    before = world.posts.seen
    began = time.monotonic()
    world.send(victim, number)

    async def ended() -> tuple[int, float, int]:
        code = await world.exit_code(victim)
        return code, time.monotonic() - began, world.posts.seen - before

    async def led() -> float | None:
        if situation == STANDING_BY:
            return None
        await world.leader(other_than=first)
        return time.monotonic() - began

    async def submitted() -> float:
        await world.job("late")
        await until(started, bool)
        return time.monotonic() - began

    async def started() -> bool:
        job = await world.get("ExportJob", "late")
        return world.runs_of(job) > 0

    (code, exited, submissions), leads, submits = await asyncio.gather(ended(), led(), submitted())
    if situation == STANDING_BY:
        submissions = 0  # those of the leader are its own business
    how = "kill -9" if number is signal.SIGKILL else number.name
    return Measured(situation, how, code, exited, submissions, leads, submits)


def shown(found: Measured) -> str:
    leads = "-" if found.leads is None else f"{found.leads:.1f}"
    name = NAMES.get(found.situation, found.situation)
    return (
        f"{name:<26}{found.how:<10}{found.code:>5}{found.exited:>9.2f}{found.submissions:>13}"
        f"{leads:>10}{found.submits:>12.1f}"
    )


def worst(found: list[Measured]) -> Measured:
    first = found[0]
    leads = [one.leads for one in found if one.leads is not None]
    return Measured(
        first.situation,
        first.how,
        max((one.code for one in found), key=abs),
        max(one.exited for one in found),
        max(one.submissions for one in found),
        max(leads) if leads else None,
        max(one.submits for one in found),
    )


async def run(lease: int, times: int) -> None:
    print(
        f"{'leader is':<26}{'ended by':<10}{'code':>5}{'exit s':>9}{'submissions':>13}{'leads s':>10}{'submits s':>12}"
    )
    with tempfile.TemporaryDirectory() as folder:
        async with open_sandbox(Path(folder)) as sandbox:
            for situation in (*SITUATIONS, STANDING_BY):
                for number in (signal.SIGTERM, signal.SIGKILL):
                    found = []
                    for _ in range(times):
                        async with open_replicas(sandbox) as world:
                            found.append(await measure(world, situation, number, lease))
                    print(shown(worst(found)), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lease", type=int, default=15, help="duration of the Lease in seconds (default: 15)")
    parser.add_argument("--times", type=int, default=3, help="how often each situation is tried (default: 3)")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    asyncio.run(run(chosen.lease, chosen.times))
