"""Which slot is due: from the timetables of a schedule, its jitter, and what was planned."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from ..api.schedule import ExportSchedule
from .timetable import Timetable, timetable


@dataclass(frozen=True)
class Due:
    """The latest slot that is due. `skipped` is the latest slot before it that was due too, if there is one."""

    slot: datetime
    is_full: bool
    skipped: datetime | None


class Slots:
    """The slots of a schedule: those of `schedule` and those of `incremental.fullSchedule`, each once."""

    def __init__(self, schedule: ExportSchedule) -> None:
        """Raise InvalidSchedule if an expression or the zone cannot be used."""
        spec = schedule.spec
        full = spec.incremental.full_schedule if spec.incremental is not None else None
        self._full = timetable(full, spec.time_zone) if full is not None else None
        every = timetable(spec.schedule, spec.time_zone)
        self._tables = (every,) if self._full is None else (every, self._full)
        self.jitter = timedelta(seconds=_jitter(schedule.metadata.uid, spec.jitter_seconds, self._tables))
        # What a planned time depends on. A change of it makes a new plan.
        self.identity = " | ".join([spec.schedule, full or "-", spec.time_zone, str(spec.jitter_seconds)])

    def planned_after(self, moment: datetime) -> datetime | None:
        """When the first slot after a moment runs, with its jitter."""
        slots = [slot for table in self._tables if (slot := table.next_after(moment)) is not None]
        return min(slots) + self.jitter if slots else None

    def due(self, planned: datetime, now: datetime) -> Due | None:
        """The slot to run now, if the earliest one that was not handled was planned for that time."""
        first, until = planned - self.jitter, now - self.jitter
        latest = self._latest(until)
        if latest is None or latest < first or now < planned:
            return None
        full = self._full.latest(until) if self._full is not None else None
        before = self._latest(latest - timedelta(seconds=1))
        return Due(
            slot=latest,
            is_full=full is not None and full >= first,
            skipped=before if before is not None and before >= first else None,
        )

    def _latest(self, moment: datetime) -> datetime | None:
        return max((slot for table in self._tables if (slot := table.latest(moment)) is not None), default=None)


def _jitter(uid: str, limit: int, tables: tuple[Timetable, ...]) -> int:
    """Seconds, the same for each run of a schedule, and less than the time between two of its runs."""
    if limit <= 0:
        return 0
    shortest = min(int(_shortest_interval(table).total_seconds()) for table in tables)
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8]) % max(1, min(limit, shortest))


@lru_cache(maxsize=1024)
def _shortest_interval(table: Timetable) -> timedelta:
    return table.shortest_interval()
