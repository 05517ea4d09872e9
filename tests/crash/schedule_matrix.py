"""Kills the controller of schedules at every await, with every fault, loss of status, and two operators.

    python -m crash.schedule_matrix [--every N] [--workers N]

Each scenario first runs undisturbed, which shows its steps, its calls and its slots. Nothing is drawn by lot.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from reltio_export_operator.kube.client import ConflictError, InvalidError

from .clock import Killed, Stalled
from .kube import ServerError
from .schedules import Scenario, ScheduleWorld, problems, slots_of
from .world import quiet

INCREMENTAL = {"incremental": {"overlap": "5m", "fullSchedule": "*/15 * * * *"}}
NO_HISTORY = {"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0}
SPACINGS = (0.0, 0.003, 0.05, 1.0)  # seconds between the starts of two operators
RESTART = 2.0  # seconds between a death and the next life
CROSSED = 4  # kills for each fault, spread over the run


def _refuse(world: ScheduleWorld) -> None:
    world.jobs_kube.refused_until = world.clock.now + 100.0


def _take_name(world: ScheduleWorld) -> None:
    """A job of somebody else has the name of the slot at 03:30."""
    slot = world.true_time().replace(hour=3, minute=30, second=0)
    world.submit_job(f"changes-{int(slot.timestamp()) // 60}")


SCENARIOS = (
    Scenario("complete jobs", {**NO_HISTORY}),
    Scenario("windows", {**INCREMENTAL, **NO_HISTORY}, windows=True),
    Scenario("windows and failures", {**INCREMENTAL}, failing=frozenset({0, 2, 3}), windows=True),
    Scenario("allow", {"concurrencyPolicy": "Allow", "jitterSeconds": 60}, job_seconds=400.0),
    Scenario("replace", {"concurrencyPolicy": "Replace", **NO_HISTORY}, job_seconds=400.0),
    Scenario("forbid and long jobs", {**INCREMENTAL}, job_seconds=400.0, slots=4, windows=True),
    Scenario(
        "triggers",
        {"schedule": "*/10 * * * *", "trigger": "at creation"},
        users=((1100.0, lambda w: w.edit({"trigger": "1"})), (2000.0, lambda w: w.edit({"trigger": "2"}))),
        slots=3,
        triggers=2,
    ),
    Scenario(
        "edits",
        {**INCREMENTAL},
        users=(
            (1550.0, lambda w: w.edit({"jobTemplate": {"spec": {"export": {"fileFormat": "CSV"}}}})),
            (1900.0, lambda w: w.edit({"suspend": True})),
            (2150.0, lambda w: w.edit({"suspend": False})),
        ),
        slots=4,
        windows=True,
    ),
    Scenario("refused jobs", {**INCREMENTAL}, users=((1450.0, _refuse),), windows=True),
    Scenario("taken name", {}, users=((1100.0, _take_name),), slots=4),
)


@dataclass(frozen=True)
class Cell:
    """One run of the matrix."""

    scenario: Scenario
    kill_at: int | None = None
    fault: tuple[int, str] | None = None  # number of an API call, and what happens to it
    lose_at: int | None = None  # step before which the status is lost
    spacing: float | None = None  # of two operators

    def __str__(self) -> str:
        more = (f"{name} {value}" for name, value in vars(self).items() if name != "scenario" and value is not None)
        return ", ".join((self.scenario.name, *more))


@dataclass(frozen=True)
class Baseline:
    steps: int
    calls: int
    slots: frozenset[datetime]
    awaits: frozenset[str] = frozenset()


def undisturbed(scenario: Scenario) -> Baseline:
    world = scenario.world()
    loop = world.run(world.is_over, record=True)
    slots = slots_of(world)
    found = list(problems(world, slots))
    assert not found, f"{scenario.name}: {found}"
    assert len(slots) == scenario.slots, f"{scenario.name}: {sorted(slots)}"
    return Baseline(loop.steps, world.kube.calls, slots, frozenset(place for place in loop.places if place))


def play(cell: Cell, base: Baseline) -> list[str]:
    """One run, and what does not hold after it."""
    world = cell.scenario.world()
    if cell.fault:
        arm(world, *cell.fault)
    interrupt = (cell.lose_at, world.lose_status) if cell.lose_at is not None else None
    how = {"operators": 2, "spacing": cell.spacing} if cell.spacing is not None else {}
    with contextlib.suppress(Stalled):
        try:
            world.run(world.is_over, last_step=cell.kill_at, interrupt=interrupt, **how)
        except Killed:
            world.rest(RESTART)
            world.run(world.is_over, **how)
        if not world.is_over():
            world.run(world.is_over)  # the status was lost in the last step
    return list(problems(world, base.slots))


FAULTS = ("conflict", "500-before", "500-after", "refused", "watch-cut")
_VERSIONED = ("patch_status", "annotate", "delete")


def arm(world: ScheduleWorld, number: int, kind: str) -> None:
    def fault(call: int, name: str, when: str) -> Exception | None:
        if call != number:
            return None
        if kind == f"500-{when}":
            return ServerError(name)
        if when == "before":
            if kind == "conflict" and name in _VERSIONED:
                return ConflictError(name)
            if kind == "refused" and name in ("create", *_VERSIONED):
                return InvalidError("exceeded quota.")
            if kind == "watch-cut":
                world.cut_watch(20.0)
        return None

    world.kube.fault = fault


def cells(known: Mapping[str, Baseline], every: int, offset: int = 0) -> Iterator[Cell]:
    """All runs, or each `every`-th of them."""
    return itertools.islice(_all(known), offset, None, every)


def _all(known: Mapping[str, Baseline]) -> Iterator[Cell]:
    for scenario in SCENARIOS:
        base = known[scenario.name]
        for step in range(base.steps):
            yield Cell(scenario, kill_at=step)
            yield Cell(scenario, lose_at=step)
        for spacing in SPACINGS:
            yield Cell(scenario, spacing=spacing)
            for step in range(0, base.steps, 7):
                yield Cell(scenario, kill_at=step, spacing=spacing)
        for call in range(base.calls):
            for kind in FAULTS:
                struck = Cell(scenario, fault=(call, kind))
                yield struck
                for step in range(0, base.steps, max(1, base.steps // CROSSED)):
                    yield replace(struck, kill_at=step)


def baselines() -> dict[str, Baseline]:
    return {scenario.name: undisturbed(scenario) for scenario in SCENARIOS}


def share(every: int, offset: int) -> tuple[Counter[str], list[str]]:
    """What one worker plays: each `every`-th run from the offset on."""
    tally: Counter[str] = Counter()
    bad: list[str] = []
    with quiet():
        known = baselines()
        for cell in cells(known, every, offset):
            found = play(cell, known[cell.scenario.name])
            tally["runs"] += 1
            tally.update({one.partition(":")[0] for one in found})
            bad += [f"{cell}: {one}" for one in found]
    return tally, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="play each N-th run only")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    started = time.monotonic()
    with quiet():
        known = baselines()
    tally: Counter[str] = Counter()
    bad: list[str] = []
    with ProcessPoolExecutor(chosen.workers) as pool:
        stride = chosen.every * chosen.workers
        for done in [pool.submit(share, stride, chosen.every * worker) for worker in range(chosen.workers)]:
            counts, found = done.result()
            tally += counts
            bad += found
    for line in bad[:40]:
        print(line)
    awaits = frozenset[str]().union(*(base.awaits for base in known.values()))
    print(f"runs              {tally['runs']}, of {len(SCENARIOS)} scenarios")
    print(f"points            {sum(base.steps for base in known.values())} steps at {len(awaits)} awaits")
    print(f"two jobs          {tally['twice']} runs with a slot or trigger that had two")
    print(f"lost              {tally['lost']} runs with a slot or trigger that had none")
    print(f"gaps              {tally['gap']} runs with a gap between windows")
    print(f"untrue            {tally['untrue']} runs that end with another status than the jobs show")
    print(f"time              {time.monotonic() - started:.0f} s on {chosen.workers} processes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
