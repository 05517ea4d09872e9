"""When a call that failed is made again, and what the job shows until then."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from builders import T0, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import Condition, find
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.job import Submission
from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.delivery.manifest import Delivery
from reltio_export_operator.jobs import results
from reltio_export_operator.jobs.observation import Decision, Elapsed, Observation, Submit
from reltio_export_operator.jobs.results import CallFailure, SearchResult

DELETED = {"deletionTimestamp": stamp(), "finalizers": [FINALIZER]}
TO_END = [{"metadata": DELETED}, {"spec": {"cancel": True}}, {"spec": {"activeDeadlineSeconds": 60}}]
UNREADABLE = CallFailure("AccessDenied", own("s3:GetObject is denied."))
IN_DOUBT = {"attempts": 1, "startTime": stamp(-120), "submission": submission()}


def obs(status: Any = IN_DOUBT, *, doubt: float = 0, **more: Any) -> Observation:
    return Observation(job=job(status=status, **more), now=T0, target=target(), elapsed=Elapsed(doubt=doubt))


def of(given: Observation) -> Submission:
    assert given.status.submission is not None
    return given.status.submission


def after(given: Observation, decision: Decision) -> Observation:
    return dataclasses.replace(given, job=msgspec.structs.replace(given.job, status=decision.status))


def stalled(decision: Decision) -> Condition | None:
    return find(decision.status.conditions, "Stalled")


def wait(given: Observation, failure: CallFailure, **more: Any) -> Decision:
    return results.wait(given, "Pending", failure, **more)


def test_retries_are_counted_and_keep_the_time_of_the_first_failure() -> None:
    first = wait(obs(), UNREADABLE)
    assert (first.status.waits, first.status.waiting_since, first.requeue_after) == (1, T0, 10)
    later = dataclasses.replace(after(obs(), first), now=T0 + timedelta(seconds=10))
    second = wait(later, UNREADABLE)
    assert (second.status.waits, second.status.waiting_since, second.requeue_after) == (2, T0, 20)
    assert second.status.retry_time == T0 + timedelta(seconds=30)


@pytest.mark.parametrize(("retry_after", "delay"), [(None, 20), (0, 20), (5, 20), (20, 20), (21, 21), (500, 500)])
def test_the_longer_of_backoff_and_retry_after_is_waited_for(retry_after: float | None, delay: float) -> None:
    given = obs({**IN_DOUBT, "waits": 1})
    assert wait(given, CallFailure("RateLimited", own("Slow down."), retry_after=retry_after)).requeue_after == delay


@pytest.mark.parametrize(("waits", "delay"), [(0, 10), (1, 20), (2, 20), (12, 20)])
def test_a_secret_is_read_again_within_twenty_seconds(waits: int, delay: float) -> None:
    given = obs({**IN_DOUBT, "waits": waits})
    assert wait(given, CallFailure("SecretUnusable", own("No Secret."))).requeue_after == delay


def test_a_call_that_fails_for_another_reason_backs_off_for_longer() -> None:
    assert wait(obs({**IN_DOUBT, "waits": 12}), UNREADABLE).requeue_after == 360


@pytest.mark.parametrize("more", TO_END)
def test_a_job_that_is_to_end_is_retried_within_ten_seconds(more: Any) -> None:
    decision = wait(
        obs({**IN_DOUBT, "waits": 12}, **more), CallFailure("RateLimited", own("Slow down."), retry_after=900)
    )
    assert decision.requeue_after == 9


def test_a_retry_becomes_stalled_only_after_so_many_retries() -> None:
    for waits, expected in ((0, False), (1, False), (2, False), (3, True), (9, True)):
        decision = wait(obs({**IN_DOUBT, "waits": waits}), UNREADABLE, stalled_after=3)
        assert (stalled(decision) is not None) is expected
        assert find(decision.status.conditions, "Reconciling") is not None


def test_a_retry_that_has_no_such_limit_is_never_stalled() -> None:
    assert stalled(wait(obs({**IN_DOUBT, "waits": 99}), UNREADABLE)) is None


def test_a_lost_answer_is_searched_for_when_no_submission_can_be_under_way() -> None:
    decision = results.on_submit_failed(obs(), of(obs()), CallFailure("Timeout", own("No answer."), ambiguous=True))
    assert decision.requeue_after == 76
    assert decision.status.retry_time == T0 + timedelta(seconds=76)
    assert decision.status.phase == "Submitting"


@pytest.mark.parametrize("more", TO_END)
def test_the_answer_for_a_job_that_is_to_end_is_searched_for_within_ten_seconds(more: Any) -> None:
    given = obs({**IN_DOUBT, "phase": "Stopping", "conditions": [condition("Reconciling", reason="Cancelled")]}, **more)
    decision = results.on_search_result(given, of(given), SearchResult())
    assert decision.requeue_after == 10
    assert decision.status.retry_time == T0 + timedelta(seconds=10)
    assert (decision.status.phase, decision.status.conditions) == ("Stopping", given.status.conditions)


@pytest.mark.parametrize(("doubt", "sent"), [(0, False), (74.5, False), (75, True), (76, True)])
def test_an_attempt_is_sent_again_once_no_submission_can_be_under_way(doubt: float, sent: bool) -> None:
    given = obs(doubt=doubt)
    decision = results.on_search_result(given, of(given), SearchResult())
    assert isinstance(decision.action, Submit) is sent
    assert decision.requeue_after == (None if sent else 76 - doubt)


@pytest.mark.parametrize(
    ("more", "phase"),
    [({}, "Submitting"), *[(more, "Stopping") for more in TO_END]],
)
def test_a_search_that_failed_shows_whether_the_job_is_to_end(more: Any, phase: str) -> None:
    decision = results.on_search_failed(obs(**more), UNREADABLE)
    assert (decision.status.phase, decision.status.waits) == (phase, 1)


def test_a_bucket_that_stays_unreadable_before_the_attempt_is_sent_again_is_reported_as_stalled() -> None:
    given = obs(doubt=100)
    shown = []
    for _ in range(5):
        decision = results.on_search_result(given, of(given), SearchResult(unreadable=UNREADABLE))
        shown.append(stalled(decision) is not None)
        given = after(given, decision)
    assert shown == [False, False, False, True, True]


def unreadable_delivery(given: Observation, times: int) -> list[Decision]:
    decisions = []
    for _ in range(times):
        decisions.append(results.on_delivery_unreadable(given, of(given), UNREADABLE))
        given = after(given, decisions[-1])
    return decisions


def test_a_delivery_that_cannot_be_read_is_retried_and_reported_as_stalled() -> None:
    decisions = unreadable_delivery(obs(running("COMPLETED")), 20)
    assert [stalled(one) is not None for one in decisions] == [False] * 3 + [True] * 17
    assert [one.status.waits for one in decisions] == list(range(1, 21))
    assert {one.status.phase for one in decisions} == {"Verifying"}
    assert {one.status.waiting_since for one in decisions} == {T0}


OTHER_BUCKET = target(spec={"s3": {"bucket": "other", "path": "/", "roleARN": submission()["s3"]["roleARN"]}})
OTHER_ROLE = target(
    spec={"s3": {"bucket": "acme-mdm-exports", "path": "/", "roleARN": "arn:aws:iam::111122223333:role/other"}}
)


@pytest.mark.parametrize("changed", [None, OTHER_BUCKET, OTHER_ROLE])
def test_a_job_fails_after_eight_retries_when_its_target_no_longer_names_its_bucket_and_role(changed: Any) -> None:
    given = dataclasses.replace(obs(running("COMPLETED")), target=changed)
    decisions = unreadable_delivery(given, 9)
    assert [one.status.phase for one in decisions] == ["Verifying"] * 8 + ["Failed"]


def test_retries_for_another_reason_do_not_count_towards_those_of_an_unreadable_delivery() -> None:
    other = {"waits": 9, "waitingSince": stamp(-600), "conditions": [condition("Reconciling", reason="RateLimited")]}
    (decision,) = unreadable_delivery(obs(running("COMPLETED", **other)), 1)
    assert (decision.status.waits, decision.status.waiting_since) == (1, T0)


def test_a_manifest_is_waited_for_since_the_first_time_that_it_was_missing() -> None:
    given = obs(running("COMPLETED"))
    seen = []
    for _ in range(4):
        decision = results.on_delivery_read(given, of(given), Delivery(None, {}))
        seen.append((decision.status.phase, decision.status.waits, decision.status.waiting_since))
        given = dataclasses.replace(after(given, decision), now=given.now + timedelta(seconds=30))
    assert seen == [("Verifying", number, T0) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize("read", [True, False])
def test_the_bucket_of_an_export_whose_task_vanished_is_checked_each_minute(read: bool) -> None:
    given = obs(running("PROCESSING", phase="Unknown"))
    decision = (
        results.on_delivery_read(given, of(given), Delivery(None, {}))
        if read
        else results.on_delivery_unreadable(given, of(given), UNREADABLE)
    )
    assert (decision.requeue_after, decision.status) == (60, given.status)
