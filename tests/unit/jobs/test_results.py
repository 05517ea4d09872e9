"""What answers from outside mean for a job."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from builders import GOOD_MANIFEST, STORED_FILES, T0, job, running, stamp, submission, target
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import Submission
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.delivery.manifest import Delivery, FileReport, StoredFile
from reltio_export_operator.jobs import results
from reltio_export_operator.jobs.observation import (
    CheckDelivery,
    Decision,
    Elapsed,
    Observation,
    RemoveFinalizer,
    Submit,
)
from reltio_export_operator.jobs.results import Accepted, CallFailure, SearchResult


def doubtful(known_for: float = 0.0, **more: Any) -> Observation:
    """A job whose intent has no answer, and whose process has known that for so many seconds."""
    status = {"attempts": 1, "startTime": stamp(-120), "submission": submission()}
    return Observation(job=job(status=status, **more), now=T0, target=target(), elapsed=Elapsed(doubt=known_for))


def of(obs: Observation) -> Submission:
    submission = obs.status.submission
    assert submission is not None
    return submission


def on_search_result(obs: Observation, found: SearchResult) -> Decision:
    return results.on_search_result(obs, of(obs), found)


def on_submit_failed(obs: Observation, failure: CallFailure) -> Decision:
    return results.on_submit_failed(obs, of(obs), failure)


def on_accepted(obs: Observation, accepted: Accepted) -> Decision:
    return results.on_accepted(obs, of(obs), accepted)


def on_delivery_read(obs: Observation, delivery: Delivery, found: SearchResult | None = None) -> Decision:
    return results.on_delivery_read(obs, of(obs), delivery, found)


def on_delivery_unreadable(obs: Observation, failure: CallFailure) -> Decision:
    return results.on_delivery_unreadable(obs, of(obs), failure)


def finished() -> Observation:
    return Observation(job=job(status=running("COMPLETED")), now=T0, target=target())


def test_a_found_export_is_adopted() -> None:
    decision = on_search_result(doubtful(), SearchResult(tasks=(ObservedTask(id="x", status="PROCESSING"),)))
    assert [task.id for task in decision.status.tasks] == ["x"]
    assert [event.reason for event in decision.events] == ["Adopted"]


def test_a_manifest_without_tasks_is_inspected() -> None:
    assert isinstance(on_search_result(doubtful(), SearchResult(manifest=True)).action, CheckDelivery)


def test_nothing_found_waits_until_a_submission_under_way_must_have_ended() -> None:
    decision = on_search_result(doubtful(known_for=10), SearchResult())
    assert not isinstance(decision.action, Submit)
    assert decision.requeue_after == pytest.approx(66)


def test_the_wall_clock_has_no_say_in_when_to_submit_again() -> None:
    """A clock that jumped ahead makes the intent look old; what counts is how long this process has waited."""
    a_day_later = dataclasses.replace(doubtful(known_for=1), now=T0 + timedelta(days=1))
    assert not isinstance(on_search_result(a_day_later, SearchResult()).action, Submit)


def test_nothing_found_after_that_is_submitted_to_the_same_directory() -> None:
    decision = on_search_result(doubtful(known_for=100), SearchResult())
    assert isinstance(decision.action, Submit)
    again, first = decision.action.submission, doubtful().status.submission
    assert first is not None
    assert (again.id, again.name, again.path, again.resent) == (first.id, first.name, first.path, 1)


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"spec": {"cancel": True}}, "Cancelled"), ({"spec": {"activeDeadlineSeconds": 60}}, "DeadlineExceeded")],
)
def test_nothing_found_of_a_job_that_is_to_end_is_never_submitted_again(more: Any, reason: str) -> None:
    decision = on_search_result(doubtful(known_for=100, **more), SearchResult())
    failed = next(c for c in decision.status.conditions if c.type == "Failed")
    assert failed.reason == reason


def test_nothing_found_of_a_deleted_job_removes_the_finalizer_only_after_the_settling_time() -> None:
    deleted = {"metadata": {"deletionTimestamp": stamp(), "finalizers": ["export.reltio.com/running-export"]}}
    assert not isinstance(on_search_result(doubtful(known_for=10, **deleted), SearchResult()).action, RemoveFinalizer)
    assert isinstance(on_search_result(doubtful(known_for=100, **deleted), SearchResult()).action, RemoveFinalizer)


def test_the_oldest_of_several_exports_is_adopted_and_the_others_are_reported() -> None:
    first = ObservedTask(id="b", status="PROCESSING", group_id="g1", created_ms=1_000)
    second = ObservedTask(id="a", status="PROCESSING", group_id="g2", created_ms=90_000)
    decision = on_search_result(doubtful(), SearchResult(tasks=(second, first)))
    assert [task.id for task in decision.status.tasks] == ["b"]
    assert [task.id for task in decision.status.duplicates] == ["a"]
    assert [event.reason for event in decision.events] == ["Adopted", "DuplicateDetected"]


def test_a_lost_answer_keeps_the_intent_and_asks_later() -> None:
    decision = on_submit_failed(doubtful(), CallFailure("RequestTimeout", own("no answer"), ambiguous=True))
    assert decision.status.submission is not None
    assert decision.status.retry_time is not None


def test_an_attempt_whose_directory_has_files_is_not_submitted_again() -> None:
    found = SearchResult(files=True)
    assert not isinstance(on_search_result(doubtful(known_for=10), found).action, Submit)
    decision = on_search_result(doubtful(known_for=10_000), found)
    assert not isinstance(decision.action, Submit)
    assert decision.requeue_after
    assert [c.reason for c in decision.status.conditions if c.type == "Stalled"] == ["ExportNotListed"]
    cancelled = on_search_result(doubtful(known_for=10_000, spec={"cancel": True}), found)
    (failed,) = [c for c in cancelled.status.conditions if c.type == "Failed"]
    assert "had written files" in failed.message


def test_a_permanent_refusal_ends_the_job_with_the_words_of_the_service() -> None:
    decision = on_submit_failed(doubtful(), CallFailure("InvalidParameter", own("filter: bad"), permanent=True))
    failed = next(c for c in decision.status.conditions if c.type == "Failed")
    assert (failed.reason, failed.message) == ("InvalidParameter", "filter: bad")


def refused_again(given: Observation, failure: CallFailure) -> Decision:
    """What a refusal means for a job whose status is that of the observation."""
    assert given.status.submission is not None
    return results.on_submit_failed(given, given.status.submission, failure)


def test_an_unknown_refusal_is_final_after_a_few_in_a_row() -> None:
    unknown, limited = CallFailure("BadRequest", own("No."), tries=3), CallFailure("RateLimited", own("slow down"))
    given = doubtful()
    for failure in (unknown, unknown, limited, unknown, unknown):
        decision = refused_again(given, failure)
        assert decision.status.phase == "Pending"
        assert decision.requeue_after
        given = given.with_status(decision.status)
    assert refused_again(given, unknown).status.phase == "Failed"


def test_a_refusal_that_needs_a_person_is_retried_and_stalled_after_a_few() -> None:
    given = doubtful()
    stalled = []
    for _ in range(12):
        decision = refused_again(given, CallFailure("AccessDenied", own("No."), needs_person=True))
        given = given.with_status(decision.status)
        stalled.append(any(condition.type == "Stalled" for condition in decision.status.conditions))
    assert stalled == [False] * 3 + [True] * 9
    assert given.status.phase == "Pending"


def test_a_refusal_for_now_backs_off_and_honours_retry_after() -> None:
    decision = on_submit_failed(doubtful(), CallFailure("RateLimited", own("slow down"), retry_after=500))
    assert decision.requeue_after == 500
    assert decision.status.waits == 1


def test_a_refusal_for_now_is_on_record_so_that_nothing_needs_to_be_searched_for() -> None:
    refused = on_submit_failed(doubtful(), CallFailure("RateLimited", own("slow down"))).status
    assert refused.submission is not None
    assert refused.submission.refused_time is not None


def test_an_answer_takes_the_refusal_off_the_record() -> None:
    refused = on_submit_failed(doubtful(), CallFailure("RateLimited", own("slow down"))).status
    again = Observation(job=msgspec.structs.replace(job(), status=refused), now=T0, target=target())
    taken = on_accepted(again, Accepted(("t",), "g")).status
    assert taken.submission is not None
    assert (taken.submission.refused_time, taken.submission.group_id, taken.waits) == (None, "g", None)


def test_a_wait_says_since_when_and_until_when() -> None:
    first = results.wait(doubtful(), "Pending", CallFailure("RateLimited", own("Slow down."))).status
    later = Observation(
        job=msgspec.structs.replace(job(), status=first), now=T0 + timedelta(seconds=10), target=target()
    )
    second = results.wait(later, "Pending", CallFailure("RateLimited", own("Slow down."))).status
    message = next(c.message for c in second.conditions if c.type == "Reconciling")
    assert message == f"Slow down. Failing since {stamp()}. Retrying at {stamp(30)}."


def test_a_duplicate_found_at_the_end_is_reported_and_stopped_before_the_job_completes() -> None:
    status = running("COMPLETED", submission=submission(resent=1))
    obs = Observation(job=job(status=status), now=T0, target=target())
    mine = ObservedTask(id="task-0", status="COMPLETED", group_id="g1", created_ms=1)
    double = ObservedTask(id="z", status="PROCESSING", group_id="g2", created_ms=99_000)
    decision = on_delivery_read(obs, Delivery(GOOD_MANIFEST, STORED_FILES), SearchResult(tasks=(mine, double)))
    assert decision.status.phase != "Complete"
    assert [task.id for task in decision.status.duplicates] == ["z"]
    ended = msgspec.structs.replace(double, status="CANCELED")
    decision = on_delivery_read(obs, Delivery(GOOD_MANIFEST, STORED_FILES), SearchResult(tasks=(mine, ended)))
    assert decision.status.phase == "Complete"
    assert [event.reason for event in decision.events] == ["DuplicateDetected", "Completed"]


def test_a_delivery_that_agrees_with_its_manifest_completes_the_job() -> None:
    decision = on_delivery_read(finished(), Delivery(GOOD_MANIFEST, STORED_FILES))
    output = decision.status.output
    assert output is not None
    assert (output.files, output.bytes, output.objects) == (2, 150, 12)
    assert output.first_files == ("part-00000.gz", "part-00001.gz")
    assert output.digest is not None
    assert decision.status.phase == "Complete"


def test_a_delivery_that_disagrees_fails_the_job_with_what_differs() -> None:
    decision = on_delivery_read(finished(), Delivery({**GOOD_MANIFEST, "success": False}, STORED_FILES))
    failed = next(c for c in decision.status.conditions if c.type == "Failed")
    assert failed.reason == "DeliveryMismatch"
    assert "success: False" in failed.message


def test_a_long_list_of_differences_is_cut() -> None:
    many = {**GOOD_MANIFEST, "files": [f"part-{n:05d}.gz" for n in range(40)], "totalNumberOfFiles": 40}
    decision = on_delivery_read(finished(), Delivery(many, {}))
    failed = next(c for c in decision.status.conditions if c.type == "Failed")
    assert "; and 30 more. Create" in failed.message


UNREADABLE = CallFailure("AccessDenied", own("s3:GetObject is denied."))


def test_an_attempt_is_not_submitted_again_while_the_bucket_cannot_be_read() -> None:
    obs = doubtful(known_for=100)
    for _ in range(4):
        decision = on_search_result(obs, SearchResult(unreadable=UNREADABLE))
        assert not isinstance(decision.action, Submit)
        obs = dataclasses.replace(obs, job=msgspec.structs.replace(obs.job, status=decision.status))
    assert [c.reason for c in decision.status.conditions if c.type == "Stalled"] == ["AccessDenied"]


def test_a_job_that_is_to_end_ends_although_the_bucket_cannot_be_read() -> None:
    decision = on_search_result(doubtful(known_for=100, spec={"cancel": True}), SearchResult(unreadable=UNREADABLE))
    assert [c.reason for c in decision.status.conditions if c.type == "Failed"] == ["Cancelled"]


def test_nothing_found_of_a_suspended_job_is_not_submitted_again_until_it_is_resumed() -> None:
    decision = on_search_result(doubtful(known_for=100, spec={"suspend": True}), SearchResult())
    assert not isinstance(decision.action, Submit)
    assert decision.status.phase == "Suspended"
    assert decision.status.submission is not None
    assert decision.status.submission.refused_time is not None


def test_a_vanished_task_stays_unknown_while_the_bucket_cannot_be_read() -> None:
    obs = Observation(job=job(status=running("PROCESSING", phase="Unknown")), now=T0, target=target())
    for _ in range(20):
        decision = on_delivery_unreadable(obs, UNREADABLE)
        assert decision.status.phase == "Unknown"
        obs = dataclasses.replace(obs, job=msgspec.structs.replace(obs.job, status=decision.status))


def test_waits_for_an_unreadable_bucket_do_not_use_up_those_for_the_manifest() -> None:
    obs = Observation(job=job(status=running("COMPLETED")), now=T0, target=target())
    for _ in range(5):
        decision = on_delivery_unreadable(obs, UNREADABLE)
        obs = dataclasses.replace(obs, job=msgspec.structs.replace(obs.job, status=decision.status))
    decision = on_delivery_read(obs, Delivery(None, {}))
    assert (decision.status.phase, decision.status.waits) == ("Verifying", 1)


def test_a_secret_that_cannot_be_read_is_looked_at_again_within_half_a_minute_however_often_it_failed() -> None:
    obs = Observation(job=job(status={"attempts": 1, "submission": submission(), "waits": 12}), now=T0, target=target())
    assert (results.wait(obs, "Pending", CallFailure("SecretUnusable", own("no Secret"))).requeue_after or 0) <= 30


def unanswered(count: int, known_for: float = 0.0) -> Observation:
    obs = doubtful(known_for)
    lost = msgspec.structs.replace(of(obs), unanswered=count)
    return obs.with_status(msgspec.structs.replace(obs.status, submission=lost))


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 75), (1, 75), (2, 150), (3, 300), (4, 360), (5, 360), (100, 360), (10_000, 360)]
)
def test_the_time_between_submissions_without_an_answer_grows_up_to_the_longest_backoff(
    count: int, seconds: int
) -> None:
    early = on_search_result(unanswered(count, seconds - 1), SearchResult())
    assert not isinstance(early.action, Submit)
    assert early.requeue_after is not None
    late = on_search_result(unanswered(count, seconds), SearchResult())
    assert isinstance(late.action, Submit)
    assert late.action.submission.unanswered == count


@pytest.mark.parametrize(("count", "stalled"), [(0, False), (2, False), (3, True), (9, True)])
def test_after_some_lost_answers_in_a_row_the_job_is_stalled_with_the_words_of_the_service(
    count: int, stalled: bool
) -> None:
    failure = CallFailure("ServerError", own('The call failed in Reltio. It returned 500: "boom".'), ambiguous=True)
    decision = on_submit_failed(unanswered(count), failure)
    assert decision.status.submission is not None
    assert decision.status.submission.unanswered == count + 1
    found = {c.type: c.message for c in decision.status.conditions}
    assert ("Stalled" in found) is stalled
    assert '500: "boom"' in found["Stalled" if stalled else "Reconciling"]
    assert not decision.status.completion_time


def test_a_job_stays_stalled_while_it_is_searched_for_and_submitted_again() -> None:
    failure = CallFailure("ServerError", own("boom."), ambiguous=True)
    lost = on_submit_failed(unanswered(3), failure)
    waiting = unanswered(4, 100)
    searched = on_search_result(waiting.with_status(lost.status), SearchResult())
    assert "Stalled" in {c.type for c in searched.status.conditions}
    obs = dataclasses.replace(waiting.with_status(lost.status), elapsed=Elapsed(doubt=400))
    again = on_search_result(obs, SearchResult())
    assert isinstance(again.action, Submit)
    assert "Stalled" in {c.type for c in again.status.conditions}
    accepted = on_accepted(obs.with_status(again.status), Accepted(("t",)))
    assert "Stalled" not in {c.type for c in accepted.status.conditions}
    assert accepted.status.submission is not None
    assert accepted.status.submission.unanswered == 0


def test_a_clear_refusal_ends_the_count_of_lost_answers() -> None:
    decision = on_submit_failed(unanswered(5), CallFailure("RateLimited", own("wait")))
    assert decision.status.submission is not None
    assert decision.status.submission.unanswered == 0


def test_a_delivery_that_is_too_large_stalls_the_job_and_never_fails_it() -> None:
    obs = finished()
    for _ in range(20):
        decision = on_delivery_unreadable(obs, CallFailure("DeliveryTooLarge", own("It is too large.")))
        stalled = next(one for one in decision.status.conditions if one.type == "Stalled")
        assert (decision.status.phase, stalled.reason) == ("Verifying", "DeliveryTooLarge")
        obs = dataclasses.replace(obs, job=msgspec.structs.replace(obs.job, status=decision.status))


def test_a_delivery_that_was_examined_in_part_is_not_recorded_as_fully_verified() -> None:
    delivery = Delivery(
        {"success": True, "files": ["a.gz", "b.gz"], "totalObjects": 2},
        {"manifest.json": StoredFile(9), "a.gz": StoredFile(9), "b.gz": StoredFile(9)},
        {"a.gz": FileReport(records=1), "b.gz": FileReport(partial=True)},
    )
    decision = on_delivery_read(finished(), delivery)
    complete = next(one for one in decision.status.conditions if one.type == "Complete")
    assert (complete.reason, "b.gz" in complete.message) == ("DeliveredPartlyRead", True)
    assert decision.status.output is not None
    assert decision.status.output.verified == "Manifest"
