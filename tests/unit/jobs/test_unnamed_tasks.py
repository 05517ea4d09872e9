"""After a lost answer: tasks without a name, each of which may be the export."""

from __future__ import annotations

from typing import Any

from builders import T0, job, stamp, submission, target
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs import results
from reltio_export_operator.jobs.observation import Decision, Elapsed, Observation, RemoveFinalizer, Submit
from reltio_export_operator.jobs.results import SearchResult

UNNAMED = (ObservedTask(id="t-9", status="COMPLETED"),)


def doubtful(known_for: float, **more: Any) -> Observation:
    """A job whose intent has no answer, and whose process has known that for so many seconds."""
    status = {"attempts": 1, "startTime": stamp(-120), "submission": submission()}
    return Observation(job=job(status=status, **more), now=T0, target=target(), elapsed=Elapsed(doubt=known_for))


def on_search_result(obs: Observation, found: SearchResult) -> Decision:
    assert obs.status.submission is not None
    return results.on_search_result(obs, obs.status.submission, found)


def stalled(decision: Decision) -> str | None:
    found = [c.reason for c in decision.status.conditions if c.type == "Stalled"]
    return found[0] if found else None


def test_a_task_that_may_be_the_export_keeps_it_from_being_sent_again() -> None:
    obs = doubtful(known_for=100_000)
    for count in range(1, 5):
        decision = on_search_result(obs, SearchResult(unnamed=UNNAMED))
        assert not isinstance(decision.action, Submit)
        assert stalled(decision) == (None if count <= 3 else "ExportNotIdentified")
        obs = obs.with_status(decision.status)
    assert "Task t-9 was created at that time" in decision.status.conditions[-1].message


def test_a_running_task_that_may_be_the_export_is_waited_for_longer() -> None:
    obs = doubtful(known_for=100_000)
    running_task = ObservedTask(id="t-9", status="PROCESSING")
    for files in (False, True):
        decision = on_search_result(obs, SearchResult(unnamed=(running_task,), files=files))
        assert not isinstance(decision.action, Submit)
        assert stalled(decision) is None


def test_a_deleted_job_reports_the_task_that_may_be_its_export() -> None:
    obs = doubtful(known_for=100, metadata={"deletionTimestamp": stamp(-100), "finalizers": ["export.reltio.com/task"]})
    decision = on_search_result(obs, SearchResult(unnamed=UNNAMED))
    assert isinstance(decision.action, RemoveFinalizer)
    assert [event.reason for event in decision.events] == ["CleanupIncomplete"]
    assert "task t-9" in decision.events[0].message


def test_a_cancelled_job_does_not_claim_that_reltio_had_nothing() -> None:
    decision = on_search_result(doubtful(known_for=100, spec={"cancel": True}), SearchResult(unnamed=UNNAMED))
    failed = next(c for c in decision.status.conditions if c.type == "Failed")
    assert "It is not known whether Reltio had its export: task t-9" in failed.message
