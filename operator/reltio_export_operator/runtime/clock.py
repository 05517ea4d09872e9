"""Time, as one object that a test can replace."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import Protocol


def _clock_id() -> int:
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    if boot is not None:
        with contextlib.suppress(OSError):
            time.clock_gettime(boot)
            return int(boot)
    return time.CLOCK_MONOTONIC


_CLOCK = _clock_id()


def process_clock() -> float:
    """Seconds on a clock that cannot be set, and that also counts the time for which the machine is suspended."""
    return time.clock_gettime(_CLOCK)


class Clock(Protocol):
    """The wall clock for what people read, and a monotonic one for what must be waited out."""

    def utc_now(self) -> datetime: ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The clock of the machine."""

    def utc_now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return process_clock()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()
