"""What a failed attempt wrote is deleted when the spec asks for it, and in doubt everything is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import T0, condition, running, stamp, submission
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs.cleanup import MAX_DELETED, Cleaned, is_of_attempt, on_cleaned
from reltio_export_operator.jobs.observation import CleanUp, Decision, Observation, RemoveFinalizer, Wait
from reltio_export_operator.jobs.policies import decide
from unit.jobs.steps import obs, summary

ON = {"delivery": {"cleanupFailedAttempts": True}}
SETTLED = 76.0  # seconds after the end of the attempt
OTHER = "0b9e1f0a-3a57-4c9e-8d5e-3f6a7f1e2d3c-1"


def after(decision: Decision, at: Observation, seconds: float) -> Observation:
    """The observation that follows on the write of a decision."""
    return replace(at.with_status(decision.status), now=at.now + timedelta(seconds=seconds))


def begun(at: Observation) -> Observation:
    """The same once deleting may begin."""
    return after(decide(at), at, SETTLED)


def failed_job(*statuses: str, reason: str = "Cancelled", **more: Any) -> Observation:
    status = running(*statuses, conditions=[condition("Failed", reason=reason)], completionTime=stamp(), **more)
    return obs(spec=ON, status=status, metadata={"finalizers": [FINALIZER]})


def entry(decision: Decision) -> tuple[str, int, str]:
    (one,) = decision.status.cleanups
    return one.result, one.deleted, one.message or ""


def test_by_default_nothing_is_deleted() -> None:
    decision = decide(obs(status=running("FAILED")))
    assert summary(decision) == ("RemoveFinalizer", "RetryPending")
    assert decision.status.cleanups == ()


def test_before_a_retry_the_attempt_is_cleaned_up_once_nothing_of_it_is_expected() -> None:
    at = obs(spec=ON, status=running("COMPLETED", "FAILED"))
    decision = decide(at)
    assert summary(decision) == ("Wait", "DeletingPartialData")
    assert decision.requeue_after == 75
    at = after(decision, at, SETTLED)
    action = decide(at).action
    assert isinstance(action, CleanUp)
    assert action.until == T0 + timedelta(seconds=75)
    done = on_cleaned(at, action.submission, Cleaned(3, is_whole=True))
    assert entry(done)[:2] == ("Deleted", 3)
    assert [event.reason for event in done.events] == ["PartialDataDeleted"]
    retried = decide(after(done, at, 0))
    assert summary(retried) == ("RemoveFinalizer", "RetryPending")
    assert retried.status.failures[0].reason == "TaskFailed"


def test_a_job_fails_before_its_last_attempt_is_cleaned_up_and_keeps_its_finalizer_until_then() -> None:
    at = obs(spec={**ON, "backoffLimit": 0}, status=running("FAILED"), metadata={"finalizers": [FINALIZER]})
    decision = decide(at)
    assert summary(decision) == ("Wait", "TaskFailed")
    at = after(decision, at, 0)
    at = begun(at)
    action = decide(at).action
    assert isinstance(action, CleanUp)
    done = on_cleaned(at, action.submission, Cleaned(1, is_whole=True))
    assert summary(done)[1] == "TaskFailed"
    assert isinstance(decide(after(done, at, 0)).action, RemoveFinalizer)


def test_a_task_that_somebody_canceled_fails_the_job_first() -> None:
    assert summary(decide(obs(spec=ON, status=running("CANCELED", "COMPLETED"))))[1] == "TaskCanceled"


@pytest.mark.parametrize(
    ("at", "cause"),
    [
        (failed_job("COMPLETED", reason="DeliveryMismatch"), "Reltio had completed the export."),
        (failed_job("FAILED", "PROCESSING"), "task task-1 is not known to have ended."),
        (failed_job("CANCELED", "A_NEW_STATUS"), "task task-1 is not known to have ended."),
        (failed_job("FAILED", duplicates=[{"id": "d", "status": "CANCELED"}]), "a second export wrote"),
        (failed_job("FAILED", duplicates=[{"id": "d", "status": "PROCESSING"}]), "task d is not known to have ended."),
        (
            failed_job("FAILED", submission=submission(id=OTHER, path=f"reltio/{OTHER}/", name=f"x-{OTHER}")),
            "the directory is not one that this job has made.",
        ),
        (
            failed_job("FAILED", submission=submission(path="reltio/mdm/nightly/")),
            "the directory is not one that this job has made.",
        ),
    ],
)
def test_in_doubt_everything_is_kept_and_an_event_says_why(at: Observation, cause: str) -> None:
    decision = decide(at)
    assert isinstance(decision.action, Wait)
    result, deleted, message = entry(decision)
    assert (result, deleted) == ("Kept", 0)
    assert cause in message
    assert [(event.type, event.reason) for event in decision.events] == [("Warning", "PartialDataKept")]
    later = decide(after(decision, at, 3600))
    assert isinstance(later.action, RemoveFinalizer)
    assert later.events == ()


@pytest.mark.parametrize(
    "at",
    [
        obs(spec=ON, status=running("COMPLETED", conditions=[condition("Complete")], completionTime=stamp())),
        failed_job(),
        obs(spec=ON, status={"conditions": [condition("Failed")], "completionTime": stamp()}),
    ],
    ids=["complete", "without tasks", "never submitted"],
)
def test_a_job_without_a_failed_export_is_left_alone(at: Observation) -> None:
    assert decide(at).status.cleanups == ()


def test_a_deleted_job_ends_at_once() -> None:
    at = begun(failed_job("FAILED"))
    meta = {"deletionTimestamp": stamp(), "finalizers": [FINALIZER]}
    deleted = obs(spec=ON, status=running("FAILED", conditions=[condition("Failed")]), metadata=meta)
    assert isinstance(decide(deleted.with_status(at.status)).action, RemoveFinalizer)


@pytest.mark.parametrize(
    "found",
    [ObservedTask(id="task-0", status="PROCESSING"), ObservedTask(id="task-9", status="FAILED")],
    ids=["it runs on", "an unknown one"],
)
def test_a_task_that_reltio_shows_and_that_may_still_write_keeps_everything(found: ObservedTask) -> None:
    at = begun(failed_job("FAILED"))
    decision = on_cleaned(at, at.status.submission, Cleaned(found=(found,)))  # type: ignore[arg-type]
    assert entry(decision)[:2] == ("Kept", 0)
    assert f"task {found.id} may still write there." in entry(decision)[2]


def test_a_denied_delete_is_reported_once_and_does_not_delay_the_retry() -> None:
    at = begun(obs(spec=ON, status=running("FAILED")))
    text = own("AWS denied s3:DeleteObject. Allow s3:DeleteObject in the permission policy of the role.")
    denied = on_cleaned(at, at.status.submission, Cleaned(2, error=text))  # type: ignore[arg-type]
    result, deleted, message = entry(denied)
    assert (result, deleted) == ("Kept", 2)
    assert "Allow s3:DeleteObject" in message
    assert summary(decide(after(denied, at, 0)))[1] == "RetryPending"


def test_an_outage_is_waited_for_with_a_backoff_and_not_without_end() -> None:
    at = begun(failed_job("FAILED"))
    outage = Cleaned(error=own("AWS is unavailable."), transient=True)
    waits = []
    for _ in range(20):
        action = decide(at).action
        if not isinstance(action, CleanUp):
            break
        decision = on_cleaned(at, action.submission, outage)
        waits.append(decision.requeue_after)
        assert decide(after(decision, at, 0)).requeue_after == (decision.requeue_after or None)
        at = after(decision, at, decision.requeue_after or 0)
    assert waits == [10, 20, 40, 80, 160, 320, 360, 360, 0]
    assert at.status.cleanups[0].result == "Kept"


def test_passes_follow_on_each_other_up_to_a_limit() -> None:
    at = begun(failed_job("FAILED"))
    passes = 0
    while isinstance(action := decide(at).action, CleanUp):
        decision = on_cleaned(at, action.submission, Cleaned(1_000))
        at, passes = after(decision, at, 0), passes + 1
    assert passes == MAX_DELETED / 1_000
    assert at.status.cleanups[0].result == "Kept"


def test_objects_of_others_are_named() -> None:
    at = begun(failed_job("FAILED"))
    decision = on_cleaned(at, at.status.submission, Cleaned(2, ("notes.txt",), is_whole=True))  # type: ignore[arg-type]
    result, deleted, message = entry(decision)
    assert (result, deleted) == ("Kept", 2)
    assert "notes.txt" in message


def test_a_clock_that_was_set_back_does_not_stop_it() -> None:
    at = failed_job("FAILED")
    assert isinstance(decide(after(decide(at), at, -86_400)).action, CleanUp)


def test_an_entry_that_was_lost_does_not_reach_what_was_written_since() -> None:
    at = failed_job("FAILED")
    late = replace(at, now=T0 + timedelta(days=3))
    decision = decide(late)
    assert isinstance(decision.action, CleanUp)
    assert decision.action.until == T0 + timedelta(seconds=75)


@pytest.mark.parametrize(
    ("name", "seconds", "is_own"),
    [
        ("part-00000.gz", 5, True),
        ("part-00000.gz", 0, True),
        ("part-00000.gz", 75, True),
        ("part-00000.gz", -1, False),
        ("part-00000.gz", 76, False),
        ("sub/part-00000.gz", 5, True),
        (f"mdm/nightly/{OTHER}/part-00000.gz", 5, False),
        (f"people-{OTHER}.gz", 5, False),
    ],
)
def test_only_what_was_written_between_the_intent_and_the_end_is_of_the_attempt(
    name: str, seconds: float, is_own: bool
) -> None:
    current = failed_job("FAILED").status.submission
    assert current is not None
    until = T0 + timedelta(seconds=75)
    assert is_of_attempt(name, T0 + timedelta(seconds=seconds), current, until) is is_own
    assert not is_of_attempt(name, None, current, until)


def test_the_time_to_live_begins_to_count_only_after_it() -> None:
    at = failed_job("FAILED")
    job = obs(spec={**ON, "ttlSecondsAfterFinished": 0}, status=None).job
    at = replace(at, job=replace_spec(at, job.spec))
    assert isinstance(decide(at).action, Wait)
    assert isinstance(decide(begun(at)).action, CleanUp)


def replace_spec(at: Observation, spec: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(at.job, spec=spec)
