"""A work queue of keys, as in client-go.

A key is never reconciled twice at the same time; added while it is being reconciled, it is reconciled once more
afterwards. Namespaces take turns. A reconcile that waits for a remote system does so `without_permit`, and another one
runs meanwhile. One timer serves all delayed keys, so that each costs a heap entry and no task.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from ..api.foreign import KNOWN, PROCESS
from ..runtime.failures import explain, is_outage
from ..runtime.fair import FairQueue
from ..runtime.logs import object_fields
from ..runtime.permits import CURRENT, Permits

Key = TypeVar("Key", bound=Hashable)
_log = logging.getLogger(__name__)
_MIN_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS = 1.0, 60.0
_MAX_STALE_ENTRIES = 64  # of the heap, beyond one for each delayed key


class WorkQueue(Generic[Key]):
    """Runs `work(key)` for added keys with at most `workers` at a time, not counting those that wait `without_permit`.

    `work` returns the seconds after which to requeue the key, or None. After an exception, the key is requeued with
    exponential backoff.
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
        self._permits = Permits(workers, self._start_work)
        self._group: asyncio.TaskGroup | None = None  # while the queue runs
        self._context = contextvars.Context()
        self._ready: FairQueue[Key] = FairQueue()
        self._busy: set[Key] = set()
        self._dirty: set[Key] = set()
        self._errors: dict[Key, tuple[int, str]] = {}  # failures in a row, and the last error
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._pushed = 0
        self._wake = asyncio.Event()

    @property
    def depth(self) -> int:
        """Keys that are due and wait for a worker."""
        return len(self._ready)

    def add(self, key: Key) -> None:
        """Queue the key."""
        self._due.pop(key, None)
        if key in self._busy:
            self._dirty.add(key)
        else:
            self._ready.push(key)
            self._start_work()

    def add_after(self, key: Key, seconds: float) -> None:
        """Queue the key after this time. An earlier time that was set before stays."""
        if seconds <= 0:
            self.add(key)
            return
        due = asyncio.get_running_loop().time() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._pushed += 1
            heapq.heappush(self._heap, (due, self._pushed, key))
            if len(self._heap) > 2 * len(self._due) + _MAX_STALE_ENTRIES:
                self._drop_stale()
            self._wake.set()

    def _drop_stale(self) -> None:
        """Remove entries of keys that were queued before they were due; otherwise they would stay for hours."""
        self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)

    async def run(self) -> None:
        """Work until cancelled."""
        self._context = contextvars.copy_context()  # a reconcile must not get that of the code that added its key
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(self._watch_clock())
            self._start_work()

    def _start_work(self) -> None:
        """Start as many reconciles as there are keys and permits. Called whenever there may be one more of either."""
        while self._group is not None and self._ready and (permit := self._permits.take()) is not None:
            key = self._ready.pop()
            context = self._context.copy()
            context.run(CURRENT.set, permit)
            work = self._reconcile(key)
            try:
                task = self._group.create_task(work, context=context)
            except RuntimeError:  # the group is shutting down
                self._group = None
                self._ready.push(key)
                work.close()
                permit.ended()
            else:
                self._busy.add(key)
                task.add_done_callback(permit.ended)

    async def _reconcile(self, key: Key) -> None:
        began, failed = asyncio.get_running_loop().time(), False
        try:
            after = await self._work(key)
            self._errors.pop(key, None)
        except (Exception, asyncio.CancelledError) as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            failed = True  # also where the work waited for something that was cancelled
            after = self._failed(key, error)
        finally:
            self._busy.discard(key)
        self._observe(asyncio.get_running_loop().time() - began, failed)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)
        elif after is not None:
            self.add_after(key, after)

    def _failed(self, key: Key, error: BaseException) -> float:
        """Log the error, unless it is the last one of this key. Returns the backoff in seconds."""
        failures, before = self._errors.get(key, (0, ""))
        namespace = key[0] if isinstance(key, tuple) and len(key) == 2 else PROCESS
        why = explain(error, KNOWN.of([PROCESS, namespace]))
        self._errors[key] = failures + 1, why
        after = min(_MAX_BACKOFF_SECONDS, _MIN_BACKOFF_SECONDS * 2.0 ** min(failures, 10))
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
                if self._due.get(key) == due:  # otherwise the entry is stale
                    self.add(key)
            timeout = self._heap[0][0] - loop.time() if self._heap else None
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except TimeoutError:
                continue
