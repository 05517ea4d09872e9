"""Who goes next: places at a target, given in the order of creation. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from datetime import datetime

Order = tuple[datetime, str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the queue knows of an unfinished job."""

    uid: str
    created: datetime
    name: str
    active: bool  # has an intent on record, so holds a place
    eligible: bool  # wants a place: not suspended, not in backoff, not being deleted

    @property
    def order(self) -> Order:
        return self.created, self.name, self.uid

    @property
    def waits(self) -> bool:
        return self.eligible and not self.active


class TargetQueue:
    """The unfinished jobs of one target, by name. Those that wait for a place are kept sorted.

    A job is found, put and dropped with O(log n) comparisons.

    Each waiting job is announced once when it may begin (`newly_admitted`). Its reconcile must ask `position`; if that
    is not 0, the job is announced again when it may begin. So no job that may begin is left without a reconcile.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._waiting: list[Order] = []
        self._unannounced: list[Order] = []  # those of the waiting jobs that are to be announced
        self.active = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        return list(self._entries)

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def put(self, entry: Entry, *, announced: bool = False) -> None:
        """Add a job, or replace what is known of it. `announced`: its reconcile is about to ask for its position."""
        earlier = self._entries.get(entry.name)
        is_same = earlier is not None and earlier.uid == entry.uid and earlier.waits
        announced = announced or (is_same and not _holds(self._unannounced, entry.order))
        if earlier != entry:
            self.drop(entry.name)
            self._entries[entry.name] = entry
            self.active += entry.active
            if entry.waits:
                insort(self._waiting, entry.order)
        self._mark(entry, announced=announced)

    def drop(self, name: str) -> Entry | None:
        entry = self._entries.pop(name, None)
        if entry is None:
            return None
        self.active -= entry.active
        for orders in (self._waiting, self._unannounced):
            _remove(orders, entry.order)
        return entry

    def position(self, name: str, uid: str, places: int) -> int:
        """How many jobs must move before this one may begin; 0 means that it may begin now.

        A job that holds a place waits for nobody: its intent may have been refused after its attempt was annotated.
        Called for the reconcile of this job, which counts as announced if it may begin.
        """
        entry = self._entries.get(name)
        if entry is None or entry.uid != uid or entry.active:
            return 0
        position = max(0, bisect_left(self._waiting, entry.order) + 1 - (places - self.active))
        self._mark(entry, announced=not position)
        return position

    def newly_admitted(self, places: int) -> list[str]:
        """The jobs that may begin and have not been announced. They are announced by this."""
        names = []
        while self._unannounced and bisect_left(self._waiting, self._unannounced[0]) < places - self.active:
            names.append(self._unannounced.pop(0)[1])
        return names

    def first(self, count: int, places: int) -> list[str]:
        """The first jobs that wait for a place: as many may begin as there are free ones."""
        free = max(0, places - self.active)
        return [name for _, name, _ in self._waiting[free : free + count]]

    def _mark(self, entry: Entry, *, announced: bool) -> None:
        if announced or not entry.waits:
            _remove(self._unannounced, entry.order)
        elif not _holds(self._unannounced, entry.order):
            insort(self._unannounced, entry.order)


def _holds(orders: list[Order], order: Order) -> bool:
    index = bisect_left(orders, order)
    return index < len(orders) and orders[index] == order


def _remove(orders: list[Order], order: Order) -> None:
    if _holds(orders, order):
        del orders[bisect_left(orders, order)]
