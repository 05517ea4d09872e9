"""How long this process has known of something, by a clock that nobody can set."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable


class StateTimer:
    """Ages of states by key and topic. A state that is another one than before starts anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[tuple[Hashable, str], tuple[Hashable, float]] = {}

    def age(self, key: Hashable, topic: str, state: Hashable | None) -> float:
        """Seconds since the key was first asked about in this state; 0 in none (None)."""
        if state is None:
            self._since.pop((key, topic), None)
            return 0.0
        known = self._since.get((key, topic))
        if known is None or known[0] != state:
            known = self._since[key, topic] = (state, self._clock())
        return self._clock() - known[1]

    def forget(self, key: Hashable, *topics: str) -> None:
        for topic in topics:
            self._since.pop((key, topic), None)
