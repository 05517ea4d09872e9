"""How long this process has observed a state, on the monotonic clock."""

from __future__ import annotations

from collections.abc import Hashable

from ...runtime.clock import Clock


class StateTimer:
    """Durations of states, by key and topic. A different state starts from zero."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[tuple[Hashable, str], tuple[Hashable, float]] = {}

    def elapsed(self, key: Hashable, topic: str, state: Hashable | None) -> float:
        """Seconds since the first call with this state; 0 if there is no state (None)."""
        if state is None:
            self._since.pop((key, topic), None)
            return 0.0
        known = self._since.get((key, topic))
        if known is None or known[0] != state:
            known = self._since[key, topic] = (state, self._clock.monotonic())
        return self._clock.monotonic() - known[1]

    def forget(self, key: Hashable, *topics: str) -> None:
        for topic in topics:
            self._since.pop((key, topic), None)
