"""Delayed keys use little memory, however often they are queued before."""

from __future__ import annotations

import asyncio

from reltio_export_operator.kube.workqueue import WorkQueue


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
