"""Runs blocking calls of AWS in threads, so that a place that does not answer takes no thread from the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from ..runtime.circuits import Circuits
from ..runtime.slots import SlotLimits, Slots
from .places import Place, Places, Requests

T = TypeVar("T")


class LimitedCalls:
    """The calls of one process: small ones and bulk reads have threads of their own, and know of the same places."""

    def __init__(self, circuits: Circuits, small: int, bulk: int) -> None:
        self._places = places = Places(circuits)
        self._pools: list[ThreadPoolExecutor] = []
        self.small = AwsCalls(self._pool("aws", small), places, SlotLimits.for_one_place(small))
        self.bulk = AwsCalls(self._pool("bulk", bulk), places, SlotLimits.for_one_place(bulk))

    def slots_by_region(self, limits: SlotLimits) -> Slots[str]:
        slots = Slots(limits, self._places.state_of_region)
        self._places.subscribe(slots.refill)
        return slots

    def shutdown(self) -> None:
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _pool(self, name: str, number: int) -> ThreadPoolExecutor:
        pool = ThreadPoolExecutor(SlotLimits.for_one_place(number).all, thread_name_prefix=name)
        self._pools.append(pool)
        return pool


class AwsCalls:
    """A pool of threads with as many as `limits` has slots."""

    def __init__(self, pool: Executor, places: Places, limits: SlotLimits) -> None:
        self._pool = pool
        self._places = places
        self._slots: Slots[Place | None] = Slots(limits, lambda place: places.state(place) if place else "Answers")
        places.subscribe(self._slots.refill)

    async def run(self, place: Place | None, namespace: str, call: Callable[[], T]) -> T:
        """Call it in a thread. `place`: where it is sent to, unless AWS redirects it; None: it sends nothing.

        Raises CallsPausedError before it is sent. A thread cannot be cancelled, so the slot of a caller that is
        cancelled is free when its thread is.
        """
        if place is None:
            return await self._run(None, namespace, lambda: (call, lambda: None))

        def begun() -> tuple[Callable[[], T], Callable[[], None]]:
            self._check(place)  # again, as this may have waited
            requests = Requests(self._places, place)
            return lambda: requests.made_by(call), requests.ended

        self._check(place)
        return await self._run(place, namespace, begun)

    async def _run(
        self, place: Place | None, namespace: str, begin: Callable[[], tuple[Callable[[], T], Callable[[], None]]]
    ) -> T:
        release = await self._slots.acquire(place, namespace)
        try:
            call, ended = begin()
        except BaseException:
            release()
            raise
        future = asyncio.get_running_loop().run_in_executor(self._pool, call)

        def done(future: asyncio.Future[T]) -> None:
            if not future.cancelled():
                future.exception()  # its caller may be gone
            ended()
            release()

        future.add_done_callback(done)
        return await asyncio.shield(future)

    def _check(self, place: Place) -> None:
        if paused := self._places.paused(place):
            raise paused


class UnlimitedCalls:
    """The calls of a process that serves one person: as many at once as the pools have threads."""

    def __init__(self, small: Executor, bulk: Executor) -> None:
        self.small, self.bulk = _Unlimited(small), _Unlimited(bulk)

    def slots_by_region(self, limits: SlotLimits) -> Slots[str]:
        return Slots(limits)


class _Unlimited:
    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    async def run(self, place: Place | None, namespace: str, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)
