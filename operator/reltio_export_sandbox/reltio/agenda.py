"""Simulated time: what is due, in order, and work done beside it."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

Action = Callable[[], None]


class Agenda:
    """Actions by the time at which they are due, and blocking work whose results come back in between.

    Time moves by `advance` alone. Waiting costs nothing: an action is touched when it is planned and when it is due.
    """

    def __init__(self, executor: Executor, now: float) -> None:
        self.now = now  # simulated seconds since the epoch
        self._executor = executor
        self._due: list[tuple[float, int, Action]] = []
        self._planned = 0
        self._done: deque[tuple[Future[Any], Callable[[Future[Any]], None]]] = deque()  # filled by threads

    def after(self, seconds: float, action: Action) -> None:
        self._planned += 1
        heapq.heappush(self._due, (self.now + max(0.0, seconds), self._planned, action))

    def work(self, job: Callable[[], Any], then: Callable[[Future[Any]], None]) -> None:
        """Run the job on the executor; `then` is called with its future from a later (or this) `advance`."""
        future = self._executor.submit(job)
        future.add_done_callback(lambda done: self._done.append((done, then)))

    def advance(self, seconds: float) -> None:
        """Let this time pass, and everything happen that is due in it, each at its time."""
        end = self.now + seconds
        self._take_results()
        while self._due and self._due[0][0] <= end:
            due, _, action = heapq.heappop(self._due)
            self.now = max(self.now, due)
            action()
            self._take_results()
        self.now = end

    def _take_results(self) -> None:
        while self._done:
            future, then = self._done.popleft()
            then(future)


class Inline(Executor):
    """Runs work at once, on the thread that asks for it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
