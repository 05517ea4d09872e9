"""Tasks of all jobs of a tenant are followed together, and what goes wrong with one stays with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from reltio_export_operator.api.job import ServiceSnapshot
from reltio_export_operator.api.target import CredentialsSecretRef
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.controllers.jobs.task_tracker import TaskTracker, Watch
from reltio_export_operator.reltio.errors import AnswerLost, ObjectNotFound, ServerError

SERVICE = ServiceSnapshot(
    export_service_url="https://reltio.test/jobs",
    auth_url="https://reltio.test/oauth/token",
    tenant="acme01",
    credentials_secret_ref=CredentialsSecretRef(name="reltio-api"),
)


class Tenant:
    """A tenant's client: `active` tasks are listed, `known` ones are found by id, `broken` ids fail."""

    def __init__(self) -> None:
        self.active: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.broken: set[str] = set()
        self.asked: list[str] = []
        self.rounds = 0
        self.looked = asyncio.Condition()

    async def active_tasks(self) -> AsyncIterator[ObservedTask]:
        for id_, status in self.active.items():
            yield ObservedTask(id=id_, status=status)
        async with self.looked:
            self.rounds += 1
            self.looked.notify_all()

    async def task(self, id_: str) -> ObservedTask:
        self.asked.append(id_)
        if id_ in self.broken:
            raise ServerError(status=500, answer="500")
        if id_ not in self.known:
            raise ObjectNotFound(status=404, answer="404")
        return ObservedTask(id=id_, status=self.known[id_], ended_ms=1)

    async def look(self, times: int = 1) -> None:
        """So many whole rounds later."""
        async with self.looked:
            until = self.rounds + times + 1
            await self.looked.wait_for(lambda: self.rounds >= until)


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


@pytest.fixture
async def pollers(tenant: Tenant) -> AsyncIterator[TaskTracker]:
    async def client_for(namespace: str, service: ServiceSnapshot) -> Tenant:
        return tenant

    made = TaskTracker(client_for, lambda key: None, interval=0)  # type: ignore[arg-type]
    yield made
    await made.stop()


async def follow(pollers: TaskTracker, *ids: str) -> list[Watch]:
    return [await pollers.follow(("mdm", id_), SERVICE, frozenset({id_}), f"marker-{id_}") for id_ in ids]


async def test_one_task_that_cannot_be_looked_up_does_not_hide_the_others(pollers: TaskTracker, tenant: Tenant) -> None:
    tenant.active = {"a": "PROCESSING"}
    tenant.known = {"c": "COMPLETED"}
    tenant.broken = {"b"}
    a, b, c = await follow(pollers, "a", "b", "c")
    await tenant.look(2)
    assert a.observed["a"].status == "PROCESSING"
    assert c.observed["c"].status == "COMPLETED"
    assert (a.watch_error, c.watch_error) == (None, None)
    assert b.watch_error is not None
    assert b.watch_error.reason == "ServerError"


async def test_when_most_look_ups_fail_a_round_ends_soon(pollers: TaskTracker, tenant: Tenant) -> None:
    ids = [f"t{n}" for n in range(20)]
    tenant.broken = set(ids)
    watches = await follow(pollers, *ids)
    await tenant.look(1)
    before, rounds = len(tenant.asked), tenant.rounds
    await tenant.look(3)
    assert len(tenant.asked) - before <= 3 * (tenant.rounds - rounds + 1)
    assert all(watch.watch_error is not None for watch in watches)


async def test_a_task_that_is_gone_is_asked_for_rarely_once_that_is_sure(pollers: TaskTracker, tenant: Tenant) -> None:
    (watch,) = await follow(pollers, "a")
    await tenant.look(20)
    assert watch.lost == {"a"}
    assert len(tenant.asked) == 3


async def test_an_answer_that_cannot_be_had_at_all_is_trouble_for_every_job(
    pollers: TaskTracker, tenant: Tenant
) -> None:
    async def fail() -> AsyncIterator[ObservedTask]:
        async with tenant.looked:
            tenant.rounds += 1
            tenant.looked.notify_all()
        raise AnswerLost(host="Reltio", error="ReadTimeout")
        yield

    tenant.active_tasks = fail  # type: ignore[method-assign]
    a, b = await follow(pollers, "a", "b")
    await tenant.look(1)
    assert a.watch_error is not None
    assert b.watch_error is not None
