"""How a job ends, and how an attempt does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import T0, between_attempts, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import Output
from reltio_export_operator.api.reasons import ConditionReason
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs import endings
from reltio_export_operator.jobs.duplicates import TaskGroups
from reltio_export_operator.jobs.observation import Decision, Observation, RemoveFinalizer

WHY = ConditionReason("TaskFailed", own("The disk is full."))


def obs(status: Any, *, now: float = 0, **more: Any) -> Observation:
    return Observation(job=job(status=status, **more), now=T0 + timedelta(seconds=now), target=target())


def failure_reason(decision: Decision) -> str | None:
    failed = find(decision.status.conditions, "Failed")
    return failed.reason if failed is not None else None


@pytest.mark.parametrize(("now", "ends"), [(0, False), (59, False), (60, True), (61, True)])
def test_a_job_ends_when_its_deadline_has_passed_since_its_start(now: float, ends: bool) -> None:
    why = endings.early_end_reason(obs(running("PROCESSING"), now=now, spec={"activeDeadlineSeconds": 60}))
    assert (why is not None and why.reason == "DeadlineExceeded") is ends


def test_the_time_before_the_start_does_not_count_towards_the_deadline() -> None:
    assert endings.early_end_reason(obs({}, now=9_999, spec={"activeDeadlineSeconds": 60})) is None


def test_a_job_without_a_deadline_runs_as_long_as_it_takes() -> None:
    assert endings.early_end_reason(obs(running("PROCESSING"), now=10**7)) is None


@pytest.mark.parametrize(
    ("metadata", "ends"),
    [
        ({"annotations": {"export.reltio.com/cancel": "true"}}, True),
        ({"annotations": {"export.reltio.com/cancel": "false"}}, False),
        ({}, False),
    ],
)
def test_a_job_that_is_cancelled_ends(metadata: Any, ends: bool) -> None:
    why = endings.early_end_reason(obs(running("PROCESSING"), metadata=metadata))
    assert (why is not None and why.reason == "Cancelled") is ends


def test_a_job_that_fails_is_stalled_and_no_longer_reconciling() -> None:
    decision = endings.failed(obs(running("FAILED", conditions=[condition("Reconciling")])), WHY)
    assert [(one.type, one.reason) for one in decision.status.conditions] == [
        ("Failed", "TaskFailed"),
        ("Stalled", "TaskFailed"),
    ]
    assert [(event.type, event.reason) for event in decision.events] == [("Warning", "Failed")]


def test_a_job_that_ended_is_reconciled_at_once_so_that_its_finalizer_is_removed() -> None:
    assert endings.failed(obs(running("FAILED")), WHY).requeue_after == 0
    assert endings.completed(obs(running("COMPLETED")), Output(), WHY).requeue_after == 0


def test_a_job_that_ended_waits_for_nothing() -> None:
    waiting = running("FAILED", queuePosition=3, retryTime=stamp(9), waits=2, waitingSince=stamp(-9))
    status = endings.failed(obs(waiting, now=3_723), WHY).status
    assert (status.queue_position, status.retry_time, status.waits, status.waiting_since) == (None, None, None, None)
    assert status.completion_time == T0 + timedelta(seconds=3_723)
    assert status.duration == "1h2m3s"


def test_a_job_that_never_started_has_no_duration() -> None:
    assert endings.failed(obs({}), WHY).status.duration is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (1, "1s"),
        (59, "59s"),
        (60, "1m"),
        (61, "1m1s"),
        (3_599, "59m59s"),
        (3_600, "1h"),
        (3_601, "1h1s"),
        (3_660, "1h1m"),
        (90_061, "25h1m1s"),
    ],
)
def test_a_duration_is_in_hours_minutes_and_seconds(seconds: int, text: str) -> None:
    assert endings.duration_text(T0, T0 + timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("objects", "total", "processed", "summary"),
    [
        (12, None, 12, "100% (12/12)"),
        (12, 99, 12, "100% (12/12)"),
        (0, 99, 0, "100% (0/0)"),
        (None, 99, 99, "100% (99/99)"),
        (None, None, 0, "100%"),
    ],
)
def test_a_complete_job_shows_the_objects_in_the_bucket_or_else_those_that_reltio_reported(
    objects: int | None, total: int | None, processed: int, summary: str
) -> None:
    status = running("COMPLETED", progress={"processed": 1, "total": total})
    progress = endings.completed(obs(status), Output(objects=objects), WHY).status.progress
    assert progress is not None
    assert (progress.processed, progress.percent, progress.summary) == (processed, 100, summary)
    assert progress.total == (objects if objects is not None else total)


def test_a_job_whose_progress_was_never_seen_completes() -> None:
    decision = endings.completed(obs(running("COMPLETED")), Output(), WHY)
    assert decision.status.progress is not None
    assert (decision.status.progress.processed, decision.status.progress.total) == (0, None)
    assert [(event.type, event.reason) for event in decision.events] == [("Normal", "Completed")]


def second_attempt(**more: Any) -> dict[str, Any]:
    return {**running("FAILED"), **between_attempts(1), "attempts": 2, "submission": submission(2), **more}


def test_a_failed_attempt_is_recorded_with_its_number_and_directory() -> None:
    decision = endings.attempt_failed(obs(second_attempt(), now=30), WHY)
    assert [failure.attempt for failure in decision.status.failures] == [1, 2]
    last = decision.status.failures[-1]
    assert (last.reason, last.message, last.time) == ("TaskFailed", WHY.message, T0 + timedelta(seconds=30))
    assert last.destination == submission(2)["destination"]


def test_an_attempt_that_was_never_submitted_is_recorded_without_a_directory() -> None:
    (failure,) = endings.attempt_failed(obs({}), WHY).status.failures
    assert (failure.attempt, failure.destination) == (1, None)


def test_between_attempts_nothing_of_the_failed_one_is_left_to_clean_up() -> None:
    given = second_attempt(
        duplicates=[{"id": "z", "status": "CANCELED"}], progress={"processed": 1}, waits=2, waitingSince=stamp()
    )
    decision = endings.attempt_failed(obs(given), WHY)
    status = decision.status
    assert isinstance(decision.action, RemoveFinalizer)
    assert (status.submission, status.tasks, status.duplicates, status.progress) == (None, (), (), None)
    assert (status.phase, status.waits, status.waiting_since) == ("Pending", None, None)


@pytest.mark.parametrize(("attempt", "delay"), [(1, 10), (2, 20), (3, 40), (6, 320), (7, 360), (200, 360)])
def test_the_backoff_grows_with_each_attempt_up_to_its_cap(attempt: int, delay: int) -> None:
    decision = endings.attempt_failed(obs(running("FAILED", attempts=attempt), spec={"backoffLimit": 999}), WHY)
    assert decision.requeue_after == delay
    assert decision.status.retry_time == T0 + timedelta(seconds=delay)


@pytest.mark.parametrize(
    ("attempts", "limit", "reason"),
    [
        (1, 2, None),
        (2, 2, None),
        (3, 2, "BackoffLimitExceeded"),
        (1, 0, "TaskFailed"),
        (1, 1, None),
        (2, 1, "BackoffLimitExceeded"),
    ],
)
def test_a_job_fails_when_its_first_attempt_and_all_its_retries_failed(
    attempts: int, limit: int, reason: str | None
) -> None:
    decision = endings.attempt_failed(obs(running("FAILED", attempts=attempts), spec={"backoffLimit": limit}), WHY)
    assert failure_reason(decision) == reason
    assert decision.status.failures[-1].attempt == attempts


def test_a_pending_retry_says_which_of_how_many_attempts_failed() -> None:
    decision = endings.attempt_failed(obs(second_attempt(), spec={"backoffLimit": 4}), WHY)
    pending = find(decision.status.conditions, "Reconciling")
    assert pending is not None
    assert "2 of 5" in pending.message


def test_the_last_ten_failures_are_kept() -> None:
    status = {**running("FAILED"), **between_attempts(12), "attempts": 13, "submission": submission(13)}
    decision = endings.attempt_failed(obs(status, spec={"backoffLimit": 99}), WHY)
    assert [failure.attempt for failure in decision.status.failures] == list(range(4, 14))


def test_an_export_that_was_canceled_in_reltio_is_not_retried() -> None:
    assert failure_reason(endings.tasks_failed(obs(running("COMPLETED", "CANCELED")))) == "TaskCanceled"


def test_an_export_of_which_a_task_failed_is_retried_although_another_was_canceled() -> None:
    assert failure_reason(endings.tasks_failed(obs(running("FAILED", "CANCELED")))) is None


def test_a_failure_names_only_the_tasks_that_did_not_complete_and_their_errors() -> None:
    status = running("COMPLETED", "FAILED", "FAILED")
    status["tasks"][1]["error"] = "disk full"
    (failure,) = endings.tasks_failed(obs(status)).status.failures
    assert "task-0" not in failure.message
    for part in ("2 of 3", "task-1", "disk full", "task-2"):
        assert part in failure.message


def task(id_: str) -> ObservedTask:
    return ObservedTask(id=id_, status="PROCESSING")


def test_a_sibling_is_added_without_an_event() -> None:
    given = obs(running("COMPLETED"))
    decision = endings.record_duplicates(given, TaskGroups((task("task-0"), task("sibling")), ()))
    assert [(one.id, one.status) for one in decision.status.tasks] == [
        ("task-0", "COMPLETED"),
        ("sibling", "PROCESSING"),
    ]
    assert (decision.events, find(decision.status.conditions, "DuplicateDetected")) == ((), None)


def test_a_sibling_and_a_duplicate_that_are_known_change_nothing() -> None:
    given = obs(running("PROCESSING", duplicates=[{"id": "z", "status": "CANCELED"}]))
    decision = endings.record_duplicates(given, TaskGroups((task("task-0"),), (task("z"),)))
    assert decision.status is given.status
    assert decision.events == ()


def test_a_second_duplicate_is_reported_too() -> None:
    given = obs(running("PROCESSING", duplicates=[{"id": "z", "status": "CANCELED"}]))
    decision = endings.record_duplicates(given, TaskGroups((task("task-0"),), (task("z"), task("y"))))
    assert [(one.id, one.status) for one in decision.status.duplicates] == [("z", "CANCELED"), ("y", "PROCESSING")]
    assert [(event.type, event.reason) for event in decision.events] == [("Warning", "DuplicateDetected")]


@pytest.mark.parametrize(
    ("export", "objects", "is_reported"),
    [
        ({}, 0, True),
        ({"includeTypes": ["configuration/entityTypes/HCP"]}, 0, True),
        ({}, 1, False),
        ({}, None, False),
        ({"updatedSince": "2030-01-15T00:00:00Z"}, 0, False),
        ({"updatedBefore": "2030-01-15T00:00:00Z"}, 0, False),
        ({"filter": "equals(type,'HCP')"}, 0, False),
    ],
)
def test_an_export_of_everything_without_objects_names_the_metadata_permissions(
    export: dict[str, Any], objects: int | None, is_reported: bool
) -> None:
    given = obs(running("COMPLETED"), spec={"export": {"type": "Entities", **export}})
    decision = endings.completed(given, Output(objects=objects), WHY)
    assert decision.status.phase == "Complete"
    found = find(decision.status.conditions, "Empty")
    assert (found is not None and "metadata permissions" in found.message) is is_reported
    assert [event.type for event in decision.events] == ["Normal", "Warning"][: 1 + is_reported]


@pytest.mark.parametrize(
    ("least", "objects", "phase"),
    [(1, 0, "Failed"), (10, 9, "Failed"), (10, 10, "Complete"), (10, None, "Complete"), (None, 0, "Complete")],
)
def test_an_export_with_too_few_objects_fails(least: int | None, objects: int | None, phase: str) -> None:
    given = obs(running("COMPLETED"), spec={"delivery": {"minObjects": least} if least else {}})
    decision = endings.completed(given, Output(bucket="b", prefix="p/", objects=objects), WHY)
    assert decision.status.phase == phase
    assert failure_reason(decision) == ("TooFewObjects" if phase == "Failed" else None)
