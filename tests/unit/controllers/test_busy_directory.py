"""Reltio refuses a submission to a directory that a task already exports to, and names that task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from builders import job, running
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.controllers.cache import JobCache
from reltio_export_operator.controllers.jobs.gateway import ReltioS3Gateway
from reltio_export_operator.controllers.jobs.gateway_port import CallFailedError
from reltio_export_operator.jobs.results import CallFailure
from reltio_export_operator.reltio.errors import DestinationBusy, ObjectNotFound, ServerError, error_from_response
from reltio_export_sandbox.reltio.agenda import Inline


class Tenant:
    """A service on which some task keeps the directory of every attempt busy."""

    def __init__(self, *active: ObservedTask, known: ObservedTask | None = None, fails: bool = False) -> None:
        self._active, self._known, self._fails = active, known, fails

    async def reltio(self, *_: Any, **__: Any) -> Tenant:
        return self

    async def submit(self, *_: Any) -> None:
        error = DestinationBusy(status=400, code=549, answer=own("400"))
        error.task_id = "owner"
        raise error

    async def active_tasks(self) -> AsyncIterator[ObservedTask]:
        if self._fails:
            raise ServerError(status=500, answer=own("500"))
        for task in self._active:
            yield task

    async def task(self, id_: str) -> ObservedTask:
        if self._known is None:
            raise ObjectNotFound(status=404, answer=own("404"))
        return self._known


def task(id_: str, name: str | None, group: str | None = None) -> ObservedTask:
    return ObservedTask(id=id_, status="PROCESSING", name=name, group_id=group)


@pytest.mark.parametrize(
    ("tenant", "ids", "group"),
    [
        (Tenant(task("owner", None)), ("owner",), None),
        (Tenant(task("owner", "somebody else's name")), ("owner",), None),
        (Tenant(task("owner", "x", "g1"), task("b", None, "g1"), task("c", "x", "g2")), ("owner", "b"), "g1"),
        (Tenant(known=task("owner", "x", "g1")), ("owner",), "g1"),
        (Tenant(), ("owner",), None),
        (Tenant(fails=True), ("owner",), None),
    ],
)
async def test_the_task_that_keeps_the_own_directory_busy_is_adopted_whatever_its_name_is(
    tenant: Tenant, ids: tuple[str, ...], group: str | None
) -> None:
    services = ReltioS3Gateway(tenant, RoleSessions(Inline()), JobCache())  # type: ignore[arg-type]
    subject = job(status=running("PROCESSING"))
    assert subject.status.submission is not None
    accepted = await services.submit(subject, subject.status.submission, lambda: True)
    assert (accepted.task_ids, accepted.group_id, accepted.adopted) == (ids, group, True)


class Refusing(Tenant):
    """A service, or a proxy before it, that does not take the request."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self._status = status

    async def submit(self, *_: Any) -> None:
        raise error_from_response(httpx.Response(self._status, json={"errorMessage": "no"}), mutating=True)


async def refusal(status: int) -> CallFailure:
    """The failure of a submission that is refused with this status."""
    services = ReltioS3Gateway(Refusing(status), RoleSessions(Inline()), JobCache())  # type: ignore[arg-type]
    subject = job(status=running("PROCESSING"))
    assert subject.status.submission is not None
    with pytest.raises(CallFailedError) as refused:
        await services.submit(subject, subject.status.submission, lambda: True)
    return refused.value.failure


@pytest.mark.parametrize("status", [400, 422])
async def test_a_request_that_is_refused_for_an_unknown_cause_is_tried_a_few_times(status: int) -> None:
    failure = await refusal(status)
    assert (failure.permanent, failure.tries, failure.needs_person) == (False, 4, False)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_denied_request_is_retried_and_needs_a_person(status: int) -> None:
    failure = await refusal(status)
    assert (failure.permanent, failure.tries, failure.needs_person) == (False, None, True)


@pytest.mark.parametrize("status", [405, 411, 413, 414, 415, 431])
async def test_a_request_that_will_never_be_taken_is_a_permanent_failure(status: int) -> None:
    services = ReltioS3Gateway(Refusing(status), RoleSessions(Inline()), JobCache())  # type: ignore[arg-type]
    subject = job(spec={"export": {"type": "Entities", "select": ["a" * 700]}}, status=running("PROCESSING"))
    assert subject.status.submission is not None
    with pytest.raises(CallFailedError) as refused:
        await services.submit(subject, subject.status.submission, lambda: True)
    failure = refused.value.failure
    assert (failure.permanent, failure.ambiguous) == (True, False)
    assert str(status) in failure.message
    if status in (414, 431):
        assert "spec.export.select with 700 bytes" in failure.message
        assert "Shorten spec.export.select" in failure.message
