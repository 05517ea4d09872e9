"""Prints, for each way to set a target up wrongly, what fails, why and what to do, and what doing it brings.

    python -m verify.matrix

A remedy is tried by doing what its words say to a stand-in that shares no code with the operator (`remedies.py`).
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from reltio_export_operator.api.foreign import KNOWN
from reltio_export_operator.api.target import Check, ExportTarget
from reltio_export_operator.targets.readiness import ADVISORY_CHECKS

from .answers import ANSWERS
from .cases import CASES, Case
from .remedies import follow, unused
from .world import World

MAX_ROUNDS = 3  # a remedy may uncover the next mistake, as a user would meet it
ROWS = (*CASES, *ANSWERS)


@dataclass(frozen=True)
class Outcome:
    """`shown` are the checks of the first verification. `instructions`: of the remedies, how many were followed.

    `lasts`: the same checks fail again while nobody follows a remedy, save where the mistake passes by itself.
    """

    shown: tuple[Check, ...]
    right: bool
    lasts: bool
    instructions: int
    healed: bool

    @property
    def is_good(self) -> bool:
        return self.right and self.lasts and self.instructions > 0 and self.healed


def failing(target: ExportTarget) -> dict[str, str]:
    return {check.name: check.reason for check in target.status.checks if check.status == "False"}


async def play(case: Case) -> Outcome:
    """Verify, follow the remedies of the checks that do not pass, and verify again."""
    KNOWN.forget()
    world = World(case.spec)
    case.arrange(world)
    target = await world.verify()
    first, instructions, lasts = target, 0, True
    if not case.transient:
        world.forget()
        target = await world.verify()
        lasts = failing(target) == failing(first)
    wanted = [*case.failing] or [*case.unknown]
    for _ in range(MAX_ROUNDS):
        bad = [check for check in target.status.checks if _is_bad(check, wanted)]
        if not bad:
            break
        remedies = {check.remedy: check.message for check in bad if check.remedy}
        instructions += sum(follow(world, remedy, message) for remedy, message in remedies.items())
        world.forget()
        target = await world.verify()
    passed = {check.name: check.status for check in target.status.checks}
    healed = target.is_ready and all(passed[name] == "True" for name in wanted)
    shown = [check for check in first.status.checks if check.status == "False" or check.name in case.unknown]
    right = failing(first) == case.failing and first.is_ready is (set(case.failing) <= set(ADVISORY_CHECKS))
    return Outcome(tuple(shown), right, lasts, instructions, healed)


def _is_bad(check: Check, wanted: list[str]) -> bool:
    return check.status == "False" or (check.status == "Unknown" and check.name in wanted)


async def main() -> int:
    table = Table("Mistake", "Check", "Reason", "Remedy", "Right", "Tried", "Healed", show_lines=True)
    tally = Counter[str]()
    for case in ROWS:
        outcome = await play(case)
        bad = [check for check in outcome.shown if check.status == "False"] or list(outcome.shown)
        tally["rows"] += 1
        tally["with other checks or reasons"] += not outcome.right
        tally["with a remedy that was tried"] += outcome.instructions > 0
        tally["that the remedy healed"] += outcome.healed
        tally["that pass without a remedy"] += not outcome.lasts
        tally["not good"] += not outcome.is_good
        table.add_row(
            case.name,
            "\n".join(f"{check.name} {check.status}" for check in bad),
            "\n".join(check.reason for check in bad),
            "\n".join(dict.fromkeys(check.remedy for check in bad)),
            "yes" if outcome.right else "NO",
            "yes" if outcome.instructions else "NO",
            "yes" if outcome.healed else "NO",
        )
    Console(width=None if sys.stdout.isatty() else 180).print(table)
    tally["instructions that no remedy has"] = len(unused())
    for name in (
        "rows",
        "with other checks or reasons",
        "that pass without a remedy",
        "with a remedy that was tried",
        "that the remedy healed",
        "instructions that no remedy has",
    ):
        print(f"{tally[name]:>5} {name}")
    return 1 if tally["not good"] else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
