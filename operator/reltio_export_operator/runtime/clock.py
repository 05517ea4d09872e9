"""The clock for what must not outlast its time, also when the machine sleeps meanwhile."""

from __future__ import annotations

import contextlib
import time


def _clock_id() -> int:
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    if boot is not None:
        with contextlib.suppress(OSError):
            time.clock_gettime(boot)
            return int(boot)
    return time.CLOCK_MONOTONIC


_CLOCK = _clock_id()


def process_clock() -> float:
    """Seconds on a clock that nobody can set, and that runs on while the machine is suspended, where there is one."""
    return time.clock_gettime(_CLOCK)
