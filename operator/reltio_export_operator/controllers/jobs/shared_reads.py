"""Reads that all who want the same within a second share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ...runtime.clock import Clock
from ..cache import Key

_SHARED_SECONDS = 1.0
_MANY = 1000  # reads that are remembered before the old ones are dropped


class SharedReads:
    """Each read counts from when it began: what it found is at most a second old."""

    def __init__(self, read: Callable[[Key], Awaitable[None]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._reads: dict[Key, tuple[float, asyncio.Future[None]]] = {}

    async def read(self, key: Key) -> None:
        """Read, or wait for a read that began within the last second. Raises what the read raises."""
        began, reading = self._reads.get(key, (0.0, None))
        now = self._clock.monotonic()
        if reading is None or now - began >= _SHARED_SECONDS or _has_failed(reading):
            if len(self._reads) >= _MANY:
                self._drop_old(now)
            reading = asyncio.ensure_future(self._read(key))
            self._reads[key] = (now, reading)
        if not reading.done():
            await asyncio.wait([reading])  # not the reading itself: it continues when one that waits is cancelled
        reading.result()

    def _drop_old(self, now: float) -> None:
        self._reads = {key: one for key, one in self._reads.items() if now - one[0] < _SHARED_SECONDS}


def _has_failed(reading: asyncio.Future[None]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)
