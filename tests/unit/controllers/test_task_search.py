"""Concurrent searches of many jobs share one listing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from builders import job, submission
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import Submission
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.controllers.jobs.task_search import TaskSearch
from reltio_export_operator.reltio.errors import ServerError


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


async def test_searches_during_a_listing_share_the_next_one() -> None:
    lists, search = Lists(), TaskSearch()
    lists.gate.clear()
    first = asyncio.create_task(search.tasks_of(lists, attempt(1)))  # type: ignore[arg-type]
    await lists.begun.wait()
    later = [asyncio.create_task(search.tasks_of(lists, attempt(n))) for n in range(1, 51)]  # type: ignore[arg-type]
    lists.gate.set()
    found = await asyncio.gather(first, *later)
    assert lists.listings == 2
    assert [[task.id for task in tasks] for tasks in found[:4]] == [["active"], ["active"], ["ended"], []]


async def test_a_failed_listing_fails_the_waiting_searches_only() -> None:
    lists, search = Lists(), TaskSearch()
    lists.fails = True
    both = [search.tasks_of(lists, attempt(n)) for n in (1, 2)]  # type: ignore[arg-type]
    assert [type(error) for error in await asyncio.gather(*both, return_exceptions=True)] == [ServerError] * 2
    lists.fails = False
    (task,) = await search.tasks_of(lists, attempt(2))  # type: ignore[arg-type]
    assert task.id == "ended"


async def test_a_cancelled_search_does_not_cancel_others() -> None:
    lists, search = Lists(), TaskSearch()
    lists.gate.clear()
    cancelled = asyncio.create_task(search.tasks_of(lists, attempt(1)))  # type: ignore[arg-type]
    other = asyncio.create_task(search.tasks_of(lists, attempt(1)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    cancelled.cancel()
    lists.gate.set()
    assert [task.id for task in await other] == ["active"]
    with pytest.raises(asyncio.CancelledError):
        await cancelled
