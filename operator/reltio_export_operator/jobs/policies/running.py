"""Rules for a job whose tasks are on record."""

from __future__ import annotations

from datetime import timedelta

from ...api.job import Output
from ...api.meta import whole_seconds
from .. import duplicates, tasks
from ..endings import completed, record_duplicates, tasks_failed
from ..observation import (
    CheckDelivery,
    ConditionReason,
    ControlTasks,
    Decision,
    Observation,
    Wait,
    seconds_until_retry,
    status_of,
)
from .ending import stop

_LATE_PAUSE = timedelta(minutes=10)
_LOST_TASK_REQUEUE_SECONDS = 60.0  # seconds between looks for the manifest of an export whose task vanished


def stop_duplicates(obs: Observation) -> Decision | None:
    """More than one export carries the marker: the older one counts, the younger one is stopped."""
    submission = obs.status.submission
    if submission is None or not obs.status.tasks:
        return None
    told = record_duplicates(obs, duplicates.group_untracked_tasks(obs))
    alive = tasks.unfinished(told.status.duplicates, obs.lost_task_ids)
    if not alive and told.status is obs.status:
        return None
    moving = tuple(task.id for task in alive if task.status not in tasks.STOPPING)
    action = ControlTasks(submission, "stop", moving) if moving else Wait()
    return Decision(told.status, action, requeue_after=10, events=told.events)


def verify_delivery(obs: Observation) -> Decision | None:
    """All tasks completed: what lies in the bucket decides."""
    submission = obs.status.submission
    if submission is None or not tasks.all_in(obs.status.tasks, tasks.COMPLETED):
        return None
    left = seconds_until_retry(obs)
    if left:
        return Decision(obs.status, requeue_after=left)
    if obs.job.spec.delivery.verify == "None":
        output = Output(bucket=submission.s3.bucket, prefix=submission.path)
        text = f"The service says that it is done with {submission.destination}; spec.delivery.verify is None."
        return completed(obs, output, text, reason="ReportedByService")
    if obs.status.waits:
        return Decision(obs.status, CheckDelivery(submission))  # its condition tells what it waits for
    why = ConditionReason(
        "VerifyingDelivery", f"The service is done; what lies at {submission.destination} is being checked."
    )
    return Decision(status_of(obs, "Verifying", reconciling=why), CheckDelivery(submission))


def end_failed_attempt(obs: Observation) -> Decision | None:
    """All tasks ended, not all well."""
    if obs.status.submission is None or not obs.status.tasks or tasks.unfinished(obs.status.tasks):
        return None
    return tasks_failed(obs)


def stop_siblings(obs: Observation) -> Decision | None:
    """One task failed: the export cannot become whole, so the others need not go on.

    One that the service no longer knows may run on for all that is known: it is never taken for stopped.
    """
    submission, listed = obs.status.submission, obs.status.tasks
    if submission is None or not any(t.status in tasks.FAILED | tasks.CANCELED for t in listed):
        return None
    if not tasks.unfinished(listed, obs.lost_task_ids):
        return None
    return stop(obs, "Stopping", ConditionReason("SiblingFailed", "A task failed; the others are being stopped."))


def pause(obs: Observation) -> Decision | None:
    """Suspended while it runs: its tasks are paused."""
    submission = obs.status.submission
    alive = tasks.unfinished(obs.status.tasks, obs.lost_task_ids)
    if submission is None or not obs.job.spec.suspend or not alive:
        return None
    moving = tuple(t.id for t in alive if t.status not in tasks.PAUSED | tasks.STOPPING)
    why = ConditionReason("JobSuspended", "The export is paused; set spec.suspend to false to go on.")
    status = status_of(obs, "Suspended", suspended=why, start_time=None)
    return Decision(status, ControlTasks(submission, "pause", moving) if moving else Wait(), requeue_after=30)


def resume(obs: Observation) -> Decision | None:
    """No longer suspended: the tasks that the operator paused go on."""
    submission = obs.status.submission
    if submission is None or obs.job.spec.suspend:
        return None
    held = tuple(t.id for t in obs.status.tasks if t.status in tasks.PAUSED)
    why = ConditionReason("Resuming", "The export goes on.")
    if not obs.job.is_suspended:
        # A pause that was still on its way may take effect after the tasks were seen to move.
        return (
            Decision(obs.status, ControlTasks(submission, "resume", held), requeue_after=5)
            if held and _resumed(obs)
            else None
        )
    if held:
        # Suspended stays true until the tasks move: a crash in between must not forget them.
        return Decision(obs.status, ControlTasks(submission, "resume", held), requeue_after=5)
    start = obs.status.start_time or whole_seconds(obs.now)
    return Decision(status_of(obs, "Running", reconciling=why, start_time=start), requeue_after=0)


def _resumed(obs: Observation) -> bool:
    """Whether the job was resumed so lately that a pause seen now must be the operator's own."""
    condition = obs.job.condition("Suspended")
    return condition is not None and obs.now - condition.last_transition_time < _LATE_PAUSE


def find_lost_tasks(obs: Observation) -> Decision | None:
    """The service no longer knows a task: the bucket may tell how it ended. Never a second export."""
    submission = obs.status.submission
    gone = [t.id for t in tasks.unfinished(obs.status.tasks) if t.id in obs.lost_task_ids]
    if submission is None or not gone:
        return None
    text = (
        f"The service no longer knows task {', '.join(gone)}, "
        f"and no manifest stands at {submission.destination}. "
        "Look for the export in Reltio's console; cancel this job if it does not run there."
    )
    stalled = obs.job.condition("Stalled")
    if stalled is not None and stalled.reason == "TaskVanished" and all(id_ in stalled.message for id_ in gone):
        return Decision(obs.status, CheckDelivery(submission), requeue_after=_LOST_TASK_REQUEUE_SECONDS)
    status = status_of(obs, "Unknown", stalled=ConditionReason("TaskVanished", text), retry_time=None)
    return Decision(status, CheckDelivery(submission), requeue_after=_LOST_TASK_REQUEUE_SECONDS)


def follow(obs: Observation) -> Decision | None:
    """It runs: progress is shown, sparingly; a change of status at once."""
    if not obs.status.tasks:
        return None
    paused = tasks.all_in(tasks.unfinished(obs.status.tasks), tasks.PAUSED)
    words = ", ".join(sorted({t.status or "SCHEDULED" for t in obs.status.tasks}))
    phase = "Paused" if paused else "Running"
    if obs.watch_error is not None:
        why = ConditionReason(
            obs.watch_error.reason, f"The tasks cannot be seen: {obs.watch_error.message} Last seen: {words}."
        )
    elif paused:
        why = ConditionReason("PausedAtService", "The export was paused in Reltio, not here; resume it there.")
    elif any(t.status and t.status not in tasks.KNOWN for t in obs.status.tasks):
        why = ConditionReason("UnknownTaskStatus", f"The service reports {words}, which is not documented; waiting on.")
    else:
        why = ConditionReason("ExportRunning", f"The service reports {words}.")
    return Decision(status_of(obs, phase, reconciling=why))
