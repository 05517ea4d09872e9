"""Who goes next: places at a target, given in the order of creation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """What the queue knows of an unfinished job."""

    uid: str
    created: datetime
    name: str
    active: bool  # has an intent on record, so holds a place
    eligible: bool  # wants a place: not suspended, not in backoff, not being deleted

    @property
    def order(self) -> tuple[datetime, str, str]:
        return self.created, self.name, self.uid


def active_jobs(entries: Iterable[Entry]) -> int:
    return sum(entry.active for entry in entries)


def ahead_of(uid: str, entries: Iterable[Entry], places: int) -> int:
    """How many jobs must move before this one may begin; 0 means that it may begin now.

    A job that holds a place waits for nobody: its intent may have been refused after its attempt was annotated.
    """
    listed = tuple(entries)
    mine = next((entry for entry in listed if entry.uid == uid), None)
    if mine is None or mine.active:
        return 0
    waiting_before = sum(1 for entry in listed if not entry.active and entry.eligible and entry.order < mine.order)
    free = places - active_jobs(listed)
    return max(0, waiting_before + 1 - free)
