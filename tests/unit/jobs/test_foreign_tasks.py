"""`spec.maxForeignTasks`: a target may leave its tenant to others while they have many tasks there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from builders import T0, job, submission, target
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.controllers.jobs.foreign_tasks import ForeignTasks
from reltio_export_operator.jobs.observation import Decision, Observation, Submit
from reltio_export_operator.jobs.policies import decide

UID = "01234567-89ab-cdef-0123-456789abcdef"


def decided(limit: int | None, count: int | None, **status: Any) -> Decision:
    found = target(spec={"maxForeignTasks": limit} if limit is not None else {})
    return decide(Observation(job=job(status=status), now=T0, target=found, foreign_tasks=count))


@pytest.mark.parametrize(("limit", "count"), [(0, 1), (5, 6), (5, 100)])
def test_a_job_waits_while_more_tasks_of_others_are_active(limit: int, count: int) -> None:
    decision = decided(limit, count)
    assert not isinstance(decision.action, Submit)
    (condition,) = decision.status.conditions
    assert (condition.type, condition.reason) == ("Reconciling", "TenantBusy")
    assert f"More than {limit} tasks of others" in condition.message
    assert decision.status.retry_time is None, "it keeps its turn"
    assert decision.requeue_after == 30


@pytest.mark.parametrize(("limit", "count"), [(None, 100), (5, 5), (0, 0), (5, None)])
def test_a_job_is_submitted_with_as_many_tasks_as_allowed(limit: int | None, count: int | None) -> None:
    assert isinstance(decided(limit, count).action, Submit)


def test_an_attempt_with_an_intent_does_not_wait_for_others() -> None:
    decision = decided(0, 9, attempts=1, submission=submission())
    assert "TenantBusy" not in [condition.reason for condition in decision.status.conditions]


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Tenant:
    def __init__(self) -> None:
        self.listings = 0

    async def active_tasks(self, *, thorough: bool = True) -> AsyncIterator[ObservedTask]:
        self.listings += 1
        for name in (f"mdm.nightly-{UID}-1", f"mdm.nightly-{UID}-12", "adhoc", f"copy-{UID}", None):
            yield ObservedTask(id=str(name), status="PROCESSING", name=name)


async def test_tasks_of_jobs_do_not_count_and_jobs_share_a_count_for_some_seconds() -> None:
    clock, tenant = Clock(), Tenant()
    counts = ForeignTasks(clock)  # type: ignore[arg-type]
    assert [await counts.count(tenant) for _ in range(3)] == [3, 3, 3]  # type: ignore[arg-type]
    assert tenant.listings == 1
    clock.now += 16
    await counts.count(tenant)  # type: ignore[arg-type]
    assert tenant.listings == 2
