"""Concurrent searches of many jobs share one listing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from builders import job, submission
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import Submission
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.controllers.jobs.task_search import TaskSearch
from reltio_export_operator.reltio.errors import ObjectNotFound, ServerError


def attempt(number: int) -> Submission:
    found = job(status={"submission": {**submission(), "id": f"u-{number}-1", "name": f"x-u-{number}-1"}})
    assert found.status.submission is not None
    return found.status.submission


class Lists:
    def __init__(self) -> None:
        self.listings = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.fails = False

    async def active_tasks(self) -> AsyncIterator[ObservedTask]:
        self.listings += 1
        self.begun.set()
        await self.gate.wait()
        if self.fails:
            raise ServerError(status=500, answer=own("500"))
        yield ObservedTask(id="active", status="PROCESSING", name="x-u-1-1")

    async def history(self, since_ms: int) -> AsyncIterator[ObservedTask]:
        yield ObservedTask(id="ended", status="COMPLETED", export_name="x-u-2-1")

    async def task(self, id_: str) -> ObservedTask:
        raise ObjectNotFound(status=404, answer=own("404"))


INTENDED_MS = 1_786_000_000_000


def intended(moment_ms: int = INTENDED_MS) -> Submission:
    return msgspec.structs.replace(attempt(1), intended_time=datetime.fromtimestamp(moment_ms / 1000, UTC))


class Nameless:
    """A service whose lists leave names out. `names`: those that the tasks show when they are asked for by id."""

    def __init__(self, *tasks: ObservedTask, names: dict[str, str] | None = None) -> None:
        self.tasks = tasks
        self.names = names or {}
        self.asked: list[str] = []

    async def active_tasks(self) -> AsyncIterator[ObservedTask]:
        for task in self.tasks:
            yield task

    async def history(self, since_ms: int) -> AsyncIterator[ObservedTask]:
        for found in self.tasks[:0]:
            yield found

    async def task(self, id_: str) -> ObservedTask:
        self.asked.append(id_)
        if id_ not in self.names:
            raise ObjectNotFound(status=404, answer=own("404"))
        found = next(task for task in self.tasks if task.id == id_)
        return msgspec.structs.replace(found, name=self.names[id_] or None)


def task(id_: str, created_ms: int | None = INTENDED_MS, **fields: Any) -> ObservedTask:
    return ObservedTask(id=id_, status="COMPLETED", created_ms=created_ms, **fields)


async def search_in(service: Nameless) -> tuple[list[str], list[str]]:
    mine, unnamed = await TaskSearch().tasks_of(service, intended())  # type: ignore[arg-type]
    return [task.id for task in mine], [task.id for task in unnamed]


async def test_tasks_without_a_name_are_asked_for_by_id() -> None:
    service = Nameless(
        task("a"), task("b", group_id="g"), task("c", group_id="g"), names={"a": "other", "b": "x-u-1-1"}
    )
    assert await search_in(service) == (["b", "c"], [])


async def test_a_task_that_shows_no_name_at_all_may_be_the_export() -> None:
    service = Nameless(task("a"), task("b", export_name="acme01_entities"), names={"a": "other", "b": ""})
    assert await search_in(service) == ([], ["b"])


async def test_a_task_of_another_time_is_not_the_export() -> None:
    minute = 60_000
    service = Nameless(
        task("before", INTENDED_MS - 11 * minute),
        task("after", INTENDED_MS + 13 * minute),
        task("early", INTENDED_MS - 9 * minute),
        task("late", INTENDED_MS + 11 * minute),
        task("unknown", None),
    )
    assert await search_in(service) == ([], ["early", "late", "unknown"])


async def test_only_some_tasks_are_asked_for_by_id_and_the_others_remain_possible() -> None:
    service = Nameless(*(task(str(number)) for number in range(30)), names={str(n): "other" for n in range(30)})
    mine, unnamed = await search_in(service)
    assert mine == []
    assert len(service.asked) == 20
    assert len(unnamed) == 10


async def test_searches_during_a_listing_share_the_next_one() -> None:
    lists, search = Lists(), TaskSearch()
    lists.gate.clear()
    first = asyncio.create_task(search.tasks_of(lists, attempt(1)))  # type: ignore[arg-type]
    await lists.begun.wait()
    later = [asyncio.create_task(search.tasks_of(lists, attempt(n))) for n in range(1, 51)]  # type: ignore[arg-type]
    lists.gate.set()
    found = await asyncio.gather(first, *later)
    assert lists.listings == 2
    assert [[task.id for task in tasks] for tasks, _ in found[:4]] == [["active"], ["active"], ["ended"], []]


async def test_a_failed_listing_fails_the_waiting_searches_only() -> None:
    lists, search = Lists(), TaskSearch()
    lists.fails = True
    both = [search.tasks_of(lists, attempt(n)) for n in (1, 2)]  # type: ignore[arg-type]
    assert [type(error) for error in await asyncio.gather(*both, return_exceptions=True)] == [ServerError] * 2
    lists.fails = False
    (task,), _ = await search.tasks_of(lists, attempt(2))  # type: ignore[arg-type]
    assert task.id == "ended"


async def test_a_cancelled_search_does_not_cancel_others() -> None:
    lists, search = Lists(), TaskSearch()
    lists.gate.clear()
    cancelled = asyncio.create_task(search.tasks_of(lists, attempt(1)))  # type: ignore[arg-type]
    other = asyncio.create_task(search.tasks_of(lists, attempt(1)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    cancelled.cancel()
    lists.gate.set()
    assert [task.id for task in (await other)[0]] == ["active"]
    with pytest.raises(asyncio.CancelledError):
        await cancelled
