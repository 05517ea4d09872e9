"""Which changes of a status are worth a line in the log, and what the line says."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from builders import condition, job, running, target
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import ExportJob, JobStatus
from reltio_export_operator.api.target import ExportTarget, TargetStatus
from reltio_export_operator.controllers import transitions
from reltio_export_operator.jobs.observation import ControlTasks, Event

Raw = dict[str, Any]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def job_status(phase: str | None, *conditions: Raw, **more: Any) -> JobStatus:
    return msgspec.convert({"phase": phase, "conditions": list(conditions), **more}, JobStatus)


def as_read(status: JobStatus) -> ExportJob:
    return msgspec.structs.replace(job(), status=status)


def reconciling(reason: str, message: str = "") -> Raw:
    return condition("Reconciling", reason=reason, message=message)


NEW = JobStatus()
QUEUED = job_status("Pending", reconciling("Queued", "Waiting."), queuePosition=3)
RUNNING = job_status("Running", reconciling("ExportRunning", "10%"), **running("PROCESSING"))
FAILED = job_status(
    "Failed",
    condition("Failed", reason="TaskFailed", message="Disk full."),
    condition("Stalled", reason="TaskFailed", message="Disk full."),
    **running("FAILED"),
)


def line(log: pytest.LogCaptureFixture) -> tuple[str, str, Raw]:
    (record,) = log.records
    return record.levelname, record.getMessage(), record.fields  # type: ignore[attr-defined]


def test_a_new_job_is_logged_with_its_phase_and_reason(log: pytest.LogCaptureFixture) -> None:
    transitions.log_job(as_read(NEW), QUEUED)
    level, message, fields = line(log)
    assert (level, message) == ("INFO", "ExportJob mdm/nightly: Pending (Queued): Waiting.")
    assert fields == {
        "kind": "ExportJob",
        "namespace": "mdm",
        "name": "nightly",
        "uid": "u-1",
        "reason": "Queued",
        "phase": "Pending",
        "target": "lake",
    }


def test_a_change_of_phase_names_both_the_attempt_and_the_tasks(log: pytest.LogCaptureFixture) -> None:
    transitions.log_job(as_read(QUEUED), RUNNING)
    level, message, fields = line(log)
    assert (level, message) == ("INFO", "ExportJob mdm/nightly: Pending -> Running (ExportRunning): 10%")
    assert (fields["previousPhase"], fields["attempt"], fields["taskIds"]) == ("Pending", 1, ["task-0"])


def test_a_failed_job_is_a_warning(log: pytest.LogCaptureFixture) -> None:
    transitions.log_job(as_read(RUNNING), FAILED)
    level, message, _ = line(log)
    assert (level, message) == ("WARNING", "ExportJob mdm/nightly: Running -> Failed (TaskFailed): Disk full.")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (QUEUED, msgspec.structs.replace(QUEUED, queue_position=2)),
        (QUEUED, job_status("Pending", reconciling("Queued", "Still waiting."), queuePosition=3)),
        (RUNNING, job_status("Running", reconciling("ExportRunning", "90%"), **running("POST_PROCESSING"))),
        (FAILED, msgspec.structs.replace(FAILED, tasks=())),
        (FAILED, FAILED),
        (RUNNING, RUNNING),
    ],
)
def test_a_change_that_is_not_a_transition_has_no_line(
    log: pytest.LogCaptureFixture, before: JobStatus, after: JobStatus
) -> None:
    transitions.log_job(as_read(before), after)
    assert log.records == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (QUEUED, job_status("Pending", reconciling("TargetNotReady")), "Pending (TargetNotReady)"),
        (RUNNING, job_status("Running", reconciling("ServiceUnavailable"), **running("PROCESSING")), "Running (Serv"),
        (RUNNING, job_status("Running", reconciling("ExportRunning"), **running("A", "B")), "Running (ExportRunning)"),
        (
            RUNNING,
            job_status("Running", condition("Stalled", reason="AccessDenied"), **running("PROCESSING")),
            "Running (AccessDenied)",
        ),
    ],
)
def test_another_reason_or_another_task_is_a_transition(
    log: pytest.LogCaptureFixture, before: JobStatus, after: JobStatus, expected: str
) -> None:
    transitions.log_job(as_read(before), after)
    assert expected in line(log)[1]


def test_a_job_that_waits_for_somebody_is_a_warning(log: pytest.LogCaptureFixture) -> None:
    after = job_status("Verifying", condition("Stalled", reason="AccessDenied", message="No GetObject."))
    transitions.log_job(as_read(RUNNING), after)
    assert line(log)[0] == "WARNING"


@pytest.mark.parametrize("type_", ["DuplicateDetected", "Retained", "StatusInvalid"])
def test_a_condition_that_asks_for_somebody_is_a_warning_once(log: pytest.LogCaptureFixture, type_: str) -> None:
    found = condition(type_, reason="BecauseOfIt", message="Look at it.")
    after = job_status("Running", reconciling("ExportRunning"), found, **running("PROCESSING"))
    transitions.log_job(as_read(RUNNING), after)
    level, message, fields = line(log)
    assert (level, message) == ("WARNING", f"ExportJob mdm/nightly: {type_} (BecauseOfIt): Look at it.")
    assert fields["reason"] == "BecauseOfIt"
    log.clear()
    transitions.log_job(as_read(after), after)
    transitions.log_job_events(as_read(after), [Event("Warning", type_, own("Look at it."))])
    assert log.records == []


def test_a_warning_that_is_an_event_alone_has_a_line(log: pytest.LogCaptureFixture) -> None:
    events = [Event("Warning", "CleanupIncomplete", own("Stop it.")), Event("Normal", "Completed", own("Done."))]
    transitions.log_job_events(as_read(RUNNING), events)
    level, message, fields = line(log)
    assert (level, message) == ("WARNING", "ExportJob mdm/nightly: CleanupIncomplete: Stop it.")
    assert fields["taskIds"] == ["task-0"]


def test_a_message_is_cut(log: pytest.LogCaptureFixture) -> None:
    transitions.log_job(as_read(NEW), job_status("Pending", reconciling("Queued", "x" * 5000)))
    assert len(line(log)[1]) < 600


def test_a_failed_call_to_stop_tasks_is_logged_once_for_each_reason(log: pytest.LogCaptureFixture) -> None:
    control_log, read = transitions.ControlLog(), as_read(RUNNING)
    submission = RUNNING.submission
    assert submission is not None
    stop, pause = (ControlTasks(submission, verb, ("task-0",)) for verb in ("stop", "pause"))
    for action, reason in ((stop, "Gone"), (stop, "Gone"), (stop, "Denied"), (pause, "Denied"), (pause, "Denied")):
        control_log.failed(read, action, reason, "Text.")
    assert [record.getMessage() for record in log.records] == [
        "ExportJob mdm/nightly: Cannot stop its tasks: Text.",
        "ExportJob mdm/nightly: Cannot stop its tasks: Text.",
        "ExportJob mdm/nightly: Cannot pause its tasks: Text.",
    ]
    control_log.succeeded(read.metadata.key)
    control_log.failed(read, pause, "Denied", "Text.")
    assert len(log.records) == 4


def target_status(*conditions: Raw) -> TargetStatus:
    return msgspec.convert({"conditions": list(conditions)}, TargetStatus)


def target_as_read(status: TargetStatus) -> ExportTarget:
    return msgspec.structs.replace(target(), status=status)


READY = target_status(condition("Ready", reason="Verified", message="All well."))
DENIED = condition("Ready", "False", reason="AccessDenied", message="No PutObject.")
STALLED = target_status(DENIED, condition("Stalled", reason="AccessDenied"))


def test_a_target_that_somebody_must_fix_is_a_warning(log: pytest.LogCaptureFixture) -> None:
    transitions.log_target(target_as_read(READY), STALLED)
    level, message, fields = line(log)
    assert (level, message) == ("WARNING", "ExportTarget mdm/lake: Ready True -> False (AccessDenied): No PutObject.")
    assert fields["kind"] == "ExportTarget"
    assert (fields["reason"], fields["condition"], fields["status"]) == ("AccessDenied", "Ready", "False")


def test_a_target_that_is_ready_or_fails_for_a_while_is_information(log: pytest.LogCaptureFixture) -> None:
    transitions.log_target(target_as_read(TargetStatus()), READY)
    transitions.log_target(target_as_read(READY), target_status(DENIED))
    transitions.log_target(target_as_read(STALLED), READY)
    assert {record.levelname for record in log.records} == {"INFO"}
    assert [record.getMessage().partition(":")[2] for record in log.records] == [
        " Ready True (Verified): All well.",
        " Ready True -> False (AccessDenied): No PutObject.",
        " Ready False -> True (Verified): All well.",
    ]


def test_a_verification_that_changes_nothing_has_no_line(log: pytest.LogCaptureFixture) -> None:
    again = target_status(condition("Ready", reason="Verified", message="All well, again."))
    transitions.log_target(target_as_read(READY), again)
    transitions.log_target(target_as_read(STALLED), STALLED)
    assert log.records == []


def test_a_canary_that_fails_is_a_warning(log: pytest.LogCaptureFixture) -> None:
    ready = condition("Ready", reason="Verified")
    unknown = target_status(ready, condition("Delivered", "Unknown", reason="CanaryRunning"))
    bad = target_status(ready, condition("Delivered", "False", reason="TaskFailed", message="No."))
    transitions.log_target(target_as_read(unknown), bad)
    level, message, _ = line(log)
    assert (level, message) == ("WARNING", "ExportTarget mdm/lake: Delivered Unknown -> False (TaskFailed): No.")
