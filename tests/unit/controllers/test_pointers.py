"""Pointers of schedules are read and written a few at a time, and a region that hangs holds up no other one."""

from __future__ import annotations

import asyncio
from typing import Any

from builders import target
from clocks import FakeClock
from reltio_export_operator.api.meta import ObjectMeta
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.controllers.access import Access
from reltio_export_operator.controllers.schedules.pointers import Outcome, Pointers
from reltio_export_operator.runtime.slots import SlotLimits, Slots


class Sessions(RoleSessions):
    """Its regions are silent when a test says it."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.silent: set[str] = set()

    def slots_by_region(self, limits: SlotLimits) -> Slots[str]:
        self.slots: Slots[str] = Slots(limits, lambda region: "Silent" if region in self.silent else "Answers")
        return self.slots


class Schedule:
    def __init__(self, name: str) -> None:
        self.metadata = ObjectMeta(name=name, namespace="mdm")


def in_region(region: str) -> ExportTarget:
    s3 = {"bucket": "lake", "path": "/x/", "roleARN": "arn:aws:iam::111122223333:role/r", "region": region}
    return target(spec={"s3": s3})


async def test_no_pointer_waits_for_those_of_a_region_that_does_not_answer() -> None:
    sessions, begun, hang = Sessions(), list[str](), asyncio.Event()

    class Hanging(Pointers):
        async def _read(self, schedule: Any, target: ExportTarget) -> Outcome:
            begun.append(schedule.metadata.name)
            await hang.wait()
            return Outcome()

    pointers = Hanging(Access(None, None), sessions, lambda key: None, FakeClock())  # type: ignore[arg-type]

    async def read(name: str, region: str) -> None:
        pointers.read(Schedule(name), in_region(region))  # type: ignore[arg-type]
        for _ in range(5):
            await asyncio.sleep(0)

    for number in range(6):
        await read(f"dead-{number}", "eu-south-1")
    await read("first", "eu-west-1")
    await read("second", "eu-west-1")
    assert begun == ["dead-0", "dead-1", "dead-2", "dead-3", "first"]
    sessions.silent.add("eu-south-1")
    sessions.slots.refill()
    for _ in range(5):
        await asyncio.sleep(0)
    assert begun[5:] == ["second"]
    await pointers.stop()
