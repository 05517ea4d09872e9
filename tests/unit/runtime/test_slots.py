"""Slots are shared between places and namespaces, and a place that does not answer takes none from the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reltio_export_operator.runtime.slots import SlotLimits, Slots, State

PLACES = ("here", "there", "elsewhere", "nowhere")
LIMITS = SlotLimits(place=3, total=4, silent=2)


@dataclass(eq=False)
class Work:
    place: str
    namespace: str
    is_eager: bool
    release: Callable[[], None] | None = None
    task: asyncio.Task[None] | None = None


class Stage:
    def __init__(self, limits: SlotLimits = LIMITS) -> None:
        self.states: dict[str, State] = {}
        self.slots: Slots[str] = Slots(limits, lambda place: self.states.get(place, "Answers"))
        self.work: list[Work] = []
        self.begun: list[Work] = []

    def want(self, place: str, namespace: str = "mdm", *, eager: bool = True) -> Work:
        work = Work(place, namespace, eager)

        async def acquire() -> None:
            work.release = await self.slots.acquire(place, namespace, eager=eager)
            self.begun.append(work)

        work.task = asyncio.get_running_loop().create_task(acquire())
        self.work.append(work)
        return work

    def become(self, place: str, state: State) -> None:
        self.states[place] = state
        self.slots.refill()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def count(stage: Stage, place: str) -> int:
    return sum(work.place == place for work in stage.begun)


async def test_one_place_leaves_slots_to_the_others() -> None:
    stage = Stage()
    for _ in range(9):
        stage.want("here")
    await settle()
    assert count(stage, "here") == 3
    stage.want("there")
    await settle()
    assert count(stage, "there") == 1


async def test_work_at_places_that_have_become_silent_is_not_in_the_way_of_new_work() -> None:
    stage = Stage(SlotLimits(place=3, total=4, silent=6))
    for place in ("here", "there"):
        for _ in range(3):
            stage.want(place)
    healthy = stage.want("elsewhere")
    await settle()
    assert (count(stage, "here"), count(stage, "there")) == (3, 1)
    assert healthy.release is None
    stage.become("here", "Silent")
    await settle()
    assert healthy.release is not None


async def test_an_overdue_place_is_out_of_the_way_of_others_and_keeps_its_slots() -> None:
    stage = Stage(SlotLimits(place=3, total=4, silent=6))
    for _ in range(2):
        stage.want("here")
    await settle()
    stage.become("here", "Overdue")
    for place in ("here", "there", "there", "there", "elsewhere"):
        stage.want(place)
    await settle()
    assert [count(stage, place) for place in ("here", "there", "elsewhere")] == [3, 3, 1]


async def test_a_silent_or_new_place_gets_one_slot_and_the_rest_when_it_answers() -> None:
    for state in ("Silent", "New"):
        stage = Stage()
        stage.become("here", state)
        for _ in range(3):
            stage.want("here")
        await settle()
        assert count(stage, "here") == 1
        stage.become("here", "Answers")
        await settle()
        assert count(stage, "here") == 3


async def test_silent_places_have_a_bound_of_their_own() -> None:
    stage = Stage()
    for place in PLACES:
        stage.become(place, "Silent")
        stage.want(place)
    stage.want("answers")
    await settle()
    assert stage.slots.held == LIMITS.silent + 1
    assert count(stage, "answers") == 1


async def test_namespaces_take_turns_at_a_place() -> None:
    stage = Stage(SlotLimits(place=1, total=2, silent=1))
    for _ in range(50):
        stage.want("here", "crowd")
    await settle()
    stage.want("here", "alone")
    await settle()
    for _ in range(2):
        release = stage.begun[-1].release
        assert release is not None
        release()
        await settle()
    assert "alone" in [work.namespace for work in stage.begun]


async def test_eager_work_goes_first_and_the_other_work_gets_half_of_the_slots_at_most() -> None:
    stage = Stage(SlotLimits(place=4, total=4, silent=1))
    for _ in range(4):
        stage.want("here", eager=False)
    await settle()
    assert count(stage, "here") == 2
    for _ in range(3):
        stage.want("there")
    await settle()
    assert count(stage, "there") == 2
    release = stage.begun[0].release
    assert release is not None
    release()
    await settle()
    assert count(stage, "there") == 3


async def test_a_slot_comes_back_after_an_error() -> None:
    stage = Stage()

    async def fails() -> None:
        async with stage.slots.slot("here", "mdm"):
            assert stage.slots.held == 1
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await fails()
    assert stage.slots.held == 0


@pytest.mark.parametrize("is_granted", [True, False])
async def test_a_caller_that_is_cancelled_gives_its_slot_back(is_granted: bool) -> None:
    stage = Stage(SlotLimits(place=1, total=1, silent=1))
    first, second, third = (stage.want("here") for _ in range(3))
    await settle()
    assert first.release is not None
    assert second.task is not None
    if is_granted:
        first.release()  # the second one is granted the slot, and does not know yet
        second.task.cancel()
    else:
        second.task.cancel()
        await settle()
        first.release()
    await settle()
    assert second.release is None
    assert third.release is not None


class Machine(RuleBasedStateMachine):
    """Any order of requests, cancellations, releases and changes of places."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stage = Stage()

    def settle(self) -> None:
        self.loop.run_until_complete(settle())

    @property
    def held(self) -> list[Work]:
        return [work for work in self.stage.work if work.release is not None]

    @rule(
        place=st.sampled_from(PLACES),
        namespace=st.sampled_from("abc"),
        eager=st.booleans(),
        times=st.integers(1, 4),
        is_settled=st.booleans(),
    )
    def wants(self, place: str, namespace: str, eager: bool, times: int, is_settled: bool) -> None:
        async def several() -> None:
            for _ in range(times):
                self.stage.want(place, namespace, eager=eager)
            if is_settled:
                await settle()

        self.loop.run_until_complete(several())
        self.settle()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def ends(self, data: Any) -> None:
        self.release(data.draw(st.sampled_from(self.held)))
        self.settle()

    def release(self, work: Work) -> None:
        assert work.release is not None
        self.stage.work.remove(work)
        work.release()

    @precondition(lambda self: self.stage.work)
    @rule(data=st.data(), at_once=st.booleans())
    def is_cancelled(self, data: Any, at_once: bool) -> None:
        """One that waits, or one that is granted a slot at this moment."""
        work = data.draw(st.sampled_from(self.stage.work))
        if at_once and self.held:
            self.release(self.held[0])
        assert work.task is not None
        work.task.cancel()
        self.settle()
        if work.release is None and work in self.stage.work:
            self.stage.work.remove(work)

    @rule(place=st.sampled_from(PLACES), state=st.sampled_from(["Answers", "New", "Overdue", "Silent"]))
    def changes(self, place: str, state: State) -> None:
        self.stage.become(place, state)
        self.settle()

    @invariant()
    def the_count_is_right(self) -> None:
        slots = self.stage.slots
        assert slots.held == len(self.held) <= LIMITS.all
        assert slots._held == Counter(work.place for work in self.held)
        assert slots._held_by_others == sum(not work.is_eager for work in self.held)
        assert slots.waiting == len(self.stage.work) - len(self.held) == len(slots._granted)

    @invariant()
    def no_more_than_allowed_are_held(self) -> None:
        held = Counter(work.place for work in self.held)
        assert all(number <= LIMITS.place for number in held.values())
        assert sum(not work.is_eager for work in self.held) <= max(1, LIMITS.place // 2)

    @invariant()
    def nobody_waits_who_need_not(self) -> None:
        slots = self.stage.slots
        answering = sum(
            n for place, n in slots._held.items() if self.stage.states.get(place) not in ("Silent", "Overdue")
        )
        if slots.held < LIMITS.all:
            assert not [kind for kind in slots._waiting if slots._has_room(*kind, answering)]

    def teardown(self) -> None:
        """Once all places answer, all work is done, and nothing is left."""
        try:
            for place in PLACES:
                self.stage.become(place, "Answers")
            self.settle()
            while self.held:
                self.release(self.held[0])
                self.settle()
            assert not self.stage.work
            assert not self.stage.slots._waiting
            assert not self.stage.slots._held
        finally:
            self.loop.close()


TestSlotsInAnyOrder = Machine.TestCase
TestSlotsInAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
