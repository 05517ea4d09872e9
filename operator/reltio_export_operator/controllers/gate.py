"""The gate of submissions: closed permanently when the process shuts down, and while it does not hold the Lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class GateClosedError(Exception):
    """This process may not act now."""


class SubmissionGate:
    """Counts submissions under way, from their intent to the record of their result.

    `may_submit` is called each time. It must be up to date at once, without waiting for the event loop.
    """

    def __init__(self, may_submit: Callable[[], bool] = lambda: True) -> None:
        self._may_submit = may_submit
        self._closed = False
        self._under_way = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def is_open(self) -> bool:
        return not self._closed and self._may_submit()

    def check(self) -> None:
        """Raise GateClosedError where `is_open` says no."""
        if not self.is_open():
            raise GateClosedError

    @property
    def under_way(self) -> int:
        return self._under_way

    def close(self) -> None:
        """Let nothing pass any more. Submissions under way that have not been sent are not sent."""
        self._closed = True

    @contextmanager
    def submission(self) -> Iterator[None]:
        """Count one submission as long as the block lasts. Raises GateClosedError before it begins."""
        self.check()
        self._under_way += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._empty.set()

    async def drained(self, within: float) -> bool:
        """Wait for submissions under way, for so many seconds at most. Whether none is left."""
        try:
            async with asyncio.timeout(within):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
