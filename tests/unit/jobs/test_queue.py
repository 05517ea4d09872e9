"""Who goes next at a target."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from builders import T0
from reltio_export_operator.jobs.queue import Entry, TargetQueue


def entry(uid: str, age: int = 0, *, name: str = "", active: bool = False, eligible: bool = True) -> Entry:
    """A job that was created `age` seconds after T0."""
    return Entry(uid, T0 + timedelta(seconds=age), name or uid, active, eligible)


def ahead_of(uid: str, entries: Iterable[Entry], places: int) -> int:
    queue = TargetQueue()
    for one in entries:
        queue.put(one)
    return queue.position(next((one.name for one in entries if one.uid == uid), ""), uid, places)


QUEUE = [entry("first", 1), entry("second", 2), entry("third", 3)]


@pytest.mark.parametrize(("uid", "ahead"), [("first", 0), ("second", 1), ("third", 2)])
def test_the_oldest_job_begins_and_each_later_one_waits_for_those_before_it(uid: str, ahead: int) -> None:
    assert ahead_of(uid, QUEUE, places=1) == ahead


@pytest.mark.parametrize("uid", ["first", "second", "third"])
def test_the_order_in_which_jobs_are_listed_does_not_matter(uid: str) -> None:
    assert ahead_of(uid, QUEUE[::-1], places=1) == ahead_of(uid, QUEUE, places=1)


def test_as_many_jobs_begin_as_there_are_places() -> None:
    assert [ahead_of(job.uid, QUEUE, places=2) for job in QUEUE] == [0, 0, 1]
    assert [ahead_of(job.uid, QUEUE, places=9) for job in QUEUE] == [0, 0, 0]


def test_an_active_job_takes_a_place_whatever_its_age() -> None:
    for age in (0, 9):
        assert ahead_of("first", [*QUEUE, entry("running", age, active=True)], places=1) == 1
        assert ahead_of("first", [*QUEUE, entry("running", age, active=True)], places=2) == 0


def test_an_active_job_counts_once() -> None:
    """It is older and eligible, but it does not wait for a place too."""
    assert ahead_of("first", [entry("running", 0, active=True), *QUEUE], places=1) == 1


def test_more_active_jobs_than_places_all_count() -> None:
    """The limit was lowered while they ran."""
    running = [entry("a", active=True), entry("b", active=True), entry("c", active=True)]
    assert ahead_of("first", [*running, *QUEUE], places=1) == 3


def test_a_job_that_does_not_want_a_place_holds_nobody_up() -> None:
    assert ahead_of("second", [entry("first", 1, eligible=False), entry("second", 2)], places=1) == 0


def test_a_target_without_places_admits_no_job() -> None:
    assert ahead_of("first", [entry("first")], places=0) == 1


def test_jobs_created_in_the_same_second_go_by_name() -> None:
    same = [entry("u-1", name="c"), entry("u-3", name="a"), entry("u-2", name="b")]
    assert [ahead_of(uid, same, places=1) for uid in ("u-3", "u-2", "u-1")] == [0, 1, 2]


def test_a_job_that_is_not_listed_waits_for_nobody() -> None:
    assert ahead_of("unknown", QUEUE, places=1) == 0
    assert ahead_of("unknown", [entry("running", active=True), *QUEUE], places=1) == 0


def test_active_jobs_are_counted() -> None:
    queue = TargetQueue()
    for one in (*QUEUE, entry("running", active=True)):
        queue.put(one)
    assert (queue.active, len(queue)) == (1, 4)
    queue.put(entry("first", 1, active=True))
    queue.drop("running")
    assert (queue.active, len(queue)) == (1, 3)


def test_a_job_is_announced_once_when_it_may_begin() -> None:
    queue = TargetQueue()
    for one in QUEUE:
        queue.put(one)
    assert queue.newly_admitted(1) == ["first"]
    assert queue.newly_admitted(2) == ["second"]
    queue.put(entry("first", 1, active=True))
    assert queue.newly_admitted(2) == []


def test_a_job_that_asked_in_vain_is_announced_when_it_may_begin() -> None:
    queue = TargetQueue()
    for one in QUEUE:
        queue.put(one, announced=True)
    assert [queue.position(one.name, one.uid, 1) for one in QUEUE] == [0, 1, 2]
    queue.drop("first")
    assert queue.newly_admitted(1) == ["second"]


def test_a_job_that_holds_a_place_waits_for_nobody() -> None:
    """Its annotation names an attempt whose intent could not be written, so it counts as one that may run."""
    holder = entry("holder", 5, active=True)
    assert ahead_of("holder", [*QUEUE, holder], places=1) == 0
    assert ahead_of("holder", [*QUEUE, holder, entry("running", 0, active=True)], places=1) == 0
