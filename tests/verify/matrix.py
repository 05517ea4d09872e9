"""Prints, for each way to set a target up wrongly, what fails, why and what to do.

python -m verify.matrix
"""

from __future__ import annotations

import asyncio
import sys

from rich.console import Console
from rich.table import Table

from .answers import FAULTS
from .cases import CASES
from .world import World


async def main() -> int:
    table = Table("Mistake", "Check", "Reason", "Remedy", "Only this", title="Targets set up wrongly", show_lines=True)
    wrong = 0
    for case in CASES:
        world = World(case.spec)
        case.arrange(world)
        target = await world.verify()
        bad = [check for check in target.status.checks if check.status == "False"]
        right = {check.name: check.reason for check in bad} == case.failing
        wrong += not right
        shown = bad or [check for check in target.status.checks if check.name in case.unknown]
        table.add_row(
            case.name,
            "\n".join(f"{check.name} {check.status}" for check in shown),
            "\n".join(check.reason for check in shown),
            "\n".join(dict.fromkeys(check.remedy for check in shown)),
            "yes" if right else "NO",
        )
    for fault in FAULTS:
        world = World()
        fault.arrange(world)
        bad = [check for check in (await world.verify()).status.checks if check.status == "False"]
        right = [(check.name, check.reason) for check in bad] == [(fault.check, fault.reason)]
        fault.remedy(world)
        world.kube.objects["exporttargets", "mdm", "lake"]["status"].pop("lastVerificationTime")
        right = right and fault.advice in bad[0].remedy and (await world.verify()).is_ready
        wrong += not right
        table.add_row(
            fault.name,
            "\n".join(f"{check.name} {check.status}" for check in bad),
            "\n".join(check.reason for check in bad),
            "\n".join(dict.fromkeys(check.remedy for check in bad)),
            "yes, and the remedy works" if right else "NO",
        )
    Console(width=None if sys.stdout.isatty() else 180).print(table)
    print(f"{len(CASES)} mistakes and {len(FAULTS)} answers of AWS, {wrong} with the wrong checks")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
