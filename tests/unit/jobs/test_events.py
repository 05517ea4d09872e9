from __future__ import annotations

import pytest

from builders import condition, job
from reltio_export_operator.api.job import JobStatus
from reltio_export_operator.jobs.events import events_of


def status(*conditions: object) -> JobStatus:
    return job(status={"conditions": list(conditions)}).status


RUNNING = condition("Reconciling", reason="ExportRunning")


@pytest.mark.parametrize(
    "begun",
    [
        condition("Stalled", reason="TaskVanished", message="Reltio no longer knows task t-1."),
        condition("Reconciling", reason="RetryPending", message="Attempt 1 of 3 failed."),
        condition("Reconciling", reason="PausedAtService", message="Paused."),
        condition("Reconciling", reason="TargetNotReady", message="Not Ready."),
    ],
)
def test_a_reason_that_a_person_should_know_of_is_an_event_once(begun: dict[str, object]) -> None:
    before, after = status(RUNNING), status(begun)
    (event,) = events_of(before, after)
    assert (event.type, event.reason, event.message) == ("Warning", begun["reason"], begun["message"])
    assert events_of(after, status({**begun, "message": "in other words"})) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (status(), status(RUNNING)),
        (status(RUNNING), status(condition("Failed"), condition("Stalled"))),
        (status(condition("Stalled")), status(RUNNING)),
        (status(), status(condition("Stalled", "False", reason="TaskVanished"))),
    ],
    ids=["a normal step", "failed, which has an event of its own", "an end of trouble", "not true"],
)
def test_other_changes_are_not_events(before: JobStatus, after: JobStatus) -> None:
    assert events_of(before, after) == ()


def test_another_reason_of_the_same_condition_is_an_event() -> None:
    before, after = status(condition("Stalled", reason="TaskVanished")), status(condition("Stalled", reason="Other"))
    assert [event.reason for event in events_of(before, after)] == ["Other"]
