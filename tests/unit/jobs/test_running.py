"""What a job does while its tasks run: pause, resume, lost tasks, progress, and when it is reconciled again."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from builders import T0, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.reasons import ConditionReason
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs.observation import CheckDelivery, ControlTasks, Decision, Elapsed, Observation, Wait
from reltio_export_operator.jobs.policies import decide
from reltio_export_operator.jobs.policies import running as policies
from reltio_export_operator.jobs.results import CallFailure, on_control_failed

SUSPEND = {"suspend": True}
UNREACHABLE = ConditionReason("Unreachable", own("No connection."))


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
        policies.replace_unknown_ids,
        policies.stop_duplicates,
        policies.verify_delivery,
        policies.end_failed_attempt,
        policies.stop_siblings,
        policies.pause,
        policies.resume,
        policies.find_lost_tasks,
        policies.find_unclear_ends,
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
    assert (reason(asked, "Suspended"), reason(asked), asked.requeue_after) == ("Resuming", "Resuming", 5)
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
    assert (decision.status.phase, reason(decision), decision.requeue_after) == ("Unknown", "Unreachable", 20)


def test_progress_that_is_not_observed_any_more_is_shown_as_that_of_the_past() -> None:
    shown = {"processed": 92, "total": 100, "percent": 92, "objectsPerSecond": 7, "summary": "92% (92/100)"}
    away = obs({**running("PROCESSING"), "progress": shown}, watch_error=UNREACHABLE, progress_due=False)
    first = decide(away)
    assert first.status.progress is not None
    assert (first.status.progress.summary, first.status.progress.objects_per_second) == ("was 92% (92/100)", None)
    assert decide(away.with_status(first.status)).status == first.status
    back = decide(obs(running("PROCESSING"), progress_due=False).with_status(first.status))
    assert back.status.progress is not None
    assert (back.status.phase, back.status.progress.summary) == ("Running", "92% (92/100)")


@pytest.mark.parametrize(
    ("verb", "task", "spec", "conditions"),
    [("pause", "PROCESSING", SUSPEND, []), ("resume", "PAUSED", {}, [condition("Suspended", reason="JobSuspended")])],
)
def test_a_pause_or_resume_that_fails_is_shown_until_it_works(
    verb: str, task: str, spec: Any, conditions: list[Any]
) -> None:
    first = decide(obs(running(task, conditions=conditions), spec=spec))
    assert isinstance(first.action, ControlTasks)
    begun = obs(running(task), spec=spec).with_status(first.status)
    refused = on_control_failed(begun, first.action, CallFailure("Unreachable", own("No connection to Reltio.")))
    why = find(refused.status.conditions, "Reconciling")
    assert why is not None
    assert (why.reason, why.message) == (
        "Unreachable",
        f"The operator cannot {verb} the tasks, and tries again: No connection to Reltio.",
    )
    again = decide(begun.with_status(refused.status))
    assert (controlled(again), again.status) == ((verb, ("task-0",)), refused.status)


def test_a_stop_that_fails_leaves_the_reason_why_the_job_ends() -> None:
    first = decide(obs(running("PROCESSING"), spec={"cancel": True}))
    assert isinstance(first.action, ControlTasks)
    ending = obs(running("PROCESSING"), spec={"cancel": True}).with_status(first.status)
    assert on_control_failed(ending, first.action, CallFailure("Unreachable", own("x"))).status == first.status


@pytest.mark.parametrize("status", ["", "INVENTED"])
def test_a_task_with_an_unknown_status_counts_as_running(status: str) -> None:
    decision = decide(obs(running(status, "PROCESSING")))
    assert (reason(decision), reason(decision, "Stalled"), decision.status.phase) == (
        "UnknownTaskStatus",
        None,
        "Running",
    )


def unclear(seconds: float, *statuses: str, **more: Any) -> Observation:
    """Tasks with these statuses, none of which has been among the active tasks for this long."""
    given = obs(running(*statuses), **more)
    seen = {task.id: ObservedTask(id=task.id, status=task.status, ended_ms=1) for task in given.status.tasks}
    return dataclasses.replace(
        given, observed_tasks=seen, unlisted_task_ids=frozenset(seen), elapsed=Elapsed(unclear=seconds)
    )


@pytest.mark.parametrize("statuses", [("DONE",), ("", "COMPLETED"), ("DONE", "DONE", "OVER")])
def test_tasks_that_may_have_ended_are_looked_for_in_the_bucket_and_a_person_is_asked_after_a_while(
    statuses: tuple[str, ...],
) -> None:
    early = decide(unclear(899, *statuses))
    assert (type(early.action), reason(early), reason(early, "Stalled")) == (CheckDelivery, "UnknownTaskStatus", None)
    assert early.requeue_after == 2
    late = decide(unclear(900, *statuses))
    assert (type(late.action), reason(late), reason(late, "Stalled")) == (CheckDelivery, None, "UnknownTaskStatus")
    assert late.requeue_after == 60


@pytest.mark.parametrize("sibling", ["PROCESSING", "WAITING", "PAUSED"])
def test_tasks_that_may_have_ended_wait_for_siblings_that_have_not(sibling: str) -> None:
    assert isinstance(decide(unclear(10_000, "DONE", sibling)).action, Wait)


def test_a_task_that_may_have_ended_is_not_waited_for_when_a_sibling_failed() -> None:
    assert controlled(decide(unclear(899, "DONE", "FAILED"))) == ("stop", ("task-0",))
    assert reason(decide(unclear(900, "DONE", "FAILED")), "Stalled") == "UnknownTaskStatus"


def test_a_known_status_outside_the_list_of_active_tasks_is_that_of_a_running_task() -> None:
    decision = decide(unclear(10_000, "WAITING", "COMPLETED"))
    assert (reason(decision), reason(decision, "Stalled")) == ("ExportRunning", None)


def waiting(since: float, *statuses: str, **more: Any) -> tuple[str | None, str]:
    """Reason and message of a job whose tasks have these statuses, and that was submitted at 0."""
    kind = more.pop("type", "Entities")
    given = obs(running(*statuses), now=since, spec={"export": {"type": kind}})
    seen = {task.id: ObservedTask(id=task.id, status=task.status, **more) for task in given.status.tasks}
    decision = decide(dataclasses.replace(given, observed_tasks=seen))
    found = find(decision.status.conditions, "Reconciling")
    assert found is not None
    return found.reason, found.message


def test_an_export_that_is_not_started_is_explained_with_the_time_of_its_submission() -> None:
    assert waiting(119, "SCHEDULED")[0] == "ExportRunning"
    reason_, message = waiting(120, "SCHEDULED", "COMPLETED")
    assert reason_ == "ExportNotStarted"
    assert f"since {stamp()}" in message
    assert "one after the other" in waiting(120, "SCHEDULED", is_parallel=False)[1]
    assert "merge-tree" in waiting(120, "SCHEDULED", type="MergeTree")[1]
    assert waiting(9000, "SCHEDULED", "PROCESSING")[0] == "ExportRunning"
    assert waiting(9000, "WAITING_FOR_RESOURCE")[0] == "ExportThrottled"


def test_an_export_that_is_scheduled_again_waits_since_then() -> None:
    given = obs(running("SCHEDULED_POLL"), now=5000)
    seen = {"task-0": ObservedTask(id="task-0", status="SCHEDULED_POLL", started_ms=1)}
    first = decide(dataclasses.replace(given, observed_tasks=seen))
    assert reason(first) == "ExportRunning"
    later = decide(dataclasses.replace(after(given, first), now=T0 + timedelta(seconds=5200), observed_tasks=seen))
    assert reason(later) == "ExportNotStarted"
    assert f"since {stamp(5000)}" in find(later.status.conditions, "Reconciling").message  # type: ignore[union-attr]
    moving = {"task-0": ObservedTask(id="task-0", status="PROCESSING", started_ms=1)}
    assert decide(dataclasses.replace(after(given, later), observed_tasks=moving)).status.waiting_since is None


def test_of_a_failed_export_only_the_tasks_that_run_are_stopped() -> None:
    for ended in ("FAILED", "CANCELED", "COMPLETED_WITH_ERRORS", "PLATFORM_TASK_FAILED", "ERROR"):
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


def found_by_name(**more: Any) -> Observation:
    """The answer named a task that Reltio does not know, and a task with the name of the attempt runs."""
    task = ObservedTask(id="real", status="PROCESSING", name=submission()["name"], created_ms=2**41)
    status = running("SCHEDULED", submission=submission(submittedTime=stamp(), **more.pop("submission", {})))
    return obs(status, untracked_tasks=(task,), **more)


def test_ids_that_no_task_has_are_replaced_by_the_tasks_of_the_attempt() -> None:
    decision = decide(found_by_name(missing_task_ids=frozenset({"task-0"})))
    assert [(task.id, task.status) for task in decision.status.tasks] == [("real", "PROCESSING")]
    assert (decision.action, decision.status.duplicates, decision.requeue_after) == (Wait(), (), 0)


def test_no_task_of_an_attempt_that_was_submitted_once_is_stopped_as_a_duplicate() -> None:
    decision = decide(found_by_name())
    assert ([task.id for task in decision.status.tasks], decision.status.duplicates) == (["task-0"], ())
    assert controlled(decision) is None


@pytest.mark.parametrize("more", [{"resent": 1}, {"adopted": True}])
def test_the_ids_of_an_attempt_that_may_have_been_submitted_twice_are_kept(more: dict[str, Any]) -> None:
    decision = decide(found_by_name(missing_task_ids=frozenset({"task-0"}), submission=more))
    assert "task-0" in [task.id for task in decision.status.tasks]
