"""The tasks of all jobs of a tenant are polled together; an error with one task affects its job only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from builders import job, submission
from clocks import FakeClock
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import ServiceSnapshot, Submission
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.controllers.jobs.task_tracker import TaskTracker, Watch
from reltio_export_operator.reltio.errors import AnswerLost, ObjectNotFound, ServerError


def attempt(id_: str, **more: Any) -> Submission:
    found = job(status={"submission": {**submission(), "id": f"{id_}-1", "name": f"mdm.{id_}-1", **more}})
    assert found.status.submission is not None
    return found.status.submission


class Tenant:
    """A fake client: `active` tasks are listed, `known` ones are found by id, `broken` ids fail."""

    def __init__(self) -> None:
        self.active: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.groups: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.broken: set[str] = set()
        self.fetched: list[str] = []
        self.polls = 0
        self.polled = asyncio.Condition()

    async def active_tasks(self, *, thorough: bool) -> AsyncIterator[ObservedTask]:
        for id_, status in self.active.items():
            yield ObservedTask(
                id=id_, status=status, name=self.names.get(id_), group_id=self.groups.get(id_), created_ms=2**41
            )
        async with self.polled:
            self.polls += 1
            self.polled.notify_all()

    async def task(self, id_: str) -> ObservedTask:
        self.fetched.append(id_)
        if id_ in self.broken:
            raise ServerError(status=500, answer=own("500"))
        if id_ not in self.known:
            raise ObjectNotFound(status=404, answer=own("404"))
        return ObservedTask(id=id_, status=self.known[id_], ended_ms=1)

    async def wait(self, times: int = 1) -> None:
        """Wait for this many complete polls."""
        async with self.polled:
            until = self.polls + times + 1
            await self.polled.wait_for(lambda: self.polls >= until)


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


def tracker_of(tenant: Tenant, **more: Any) -> TaskTracker:
    async def client_for(namespace: str, service: ServiceSnapshot) -> Tenant:
        return tenant

    return TaskTracker(client_for, lambda key: None, **more)  # type: ignore[arg-type]


@pytest.fixture
async def tracker(tenant: Tenant) -> AsyncIterator[TaskTracker]:
    made = tracker_of(tenant, interval=0)
    yield made
    await made.stop()


async def follow(tracker: TaskTracker, *ids: str) -> list[Watch]:
    return [await tracker.follow(("mdm", id_), attempt(id_), frozenset({id_})) for id_ in ids]


async def test_one_task_that_cannot_be_fetched_does_not_affect_the_others(tracker: TaskTracker, tenant: Tenant) -> None:
    tenant.active = {"a": "PROCESSING"}
    tenant.known = {"c": "COMPLETED"}
    tenant.broken = {"b"}
    a, b, c = await follow(tracker, "a", "b", "c")
    await tenant.wait(2)
    assert a.observed["a"].status == "PROCESSING"
    assert c.observed["c"].status == "COMPLETED"
    assert (a.watch_error, c.watch_error) == (None, None)
    assert b.watch_error is not None
    assert b.watch_error.reason == "ServerError"


async def test_few_tasks_are_fetched_in_a_poll_when_they_fail(tracker: TaskTracker, tenant: Tenant) -> None:
    ids = [f"t{n}" for n in range(20)]
    tenant.broken = set(ids)
    watches = await follow(tracker, *ids)
    await tenant.wait(1)
    before, polls = len(tenant.fetched), tenant.polls
    await tenant.wait(3)
    assert len(tenant.fetched) - before <= 3 * (tenant.polls - polls + 1)
    assert all(watch.watch_error is not None for watch in watches)


async def test_a_lost_task_is_polled_rarely(tracker: TaskTracker, tenant: Tenant) -> None:
    (watch,) = await follow(tracker, "a")
    await tenant.wait(20)
    assert watch.lost == {"a"}
    assert len(tenant.fetched) == 3


async def test_a_task_that_shows_up_late_is_not_lost_before_the_settling_time(tenant: Tenant) -> None:
    clock = FakeClock()
    tracker = tracker_of(tenant, interval=10, settle_seconds=75, clock=clock)
    (watch,) = await follow(tracker, "a")
    while clock.seconds < 70:
        await tenant.wait(0)
        assert watch.lost == frozenset()
    tenant.known = {"a": "PROCESSING"}
    await tenant.wait(2)
    assert (watch.lost, watch.observed["a"].status) == (frozenset(), "PROCESSING")
    tenant.known = {}
    await tenant.wait(20)
    assert watch.lost == {"a"}
    await tracker.stop()


async def test_a_status_decides_whether_a_task_has_ended_and_not_its_end_time(
    tracker: TaskTracker, tenant: Tenant
) -> None:
    tenant.known = {"a": "COMPLETED"}
    (done,) = await follow(tracker, "a")
    await tenant.wait(5)
    assert (done.observed["a"].status, len(tenant.fetched)) == ("COMPLETED", 1)


async def test_a_task_that_runs_outside_the_lists_is_fetched_until_it_has_ended(tenant: Tenant) -> None:
    clock = FakeClock()
    tracker = tracker_of(tenant, interval=10, clock=clock)
    tenant.known = {"a": "WAITING"}  # with an endTime
    (watch,) = await follow(tracker, "a")
    await tenant.wait(12)
    assert watch.unlisted == {"a"}
    assert 3 <= len(tenant.fetched) <= 6, "rarely, as long as it is found"
    tenant.known = {"a": "COMPLETED"}
    await tenant.wait(4)
    assert watch.observed["a"].status == "COMPLETED"
    await tracker.stop()


async def test_a_failed_listing_is_an_error_of_every_job(tracker: TaskTracker, tenant: Tenant) -> None:
    async def fail(*, thorough: bool) -> AsyncIterator[ObservedTask]:
        async with tenant.polled:
            tenant.polls += 1
            tenant.polled.notify_all()
        raise AnswerLost(host="Reltio", error=own("ReadTimeout"))
        yield

    tenant.active_tasks = fail  # type: ignore[method-assign]
    a, b = await follow(tracker, "a", "b")
    await tenant.wait(1)
    assert a.watch_error is not None
    assert b.watch_error is not None


async def test_a_task_that_is_not_recorded_is_found_by_its_whole_name_or_its_group(
    tracker: TaskTracker, tenant: Tenant
) -> None:
    tenant.active = dict.fromkeys(["a", "sibling", "second", "imitation", "longer", "nameless"], "PROCESSING")
    tenant.groups = {"a": "g1", "sibling": "g1", "imitation": "g3"}
    tenant.names = {"second": "mdm.a-1", "imitation": "x mdm.a-1", "longer": "mdm.a-1 x"}
    (watch,) = await follow(tracker, "a")
    await tenant.wait(1)
    assert {task.id for task in watch.untracked_tasks} == {"sibling", "second"}


async def test_the_group_of_a_task_that_has_ended_still_shows_its_siblings(
    tracker: TaskTracker, tenant: Tenant
) -> None:
    tenant.active, tenant.groups = {"a": "PROCESSING"}, {"a": "g1", "late": "g1"}
    (watch,) = await follow(tracker, "a")
    await tenant.wait(1)
    tenant.known, tenant.active = {"a": "COMPLETED"}, {"late": "PROCESSING"}
    await tenant.wait(1)
    assert [task.id for task in watch.untracked_tasks] == ["late"]
