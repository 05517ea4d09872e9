"""What holds for every decision, and what decisions write to the status."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import T0, between_attempts, condition, job, running, stamp, submission, target
from reltio_export_operator.api.job import ExportJob, JobStatus
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs import tasks
from reltio_export_operator.jobs.observation import Elapsed, Observation
from reltio_export_operator.jobs.policies import decide
from unit.jobs.steps import DELETED, obs, summary


def replaced(status: JobStatus) -> ExportJob:
    return msgspec.structs.replace(job(), status=status)


@pytest.mark.parametrize(
    "status",
    [{}, running("PROCESSING"), running("COMPLETED", conditions=[condition("Complete")])],
    ids=["new", "running", "finished"],
)
def test_the_status_says_which_spec_it_takes_into_account(status: dict[str, Any]) -> None:
    decision = decide(obs(status={**status, "observedGeneration": 1}, metadata={"generation": 4}, queue_position=1))
    assert decision.status.observed_generation == 4


def test_a_vanished_task_is_reported_once_and_polled_rarely() -> None:
    first = decide(obs(status=running("PROCESSING"), lost_task_ids=frozenset({"task-0"})))
    again = decide(replace(obs(lost_task_ids=frozenset({"task-0"})), job=replaced(first.status)))
    assert again.status == first.status
    assert (again.requeue_after, summary(again)) == (60, ("CheckDelivery", "TaskVanished"))


@given(
    statuses=st.lists(st.sampled_from(["SCHEDULED", "PROCESSING", "CANCELING", "COMPLETED"]), max_size=3),
    retry=st.one_of(st.none(), st.integers(-10, 3600)),
    deletion=st.floats(0, 119),
)
def test_a_deleted_job_is_looked_at_often_enough_to_keep_the_bound(
    statuses: list[str], retry: int | None, deletion: float
) -> None:
    status = running(*statuses) if statuses else {"attempts": 1, "submission": submission()}
    if retry is not None:
        status["retryTime"] = stamp(retry)
    decision = decide(obs(metadata=DELETED, status=status, elapsed=Elapsed(deletion=deletion)))
    assert decision.requeue_after is not None
    assert decision.requeue_after <= 10


def test_the_intent_carries_a_directory_and_a_name_of_its_own() -> None:
    status = decide(obs(status=between_attempts(retryTime=stamp(-1)))).status
    assert status.submission is not None
    assert status.submission.path == "reltio/mdm/nightly/u-1-2/"
    assert status.submission.name == "mdm.nightly-u-1-2"
    assert status.attempts == 2


def test_a_job_whose_backoff_is_over_wants_a_place_again() -> None:
    queued = decide(obs(status=between_attempts(retryTime=stamp(-1)), queue_position=1))
    assert queued.status.phase == "Queued"
    assert queued.status.retry_time is None


def test_a_job_without_verification_completes_by_the_report_of_reltio() -> None:
    decision = decide(obs(status=running("COMPLETED"), spec={"delivery": {"verify": "None"}}))
    assert summary(decision) == ("Wait", "ReportedByService")
    assert decision.status.output is not None
    assert decision.status.output.objects is None


def test_progress_alone_is_not_written_until_it_is_due() -> None:
    seen = {"task-0": ObservedTask(id="task-0", status="PROCESSING", processed=5, total=10)}
    status = running("PROCESSING")
    early = decide(obs(status=status, observed_tasks=seen, progress_due=False))
    due = decide(obs(status=status, observed_tasks=seen, progress_due=True))
    assert early.status.progress is None
    assert due.status.progress is not None
    assert due.status.progress.summary == "50% (5/10)"


def test_a_change_of_status_is_written_at_once() -> None:
    seen = {"task-0": ObservedTask(id="task-0", status="COMPLETED")}
    decision = decide(obs(status=running("PROCESSING"), observed_tasks=seen, progress_due=False))
    assert [task.status for task in decision.status.tasks] == ["COMPLETED"]


@pytest.mark.parametrize(
    ("status", "written"),
    [
        ("PROCESSING", False),
        ("WAITING", False),
        ("PAUSED", True),
        ("THROTTLING", True),
        ("NEW", True),
        ("FAILED", True),
    ],
)
def test_that_a_task_moves_on_is_written_with_the_next_progress(status: str, written: bool) -> None:
    """Its end, and what a person may want to do something about, is written at once."""
    shown = decide(obs(status=running("SCHEDULED"), observed_tasks=observed("SCHEDULED"))).status
    moved = obs(observed_tasks=observed(status), progress_due=False).with_status(shown)
    assert (decide(moved).status != shown) == written
    assert decide(replace(moved, progress_due=True)).status != shown


def observed(status: str) -> dict[str, ObservedTask]:
    return {"task-0": ObservedTask(id="task-0", status=status)}


def test_a_finished_job_keeps_the_progress_that_was_reported() -> None:
    done = {**running("COMPLETED", progress={"processed": 7, "total": 7, "percent": 100, "summary": "100% (7/7)"})}
    before = obs(status={**done, "conditions": [condition("Complete")], "completionTime": stamp()})
    assert decide(before).status.progress == before.status.progress


words = st.sampled_from(
    ["SCHEDULED", "PROCESSING", "PAUSED", "CANCELING", "CANCELED", "COMPLETED", "FAILED", "NEWLY_INVENTED"]
)


@given(
    statuses=st.lists(words, max_size=4),
    spec=st.fixed_dictionaries(
        {}, optional={"suspend": st.booleans(), "cancel": st.booleans(), "activeDeadlineSeconds": st.just(60)}
    ),
    metadata=st.sampled_from([{}, DELETED]),
    later=st.integers(0, 300),
    ready=st.booleans(),
)
def test_no_fresh_directory_while_an_attempt_may_live(
    statuses: list[str], spec: dict[str, Any], metadata: dict[str, Any], later: int, ready: bool
) -> None:
    status = running(*statuses)
    decision = decide(
        obs(
            status=status,
            spec=spec,
            metadata=metadata,
            now=T0 + timedelta(seconds=later),
            target=target(ready=ready),
        )
    )
    over = bool(statuses) and not tasks.unfinished(job(status=status).status.tasks)
    if not over:
        assert decision.status.submission is not None
        assert decision.status.submission.path == status["submission"]["path"]


def test_the_outcome_of_a_job_is_said_of_its_spec_as_it_is_now() -> None:
    done = job(status={"conditions": [condition("Complete")], "observedGeneration": 1}, metadata={"generation": 2})
    status = decide(Observation(done, T0)).status
    assert status.observed_generation == 2
    assert [one.observed_generation for one in status.conditions] == [2]
