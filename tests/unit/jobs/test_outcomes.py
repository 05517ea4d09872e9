"""What answers from outside mean for a job."""

from __future__ import annotations

from typing import Any

import pytest

from builders import T0, job, running, stamp, submission, target
from reltio_export_operator.api.observation import TaskView
from reltio_export_operator.jobs import outcomes
from reltio_export_operator.jobs.outcomes import Delivery, Findings, Refusal
from reltio_export_operator.jobs.view import Inspect, Submit, View

GOOD = {
    "success": True,
    "files": ["part-00000.gz", "part-00001.gz"],
    "totalObjects": 12,
    "totalNumberOfFiles": 2,
}
SIZES = {"part-00000.gz": 100, "part-00001.gz": 50, "manifest.json": 9}


def doubtful(intended: float = 0.0) -> View:
    status = {"attempts": 1, "submission": submission(intendedTime=stamp(intended))}
    return View(job=job(status=status), now=T0, target=target())


def finished() -> View:
    return View(job=job(status=running("COMPLETED")), now=T0, target=target())


def test_a_found_export_is_adopted() -> None:
    decision = outcomes.found(doubtful(), Findings(tasks=(TaskView(id="x", status="PROCESSING"),)))
    assert [task.id for task in decision.status.tasks] == ["x"]
    assert [event.reason for event in decision.events] == ["Adopted"]


def test_a_manifest_without_tasks_is_inspected() -> None:
    assert isinstance(outcomes.found(doubtful(), Findings(manifest=True)).action, Inspect)


def test_nothing_found_waits_until_a_submission_under_way_must_have_ended() -> None:
    decision = outcomes.found(doubtful(intended=-10), Findings())
    assert not isinstance(decision.action, Submit)
    assert decision.after == pytest.approx(65)


def test_nothing_found_after_that_is_submitted_to_the_same_directory() -> None:
    decision = outcomes.found(doubtful(intended=-100), Findings())
    assert isinstance(decision.action, Submit)
    assert decision.action.submission.id == "u-1-1"


def test_a_lost_answer_keeps_the_intent_and_asks_later() -> None:
    decision = outcomes.refused(doubtful(), Refusal("RequestTimeout", "no answer", ambiguous=True))
    assert decision.status.submission is not None
    assert decision.status.retry_time is not None


def test_a_permanent_refusal_ends_the_job_with_the_words_of_the_service() -> None:
    decision = outcomes.refused(doubtful(), Refusal("InvalidParameter", "filter: bad", permanent=True))
    failed = next(c for c in decision.status.conditions if c.type == "Failed")
    assert (failed.reason, failed.message) == ("InvalidParameter", "filter: bad")


def test_a_refusal_for_now_backs_off_and_honours_retry_after() -> None:
    decision = outcomes.refused(doubtful(), Refusal("RateLimited", "slow down", retry_after=500))
    assert decision.after == 500
    assert decision.status.waits == 1


def test_a_delivery_that_agrees_with_its_manifest_completes_the_job() -> None:
    decision = outcomes.inspected(finished(), Delivery(GOOD, SIZES))
    output = decision.status.output
    assert output is not None
    assert (output.files, output.bytes, output.objects) == (2, 150, 12)
    assert decision.status.phase == "Complete"


@pytest.mark.parametrize(
    ("manifest", "sizes", "words"),
    [
        (None, SIZES, "manifest.json is missing"),
        ("text", SIZES, "not a JSON object"),
        ({**GOOD, "success": False}, SIZES, "success: False"),
        (GOOD, {"part-00000.gz": 100}, "part-00001.gz is listed but missing"),
        (GOOD, {**SIZES, "part-00001.gz": 0}, "part-00001.gz is empty"),
        ({**GOOD, "totalNumberOfFiles": 3}, SIZES, "lists 2 files but counts 3"),
        ({**GOOD, "totalObjects": "many"}, SIZES, "totalObjects"),
        ({**GOOD, "files": ["../part-00000.gz"]}, SIZES, "missing"),
    ],
)
def test_a_delivery_that_disagrees_fails_the_job(manifest: Any, sizes: dict[str, int], words: str) -> None:
    decision = outcomes.inspected(finished(), Delivery(manifest, sizes))
    failed = next(c for c in decision.status.conditions if c.type == "Failed")
    assert failed.reason == "DeliveryMismatch"
    assert words in failed.message


def test_an_empty_export_is_a_valid_delivery() -> None:
    empty = {"success": True, "files": [], "totalObjects": 0, "totalNumberOfFiles": 0}
    assert outcomes.differences_of(Delivery(empty, {})) == []
