"""Live through 300 jobs on the embedded API server, and compare what one costs with `limits.json` beside this file.

    make bench-check [BENCH_ARGS="--size N"]

Only counters decide: requests, writes, events, calls to Reltio, operations of the queues, and blocks of memory that the
interpreter keeps for a job. Times are printed. A limit is raised only with a reason in its commit; lower it when a
change makes a job cheaper.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from scale import cluster, live, processes
from scale.figures import BY_KEY, Value

LIMITS = Path(__file__).parent / "limits.json"
SECONDS = 240.0  # a bound; on an idle machine it takes a sixth of that
WARM = 20  # jobs before, so that nothing is used for the first time
TEXTS = {
    "submitting calls": "calls to Reltio that submit, search or verify, per job",
    "finished blocks": "allocated blocks kept for each finished job",
}
TIMES = ("submitted", "p50", "p99", "cpu", "life cpu", "delay", "rest", "after")


async def measure(size: int) -> live.Found:
    names = [f"job-{number:05d}" for number in range(size)]
    warm = [f"warm-{number:05d}" for number in range(WARM)]
    async with (
        cluster.opened("sandbox") as opened,
        processes.operator(opened, RELTIO_EXPORT_POLL_INTERVAL_SECONDS="1") as process,
    ):
        targets = await live.prepare(opened, cluster.NAMESPACE)
        await opened.targets_ready()
        found: live.Found = {"rest": process.memory()}
        await live.burst(opened, process, warm, targets, cluster.NAMESPACE)
        before = (await process.ask("blocks"))["blocks"]
        found |= await live.burst(opened, process, names, targets, cluster.NAMESPACE)
        found["finished blocks"] = ((await process.ask("blocks"))["blocks"] - before) / size
        counts = (await opened.services.ask("seen"))["counts"]
        polls = counts.get("list", 0) + counts.get("by id", 0)  # their number depends on time
        found["submitting calls"] = (sum(counts.values()) - polls) / size
        return found


def compare(found: live.Found, limits: dict[str, float]) -> bool:
    """Print each figure. Returns whether all are within their limits."""
    good = True
    for key, limit in limits.items():
        value: Value | None = found.get(key)
        within = isinstance(value, int | float) and value <= limit
        good = good and within
        text = TEXTS.get(key) or BY_KEY[key].text
        shown = f"{value:8.2f}" if isinstance(value, int | float) else f"{value!s:>8}"
        print(f"{'ok    ' if within else 'BEYOND'} {shown} of {limit:6.2f}  {text}")
    for key in TIMES:
        value, figure = found.get(key), BY_KEY[key]
        shown = f"{value:8.2f}" if isinstance(value, int | float) else f"{value!s:>8}"
        print(f"       {shown} {figure.unit:<9}  {figure.text} (no limit)")
    return good


async def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=300)
    chosen = parser.parse_args()
    began = time.monotonic()
    async with asyncio.timeout(SECONDS):
        found = await measure(chosen.size)
    print(f"{chosen.size} jobs in {time.monotonic() - began:.0f} s.")
    return 0 if compare(found, json.loads(LIMITS.read_text())) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
