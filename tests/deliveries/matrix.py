"""Plays every delivery, and counts false alarms and false proofs.

    python -m deliveries.matrix [--recorded] [--record] [--every N]

Without --recorded the files are written by the libraries of requirements/deliveries.txt. --record keeps them for CI.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from .cases import all_cases
from .stage import stage
from .writers import record, written_before, written_now


def main() -> int:
    parser = argparse.ArgumentParser(prog="deliveries.matrix")
    parser.add_argument("--recorded", action="store_true", help="play the recorded files")
    parser.add_argument("--record", action="store_true", help="record the files of this run")
    parser.add_argument("--every", type=int, default=1, help="play each N-th delivery only")
    chosen, began, tally = parser.parse_args(), time.monotonic(), Counter[str]()
    if chosen.record:
        record()
    written = written_before() if chosen.recorded or chosen.record else written_now()
    with stage() as player:
        for case in all_cases(written)[:: chosen.every]:
            outcome = player.play(case)
            tally["deliveries"] += 1
            tally["arrived" if case.arrived else "damaged or incomplete"] += 1
            tally[f"{'arrived' if case.arrived else 'not arrived'}: {outcome.ending}"] += 1
            tally["false alarms"] += outcome.is_false_alarm(case)
            tally["false proofs"] += outcome.is_false_proof(case)
            if outcome.is_wrong(case):
                tally["wrong"] += 1
                print(f"{case.name}: {outcome.ending}, not {' or '.join(case.endings)}\n  {outcome.message}")
    print(f"{'writers':<30} {len(written)}")
    for name in ("deliveries", "arrived", "damaged or incomplete", *sorted(key for key in tally if ": " in key)):
        print(f"{name:<30} {tally[name]}")
    for name in ("false alarms", "false proofs", "wrong"):
        print(f"{name:<30} {tally[name]}")
    print(f"{'time':<30} {time.monotonic() - began:.0f} s")
    return 1 if tally["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
