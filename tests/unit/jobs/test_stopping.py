"""How a job that is deleted, cancelled or past its deadline stops what runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import T0, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.jobs.observation import (
    ControlTasks,
    Decision,
    DeleteJob,
    Elapsed,
    Observation,
    RemoveFinalizer,
    Search,
    Wait,
)
from reltio_export_operator.jobs.policies import decide

DELETED = {"deletionTimestamp": stamp(), "finalizers": [FINALIZER]}
IN_DOUBT = {"attempts": 1, "startTime": stamp(), "submission": submission()}
CANCEL = {"cancel": True}


def obs(status: Any, *, now: float = 0, **more: Any) -> Observation:
    given = {key: more.pop(key) for key in ("spec", "metadata") if key in more}
    return Observation(job=job(status=status, **given), now=T0 + timedelta(seconds=now), target=target(), **more)


def deleted(status: Any, **more: Any) -> Decision:
    return decide(obs(status, metadata=DELETED, **more))


def stopped(decision: Decision) -> tuple[str, ...]:
    """The tasks that Reltio is asked to stop."""
    if isinstance(decision.action, Wait):
        return ()
    assert isinstance(decision.action, ControlTasks)
    assert decision.action.verb == "stop"
    return decision.action.task_ids


def failed_because(decision: Decision) -> str | None:
    failed = find(decision.status.conditions, "Failed")
    return failed.reason if failed is not None else None


@pytest.mark.parametrize(("elapsed", "released"), [(0, False), (119.5, False), (120, True), (121, True)])
def test_a_deletion_ends_when_the_cleanup_timeout_has_passed(elapsed: float, released: bool) -> None:
    decision = deleted(running("PROCESSING"), elapsed=Elapsed(deletion=elapsed))
    assert isinstance(decision.action, RemoveFinalizer) is released
    assert [event.reason for event in decision.events] == (["CleanupIncomplete"] if released else [])


@pytest.mark.parametrize(
    ("elapsed", "age", "released"),
    [(29.5, 9_999, False), (30, 120, True), (30, 119, False), (30, 9_999, True), (119.5, 119, False)],
)
def test_a_process_that_finds_an_older_deletion_waits_for_a_quarter_of_the_timeout(
    elapsed: float, age: float, released: bool
) -> None:
    decision = deleted(running("PROCESSING"), now=age, elapsed=Elapsed(deletion=elapsed))
    assert isinstance(decision.action, RemoveFinalizer) is released


@pytest.mark.parametrize(
    ("status", "named"),
    [
        (running("PROCESSING", "COMPLETED", duplicates=[{"id": "z", "status": "PROCESSING"}]), ("task-0", "z")),
        (IN_DOUBT, ("unknown",)),
    ],
)
def test_a_deletion_that_did_not_wait_for_its_tasks_names_those_that_may_run(status: Any, named: Any) -> None:
    (event,) = deleted(status, elapsed=Elapsed(deletion=120)).events
    assert event.type == "Warning"
    assert all(part in event.message for part in named)
    assert "task-1" not in event.message


@pytest.mark.parametrize(
    ("elapsed", "age", "late"),
    [(59.5, 59.5, False), (60, 60, True), (110, 110, True), (14.5, 9_999, False), (15, 120, True), (15, 119, False)],
)
@pytest.mark.parametrize(("status", "task"), [(running("PROCESSING"), "task-0"), (IN_DOUBT, "unknown")])
def test_from_half_of_the_timeout_on_the_status_names_the_export_that_may_run(
    status: Any, task: str, elapsed: float, age: float, late: bool
) -> None:
    decision = deleted(status, now=age, elapsed=Elapsed(deletion=elapsed))
    stalled = find(decision.status.conditions, "Stalled")
    assert (stalled is not None) is late
    if stalled is not None:
        assert stalled.reason == "ExportMayStillRun"
        assert f"(task {task}, directory s3://" in stalled.message
        assert find(decision.status.conditions, "Reconciling") is None


@pytest.mark.parametrize(("elapsed", "requeue"), [(0, 10), (55, 5), (60, 10), (117, 3)])
def test_a_deletion_is_reconciled_when_half_of_the_timeout_or_all_of_it_has_passed(
    elapsed: float, requeue: float
) -> None:
    assert deleted(running("CANCELING"), now=elapsed, elapsed=Elapsed(deletion=elapsed)).requeue_after == requeue


def test_a_job_that_others_keep_from_being_deleted_is_not_reconciled_more_often() -> None:
    held = {"deletionTimestamp": stamp(), "finalizers": ["example.com/other"]}
    decision = decide(obs(running("PROCESSING"), metadata=held, now=500, elapsed=Elapsed(deletion=500)))
    assert decision.requeue_after == 10
    assert find(decision.status.conditions, "Stalled") is None


def test_a_deletion_stops_duplicates_too_and_asks_for_no_stop_twice() -> None:
    status = running("COMPLETED", "CANCELING", "PROCESSING", duplicates=[{"id": "z", "status": "PROCESSING"}])
    decision = deleted(status)
    assert stopped(decision) == ("task-2", "z")
    assert decision.requeue_after == 10
    assert decision.status.phase == "Deleting"


def test_a_deletion_waits_while_its_tasks_are_being_stopped() -> None:
    decision = deleted(running("CANCELING"))
    assert isinstance(decision.action, Wait)
    assert decision.status.phase == "Deleting"


@pytest.mark.parametrize("retry_in", [1, 8, 10])
def test_a_deletion_in_doubt_waits_for_the_next_search(retry_in: int) -> None:
    decision = deleted({**IN_DOUBT, "retryTime": stamp(retry_in)})
    assert isinstance(decision.action, Wait)
    assert decision.requeue_after == retry_in


@pytest.mark.parametrize("retry_in", [-1, 0, 11])
def test_a_deletion_in_doubt_searches_when_the_time_has_come(retry_in: int) -> None:
    assert isinstance(deleted({**IN_DOUBT, "retryTime": stamp(retry_in)}).action, Search)


def test_a_deleted_job_is_reconciled_again_within_ten_seconds_whatever_it_waits_for() -> None:
    assert decide(obs({}, metadata={"deletionTimestamp": stamp(), "finalizers": ["other/one"]})).requeue_after == 10
    finished = running("COMPLETED", conditions=[condition("Complete")])
    assert deleted(finished).requeue_after == 10
    assert deleted({**IN_DOUBT, "retryTime": stamp(3)}).requeue_after == 3


def test_a_deleted_job_without_the_finalizer_is_left_as_it_is() -> None:
    finalizers = {"deletionTimestamp": stamp(), "finalizers": ["other/one"]}
    given = obs(running("PROCESSING"), metadata=finalizers, progress_due=False)
    decision = decide(given)
    assert (decision.action, decision.status) == (Wait(), given.status)


def test_a_deleted_job_keeps_the_generation_that_its_conditions_were_made_for() -> None:
    given = obs({**IN_DOUBT, "observedGeneration": 1}, metadata={**DELETED, "generation": 4})
    assert decide(given).status == given.status


@pytest.mark.parametrize(
    "status",
    [
        {},
        {**IN_DOUBT, "submission": submission(refusedTime=stamp())},
        running("COMPLETED", conditions=[condition("Complete")]),
        running("CANCELED"),
    ],
)
def test_a_deleted_job_with_nothing_to_stop_is_released_at_once(status: Any) -> None:
    decision = deleted(status)
    assert isinstance(decision.action, RemoveFinalizer)
    assert decision.events == ()


def test_a_deleted_job_that_is_orphaned_leaves_its_tasks_alone() -> None:
    decision = deleted(running("PROCESSING"), spec={"deletionPolicy": "Orphan"})
    assert isinstance(decision.action, RemoveFinalizer)


@pytest.mark.parametrize(
    "spec",
    [{"cancel": True}, {"activeDeadlineSeconds": 60}],
)
def test_a_job_that_is_to_end_stops_its_tasks_and_its_duplicates_first(spec: Any) -> None:
    status = running("COMPLETED", "CANCELING", "PROCESSING", duplicates=[{"id": "z", "status": "PROCESSING"}])
    decision = decide(obs(status, now=60, spec=spec))
    assert stopped(decision) == ("task-2", "z")
    assert (decision.status.phase, failed_because(decision)) == ("Stopping", None)


@pytest.mark.parametrize(("elapsed", "ended"), [(0, False), (119.5, False), (120, True), (121, True)])
def test_a_cancelled_job_fails_when_its_tasks_do_not_stop_within_the_cleanup_timeout(
    elapsed: float, ended: bool
) -> None:
    decision = decide(obs(running("PROCESSING"), spec=CANCEL, elapsed=Elapsed(ending=elapsed)))
    assert failed_because(decision) == ("Cancelled" if ended else None)
    if ended:
        assert "task-0" in next(one.message for one in decision.status.conditions if one.type == "Failed")


@pytest.mark.parametrize(
    ("statuses", "lost"), [(["CANCELED"], ()), (["COMPLETED", "CANCELED"], ()), (["PROCESSING"], ("task-0",))]
)
def test_a_cancelled_job_fails_once_no_task_of_it_runs(statuses: list[str], lost: tuple[str, ...]) -> None:
    decision = decide(obs(running(*statuses), spec=CANCEL, lost_task_ids=frozenset(lost)))
    assert failed_because(decision) == "Cancelled"


def test_a_cancelled_job_waits_for_its_duplicate_to_stop() -> None:
    status = running("CANCELED", duplicates=[{"id": "z", "status": "PROCESSING"}])
    assert stopped(decide(obs(status, spec=CANCEL))) == ("z",)


def test_a_cancelled_job_whose_export_is_complete_is_verified_first() -> None:
    assert failed_because(decide(obs(running("COMPLETED"), spec=CANCEL))) is None
    assert failed_because(decide(obs(running("COMPLETED", waits=1), spec=CANCEL))) == "Cancelled"


def test_a_cancelled_job_in_doubt_shows_that_it_is_stopping_and_searches() -> None:
    first = decide(obs(IN_DOUBT, spec=CANCEL))
    assert isinstance(first.action, Search)
    assert first.status.phase == "Stopping"
    assert find(first.status.conditions, "Reconciling") is not None


def test_a_cancelled_job_in_doubt_keeps_the_error_of_its_last_search() -> None:
    shown = [condition("Reconciling", reason="Unreachable")]
    given = obs({**IN_DOUBT, "phase": "Stopping", "conditions": shown, "observedGeneration": 1}, spec=CANCEL)
    assert decide(given).status == given.status


@pytest.mark.parametrize(("retry_in", "left"), [(8, 8), (10, 10)])
def test_a_cancelled_job_in_doubt_waits_for_the_next_search(retry_in: int, left: float) -> None:
    decision = decide(obs({**IN_DOUBT, "retryTime": stamp(retry_in)}, spec=CANCEL))
    assert (decision.action, decision.requeue_after) == (Wait(), left)


@pytest.mark.parametrize("retry_in", [-1, 0, 11, 300])
def test_a_cancelled_job_in_doubt_searches_when_the_time_has_come(retry_in: int) -> None:
    assert isinstance(decide(obs({**IN_DOUBT, "retryTime": stamp(retry_in)}, spec=CANCEL)).action, Search)


@pytest.mark.parametrize(
    "status",
    [{}, {**IN_DOUBT, "submission": submission(refusedTime=stamp())}],
)
def test_a_cancelled_job_that_reltio_does_not_have_fails_at_once(status: Any) -> None:
    assert failed_because(decide(obs(status, spec=CANCEL))) == "Cancelled"


FINISHED = running("COMPLETED", conditions=[condition("Complete")], completionTime=stamp())


@pytest.mark.parametrize(("age", "left"), [(0, 10), (9, 1)])
def test_a_finished_job_is_reconciled_when_its_time_to_live_is_over(age: float, left: float) -> None:
    decision = decide(obs(FINISHED, now=age, spec={"ttlSecondsAfterFinished": 10}))
    assert (decision.action, decision.requeue_after) == (Wait(), left)


@pytest.mark.parametrize(("ttl", "age"), [(10, 10), (10, 11), (0, 0)])
def test_a_finished_job_is_deleted_once_its_time_to_live_is_over(ttl: int, age: float) -> None:
    assert isinstance(decide(obs(FINISHED, now=age, spec={"ttlSecondsAfterFinished": ttl})).action, DeleteJob)


@pytest.mark.parametrize(
    ("status", "spec"),
    [
        (FINISHED, {}),
        ({**FINISHED, "completionTime": None}, {"ttlSecondsAfterFinished": 10}),
    ],
)
def test_a_finished_job_without_a_time_to_live_or_an_end_stays(status: Any, spec: Any) -> None:
    decision = decide(obs(status, now=10**7, spec=spec))
    assert (decision.action, decision.requeue_after) == (Wait(), None)


def test_a_finished_job_has_no_deadline_any_more() -> None:
    decision = decide(obs(FINISHED, now=30, spec={"activeDeadlineSeconds": 60}))
    assert (decision.action, decision.requeue_after) == (Wait(), None)
