"""Plays many random histories, and prints what happened in them and what did not hold.

python -m unit.schedules.histories [--number N] [--workers N]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from .history import play


def share(first: int, number: int, step: int) -> tuple[Counter[str], list[str]]:
    """The histories of each `step`-th seed from the first on."""
    seen: Counter[str] = Counter()
    problems: list[str] = []
    for seed in range(first, number, step):
        world = play(seed)
        seen += world.seen
        seen["version of an object"] += sum(map(len, world.objects))
        problems += [f"seed {seed}: {problem}" for problem in world.problems]
    return seen, problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    started = time.monotonic()
    seen: Counter[str] = Counter()
    problems: list[str] = []
    with ProcessPoolExecutor(chosen.workers) as pool:
        for done in [pool.submit(share, worker, chosen.number, chosen.workers) for worker in range(chosen.workers)]:
            counts, found = done.result()
            seen += counts
            problems += found
    for line in problems[:40]:
        print(line)
    for name, number in sorted(seen.items()):
        print(f"{name:24} {number:9,}")
    print(f"{chosen.number:,} histories, {len(problems)} problems, {time.monotonic() - started:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
