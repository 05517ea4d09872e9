"""Plays every attack against the real operator, with its defence and without.

    python -m attack.matrix [--only TEXT] [--workers N]

A row is good when the attacker gets nothing with the defence, and something without it. Exits with 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from .catalogue import ROWS
from .rows import Result, Row, run
from .stage import MIB


async def play(row: Row, places: asyncio.Semaphore) -> tuple[Row, Result | Exception, Result | Exception]:
    async with places:
        return row, await _tried(row, defended=True), await _tried(row, defended=False)


async def _tried(row: Row, *, defended: bool) -> Result | Exception:
    try:
        return await run(row, defended=defended)
    except Exception as error:
        return error


async def main() -> int:
    parser = argparse.ArgumentParser(prog="attack.matrix")
    parser.add_argument("--only", default="", help="play only rows whose names hold this text")
    parser.add_argument("--workers", type=int, default=2, help="rows that are played at the same time")
    chosen = parser.parse_args()
    rows = [row for row in ROWS if chosen.only in row.name]
    began, places, bad = time.monotonic(), asyncio.Semaphore(chosen.workers), 0
    print(f"{'attack':<68} {'peak':>8} {'loop':>7}  {'got':<12} without its defence")
    for playing in asyncio.as_completed([play(row, places) for row in rows]):
        row, defended, control = await playing
        if isinstance(defended, Exception) or isinstance(control, Exception):
            bad += 1
            print(
                f"{row.name:<68} NOT PLAYED: {defended if isinstance(defended, Exception) else control!r}", flush=True
            )
            continue
        is_good = not defended.damage and bool(control.damage)
        bad += not is_good
        print(
            f"{row.name:<68} {defended.peak // MIB:>4} MiB {defended.delay * 1000:>4.0f} ms  "
            f"{defended.damage or 'nothing':<12} {control.damage or 'NOTHING: the control shows nothing'}"
            f"{'' if is_good else '   <-- BAD'}",
            flush=True,
        )
    print(f"\nrows                  {len(rows)}, each with its control")
    print(f"bad                   {bad}")
    print(f"time                  {time.monotonic() - began:.0f} s, {chosen.workers} at a time")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
