"""What is recorded of an accepted submission and of a delivery."""

from __future__ import annotations

from typing import Any

import pytest

from builders import T0, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import Submission
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.delivery.manifest import Delivery, StoredFile
from reltio_export_operator.jobs import results
from reltio_export_operator.jobs.observation import Decision, Elapsed, Observation, Submit
from reltio_export_operator.jobs.results import Accepted, CallFailure, SearchResult


def manifest(files: int) -> tuple[dict[str, Any], dict[str, StoredFile]]:
    """A manifest with so many files, and the objects of the directory."""
    names = [f"part-{n:05d}.gz" for n in reversed(range(files))]
    content = {"success": True, "files": names, "totalObjects": files, "totalNumberOfFiles": files}
    return content, {"manifest.json": StoredFile(9), **{name: StoredFile(10) for name in names}}


def obs(status: Any, *, doubt: float = 0, **more: Any) -> Observation:
    given = {key: more.pop(key) for key in ("spec", "metadata") if key in more}
    return Observation(
        job=job(status=status, **given),
        now=T0,
        target=more.pop("target", target()),
        elapsed=Elapsed(doubt=doubt),
        **more,
    )


def of(given: Observation) -> Submission:
    assert given.status.submission is not None
    return given.status.submission


IN_DOUBT = {"attempts": 1, "startTime": stamp(-120), "submission": submission(), "waits": 2, "retryTime": stamp()}


@pytest.mark.parametrize(("adopted", "event"), [(False, "Submitted"), (True, "Adopted")])
def test_an_accepted_submission_is_recorded_with_its_tasks(adopted: bool, event: str) -> None:
    given = obs(IN_DOUBT)
    decision = results.on_accepted(given, of(given), Accepted(("a", "b"), "g", adopted))
    status = decision.status
    assert status.submission is not None
    assert (status.submission.group_id, status.submission.adopted) == ("g", adopted)
    assert status.submission.submitted_time == T0
    assert [(task.id, task.status) for task in status.tasks] == [("a", "SCHEDULED"), ("b", "SCHEDULED")]
    assert (status.phase, status.waits, status.waiting_since, status.retry_time) == ("Running", None, None, None)
    assert [(one.type, one.reason) for one in decision.events] == [("Normal", event)]
    assert decision.requeue_after == 0


@pytest.mark.parametrize("export", [{"skipPostprocessing": False}, {"partSize": "500Mi"}])
def test_a_submission_without_the_region_of_its_target_is_reported_as_such(export: dict[str, Any]) -> None:
    region = {"bucket": "b", "roleARN": "r", "region": "eu-west-1"}
    for more, shown in ((export, True), ({}, False)):
        given = obs({**IN_DOUBT, "submission": submission(s3=region)}, spec={"export": {"type": "Entities", **more}})
        (event,) = results.on_accepted(given, of(given), Accepted(("a",))).events
        assert event.reason == "Submitted"
        assert ("without spec.s3.region" in event.message) is shown


def test_an_export_that_is_found_is_adopted_with_its_group() -> None:
    given = obs(IN_DOUBT)
    found = (
        ObservedTask(id="a", status="PROCESSING", group_id="g", created_ms=1),
        ObservedTask(id="b", status="PROCESSING", group_id="g", created_ms=2),
    )
    status = results.on_search_result(given, of(given), SearchResult(tasks=found)).status
    assert status.submission is not None
    assert (status.submission.group_id, status.submission.adopted) == ("g", True)
    assert [task.id for task in status.tasks] == ["a", "b"]
    assert status.duplicates == ()


def test_an_export_that_is_found_without_a_group_is_adopted_without_one() -> None:
    given = obs(IN_DOUBT)
    found = SearchResult(tasks=(ObservedTask(id="a", status="PROCESSING", created_ms=1),))
    status = results.on_search_result(given, of(given), found).status
    assert status.submission is not None
    assert status.submission.group_id is None


def test_tasks_that_are_found_count_more_than_the_time_that_was_waited() -> None:
    given = obs(IN_DOUBT, doubt=500, spec={"cancel": True})
    found = SearchResult(tasks=(ObservedTask(id="a", status="PROCESSING"),), manifest=True)
    assert [task.id for task in results.on_search_result(given, of(given), found).status.tasks] == ["a"]


def test_an_attempt_that_reltio_does_not_have_is_not_sent_while_the_target_is_suspended() -> None:
    given = obs(IN_DOUBT, doubt=500, target=target(spec={"suspend": True}))
    decision = results.on_search_result(given, of(given), SearchResult())
    assert not isinstance(decision.action, Submit)
    assert (decision.status.waits, decision.status.retry_time) == (None, None)


@pytest.mark.parametrize(
    ("failure", "phase"),
    [
        (CallFailure("Invalid", own("No."), permanent=True), "Failed"),
        (CallFailure("Timeout", own("No answer."), ambiguous=True), "Submitting"),
        (CallFailure("RateLimited", own("Slow down.")), "Pending"),
    ],
)
def test_only_a_refusal_for_now_is_recorded_as_one(failure: CallFailure, phase: str) -> None:
    given = obs(IN_DOUBT)
    status = results.on_submit_failed(given, of(given), failure).status
    assert status.phase == phase
    assert status.submission is not None
    assert status.submission.refused_time == (T0 if phase == "Pending" else None)


def read(given: Observation, delivery: Delivery, found: SearchResult | None = None) -> Decision:
    return results.on_delivery_read(given, of(given), delivery, found)


def test_a_delivery_shows_its_first_ten_files_in_order() -> None:
    output = read(obs(running("COMPLETED")), Delivery(*manifest(12), receipt="r.json")).status.output
    assert output is not None
    assert output.first_files == tuple(f"part-{n:05d}.gz" for n in range(10))
    assert (output.files, output.bytes, output.objects, output.receipt) == (12, 120, 12, "r.json")
    assert (output.bucket, output.prefix, output.verified) == (
        "acme-mdm-exports",
        "reltio/mdm/nightly/u-1-1/",
        "Objects",
    )


def test_an_export_without_objects_is_complete() -> None:
    decision = read(obs(running("COMPLETED")), Delivery(*manifest(0)))
    output = decision.status.output
    assert output is not None
    assert (decision.status.phase, output.files, output.bytes, output.objects) == ("Complete", 0, 0, 0)


def test_an_export_whose_task_vanished_is_complete_once_its_files_are_there() -> None:
    assert read(obs(running("PROCESSING", phase="Unknown")), Delivery(*manifest(2))).status.phase == "Complete"


@pytest.mark.parametrize(("missing", "hidden"), [(1, 0), (10, 0), (11, 1), (30, 20)])
def test_ten_differences_are_shown_and_the_others_are_counted(missing: int, hidden: int) -> None:
    content, _ = manifest(missing)
    failed = find(read(obs(running("COMPLETED")), Delivery(content, {})).status.conditions, "Failed")
    assert failed is not None
    assert failed.reason == "DeliveryMismatch"
    assert sum(name in failed.message for name in content["files"]) == missing - hidden
    assert (f"and {hidden} more" in failed.message) is (hidden > 0)


def test_a_manifest_that_was_missing_for_another_reason_is_waited_for_from_the_start() -> None:
    shown = [condition("Reconciling", reason="RateLimited")]
    given = obs(running("COMPLETED", waits=9, waitingSince=stamp(-600), conditions=shown))
    status = read(given, Delivery(None, {})).status
    assert (status.phase, status.waits, status.waiting_since) == ("Verifying", 1, T0)


def test_a_search_that_found_no_tasks_changes_nothing_of_a_delivery() -> None:
    decision = read(obs(running("COMPLETED")), Delivery(*manifest(2)), SearchResult())
    assert (decision.status.phase, decision.status.duplicates) == ("Complete", ())
    assert [event.reason for event in decision.events] == ["Completed"]


def test_a_duplicate_that_runs_keeps_the_job_from_its_end_and_is_dealt_with_at_once() -> None:
    given = obs(running("COMPLETED", duplicates=[{"id": "z", "status": "PROCESSING"}]))
    decision = read(given, Delivery(*manifest(2)))
    assert (decision.requeue_after, decision.status) == (0, given.status)
    gone = obs(running("COMPLETED", duplicates=[{"id": "z", "status": "PROCESSING"}]), lost_task_ids=frozenset({"z"}))
    assert read(gone, Delivery(*manifest(2))).status.phase == "Complete"
