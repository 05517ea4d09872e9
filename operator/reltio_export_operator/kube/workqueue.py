"""A queue of keys to look at, in the manner of client-go's work queue.

A key is never worked on twice at once; asked for while it is being worked on, it is looked at once more after.
One timer serves all keys that wait for a time, so a waiting key costs a heap entry and no task.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from ..runtime.failures import explain, is_outage
from ..runtime.logs import object_fields

Key = TypeVar("Key", bound=Hashable)
_log = logging.getLogger(__name__)
_ERROR_BASE, _ERROR_CAP = 1.0, 60.0
_SLACK = 64  # entries of the heap that may be stale before it is swept


class WorkQueue(Generic[Key]):
    """Runs `work(key)` for keys added, with at most `workers` at once.

    `work` returns the seconds until the key wants to be looked at again, or None. When it raises, the key is
    tried again with exponential backoff.
    """

    def __init__(
        self,
        work: Callable[[Key], Awaitable[float | None]],
        *,
        workers: int,
        kind: str = "object",
        observe: Callable[[float, bool], None] = lambda seconds, failed: None,
    ) -> None:
        self._work = work
        self._kind = kind
        self._observe = observe
        self._workers = workers
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: set[Key] = set()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._errors: dict[Key, tuple[int, str]] = {}  # how often in a row, and why the last time
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._pushed = 0
        self._wake = asyncio.Event()

    @property
    def depth(self) -> int:
        """Keys that wait to be worked on now."""
        return self._ready.qsize()

    def add(self, key: Key) -> None:
        """Look at the key as soon as possible."""
        self._due.pop(key, None)
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Look at the key after this time, or earlier when it is asked for earlier."""
        if seconds <= 0:
            self.add(key)
            return
        due = asyncio.get_running_loop().time() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._pushed += 1
            heapq.heappush(self._heap, (due, self._pushed, key))
            if len(self._heap) > 2 * len(self._due) + _SLACK:
                self._drop_stale()
            self._wake.set()

    def _drop_stale(self) -> None:
        """Entries of keys that were looked at earlier than they were due: far ones would pile up for hours."""
        self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_clock())
            for _ in range(self._workers):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._busy.add(key)
            began, failed = asyncio.get_running_loop().time(), False
            try:
                after = await self._work(key)
                self._errors.pop(key, None)
            except Exception as error:
                failed = True
                after = self._failed(key, error)
            finally:
                self._busy.discard(key)
            self._observe(asyncio.get_running_loop().time() - began, failed)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif after is not None:
                self.add_after(key, after)

    def _failed(self, key: Key, error: Exception) -> float:
        """Log why, unless it is what was logged for this key before. Returns the backoff in seconds."""
        failures, before = self._errors.get(key, (0, ""))
        why = explain(error)
        self._errors[key] = failures + 1, why
        after = min(_ERROR_CAP, _ERROR_BASE * 2.0 ** min(failures, 10))
        if why != before:
            parts = key if isinstance(key, tuple) and len(key) == 2 else ("", str(key))
            _log.warning(
                "Cannot reconcile %s %s: %s. Retrying.",
                self._kind,
                "/".join(filter(None, parts)),
                why,
                exc_info=None if is_outage(error) else error,
                extra=object_fields(self._kind, *parts, reason="ReconcileFailed"),
            )
        return after

    async def _watch_clock(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            while self._heap and self._heap[0][0] <= loop.time():
                due, _, key = heapq.heappop(self._heap)
                if self._due.get(key) == due:  # otherwise the key was asked for earlier
                    self.add(key)
            pause = self._heap[0][0] - loop.time() if self._heap else None
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except TimeoutError:
                continue
