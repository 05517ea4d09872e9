"""What a job does while its tasks run: pause, resume, lost tasks, progress, and when it is reconciled again."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from builders import T0, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.reasons import ConditionReason
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs.observation import CheckDelivery, ControlTasks, Decision, Observation, Wait
from reltio_export_operator.jobs.policies import decide
from reltio_export_operator.jobs.policies import running as policies

SUSPEND = {"suspend": True}
UNREACHABLE = ConditionReason("Unreachable", "No connection.")


def obs(status: Any = None, *, now: float = 0, **more: Any) -> Observation:
    given = {key: more.pop(key) for key in ("spec", "metadata") if key in more}
    return Observation(job=job(status=status, **given), now=T0 + timedelta(seconds=now), target=target(), **more)


def after(given: Observation, decision: Decision, **more: Any) -> Observation:
    return dataclasses.replace(given, job=msgspec.structs.replace(given.job, status=decision.status), **more)


def controlled(decision: Decision) -> tuple[str, tuple[str, ...]] | None:
    action = decision.action
    return (action.verb, action.task_ids) if isinstance(action, ControlTasks) else None


def reason(decision: Decision, type_: str = "Reconciling") -> str | None:
    found = find(decision.status.conditions, type_)
    return found.reason if found is not None and found.status == "True" else None


@pytest.mark.parametrize(
    "policy",
    [
        policies.stop_duplicates,
        policies.verify_delivery,
        policies.end_failed_attempt,
        policies.stop_siblings,
        policies.pause,
        policies.resume,
        policies.find_lost_tasks,
        policies.report_progress,
    ],
)
@pytest.mark.parametrize("status", [{}, {"submission": submission()}, {"tasks": [{"id": "t", "status": "FAILED"}]}])
def test_without_a_submission_and_its_tasks_nothing_is_concluded_about_an_export(policy: Any, status: Any) -> None:
    assert policy(obs(status)) is None


def test_a_suspended_job_pauses_only_tasks_that_move() -> None:
    decision = decide(
        obs(running("PROCESSING", "PAUSED", "PAUSING", "CANCELING", "COMPLETED", "WAITING"), spec=SUSPEND)
    )
    assert controlled(decision) == ("pause", ("task-0", "task-5"))
    assert (decision.status.phase, decision.status.start_time, decision.requeue_after) == ("Suspended", None, 30)


def test_a_suspended_job_whose_tasks_are_paused_waits() -> None:
    decision = decide(obs(running("PAUSED"), spec=SUSPEND))
    assert (decision.action, decision.requeue_after, decision.status.phase) == (Wait(), 30, "Suspended")


def test_a_suspended_job_whose_tasks_completed_is_verified() -> None:
    assert isinstance(decide(obs(running("COMPLETED"), spec=SUSPEND)).action, CheckDelivery)


def test_a_resumed_job_stays_suspended_until_its_tasks_move_and_then_starts_again() -> None:
    status = running("PAUSED", "PROCESSING", conditions=[condition("Suspended")])
    del status["startTime"]
    asked = decide(obs(status, now=60))
    assert controlled(asked) == ("resume", ("task-0",))
    assert (reason(asked, "Suspended"), asked.requeue_after) == ("Because", 5)
    moving = {"task-0": ObservedTask(id="task-0", status="PROCESSING")}
    decision = decide(after(obs(status, now=90), asked, observed_tasks=moving))
    assert (decision.action, decision.requeue_after, decision.status.phase) == (Wait(), 0, "Running")
    assert reason(decision, "Suspended") is None
    assert decision.status.start_time == T0 + timedelta(seconds=90)


def test_a_job_that_is_resumed_before_its_pause_was_recorded_keeps_its_start() -> None:
    decision = decide(obs(running("PROCESSING", conditions=[condition("Suspended")]), now=90))
    assert decision.status.start_time == T0


@pytest.mark.parametrize(("age", "resumed"), [(0, True), (599, True), (600, False), (601, False)])
def test_a_pause_is_taken_back_for_ten_minutes_after_a_job_was_resumed(age: float, resumed: bool) -> None:
    decision = decide(obs(running("PAUSED", conditions=[condition("Suspended", "False")]), now=age))
    assert controlled(decision) == (("resume", ("task-0",)) if resumed else None)
    assert decision.requeue_after == (5 if resumed else None)


def test_a_pause_in_the_console_is_left_alone() -> None:
    decision = decide(obs(running("PAUSED", "PAUSING")))
    assert (decision.action, decision.status.phase, reason(decision)) == (Wait(), "Paused", "PausedAtService")


@pytest.mark.parametrize("statuses", [("PAUSED", "PROCESSING"), ("PROCESSING",)])
def test_an_export_of_which_a_task_moves_is_running(statuses: tuple[str, ...]) -> None:
    decision = decide(obs(running(*statuses)))
    assert (decision.status.phase, reason(decision)) == ("Running", "ExportRunning")


def test_a_paused_export_with_a_finished_task_is_paused() -> None:
    assert decide(obs(running("PAUSED", "COMPLETED"))).status.phase == "Paused"


def test_tasks_that_cannot_be_read_are_shown_with_the_reason() -> None:
    decision = decide(obs(running("PROCESSING"), watch_error=UNREACHABLE))
    assert (decision.status.phase, reason(decision), decision.requeue_after) == ("Running", "Unreachable", 20)


def test_a_task_without_a_status_counts_as_scheduled() -> None:
    assert reason(decide(obs(running("", "PROCESSING")))) == "ExportRunning"
    assert reason(decide(obs(running("INVENTED", "PROCESSING")))) == "UnknownTaskStatus"


def test_of_a_failed_export_only_the_tasks_that_run_are_stopped() -> None:
    for ended in ("FAILED", "CANCELED", "COMPLETED_WITH_ERRORS"):
        decision = decide(obs(running(ended, "COMPLETED", "CANCELING", "PROCESSING")))
        assert controlled(decision) == ("stop", ("task-3",))
        assert (decision.status.phase, decision.requeue_after) == ("Stopping", 10)


def test_an_export_whose_tasks_completed_or_run_is_not_stopped() -> None:
    assert controlled(decide(obs(running("COMPLETED", "PROCESSING")))) is None


LOST = frozenset({"task-0", "task-1"})


def test_each_task_that_vanishes_is_reported() -> None:
    first = decide(obs(running("PROCESSING", "PROCESSING", "PROCESSING"), lost_task_ids=frozenset({"task-0"})))
    second = decide(after(obs(lost_task_ids=LOST), first))
    again = decide(after(obs(lost_task_ids=LOST), second))
    for decision, lost, known in (
        (first, ["task-0"], ["task-1"]),
        (second, ["task-0", "task-1"], ["task-2"]),
        (again, ["task-0", "task-1"], ["task-2"]),
    ):
        stalled = find(decision.status.conditions, "Stalled")
        assert stalled is not None
        assert stalled.reason == "TaskVanished"
        assert all(id_ in stalled.message for id_ in lost)
        assert not any(id_ in stalled.message for id_ in known)
        assert (decision.requeue_after, decision.status.phase) == (60, "Unknown")
        assert isinstance(decision.action, CheckDelivery)
    assert again.status == second.status


def test_a_task_that_vanishes_is_reported_although_the_job_is_stalled_for_another_reason() -> None:
    stalled = [condition("Stalled", reason="AccessDenied", message="task-0 cannot be read.")]
    given = obs(running("PROCESSING", conditions=stalled), lost_task_ids=LOST)
    assert reason(decide(given), "Stalled") == "TaskVanished"


def test_a_task_that_ended_before_it_vanished_is_not_lost() -> None:
    assert reason(decide(obs(running("COMPLETED", "PROCESSING"), lost_task_ids=frozenset({"task-0"})))) == (
        "ExportRunning"
    )


def test_a_task_that_is_known_again_ends_the_report() -> None:
    first = decide(obs(running("PROCESSING"), lost_task_ids=LOST))
    decision = decide(after(obs(), first))
    assert (reason(decision, "Stalled"), decision.status.phase) == (None, "Running")


@pytest.mark.parametrize(("retry_in", "checked"), [(30, False), (1, False), (0, True), (-1, True)])
def test_a_delivery_is_checked_when_its_time_has_come(retry_in: int, checked: bool) -> None:
    for verify in ("Objects", "Full"):
        spec = {"delivery": {"verify": verify}}
        decision = decide(obs(running("COMPLETED", waits=1, retryTime=stamp(retry_in)), spec=spec))
        assert isinstance(decision.action, CheckDelivery) is checked
        assert decision.requeue_after == (None if checked else retry_in)


def test_a_delivery_that_is_checked_again_still_shows_why_the_last_check_failed() -> None:
    shown = [condition("Reconciling", reason="DeliveryUnverified")]
    given = obs(running("COMPLETED", waits=1, phase="Verifying", conditions=shown, observedGeneration=1))
    assert decide(dataclasses.replace(given, progress_due=False)).status == given.status


@pytest.mark.parametrize(("now", "left"), [(0, 60), (59, 1), (59.5, 1)])
def test_a_running_job_is_reconciled_at_its_deadline(now: float, left: float) -> None:
    decision = decide(obs(running("PROCESSING"), now=now, spec={"activeDeadlineSeconds": 60}))
    assert decision.requeue_after == left


def test_a_job_is_reconciled_at_the_earliest_of_all_times() -> None:
    deadline = {"activeDeadlineSeconds": 25}
    assert decide(obs(running("PROCESSING"), spec=deadline, watch_error=UNREACHABLE)).requeue_after == 20
    assert decide(obs(running("PROCESSING"), spec=deadline, watch_error=UNREACHABLE, now=10)).requeue_after == 15
    duplicated = running("PROCESSING", duplicates=[{"id": "z", "status": "PROCESSING"}])
    assert decide(obs(duplicated, spec=deadline, watch_error=UNREACHABLE)).requeue_after == 10


def test_a_running_job_without_a_deadline_waits_for_its_tasks() -> None:
    assert decide(obs(running("PROCESSING"))).requeue_after is None
    without_start = running("PROCESSING")
    del without_start["startTime"]
    assert decide(obs(without_start, spec={"activeDeadlineSeconds": 60})).requeue_after is None


def test_a_change_of_a_duplicate_is_written_at_once() -> None:
    seen = {
        "task-0": ObservedTask(id="task-0", status="PROCESSING", processed=5, total=10),
        "z": ObservedTask(id="z", status="CANCELED"),
    }
    given = obs(
        running("PROCESSING", duplicates=[{"id": "z", "status": "CANCELING"}]), observed_tasks=seen, progress_due=False
    )
    status = decide(given).status
    assert [task.status for task in status.duplicates] == ["CANCELED"]
    assert status.progress is not None
    assert status.progress.processed == 5


def test_progress_is_kept_while_a_job_has_no_tasks() -> None:
    decision = decide(obs({"progress": {"processed": 3}}, queue_position=1))
    assert decision.status.progress is not None
    assert decision.status.progress.processed == 3


def test_conditions_of_an_unchanged_status_keep_the_generation_that_they_have() -> None:
    shown = [condition("Reconciling", reason="Queued", observedGeneration=3)]
    given = obs(
        {"observedGeneration": 4, "phase": "Queued", "queuePosition": 50, "conditions": shown},
        metadata={"generation": 4},
        queue_position=49,
    )
    assert decide(given).status == given.status
