"""Policies for a job whose tasks are in status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from ...api.job import Output, Submission
from ...api.meta import whole_seconds
from ...api.reasons import ConditionReason
from .. import duplicates, messages, tasks
from ..endings import completed, record_duplicates, tasks_failed
from ..observation import CheckDelivery, ControlTasks, Decision, Observation, Wait, seconds_until_retry, status_of
from .ending import stop_tasks

_LATE_PAUSE = timedelta(minutes=10)
_LOST_TASK_REQUEUE_SECONDS = 60.0  # between searches for the manifest of an export whose task vanished


def _with_tasks(
    policy: Callable[[Observation, Submission], Decision | None],
) -> Callable[[Observation], Decision | None]:
    """A policy that is asked only about a job whose submission and tasks are in status."""

    @wraps(policy)
    def ask(obs: Observation) -> Decision | None:
        submission = obs.status.submission
        return policy(obs, submission) if submission is not None and obs.status.tasks else None

    return ask


@_with_tasks
def stop_duplicates(obs: Observation, submission: Submission) -> Decision | None:
    """More than one export carries the id of the attempt: the older one counts, the newer one is stopped."""
    recorded = record_duplicates(obs, duplicates.group_untracked_tasks(obs, submission))
    unfinished = tasks.unfinished(recorded.status.duplicates, obs.lost_task_ids)
    if not unfinished and recorded.status is obs.status:
        return None
    ids = tuple(task.id for task in unfinished if task.status not in tasks.STOPPING)
    action = ControlTasks(submission, "stop", ids) if ids else Wait()
    return Decision(recorded.status, action, requeue_after=10, events=recorded.events)


@_with_tasks
def verify_delivery(obs: Observation, submission: Submission) -> Decision | None:
    """All tasks completed: the files in the bucket decide."""
    if not tasks.all_in(obs.status.tasks, tasks.COMPLETED):
        return None
    left = seconds_until_retry(obs)
    if left:
        return Decision(obs.status, requeue_after=left)
    if obs.job.spec.delivery.verify == "None":
        output = Output(bucket=submission.s3.bucket, prefix=submission.path)
        return completed(obs, output, messages.REPORTED_BY_SERVICE(destination=submission.destination))
    if obs.status.waits:
        return Decision(obs.status, CheckDelivery(submission))  # its condition says what it waits for
    why = messages.VERIFYING_DELIVERY(destination=submission.destination)
    return Decision(status_of(obs, "Verifying", reconciling=why), CheckDelivery(submission))


@_with_tasks
def end_failed_attempt(obs: Observation, _submission: Submission) -> Decision | None:
    """All tasks ended, and not all of them completed."""
    return None if tasks.unfinished(obs.status.tasks) else tasks_failed(obs)


@_with_tasks
def stop_siblings(obs: Observation, submission: Submission) -> Decision | None:
    """One task failed: the export cannot become complete, so stop the others.

    A task that Reltio no longer knows may still run: it never counts as stopped.
    """
    listed = obs.status.tasks
    if not any(task.status in tasks.FAILED | tasks.CANCELED for task in listed):
        return None
    if not tasks.unfinished(listed, obs.lost_task_ids):
        return None
    return stop_tasks(obs, submission, "Stopping", messages.SIBLING_FAILED())


@_with_tasks
def pause(obs: Observation, submission: Submission) -> Decision | None:
    """Suspended while it runs: pause its tasks."""
    unfinished = tasks.unfinished(obs.status.tasks, obs.lost_task_ids)
    if not obs.job.spec.suspend or not unfinished:
        return None
    ids = tuple(task.id for task in unfinished if task.status not in tasks.PAUSED | tasks.STOPPING)
    status = status_of(obs, "Suspended", suspended=messages.JOB_SUSPENDED(), start_time=None)
    return Decision(status, ControlTasks(submission, "pause", ids) if ids else Wait(), requeue_after=30)


@_with_tasks
def resume(obs: Observation, submission: Submission) -> Decision | None:
    """No longer suspended: resume the tasks that the operator paused."""
    if obs.job.spec.suspend:
        return None
    paused = tuple(task.id for task in obs.status.tasks if task.status in tasks.PAUSED)
    if not obs.job.is_suspended:
        if not paused or not _was_just_resumed(obs):
            return None
        # A pause that was still in flight may take effect after the tasks were resumed.
        return Decision(obs.status, ControlTasks(submission, "resume", paused), requeue_after=5)
    if paused:
        # Suspended stays True until the tasks move, so that a crash in between does not forget them.
        return Decision(obs.status, ControlTasks(submission, "resume", paused), requeue_after=5)
    start = obs.status.start_time or whole_seconds(obs.now)
    return Decision(status_of(obs, "Running", reconciling=messages.CONTINUING(), start_time=start), requeue_after=0)


def _was_just_resumed(obs: Observation) -> bool:
    """Whether the job was resumed so recently that a paused task must be the operator's own work."""
    condition = obs.job.condition("Suspended")
    return condition is not None and obs.now - condition.last_transition_time < _LATE_PAUSE


@_with_tasks
def find_lost_tasks(obs: Observation, submission: Submission) -> Decision | None:
    """Reltio no longer knows a task: the bucket may show how it ended. Never start a second export."""
    lost = [task.id for task in tasks.unfinished(obs.status.tasks) if task.id in obs.lost_task_ids]
    if not lost:
        return None
    action, requeue_after = CheckDelivery(submission), _LOST_TASK_REQUEUE_SECONDS
    stalled = obs.job.condition("Stalled")
    if stalled is not None and stalled.reason == "TaskVanished" and all(id_ in stalled.message for id_ in lost):
        return Decision(obs.status, action, requeue_after)
    why = messages.TASK_VANISHED(tasks=", ".join(lost), destination=submission.destination)
    return Decision(status_of(obs, "Unknown", stalled=why, retry_time=None), action, requeue_after)


@_with_tasks
def report_progress(obs: Observation, _submission: Submission) -> Decision | None:
    """The export runs: report a change of status at once, and progress at an interval."""
    is_paused = tasks.all_in(tasks.unfinished(obs.status.tasks), tasks.PAUSED)
    statuses = ", ".join(sorted({task.status or "SCHEDULED" for task in obs.status.tasks}))
    if obs.watch_error is not None:
        text = messages.TASKS_UNREADABLE(error=obs.watch_error.message, statuses=statuses).message
        why = ConditionReason(obs.watch_error.reason, text)
    elif is_paused:
        why = messages.PAUSED_AT_SERVICE()
    elif any(task.status and task.status not in tasks.KNOWN for task in obs.status.tasks):
        why = messages.UNKNOWN_TASK_STATUS(statuses=statuses)
    else:
        why = messages.EXPORT_RUNNING(statuses=statuses)
    return Decision(status_of(obs, "Paused" if is_paused else "Running", reconciling=why))
