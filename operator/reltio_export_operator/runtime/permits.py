"""Permits to work. Work that waits for a remote system gives its permit back meanwhile, so that others can work."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar


class Permits:
    """So many permits. Work that has waited for a remote system gets one before new work does, in order.

    `on_free` is called when a permit is free that nobody waits for.
    """

    def __init__(self, number: int, on_free: Callable[[], None] = lambda: None) -> None:
        self._free = number
        self._on_free = on_free
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        return self._free

    def take(self) -> Permit | None:
        """A permit, if one is free."""
        if not self._free:
            return None
        self._free -= 1
        return Permit(self)

    async def acquire(self) -> None:
        if self._free:
            self._free -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # it was given one, and is cancelled before it could use it
            else:
                self._waiters.remove(waiter)
            raise

    def release(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1
        self._on_free()


class Permit:
    """The permit of one piece of work."""

    def __init__(self, permits: Permits) -> None:
        self._permits = permits
        self._is_held = True
        self._away = 0
        self._has_ended = False

    def ended(self, _: object = None) -> None:
        """The work has ended: a callback of its task, so that it holds also for a task that was never run."""
        self._has_ended = True
        self._give_back()

    @asynccontextmanager
    async def given_back(self) -> AsyncIterator[None]:
        """Without the permit for this block. Blocks may be nested, and run in several tasks of the work.

        After a cancellation the permit is not taken again: the work ends.
        """
        self._away += 1
        self._give_back()
        try:
            yield
        except asyncio.CancelledError:
            self._away -= 1
            raise
        except BaseException:
            await self._take_again()
            raise
        else:
            await self._take_again()

    async def _take_again(self) -> None:
        self._away -= 1
        if self._away or self._has_ended:
            return
        await self._permits.acquire()
        self._is_held = True
        if self._has_ended:
            self._give_back()

    def _give_back(self) -> None:
        if self._is_held:
            self._is_held = False
            self._permits.release()


CURRENT: ContextVar[Permit | None] = ContextVar("permit", default=None)


@asynccontextmanager
async def without_permit() -> AsyncIterator[None]:
    """Wait for a remote system in this block, and let others work meanwhile. Does nothing outside of a work queue."""
    permit = CURRENT.get()
    if permit is None:
        yield
        return
    async with permit.given_back():
        yield
