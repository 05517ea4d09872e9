"""All who want to read the same within a second share one read."""

from __future__ import annotations

import asyncio

import pytest

from clocks import FakeClock
from reltio_export_operator.controllers.jobs.shared_reads import SharedReads

LAKE, POND = ("mdm", "lake"), ("mdm", "pond")


class World:
    def __init__(self) -> None:
        self.clock, self.read, self.end, self.errors = FakeClock(), [], asyncio.Event(), []  # type: ignore[var-annotated]
        self.reads = SharedReads(self._read, self.clock)

    async def _read(self, key: tuple[str, str]) -> None:
        self.read.append(key)
        await self.end.wait()
        if self.errors:
            raise self.errors.pop()


async def test_reads_at_once_are_one_and_keys_are_apart() -> None:
    world = World()
    several = asyncio.gather(*(world.reads.read(key) for key in (LAKE, LAKE, POND)))
    await asyncio.sleep(0)
    world.end.set()
    await several
    assert sorted(world.read) == [LAKE, POND]


async def test_a_second_counts_from_the_begin_of_a_read() -> None:
    world = World()
    world.end.set()
    for passes in (0.0, 0.9, 0.1):
        world.clock.advance(passes)
        await world.reads.read(LAKE)
    assert world.read == [LAKE, LAKE]


async def test_a_failure_reaches_all_who_wait_and_is_not_shared_later() -> None:
    world = World()
    world.errors.append(OSError())
    several = asyncio.gather(world.reads.read(LAKE), world.reads.read(LAKE), return_exceptions=True)
    await asyncio.sleep(0)
    world.end.set()
    assert [type(one) for one in await several] == [OSError, OSError]
    await world.reads.read(LAKE)
    assert world.read == [LAKE, LAKE]


async def test_who_is_cancelled_does_not_take_the_read_from_others() -> None:
    world = World()
    first, second = (asyncio.create_task(world.reads.read(LAKE)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    world.end.set()
    await second
    assert world.read == [LAKE]
