"""Work that waits for a remote system holds no permit, and every permit comes back."""

from __future__ import annotations

import asyncio

import pytest

from reltio_export_operator.runtime.permits import CURRENT, Permits, without_permit


async def passes() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def started(permits: Permits, until: asyncio.Event, *, error: BaseException | None = None) -> asyncio.Task[None]:
    """Work that waits for a remote system until an event."""
    permit = permits.take()
    assert permit is not None

    async def work() -> None:
        CURRENT.set(permit)
        async with without_permit():
            await until.wait()
            if error is not None:
                raise error

    task = asyncio.create_task(work())
    task.add_done_callback(permit.ended)
    return task


async def test_others_work_while_one_waits_for_a_remote_system() -> None:
    permits, answered = Permits(1), asyncio.Event()
    task = started(permits, answered)
    await passes()
    other = permits.take()
    assert other is not None
    answered.set()
    await passes()
    assert not task.done(), "it waits for the permit of the other"
    other.ended()
    await task
    await passes()
    assert permits.free == 1


@pytest.mark.parametrize("error", [ValueError(), asyncio.CancelledError()])
async def test_a_permit_comes_back_after_an_error(error: BaseException) -> None:
    permits, answered = Permits(2), asyncio.Event()
    task = started(permits, answered, error=error)
    answered.set()
    await asyncio.gather(task, return_exceptions=True)
    await passes()
    assert permits.free == 2


@pytest.mark.parametrize("moment", ["before the first step", "in the call", "in the queue for the permit", "granted"])
async def test_a_permit_comes_back_after_a_cancellation(moment: str) -> None:
    permits, answered = Permits(1), asyncio.Event()
    task = started(permits, answered)
    other = None
    if moment != "before the first step":
        await passes()
    if moment in ("in the queue for the permit", "granted"):
        other = permits.take()
        answered.set()
        await passes()
    if moment == "granted":
        assert other is not None
        other.ended()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if other is not None:
        other.ended()
    await passes()
    assert permits.free == 1


async def test_concurrent_blocks_of_one_work_give_back_one_permit() -> None:
    permits = Permits(1)
    permit = permits.take()
    assert permit is not None
    CURRENT.set(permit)
    first, second = asyncio.Event(), asyncio.Event()

    async def call(until: asyncio.Event) -> None:
        async with without_permit():
            await until.wait()

    calls = asyncio.gather(call(first), call(second))
    await passes()
    assert permits.free == 1
    first.set()
    await passes()
    assert permits.free == 1
    second.set()
    await calls
    assert permits.free == 0
    permit.ended()
    assert permits.free == 1


async def test_new_work_starts_only_on_a_permit_that_nobody_waits_for() -> None:
    freed: list[int] = []
    permits, answered = Permits(1, lambda: freed.append(1)), asyncio.Event()
    task = started(permits, answered)
    await passes()
    assert freed == [1]
    other = permits.take()
    assert other is not None
    answered.set()
    await passes()
    other.ended()
    assert freed == [1], "the work that comes back gets it"
    await task


async def test_outside_of_a_work_queue_nothing_happens() -> None:
    async with without_permit():
        assert CURRENT.get() is None
