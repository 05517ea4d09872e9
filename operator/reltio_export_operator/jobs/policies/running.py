"""Rules for a job whose tasks are on record."""

from __future__ import annotations

from datetime import timedelta

from ...api.job import Output
from ...api.meta import whole_seconds
from .. import duplicates, tasks
from ..endings import completed, tasks_failed, with_doubles
from ..observation import Control, Decision, Inspect, Nothing, Says, View, status_of, wait_left
from .ending import stop

_LATE_PAUSE = timedelta(minutes=10)
_VANISHED_LOOK = 60.0  # seconds between looks for the manifest of an export whose task vanished


def stop_doubles(view: View) -> Decision | None:
    """More than one export carries the marker: the older one counts, the younger one is stopped."""
    submission = view.status.submission
    if submission is None or not view.status.tasks:
        return None
    told = with_doubles(view, duplicates.sort_out_strangers(view))
    alive = tasks.live(told.status.duplicates, view.missing)
    if not alive and told.status is view.status:
        return None
    moving = tuple(task.id for task in alive if task.status not in tasks.STOPPING)
    action = Control(submission, "stop", moving) if moving else Nothing()
    return Decision(told.status, action, after=10, events=told.events)


def verify_delivery(view: View) -> Decision | None:
    """All tasks completed: what lies in the bucket decides."""
    submission = view.status.submission
    if submission is None or not tasks.all_in(view.status.tasks, tasks.COMPLETED):
        return None
    left = wait_left(view)
    if left:
        return Decision(view.status, after=left)
    if view.job.spec.delivery.verify == "None":
        output = Output(bucket=submission.s3.bucket, prefix=submission.path)
        text = f"The service says that it is done with {submission.destination}; spec.delivery.verify is None."
        return completed(view, output, text, reason="ReportedByService")
    if view.status.waits:
        return Decision(view.status, Inspect(submission))  # its condition tells what it waits for
    says = Says("VerifyingDelivery", f"The service is done; what lies at {submission.destination} is being checked.")
    return Decision(status_of(view, "Verifying", reconciling=says), Inspect(submission))


def retire_attempt(view: View) -> Decision | None:
    """All tasks ended, not all well."""
    if view.status.submission is None or not view.status.tasks or tasks.live(view.status.tasks):
        return None
    return tasks_failed(view)


def stop_siblings(view: View) -> Decision | None:
    """One task failed: the export cannot become whole, so the others need not go on.

    One that the service no longer knows may run on for all that is known: it is never taken for stopped.
    """
    submission, listed = view.status.submission, view.status.tasks
    if submission is None or not any(t.status in tasks.FAILED | tasks.CANCELED for t in listed):
        return None
    if not tasks.live(listed, view.missing):
        return None
    return stop(view, "Stopping", Says("SiblingFailed", "A task failed; the others are being stopped."))


def pause(view: View) -> Decision | None:
    """Suspended while it runs: its tasks are paused."""
    submission = view.status.submission
    alive = tasks.live(view.status.tasks, view.missing)
    if submission is None or not view.job.spec.suspend or not alive:
        return None
    moving = tuple(t.id for t in alive if t.status not in tasks.PAUSED | tasks.STOPPING)
    says = Says("JobSuspended", "The export is paused; set spec.suspend to false to go on.")
    status = status_of(view, "Suspended", suspended=says, start_time=None)
    return Decision(status, Control(submission, "pause", moving) if moving else Nothing(), after=30)


def resume(view: View) -> Decision | None:
    """No longer suspended: the tasks that the operator paused go on."""
    submission = view.status.submission
    if submission is None or view.job.spec.suspend:
        return None
    held = tuple(t.id for t in view.status.tasks if t.status in tasks.PAUSED)
    says = Says("Resuming", "The export goes on.")
    if not view.job.is_suspended:
        # A pause that was still on its way may take effect after the tasks were seen to move.
        return Decision(view.status, Control(submission, "resume", held), after=5) if held and _resumed(view) else None
    if held:
        # Suspended stays true until the tasks move: a crash in between must not forget them.
        return Decision(view.status, Control(submission, "resume", held), after=5)
    start = view.status.start_time or whole_seconds(view.now)
    return Decision(status_of(view, "Running", reconciling=says, start_time=start), after=0)


def _resumed(view: View) -> bool:
    """Whether the job was resumed so lately that a pause seen now must be the operator's own."""
    condition = view.job.condition("Suspended")
    return condition is not None and view.now - condition.last_transition_time < _LATE_PAUSE


def look_for_vanished(view: View) -> Decision | None:
    """The service no longer knows a task: the bucket may tell how it ended. Never a second export."""
    submission = view.status.submission
    gone = [t.id for t in tasks.live(view.status.tasks) if t.id in view.missing]
    if submission is None or not gone:
        return None
    text = (
        f"The service no longer knows task {', '.join(gone)}, "
        f"and no manifest stands at {submission.destination}. "
        "Look for the export in Reltio's console; cancel this job if it does not run there."
    )
    stalled = view.job.condition("Stalled")
    if stalled is not None and stalled.reason == "TaskVanished" and all(id_ in stalled.message for id_ in gone):
        return Decision(view.status, Inspect(submission), after=_VANISHED_LOOK)
    status = status_of(view, "Unknown", stalled=Says("TaskVanished", text), retry_time=None)
    return Decision(status, Inspect(submission), after=_VANISHED_LOOK)


def follow(view: View) -> Decision | None:
    """It runs: progress is shown, sparingly; a change of status at once."""
    if not view.status.tasks:
        return None
    paused = tasks.all_in(tasks.live(view.status.tasks), tasks.PAUSED)
    words = ", ".join(sorted({t.status or "SCHEDULED" for t in view.status.tasks}))
    phase = "Paused" if paused else "Running"
    if view.trouble is not None:
        says = Says(view.trouble.reason, f"The tasks cannot be seen: {view.trouble.message} Last seen: {words}.")
    elif paused:
        says = Says("PausedAtService", "The export was paused in Reltio, not here; resume it there.")
    elif any(t.status and t.status not in tasks.KNOWN for t in view.status.tasks):
        says = Says("UnknownTaskStatus", f"The service reports {words}, which is not documented; waiting on.")
    else:
        says = Says("ExportRunning", f"The service reports {words}.")
    return Decision(status_of(view, phase, reconciling=says))
