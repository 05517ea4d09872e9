"""Slots for work that waits for services at several places, such as regions: one that hangs holds up no other one."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from .fair import FairQueue

P = TypeVar("P", bound=Hashable)
# New: never called. Overdue: it answered until a call that waits for long. Silent: the last call had no answer.
State = Literal["Answers", "New", "Overdue", "Silent"]
_OUT_OF_THE_WAY = ("Overdue", "Silent")


@dataclass(frozen=True)
class SlotLimits:
    """`place`: for one place, `total`: for all that answer, `silent`: how many more there are for those that do not."""

    place: int
    total: int
    silent: int

    @classmethod
    def for_one_place(cls, number: int) -> SlotLimits:
        """One place may use `number`, and a quarter more is left to the others."""
        return cls(number, number + max(1, number // 4), 2 * number)

    @property
    def all(self) -> int:
        return self.total + self.silent


@dataclass(frozen=True)
class _Waiter(Generic[P]):
    namespace: str
    place: P
    is_eager: bool
    number: int


class Slots(Generic[P]):
    """Work at a place that does not answer counts apart, and one at a time is enough to find out that it answers again.

    So does work that began while the place still answered: what it holds is free for other places from then on. An
    overdue answer has that effect only, as the machine may be slow, and not the place. Half of
    the slots is for eager work only. Places take turns, and so do namespaces at each of them.
    """

    def __init__(self, limits: SlotLimits, state: Callable[[P], State] = lambda place: "Answers") -> None:
        self._limits = limits
        self._others = max(1, limits.place // 2)
        self._state = state
        self._held: Counter[P] = Counter()  # by place
        self._held_by_others = 0
        self._waiting: OrderedDict[tuple[P, bool], FairQueue[_Waiter[P]]] = OrderedDict()
        self._granted: dict[_Waiter[P], asyncio.Future[None]] = {}
        self._count = 0

    @property
    def held(self) -> int:
        return self._held.total()

    @property
    def waiting(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    @asynccontextmanager
    async def slot(self, place: P, namespace: str, *, eager: bool = True) -> AsyncIterator[None]:
        """Wait for a slot, and hold it for this block."""
        release = await self.acquire(place, namespace, eager=eager)
        try:
            yield
        finally:
            release()

    async def acquire(self, place: P, namespace: str, *, eager: bool = True) -> Callable[[], None]:
        """Wait for a slot. Returns what gives it back, which is to be called once."""
        self._count += 1
        waiter = _Waiter(namespace, place, eager, self._count)
        granted = self._granted[waiter] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault((place, eager), FairQueue(lambda one: one.namespace)).push(waiter)
        self.refill()
        try:
            await granted
        except asyncio.CancelledError:
            if self._granted.pop(waiter, None) is None:
                self._release(waiter)  # it was granted, and is cancelled before it could be used
            else:
                self._waiting[place, eager].discard(waiter)
                self._drop_empty(waiter)
            raise
        return lambda: self._release(waiter)

    def refill(self) -> None:
        """Give free slots to those that wait. To be called when the state of a place has changed."""
        while (waiter := self._next()) is not None:
            self._held[waiter.place] += 1
            self._held_by_others += not waiter.is_eager
            granted = self._granted.pop(waiter)
            if not granted.done():  # or it is cancelled, and about to give the slot back
                granted.set_result(None)

    def _next(self) -> _Waiter[P] | None:
        """Take the next one from its queue: of the first place that has room, the eager ones first."""
        if not self._waiting or self.held >= self._limits.all:
            return None
        answering = sum(count for place, count in self._held.items() if self._state(place) not in _OUT_OF_THE_WAY)
        for is_eager in (True, False):
            for place in self._places(is_eager):
                if self._has_room(place, is_eager, answering):
                    waiter = self._waiting[place, is_eager].pop()
                    self._waiting.move_to_end((place, is_eager))
                    self._drop_empty(waiter)
                    return waiter
        return None

    def _places(self, is_eager: bool) -> Iterator[P]:
        return (place for place, eager in list(self._waiting) if eager is is_eager)

    def _has_room(self, place: P, is_eager: bool, answering: int) -> bool:
        if not is_eager and self._held_by_others >= self._others:
            return False
        state, held = self._state(place), self._held[place]
        is_allowed = held < (self._limits.place if state in ("Answers", "Overdue") else 1)
        if state in _OUT_OF_THE_WAY:
            return is_allowed and self.held - answering < self._limits.silent
        return is_allowed and answering < self._limits.total

    def _drop_empty(self, waiter: _Waiter[P]) -> None:
        if not self._waiting[waiter.place, waiter.is_eager]:
            del self._waiting[waiter.place, waiter.is_eager]

    def _release(self, waiter: _Waiter[P]) -> None:
        self._held[waiter.place] -= 1
        self._held_by_others -= not waiter.is_eager
        if not self._held[waiter.place]:
            del self._held[waiter.place]
        self.refill()
