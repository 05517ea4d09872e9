"""Clocks that tests set."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

START = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)


class FakeClock:
    """Time that passes only when a test advances it, and while something sleeps."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self.seconds = 0.0
        self.slept: list[float] = []

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    def utc_now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)
