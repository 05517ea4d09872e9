"""Policies for a job whose tasks are in status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps

import msgspec

from ...api.foreign import Quoted, own
from ...api.job import JobStatus, Output, Submission
from ...api.meta import whole_seconds
from ...api.reasons import ConditionReason
from .. import cleanup, duplicates, messages, tasks
from ..endings import completed, is_accepted, record_duplicates, tasks_failed
from ..observation import CheckDelivery, ControlTasks, Decision, Observation, Wait, seconds_until_retry, status_of
from .ending import stop_tasks

_NORMAL_WAIT = timedelta(minutes=2)  # for an export to be started, before the condition explains it
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
def replace_unknown_ids(obs: Observation, submission: Submission) -> Decision | None:
    """The answer named ids that no task has, but tasks of the attempt run: they are its export."""
    ids = {task.id for task in obs.status.tasks}
    if not duplicates.is_sole(submission) or not ids <= obs.missing_task_ids or ids & obs.observed_tasks.keys():
        return None
    found = tuple(tasks.recorded(task, obs.secrets) for task in obs.untracked_tasks)
    if not found or any(task.stage or task.status not in tasks.QUEUED for task in obs.status.tasks):
        return None  # they were seen earlier
    return Decision(msgspec.structs.replace(obs.status, tasks=found), requeue_after=0)


@_with_tasks
def stop_duplicates(obs: Observation, submission: Submission) -> Decision | None:
    """More than one export carries the id of the attempt: the older one counts, the newer one is stopped."""
    recorded = record_duplicates(obs, duplicates.group_untracked_tasks(obs, submission))
    unfinished = tasks.unfinished(recorded.status.duplicates, obs.gone_task_ids)
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
    if left and not is_accepted(obs):
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
    """All tasks ended, and not all of them completed. What they wrote is deleted first if the spec asks for it."""
    return None if tasks.unfinished(obs.status.tasks) else cleanup.before_retry(obs) or tasks_failed(obs)


@_with_tasks
def stop_siblings(obs: Observation, submission: Submission) -> Decision | None:
    """One task failed: the export cannot become complete, so stop the others.

    A task that Reltio no longer knows may still run: it never counts as stopped.
    """
    listed = obs.status.tasks
    if not any(task.status in tasks.FAILED | tasks.CANCELED for task in listed):
        return None
    if not tasks.unfinished(listed, obs.gone_task_ids):
        return None
    return stop_tasks(obs, submission, "Stopping", messages.SIBLING_FAILED())


@_with_tasks
def pause(obs: Observation, submission: Submission) -> Decision | None:
    """Suspended while it runs: pause its tasks."""
    unfinished = tasks.unfinished(obs.status.tasks, obs.gone_task_ids)
    if not obs.job.spec.suspend or not unfinished:
        return None
    ids = tuple(task.id for task in unfinished if task.status not in tasks.PAUSED | tasks.STOPPING)
    if not ids:
        status = status_of(obs, "Suspended", suspended=messages.JOB_SUSPENDED(), start_time=None)
        return Decision(status, requeue_after=30)
    status = _controlling(obs, messages.PAUSING())
    return Decision(
        msgspec.structs.replace(status, start_time=None), ControlTasks(submission, "pause", ids), requeue_after=30
    )


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
        status = _controlling(obs, messages.RESUMING_TASKS())
        return Decision(status, ControlTasks(submission, "resume", paused), requeue_after=5)
    start = obs.status.start_time or whole_seconds(obs.now)
    return Decision(status_of(obs, "Running", reconciling=messages.CONTINUING(), start_time=start), requeue_after=0)


def _controlling(obs: Observation, why: ConditionReason) -> JobStatus:
    """The status while tasks are paused or resumed. If a call for this has failed, the condition already reports it."""
    suspended = obs.job.condition("Suspended")
    is_shown = suspended is not None and (suspended.status, suspended.reason) == ("True", why.reason)
    if is_shown and obs.job.condition("Reconciling") is not None:
        return obs.status
    return status_of(obs, "Suspended", suspended=why, reconciling=why)


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
def find_unclear_ends(obs: Observation, submission: Submission) -> Decision | None:
    """Every task that has not ended shows an unknown status and has left the active tasks: the bucket may say more.

    After `Limits.unknown_status_seconds` a person has to look. The bucket is still searched.
    """
    unfinished = tasks.unfinished(obs.status.tasks, obs.lost_task_ids)
    if not unfinished or not all(task.id in obs.unclear_task_ids for task in unfinished):
        return None
    action, statuses = CheckDelivery(submission), _statuses(obs)
    if obs.elapsed.unclear < obs.limits.unknown_status_seconds:
        why = messages.UNKNOWN_TASK_STATUS(statuses=statuses)
        left = obs.limits.unknown_status_seconds - obs.elapsed.unclear
        status = status_of(obs, "Running", reconciling=why, retry_time=None)
        return Decision(status, action, min(_LOST_TASK_REQUEUE_SECONDS, left + 1))
    why = messages.UNKNOWN_END(
        statuses=statuses,
        tasks=", ".join(task.id for task in unfinished),
        minutes=round(obs.limits.unknown_status_seconds / 60),
        destination=submission.destination,
    )
    return Decision(status_of(obs, "Unknown", stalled=why, retry_time=None), action, _LOST_TASK_REQUEUE_SECONDS)


@_with_tasks
def report_progress(obs: Observation, submission: Submission) -> Decision | None:
    """The export runs: report a change of status at once, and progress at an interval."""
    unfinished = tasks.unfinished(obs.status.tasks)
    is_paused = tasks.all_in(unfinished, tasks.PAUSED)
    statuses = _statuses(obs)
    waiting_since = _not_started_since(obs, submission)
    if obs.watch_error is not None:
        text = messages.TASKS_UNREADABLE(error=obs.watch_error.message, statuses=statuses).message
        why = ConditionReason(obs.watch_error.reason, text)
    elif is_paused:
        why = messages.PAUSED_AT_SERVICE()
    elif any(task.status not in tasks.KNOWN for task in obs.status.tasks):
        why = messages.UNKNOWN_TASK_STATUS(statuses=statuses)
    elif waiting_since is not None and obs.now - waiting_since >= _NORMAL_WAIT:
        why = messages.NOT_STARTED(
            statuses=statuses, since=f"{waiting_since:%Y-%m-%dT%H:%M:%SZ}", cause=_cause_of_waiting(obs)
        )
    elif any(task.status in tasks.THROTTLED for task in unfinished):
        why = messages.THROTTLED(statuses=statuses)
    else:
        why = messages.EXPORT_RUNNING(statuses=statuses)
    if obs.watch_error is not None:
        return Decision(tasks.last_known(status_of(obs, "Unknown", reconciling=why, waiting_since=waiting_since)))
    phase = "Paused" if is_paused else "Running"
    return Decision(tasks.known_again(status_of(obs, phase, reconciling=why, waiting_since=waiting_since)))


def _statuses(obs: Observation) -> Quoted:
    return own(", ".join(sorted({task.status or "no status" for task in obs.status.tasks})))


def _not_started_since(obs: Observation, submission: Submission) -> datetime | None:
    """Since when all tasks that have not ended wait to be started; None when one of them runs."""
    unfinished = tasks.unfinished(obs.status.tasks)
    if not tasks.all_in(unfinished, tasks.QUEUED):
        return None
    if obs.status.waiting_since is not None:
        return obs.status.waiting_since
    started = [seen for task in unfinished if (seen := obs.observed_tasks.get(task.id)) and seen.started_ms]
    return whole_seconds(obs.now) if started else submission.submitted_time or whole_seconds(obs.now)


def _cause_of_waiting(obs: Observation) -> str:
    """What is known to keep a task of this kind from being started."""
    if any(seen.is_parallel is False for seen in obs.observed_tasks.values()):
        cause = "the tasks have parallelExecution false, so the tenant runs them one after the other"
    else:
        cause = "the tenant may run its tasks one after the other, or as many as its limit allows"
    if obs.job.spec.export.type == "MergeTree":
        cause += ", and merge-tree exports have been reported never to leave this status"
    return cause
