"""How far back the history of a tenant has to be read."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.task import ObservedTask

_OLD_PAGES = 2  # in a row, after which no newer task is expected


class RecentHistory:
    """Called with each page of new tasks, returns whether all tasks that were created since a time have been read.

    The service shows the latest tasks first in its examples, but does not promise it. So the order is observed. As long
    as the tasks come newest first, by their creation or by their end, two whole pages of older tasks end the reading.
    Once they prove to be in another order, only the end of the list does.
    """

    def __init__(self, since_ms: int) -> None:
        self._since_ms = since_ms
        self._old_pages = 0
        self._by_creation = _Descending()
        self._by_end = _Descending()

    def __call__(self, page: Sequence[ObservedTask]) -> bool:
        for task in page:
            self._by_creation.add(task.created_ms)
            self._by_end.add(task.ended_ms if task.ended_ms is not None else task.created_ms)
        is_old = all(_last_ms(task) < self._since_ms for task in page)
        self._old_pages = self._old_pages + 1 if is_old else 0
        is_ordered = self._by_creation.holds or self._by_end.holds
        return is_ordered and self._old_pages >= _OLD_PAGES


class _Descending:
    """Whether all values so far came in descending order. A missing value proves that they did not."""

    def __init__(self) -> None:
        self.holds = True
        self._last: int | None = None

    def add(self, value: int | None) -> None:
        if value is None or (self._last is not None and value > self._last):
            self.holds = False
        self._last = value


def _last_ms(task: ObservedTask) -> float:
    """The last time that the task shows; a task without times counts as new."""
    return max((moment for moment in (task.created_ms, task.ended_ms) if moment is not None), default=float("inf"))
