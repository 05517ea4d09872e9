"""The life of an export: which step follows from what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import T0, between_attempts, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.job import ExportJob, JobStatus
from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.api.reasons import ConditionReason
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs import tasks
from reltio_export_operator.jobs.observation import Decision, Elapsed, Observation
from reltio_export_operator.jobs.policies import decide

DELETED = {"deletionTimestamp": stamp(), "finalizers": [FINALIZER]}


def obs(**more: Any) -> Observation:
    given_job = {key: more.pop(key) for key in ("spec", "status", "metadata") if key in more}
    return Observation(job=job(**given_job), now=more.pop("now", T0), target=more.pop("target", target()), **more)


def replaced(status: JobStatus) -> ExportJob:
    return msgspec.structs.replace(job(), status=status)


def summary(decision: Decision) -> tuple[str, str]:
    """The action, and the reason of the condition that a person reads first."""
    for type_ in ("Complete", "Failed", "Stalled", "Reconciling", "Suspended"):
        found = find(decision.status.conditions, type_)
        if found is not None and found.status == "True":
            return type(decision.action).__name__, found.reason
    return type(decision.action).__name__, ""


@pytest.mark.parametrize(
    ("case", "action", "reason"),
    [
        pytest.param({}, "Submit", "Submitting", id="a new job whose turn it is begins"),
        pytest.param({"target": None}, "Wait", "TargetNotFound", id="no target"),
        pytest.param({"target": target(ready=False)}, "Wait", "TargetNotReady", id="target not ready"),
        pytest.param({"target": target(spec={"suspend": True})}, "Wait", "TargetSuspended", id="target suspended"),
        pytest.param({"queue_position": 3}, "Wait", "Queued", id="others come first"),
        pytest.param({"spec": {"suspend": True}}, "Wait", "JobSuspended", id="suspended before the start"),
        pytest.param({"spec": {"cancel": True}}, "Wait", "Cancelled", id="cancelled before the start"),
        pytest.param(
            {"metadata": {"annotations": {"export.reltio.com/cancel": "true"}}},
            "Wait",
            "Cancelled",
            id="cancelled by annotation",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission()}},
            "Search",
            "",
            id="an intent without answer is searched for, never sent blindly",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission()}, "target": None},
            "Search",
            "",
            id="an intent is searched for even when the target is gone",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(), "retryTime": stamp(30)}},
            "Wait",
            "",
            id="a search waits for its time",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(), "retryTime": stamp(86_400)}},
            "Search",
            "",
            id="a time further away than any wait is a clock that was set back",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(refusedTime=stamp()), "retryTime": stamp(30)}},
            "Wait",
            "",
            id="refused for now: it waits",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(refusedTime=stamp()), "retryTime": stamp(-1)}},
            "Submit",
            "Submitting",
            id="refused for now, waited: it is sent again without a search",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(refusedTime=stamp())}, "spec": {"cancel": True}},
            "Wait",
            "Cancelled",
            id="cancelled while the service does not have it",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission()}, "spec": {"cancel": True}},
            "Search",
            "Cancelled",
            id="cancelled in doubt: the service is asked first",
        ),
        pytest.param(
            {"target": target(metadata={"deletionTimestamp": stamp()})}, "Wait", "TargetDeleted", id="target deleted"
        ),
        pytest.param({"status": running("PROCESSING")}, "Wait", "ExportRunning", id="it runs"),
        pytest.param(
            {"status": running("SOMETHING_NEW")}, "Wait", "UnknownTaskStatus", id="an unknown status is shown"
        ),
        pytest.param(
            {"status": running("PROCESSING"), "watch_error": ConditionReason("Unreachable", "No connection.")},
            "Wait",
            "Unreachable",
            id="the service cannot be seen",
        ),
        pytest.param({"status": running("CANCELED")}, "Wait", "TaskCanceled", id="somebody stopped it in the console"),
        pytest.param(
            {"status": running("FAILED", "PROCESSING"), "lost_task_ids": frozenset({"task-1"})},
            "CheckDelivery",
            "TaskVanished",
            id="a sibling failed and the other one vanished: it may run on, so there is no second export",
        ),
        pytest.param(
            {"status": running("PROCESSING", duplicates=[{"id": "z", "status": "PROCESSING"}])},
            "ControlTasks",
            "",
            id="a duplicate runs: it is stopped",
        ),
        pytest.param(
            {"status": running("COMPLETED", duplicates=[{"id": "z", "status": "CANCELING"}])},
            "Wait",
            "",
            id="a duplicate is being stopped: the delivery check waits for its end",
        ),
        pytest.param(
            {"status": running("COMPLETED", duplicates=[{"id": "z", "status": "CANCELED"}])},
            "CheckDelivery",
            "VerifyingDelivery",
            id="a duplicate has ended",
        ),
        pytest.param({"status": running("PAUSED")}, "Wait", "PausedAtService", id="paused in the console"),
        pytest.param(
            {"status": running("PROCESSING"), "spec": {"suspend": True}},
            "ControlTasks",
            "JobSuspended",
            id="suspended while it runs",
        ),
        pytest.param(
            {"status": running("PAUSING"), "spec": {"suspend": True}},
            "Wait",
            "JobSuspended",
            id="pausing already",
        ),
        pytest.param(
            {"status": running("PAUSED", conditions=[condition("Suspended")])},
            "ControlTasks",
            "Because",
            id="resumed",
        ),
        pytest.param(
            {"status": running("PAUSED", conditions=[condition("Suspended", "False")])},
            "ControlTasks",
            "",
            id="a pause that took effect after the resume is taken back",
        ),
        pytest.param(
            {"status": running("PAUSED", conditions=[condition("Suspended", "False")]), "now": T0 + timedelta(hours=1)},
            "Wait",
            "PausedAtService",
            id="paused in the console long after a resume",
        ),
        pytest.param(
            {"status": running("COMPLETED", "COMPLETED")}, "CheckDelivery", "VerifyingDelivery", id="all completed"
        ),
        pytest.param({"status": running("COMPLETED", "WAITING")}, "Wait", "ExportRunning", id="a sibling runs on"),
        pytest.param(
            {"status": running("FAILED", "PROCESSING")}, "ControlTasks", "SiblingFailed", id="a sibling failed"
        ),
        pytest.param(
            {"status": running("FAILED", "COMPLETED")}, "RemoveFinalizer", "RetryPending", id="an attempt failed"
        ),
        pytest.param(
            {"status": running("FAILED"), "spec": {"backoffLimit": 0}},
            "Wait",
            "TaskFailed",
            id="no retries",
        ),
        pytest.param({"status": running("FAILED", attempts=3)}, "Wait", "BackoffLimitExceeded", id="no retries left"),
        pytest.param({"status": between_attempts(retryTime=stamp(30))}, "Wait", "", id="the backoff runs"),
        pytest.param(
            {"status": between_attempts(retryTime=stamp(-1))},
            "Submit",
            "Submitting",
            id="the backoff is over",
        ),
        pytest.param(
            {"status": running("PROCESSING"), "spec": {"cancel": True}},
            "ControlTasks",
            "Cancelled",
            id="cancelled",
        ),
        pytest.param(
            {"status": running("CANCELED"), "spec": {"cancel": True}},
            "Wait",
            "Cancelled",
            id="cancel done",
        ),
        pytest.param(
            {"status": running("COMPLETED"), "spec": {"cancel": True}},
            "CheckDelivery",
            "VerifyingDelivery",
            id="cancelled too late",
        ),
        pytest.param(
            {"status": running("COMPLETED", waits=1), "spec": {"cancel": True}},
            "Wait",
            "Cancelled",
            id="cancelled while its delivery cannot be verified",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(refusedTime=stamp())}, "spec": {"suspend": True}},
            "Wait",
            "JobSuspended",
            id="suspended while the service does not have it: not sent again",
        ),
        pytest.param(
            {
                "status": {"attempts": 1, "submission": submission(refusedTime=stamp())},
                "target": target(spec={"suspend": True}),
            },
            "Wait",
            "TargetSuspended",
            id="target suspended while the service does not have it: not sent again",
        ),
        pytest.param(
            {
                "status": running("FAILED", "PROCESSING"),
                "spec": {"suspend": True},
                "lost_task_ids": frozenset({"task-1"}),
            },
            "CheckDelivery",
            "TaskVanished",
            id="suspended, and nothing is left to pause",
        ),
        pytest.param(
            {"spec": {"path": "a" * 1000}}, "Wait", "PathTooLong", id="a directory in which no file can have a key"
        ),
        pytest.param(
            {
                "status": running("PROCESSING"),
                "spec": {"activeDeadlineSeconds": 60},
                "now": T0 + timedelta(61),
            },
            "ControlTasks",
            "DeadlineExceeded",
            id="past its deadline",
        ),
        pytest.param(
            {"status": running("PROCESSING"), "lost_task_ids": frozenset({"task-0"}), "spec": {"cancel": True}},
            "Wait",
            "Cancelled",
            id="cancelled after it vanished",
        ),
        pytest.param(
            {"status": running("PROCESSING"), "spec": {"cancel": True}, "elapsed": Elapsed(ending=121)},
            "Wait",
            "Cancelled",
            id="cancelled, and it does not stop within the bound",
        ),
        pytest.param(
            {"status": running("PROCESSING"), "lost_task_ids": frozenset({"task-0"})},
            "CheckDelivery",
            "TaskVanished",
            id="a task vanished",
        ),
        pytest.param({"metadata": DELETED}, "RemoveFinalizer", "", id="deleted before the start"),
        pytest.param({"metadata": DELETED, "status": running("PROCESSING")}, "ControlTasks", "Deleting", id="deleted"),
        pytest.param(
            {"metadata": DELETED, "status": running("CANCELED")}, "RemoveFinalizer", "", id="deleted and stopped"
        ),
        pytest.param(
            {"metadata": DELETED, "status": {"attempts": 1, "submission": submission()}},
            "Search",
            "",
            id="deleted in doubt",
        ),
        pytest.param(
            {"metadata": DELETED, "status": running("PROCESSING"), "spec": {"deletionPolicy": "Orphan"}},
            "RemoveFinalizer",
            "",
            id="deleted as orphan",
        ),
        pytest.param(
            {"metadata": DELETED, "status": running("PROCESSING"), "elapsed": Elapsed(deletion=121)},
            "RemoveFinalizer",
            "",
            id="deletion never waits longer than the bound",
        ),
        pytest.param(
            {"metadata": DELETED, "status": running("PROCESSING"), "now": T0 + timedelta(minutes=3)},
            "ControlTasks",
            "Deleting",
            id="deleted while nobody looked: the stop is asked for all the same",
        ),
        pytest.param(
            {
                "metadata": DELETED,
                "status": running("PROCESSING"),
                "now": T0 + timedelta(minutes=3),
                "elapsed": Elapsed(deletion=31),
            },
            "RemoveFinalizer",
            "",
            id="and then a quarter of the bound is waited for",
        ),
        pytest.param(
            {"metadata": DELETED, "status": {"attempts": 1, "submission": submission(), "retryTime": stamp(300)}},
            "Search",
            "",
            id="deleted in doubt: a wait chosen before does not count",
        ),
        pytest.param(
            {"metadata": DELETED, "status": {"attempts": 1, "submission": submission(), "retryTime": stamp(8)}},
            "Wait",
            "",
            id="deleted in doubt: looks keep a distance",
        ),
        pytest.param(
            {
                "metadata": DELETED,
                "status": running("PROCESSING"),
                "now": T0 - timedelta(days=1),
                "elapsed": Elapsed(deletion=121),
            },
            "RemoveFinalizer",
            "",
            id="nor when the clock was set back",
        ),
        pytest.param(
            {"metadata": DELETED, "status": {"attempts": 1, "submission": submission(refusedTime=stamp())}},
            "RemoveFinalizer",
            "",
            id="deleted while the service does not have it",
        ),
        pytest.param(
            {"metadata": DELETED, "status": running("PROCESSING"), "lost_task_ids": frozenset({"task-0"})},
            "RemoveFinalizer",
            "",
            id="deleted after it vanished",
        ),
        pytest.param(
            {
                "status": running("COMPLETED", conditions=[condition("Complete")]),
                "metadata": {"finalizers": [FINALIZER]},
            },
            "RemoveFinalizer",
            "Because",
            id="finished: the finalizer goes",
        ),
        pytest.param(
            {
                "status": running("COMPLETED", conditions=[condition("Complete")], completionTime=stamp()),
                "spec": {"ttlSecondsAfterFinished": 10},
                "now": T0 + timedelta(seconds=11),
            },
            "DeleteJob",
            "Because",
            id="finished: its time to live is over",
        ),
    ],
)
def test_next_step(case: dict[str, Any], action: str, reason: str) -> None:
    assert summary(decide(obs(**case))) == (action, reason)


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
