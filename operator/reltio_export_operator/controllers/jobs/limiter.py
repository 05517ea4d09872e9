"""Limits concurrent calls by key: a tenant whose service hangs must not use up the workers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class KeyedLimiter(Generic[Key]):
    """At most `limit` concurrent calls for each place. A key that was refused is woken when a call has ended."""

    def __init__(self, limit: int, wake: Callable[[Key], None]) -> None:
        self._limit = limit
        self._wake = wake
        self._held: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, dict[Key, None]] = defaultdict(dict)

    @contextmanager
    def acquire(self, place: Hashable, key: Key) -> Iterator[bool]:
        """Yields whether the limit allows a call; if so, the block counts as one."""
        if self._held[place] >= self._limit:
            self._waiting[place][key] = None
            yield False
            return
        self._held[place] += 1
        try:
            yield True
        finally:
            self._leave(place)

    def forget(self, key: Key) -> None:
        """The key wants no call any more."""
        for place in [place for place, waiting in self._waiting.items() if key in waiting]:
            del self._waiting[place][key]
            if not self._waiting[place]:
                del self._waiting[place]

    def _leave(self, place: Hashable) -> None:
        self._held[place] -= 1
        if not self._held[place]:
            del self._held[place]
        waiting = self._waiting.get(place, {})
        if waiting:
            first = next(iter(waiting))
            del waiting[first]
            self._wake(first)
        if not waiting:
            self._waiting.pop(place, None)
