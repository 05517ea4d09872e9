"""Times and conditions that decisions are made of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import T0, condition, job, stamp
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.reasons import ConditionReason
from reltio_export_operator.jobs.observation import (
    LONGEST_WAIT,
    Observation,
    backoff,
    seconds_until,
    seconds_until_retry,
    seconds_until_urgent_retry,
    status_of,
)

WHY = ConditionReason("Why", own("Because."))


def obs(**status: Any) -> Observation:
    return Observation(job=job(status=status), now=T0)


@pytest.mark.parametrize(("ahead", "left"), [(5, 5.0), (0, 0.0), (-5, 0.0)])
def test_a_moment_that_has_passed_is_zero_seconds_away(ahead: int, left: float) -> None:
    assert seconds_until(T0 + timedelta(seconds=ahead), T0) == left


@pytest.mark.parametrize(
    ("ahead", "left"),
    [(30, 30), (0, 0), (-30, 0), (LONGEST_WAIT, LONGEST_WAIT), (LONGEST_WAIT + 1, 0)],
)
def test_a_retry_further_away_than_any_wait_is_due(ahead: float, left: float) -> None:
    assert seconds_until_retry(obs(retryTime=stamp(ahead))) == left
    assert seconds_until_retry(obs()) == 0


@pytest.mark.parametrize(("ahead", "left"), [(9, 9), (10, 10), (11, 0), (300, 0)])
def test_a_retry_that_was_set_before_it_became_urgent_is_due(ahead: float, left: float) -> None:
    assert seconds_until_urgent_retry(obs(retryTime=stamp(ahead))) == left


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 10), (1, 10), (2, 20), (3, 40), (6, 320), (7, 360), (10**6, 360)]
)
def test_the_backoff_is_doubled_for_each_failure_up_to_its_cap(failures: int, seconds: int) -> None:
    assert backoff(obs(), failures) == timedelta(seconds=seconds)


def test_conditions_that_no_longer_hold_are_left_out() -> None:
    status = status_of(obs(conditions=[condition("Reconciling"), condition("Stalled")]), "Running")
    assert status.conditions == ()
    assert status.phase == "Running"


def test_a_condition_that_holds_is_true_and_keeps_the_time_of_its_change() -> None:
    given = Observation(
        job=job(status={"conditions": [condition("Reconciling")]}, metadata={"generation": 3}),
        now=T0 + timedelta(seconds=60),
    )
    (found,) = status_of(given, "Running", reconciling=WHY).conditions
    assert (found.type, found.status, found.reason, found.message) == ("Reconciling", "True", "Why", "Because.")
    assert (found.last_transition_time, found.observed_generation) == (T0, 3)


def test_a_job_that_was_never_suspended_does_not_say_that_it_is_not() -> None:
    assert find(status_of(obs(), "Running", reconciling=WHY).conditions, "Suspended") is None


def test_a_job_that_continues_is_no_longer_suspended() -> None:
    suspended = find(status_of(obs(conditions=[condition("Suspended")]), "Running").conditions, "Suspended")
    assert suspended is not None
    assert suspended.status == "False"


def test_a_suspended_job_is_suspended_and_nothing_else() -> None:
    found = status_of(obs(conditions=[condition("Reconciling")]), "Suspended", suspended=WHY).conditions
    assert [(one.type, one.status) for one in found] == [("Suspended", "True")]
