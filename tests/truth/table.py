"""Prints what a user sees for each answer that the documentation of Reltio leaves open, by living through it.

python -m truth.table
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from crash.world import quiet

from .cases import TRUTHS
from .truth import play

_COLUMNS = ("Question", "Possible truth", "Ending", "On the way", "What the user sees", "Exports", "Right")
_USUAL = {f"Reconciling {reason}" for reason in ("Submitting", "ExportRunning", "VerifyingDelivery")}


def main() -> int:
    table = Table(
        "Question", "Possible truth", "Ending", "On the way", "What the user sees", "Exports", "Right", show_lines=True
    )
    wrong = 0
    for truth in TRUTHS:
        with quiet():
            seen = play(truth)
        problems = seen.problems(truth)
        wrong += bool(problems)
        table.add_row(
            truth.question,
            truth.truth,
            seen.ending,
            "\n".join(reason for reason in seen.on_the_way if reason not in _USUAL and reason != seen.ending),
            seen.message,
            str(seen.exports),
            "\n".join(problems) or "yes",
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    print(f"{len(TRUTHS)} possible truths, {wrong} that end wrongly")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
