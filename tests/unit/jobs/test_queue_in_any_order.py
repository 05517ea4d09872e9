"""Whatever happens in whatever order, no job that may begin is left without a reconcile."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from builders import T0
from reltio_export_operator.jobs.queue import Entry, TargetQueue


class Queue(RuleBasedStateMachine):
    """The queue as the controller uses it. A reconcile is two steps, since others work while it waits for a call.

    `due` are jobs whose reconcile is to come. `held` may begin, and wait for something else that wakes them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queue = TargetQueue()
        self.jobs: dict[str, Entry] = {}
        self.places = 1
        self.due: set[str] = set()
        self.held: set[str] = set()
        self.count = 0

    def _put(self, entry: Entry, *, announced: bool = False) -> None:
        self.jobs[entry.name] = entry
        self.queue.put(entry, announced=announced)
        self._announce()

    def _announce(self) -> None:
        self.due.update(self.queue.newly_admitted(self.places))

    def _change(self, name: str, **changes: bool) -> Entry:
        old = self.jobs[name]
        values = {"active": old.active, "eligible": old.eligible, **changes}
        return Entry(old.uid, old.created, old.name, **values)

    def _position(self, entry: Entry) -> int:
        """As it is defined, by counting."""
        if entry.active:
            return 0
        before = sum(one.waits and one.order < entry.order for one in self.jobs.values())
        return max(0, before + 1 - (self.places - sum(one.active for one in self.jobs.values())))

    @rule(age=st.integers(0, 3), eligible=st.booleans(), active=st.booleans())
    def create(self, age: int, eligible: bool, active: bool) -> None:
        """A job is listed at the start, or created: its event wakes it."""
        self.count += 1
        name = f"job-{self.count}"
        self.due.add(name)
        self._put(Entry(f"uid-{self.count}", T0 + timedelta(seconds=age), name, active, eligible))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def create_again(self, data: st.DataObject) -> None:
        """It was deleted, and created again under its name, before anything was heard of it."""
        self.count += 1
        name = data.draw(st.sampled_from(sorted(self.jobs)))
        self.due.add(name)
        self.held.discard(name)
        self._put(Entry(f"uid-{self.count}", T0 + timedelta(seconds=self.count), name, active=False, eligible=True))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.jobs)))
        del self.jobs[name]
        self.due.discard(name)
        self.held.discard(name)
        self.queue.drop(name)
        self._announce()

    @rule(places=st.integers(0, 4))
    def change_places(self, places: int) -> None:
        self.places = places
        self._announce()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), eligible=st.booleans())
    def change(self, data: st.DataObject, eligible: bool) -> None:
        """It is suspended or resumed, or its backoff ends: each is followed by its reconcile."""
        name = data.draw(st.sampled_from(sorted(self.jobs)))
        self.due.add(name)
        self.held.discard(name)
        self._put(self._change(name, eligible=eligible))

    @precondition(lambda self: self.due & self.jobs.keys())
    @rule(data=st.data(), holds=st.booleans())
    def reconcile(self, data: st.DataObject, holds: bool) -> None:
        """It begins if it may. `holds`: it waits for its target or for a call, which wakes it later."""
        name = data.draw(st.sampled_from(sorted(self.due & self.jobs.keys())))
        self.due.discard(name)
        self.held.discard(name)
        entry = self._change(name)
        self._put(entry, announced=True)
        self.due.discard(name)  # by itself: it is being reconciled
        position = self.queue.position(name, entry.uid, self.places)
        assert position == self._position(entry)
        if not entry.waits or position:
            return
        if holds:
            self.held.add(name)
        else:
            self._put(self._change(name, active=True))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """What it was held by has ended."""
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.held.discard(name)
        self.due.add(name)

    @precondition(lambda self: any(entry.active for entry in self.jobs.values()))
    @rule(data=st.data())
    def lose_intent(self, data: st.DataObject) -> None:
        """Its intent was not written: it counts as pending, and is tried again."""
        name = data.draw(st.sampled_from(sorted(name for name, entry in self.jobs.items() if entry.active)))
        self.due.add(name)
        self._put(self._change(name, active=False, eligible=True))

    @invariant()
    def no_wake_up_is_lost(self) -> None:
        stuck = {
            entry.name
            for entry in self.jobs.values()
            if entry.waits and self._position(entry) == 0 and entry.name not in self.due | self.held
        }
        assert not stuck

    @invariant()
    def the_counts_are_right(self) -> None:
        assert self.queue.active == sum(entry.active for entry in self.jobs.values())
        assert sorted(self.queue.names) == sorted(self.jobs)


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
