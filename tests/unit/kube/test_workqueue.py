"""Keys that wait for a time cost little, however often they are looked at before."""

from __future__ import annotations

import asyncio

from reltio_export_operator.kube.workqueue import WorkQueue


async def test_a_key_woken_often_before_a_far_deadline_leaves_no_pile() -> None:
    looks = 0
    enough = asyncio.Event()

    async def look(key: str) -> float | None:
        nonlocal looks
        looks += 1
        if looks >= 2_000:
            enough.set()
        else:
            queue.add(key)
        return 86_400.0

    queue: WorkQueue[str] = WorkQueue(look, workers=1)
    queue.add("job")
    running = asyncio.create_task(queue.run())
    await enough.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for _ in range(2_000):
        queue.add_after("job", 3_600.0)
        queue.add("job")
    assert len(queue._heap) < 100


async def test_a_sweep_loses_no_key_that_is_due() -> None:
    done: list[int] = []
    all_done = asyncio.Event()

    async def look(key: int) -> float | None:
        done.append(key)
        if len(done) == 200:
            all_done.set()
        return None

    queue: WorkQueue[int] = WorkQueue(look, workers=4)
    for key in range(200):
        queue.add_after(key, 0.02)
        queue.add_after(key, 0.01)
        queue.add_after(key, 0.005)
    running = asyncio.create_task(queue.run())
    await all_done.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(done) == list(range(200))
