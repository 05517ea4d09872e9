"""How many verifications use AWS at once: those whose tenant answered go first, and namespaces take turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...runtime.fair import FairQueue
from ..cache import Key

_Item = tuple[str, str, int]


class ProbeSlots:
    """So many slots. At most half of them are for verifications that are not `eager`, but at least one is."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._free_for_others = max(1, number // 2)
        self._eager: FairQueue[_Item] = FairQueue()
        self._others: FairQueue[_Item] = FairQueue()
        self._waiters: dict[_Item, asyncio.Future[None]] = {}
        self._count = 0

    @asynccontextmanager
    async def slot(self, key: Key, *, eager: bool) -> AsyncIterator[None]:
        """Wait for a slot, and hold it for this block."""
        await self._acquire(key, eager)
        try:
            yield
        finally:
            self._release(eager)

    async def _acquire(self, key: Key, eager: bool) -> None:
        self._count += 1
        item = (*key, self._count)
        waiter = self._waiters[item] = asyncio.get_running_loop().create_future()
        queue = self._eager if eager else self._others
        queue.push(item)
        self._grant()
        try:
            await waiter
        except asyncio.CancelledError:
            queue.discard(item)
            if self._waiters.pop(item, None) is None:
                self._release(eager)  # it was granted, and is cancelled before it could be used
            raise

    def _release(self, eager: bool) -> None:
        self._free += 1
        self._free_for_others += not eager
        self._grant()

    def _grant(self) -> None:
        while self._free and (self._eager or (self._others and self._free_for_others)):
            if self._eager:
                item = self._eager.pop()
            else:
                item = self._others.pop()
                self._free_for_others -= 1
            self._free -= 1
            waiter = self._waiters.pop(item)
            if not waiter.done():
                waiter.set_result(None)
