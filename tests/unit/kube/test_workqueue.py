"""Keys are reconciled one at a time, by turns of namespaces, and delayed keys use little memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from reltio_export_operator.kube.workqueue import WorkQueue
from reltio_export_operator.runtime.permits import without_permit

Key = tuple[str, str]


@asynccontextmanager
async def runs(queue: WorkQueue[Key]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(queue.run())
    try:
        await passes()
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def passes() -> None:
    for _ in range(500):
        await asyncio.sleep(0)


async def test_a_reconcile_that_waits_for_a_remote_system_holds_no_worker() -> None:
    done: list[Key] = []

    async def reconcile(key: Key) -> None:
        if key[0] == "dead":
            async with without_permit():
                await asyncio.Event().wait()
        done.append(key)

    queue: WorkQueue[Key] = WorkQueue(reconcile, workers=2)
    async with runs(queue):
        for number in range(200):
            queue.add(("dead", str(number)))
        queue.add(("healthy", "job"))
        await passes()
        assert done == [("healthy", "job")]
        assert queue.depth == 0


async def test_a_key_that_waits_for_a_remote_system_is_not_reconciled_a_second_time_meanwhile() -> None:
    running = most = reconciles = 0
    answered = asyncio.Event()

    async def reconcile(key: Key) -> None:
        nonlocal running, most, reconciles
        running, reconciles = running + 1, reconciles + 1
        most = max(most, running)
        async with without_permit():
            await answered.wait()
        running -= 1

    queue: WorkQueue[Key] = WorkQueue(reconcile, workers=4)
    async with runs(queue):
        for _ in range(3):
            queue.add(("mdm", "job"))
            await passes()
        assert (most, reconciles) == (1, 1)
        answered.set()
        await passes()
        assert (most, reconciles) == (1, 2)


async def test_a_namespace_with_5000_keys_delays_another_by_one_reconcile() -> None:
    done: list[Key] = []

    async def reconcile(key: Key) -> None:
        done.append(key)
        await asyncio.sleep(0)

    queue: WorkQueue[Key] = WorkQueue(reconcile, workers=1)
    for number in range(5_000):
        queue.add(("busy", str(number)))
    queue.add(("quiet", "job"))
    async with runs(queue):
        assert done.index(("quiet", "job")) <= 1


async def test_work_that_waited_for_something_that_was_cancelled_is_repeated() -> None:
    tries = 0

    async def reconcile(key: Key) -> None:
        nonlocal tries
        tries += 1
        cancelled = asyncio.get_running_loop().create_future()
        cancelled.cancel()
        await cancelled

    queue: WorkQueue[Key] = WorkQueue(reconcile, workers=1)
    queue.add(("mdm", "job"))
    async with runs(queue):
        assert tries == 1
        assert queue._due, "it is repeated after the backoff"
        queue.add(("mdm", "job"))
        await passes()
        assert tries == 2, "the worker is still there"


async def test_a_queue_that_is_cancelled_ends_all_its_work_and_takes_no_more() -> None:
    ended: list[Key] = []

    async def reconcile(key: Key) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(key)

    queue: WorkQueue[Key] = WorkQueue(reconcile, workers=2)
    for name in ("one", "two", "three"):
        queue.add(("mdm", name))
    async with runs(queue) as task:
        pass
    assert task.cancelled()
    assert sorted(ended) == [("mdm", "one"), ("mdm", "two")]
    queue.add(("mdm", "four"))
    await passes()
    assert queue.depth == 2


async def test_a_reconcile_does_not_see_the_context_of_the_code_that_added_its_key() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")
    seen: list[str] = []

    async def reconcile(key: Key) -> None:
        seen.append(variable.get())

    queue: WorkQueue[Key] = WorkQueue(reconcile, workers=1)
    async with runs(queue):
        variable.set("of an event handler")
        queue.add(("mdm", "job"))
        await passes()
    assert seen == [""]


async def test_stale_entries_of_a_key_are_removed() -> None:
    reconciles = 0
    enough = asyncio.Event()

    async def reconcile(key: str) -> float | None:
        nonlocal reconciles
        reconciles += 1
        if reconciles >= 2_000:
            enough.set()
        else:
            queue.add(key)
        return 86_400.0

    queue: WorkQueue[str] = WorkQueue(reconcile, workers=1)
    queue.add("job")
    running = asyncio.create_task(queue.run())
    await enough.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for _ in range(2_000):
        queue.add_after("job", 3_600.0)
        queue.add("job")
    assert len(queue._heap) < 100


async def test_removing_stale_entries_keeps_every_key_that_is_due() -> None:
    done: list[int] = []
    all_done = asyncio.Event()

    async def reconcile(key: int) -> float | None:
        done.append(key)
        if len(done) == 200:
            all_done.set()
        return None

    queue: WorkQueue[int] = WorkQueue(reconcile, workers=4)
    for key in range(200):
        queue.add_after(key, 0.02)
        queue.add_after(key, 0.01)
        queue.add_after(key, 0.005)
    running = asyncio.create_task(queue.run())
    await all_done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(done) == list(range(200))
