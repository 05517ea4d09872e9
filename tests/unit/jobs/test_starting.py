"""How a job begins: suspension, backoff, target, queue, submission."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from builders import T0, between_attempts, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.reasons import ConditionReason
from reltio_export_operator.jobs.observation import Decision, Observation, Search, Submit, Wait
from reltio_export_operator.jobs.policies import decide

REFUSED = {"attempts": 1, "startTime": stamp(-120), "submission": submission(refusedTime=stamp(-9)), "waits": 2}
IN_DOUBT = {"attempts": 1, "startTime": stamp(-120), "submission": submission()}


def obs(status: Any = None, *, now: float = 0, **more: Any) -> Observation:
    given = {key: more.pop(key) for key in ("spec", "metadata") if key in more}
    return Observation(
        job=job(status=status, **given), now=T0 + timedelta(seconds=now), target=more.pop("target", target()), **more
    )


def after(given: Observation, decision: Decision, **more: Any) -> Observation:
    return dataclasses.replace(given, job=msgspec.structs.replace(given.job, status=decision.status), **more)


def reason(decision: Decision, type_: str = "Reconciling") -> str | None:
    found = find(decision.status.conditions, type_)
    return found.reason if found is not None and found.status == "True" else None


def queued(shown: int, **more: Any) -> dict[str, Any]:
    return {
        "phase": "Queued",
        "queuePosition": shown,
        "conditions": [condition("Reconciling", reason="Queued")],
        "observedGeneration": 1,
        **more,
    }


def test_a_job_that_has_to_wait_shows_its_place_in_the_queue() -> None:
    decision = decide(obs(queue_position=7))
    assert (decision.action, decision.status.phase, decision.status.queue_position) == (Wait(), "Queued", 7)
    assert reason(decision) == "Queued"


@pytest.mark.parametrize(
    ("shown", "position", "written"),
    [
        (100, 100, False),
        (100, 99, False),
        (100, 51, False),
        (100, 50, True),
        (100, 49, True),
        (101, 51, False),
        (101, 50, True),
        (100, 101, True),
        (12, 11, False),
        (12, 10, True),
        (12, 9, True),
        (5, 5, False),
        (5, 4, True),
        (1, 2, True),
        (1, 1, False),
        (11, 12, True),
    ],
)
def test_a_place_in_the_queue_is_written_near_the_head_or_when_it_was_halved_or_grew(
    shown: int, position: int, written: bool
) -> None:
    given = obs(queued(shown), queue_position=position)
    decision = decide(given)
    assert decision.status.queue_position == (position if written else shown)
    assert (decision.status == given.status) is (not written)


def test_a_queued_job_without_a_condition_gets_one() -> None:
    assert reason(decide(obs(queued(100, conditions=[]), queue_position=100))) == "Queued"


def test_a_job_in_the_queue_whose_place_was_lost_shows_it_again() -> None:
    status = queued(1)
    del status["queuePosition"]
    assert decide(obs(status, queue_position=100)).status.queue_position == 100


def test_a_job_at_the_head_of_the_queue_is_submitted_and_shows_no_place() -> None:
    given = queued(1, retryTime=stamp(-1), waits=3, waitingSince=stamp(-90))
    decision = decide(obs(given, now=30))
    status = decision.status
    assert isinstance(decision.action, Submit)
    assert decision.action.submission == status.submission
    assert (status.queue_position, status.retry_time, status.waits, status.waiting_since) == (None, None, None, None)
    assert (status.phase, status.attempts) == ("Submitting", 1)


@pytest.mark.parametrize("ready", [True, False])
def test_a_job_whose_target_has_a_role_that_is_not_allowed_waits_and_says_why(ready: bool) -> None:
    why = ConditionReason("RoleNotAllowed", own("The settings do not allow it."))
    for status in (None, queued(1)):
        decision = decide(obs(status, target=target(ready=ready), refusal=why))
        assert (decision.action, decision.status.phase, reason(decision)) == (Wait(), "Pending", "RoleNotAllowed")
        assert decision.status.submission is None


def test_a_job_starts_with_its_first_submission() -> None:
    assert decide(obs(now=30)).status.start_time == T0 + timedelta(seconds=30)
    retried = decide(obs(between_attempts(1, startTime=stamp(-500)), now=30))
    assert retried.status.start_time == T0 - timedelta(seconds=500)


def test_a_job_whose_attempt_is_under_way_does_not_queue() -> None:
    assert isinstance(decide(obs(IN_DOUBT, queue_position=3)).action, Search)
    assert reason(decide(obs(running("PROCESSING"), queue_position=3))) == "ExportRunning"


@pytest.mark.parametrize("gone", [None, target(ready=False), target(spec={"suspend": True})])
def test_a_job_whose_target_cannot_be_used_leaves_the_queue(gone: Any) -> None:
    decision = decide(obs(queued(3, retryTime=stamp(-1)), queue_position=2, target=gone))
    assert (decision.status.phase, decision.status.queue_position, decision.status.retry_time) == (
        "Pending",
        None,
        None,
    )


def test_a_running_export_does_not_depend_on_its_target() -> None:
    for gone in (None, target(ready=False), target(spec={"suspend": True})):
        assert reason(decide(obs(running("PROCESSING"), target=gone))) == "ExportRunning"


@pytest.mark.parametrize(("retry_in", "left"), [(30, 30), (1, 1)])
def test_a_failed_attempt_is_not_retried_before_its_backoff_has_passed(retry_in: int, left: float) -> None:
    for place in (0, 3):
        decision = decide(obs(between_attempts(1, retryTime=stamp(retry_in)), queue_position=place))
        assert (decision.action, decision.requeue_after) == (Wait(), left)


@pytest.mark.parametrize("retry_in", [0, -1])
def test_a_failed_attempt_is_retried_when_its_backoff_has_passed(retry_in: int) -> None:
    action = decide(obs(between_attempts(1, retryTime=stamp(retry_in)))).action
    assert isinstance(action, Submit)
    assert action.submission.attempt == 2


def test_a_job_that_is_suspended_before_its_start_leaves_the_queue() -> None:
    decision = decide(obs(queued(3, startTime=stamp(-60)), queue_position=2, spec={"suspend": True}))
    assert (decision.action, decision.status.phase) == (Wait(), "Suspended")
    assert reason(decision, "Suspended") == "JobSuspended"
    assert (decision.status.queue_position, decision.status.start_time) == (None, None)


def test_an_attempt_in_doubt_is_searched_for_although_the_job_is_suspended() -> None:
    assert isinstance(decide(obs(IN_DOUBT, spec={"suspend": True})).action, Search)


@pytest.mark.parametrize(("retry_in", "searches"), [(30, False), (1, False), (0, True), (-1, True)])
def test_an_attempt_in_doubt_is_searched_for_when_its_time_has_come(retry_in: int, searches: bool) -> None:
    decision = decide(obs({**IN_DOUBT, "retryTime": stamp(retry_in)}))
    assert isinstance(decision.action, Search) is searches
    assert decision.requeue_after == (None if searches else retry_in)


def test_a_refused_attempt_is_sent_again_to_the_same_directory_as_a_new_intent() -> None:
    decision = decide(obs({**REFUSED, "retryTime": stamp(-1)}, now=30))
    assert isinstance(decision.action, Submit)
    again = decision.action.submission
    assert (again.id, again.path, again.resent, again.refused_time) == ("u-1-1", submission()["path"], 1, None)
    assert again.intended_time == T0 + timedelta(seconds=30)
    assert (decision.status.submission, decision.status.retry_time) == (again, None)


@pytest.mark.parametrize("retry_in", [1, 30])
def test_a_refused_attempt_waits_for_its_time(retry_in: int) -> None:
    decision = decide(obs({**REFUSED, "retryTime": stamp(retry_in)}))
    assert (decision.action, decision.requeue_after) == (Wait(), retry_in)


def test_a_refused_attempt_of_a_suspended_job_is_kept_until_the_job_continues() -> None:
    suspended = decide(obs(REFUSED, spec={"suspend": True}))
    assert (suspended.action, suspended.status.phase) == (Wait(), "Suspended")
    assert suspended.status.start_time is None
    continues = obs(REFUSED, now=60)
    resumed = decide(after(continues, suspended))
    assert (resumed.action, resumed.requeue_after, reason(resumed)) == (Wait(), 0, "Resuming")
    assert resumed.status.start_time == T0 + timedelta(seconds=60)
    assert isinstance(decide(after(continues, resumed)).action, Submit)


def test_a_refused_attempt_keeps_its_start_when_the_job_continues() -> None:
    decision = decide(obs({**REFUSED, "conditions": [condition("Suspended")]}, now=60))
    assert decision.status.start_time == T0 - timedelta(seconds=120)


@pytest.mark.parametrize("suspended", [True, False])
def test_a_refused_attempt_is_not_sent_again_while_its_target_is_suspended(suspended: bool) -> None:
    decision = decide(obs(REFUSED, target=target(spec={"suspend": suspended})))
    assert isinstance(decision.action, Wait) is suspended
    assert reason(decision) == ("TargetSuspended" if suspended else "Submitting")


def test_a_refused_attempt_is_sent_again_although_its_target_is_gone() -> None:
    """The attempt has its own copy of what it needs of the target."""
    assert isinstance(decide(obs(REFUSED, target=None)).action, Submit)


def test_a_directory_that_is_too_long_fails_the_job_before_anything_is_submitted() -> None:
    decision = decide(obs(spec={"path": "a" * 1000}))
    assert isinstance(decision.action, Wait)
    assert reason(decision, "Failed") == "PathTooLong"
    assert decision.status.submission is None


def test_a_wait_for_a_place_that_has_just_begun_is_not_written() -> None:
    """It may be over within a second: the write would be replaced at once."""
    early = obs(queue_position=7, just_queued=True)
    assert decide(early).requeue_after == 1
    assert decide(early).status == early.status
    assert decide(dataclasses.replace(early, just_queued=False)).status.phase == "Queued"
    shown = obs(queued(7), queue_position=3, just_queued=True)
    assert decide(shown).status.queue_position == 3
