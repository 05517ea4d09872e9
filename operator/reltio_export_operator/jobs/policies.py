"""The life of an export, as the list of rules that decides its next step.

`decide` asks each rule in turn; the first that has an opinion is followed. Rules are pure: the same view
gives the same decision, whoever asks and however often, so any process may take over at any point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec

from ..api.meta import whole_seconds
from . import naming, tasks
from .verdicts import failed, tasks_failed
from .view import (
    Begin,
    Control,
    Decision,
    Delete,
    Event,
    Inspect,
    Nothing,
    Release,
    Says,
    Search,
    View,
    seconds_until,
    status_of,
)

Policy = Callable[[View], Decision | None]


def leave_orphan(view: View) -> Decision | None:
    """Deleted, and its export is to run on, or there is none."""
    if view.job.metadata.deletion_timestamp is None:
        return None
    if not view.job.holds_finalizer:
        return Decision(view.status)
    orphan = view.job.spec.deletion_policy == "Orphan"
    if orphan or view.job.is_finished or view.status.submission is None:
        return Decision(view.status, Release())
    return None


def stop_for_deletion(view: View) -> Decision | None:
    """Deleted: its tasks are stopped and waited for, but never longer than the stated bound."""
    deleted, submission = view.job.metadata.deletion_timestamp, view.status.submission
    if deleted is None or submission is None:
        return None
    if view.now >= deleted + timedelta(seconds=view.limits.cleanup):
        gave_up = Event(
            "Warning",
            "CleanupIncomplete",
            f"Let go after {view.limits.cleanup:.0f} s without seeing export {submission.name} end.",
        )
        return Decision(view.status, Release(), events=(gave_up,))
    if not view.status.tasks:
        return Decision(view.status, Search(submission), after=5)
    alive = tasks.live(view.status.tasks)
    if not alive:
        return Decision(view.status, Release())
    says = Says("Deleting", f"Waiting for {len(alive)} tasks to stop.")
    return _stop(view, "Deleting", says)


def rest_when_finished(view: View) -> Decision | None:
    """Finished: nothing moves any more but the finalizer, and the object when its time to live is over."""
    if not view.job.is_finished:
        return None
    if view.job.holds_finalizer:
        return Decision(view.status, Release())
    ttl, ended = view.job.spec.ttl_seconds_after_finished, view.status.completion_time
    if ttl is None or ended is None:
        return Decision(view.status)
    left = seconds_until(ended + timedelta(seconds=ttl), view.now)
    return Decision(view.status, Nothing() if left else Delete(), after=left or None)


def end_early(view: View) -> Decision | None:
    """Cancelled, or past its deadline: what runs is stopped, then the job fails."""
    says = _reason_to_end(view)
    if says is None or tasks.all_in(view.status.tasks, tasks.COMPLETED):
        return None
    submission = view.status.submission
    if submission is not None and not view.status.tasks:
        return Decision(status_of(view, "Stopping", reconciling=says), Search(submission), after=5)
    if tasks.live(view.status.tasks):
        return _stop(view, "Stopping", says)
    return failed(view, says.reason, says.message)


def settle_doubt(view: View) -> Decision | None:
    """An intent without an answer: the service is asked before anything is sent again."""
    submission = view.status.submission
    if submission is None or view.status.tasks:
        return None
    retry = view.status.retry_time
    if retry is not None and view.now < retry:
        return Decision(view.status, after=seconds_until(retry, view.now))
    return Decision(view.status, Search(submission))


def hold_before_start(view: View) -> Decision | None:
    """Suspended before anything was submitted."""
    if view.status.submission is not None or not view.job.spec.suspend:
        return None
    says = Says("JobSuspended", "Not submitted; set spec.suspend to false to go on.")
    return Decision(status_of(view, "Suspended", suspended=says, queue_position=None, start_time=None))


def retry_later(view: View) -> Decision | None:
    """An earlier attempt failed: its backoff runs."""
    retry = view.status.retry_time
    if view.status.submission is not None or retry is None or view.now >= retry:
        return None
    return Decision(view.status, after=seconds_until(retry, view.now))


def wait_for_target(view: View) -> Decision | None:
    """The target is missing, suspended or not proven to work."""
    if view.status.submission is not None:
        return None
    name, target = view.job.spec.target_ref.name, view.target
    if target is None:
        says = Says("TargetNotFound", f"ExportTarget {name} does not exist in this namespace; create it.")
        return Decision(status_of(view, "Pending", reconciling=says, queue_position=None))
    if target.spec.suspend:
        says = Says("TargetSuspended", f"ExportTarget {name} is suspended; set its spec.suspend to false.")
    elif not target.is_ready:
        says = Says("TargetNotReady", f"ExportTarget {name} is not Ready; see its conditions and checks.")
    else:
        return None
    return Decision(status_of(view, "Pending", reconciling=says, queue_position=None))


def wait_for_turn(view: View) -> Decision | None:
    """All places of the target are taken, or older jobs come first."""
    if view.status.submission is not None or view.ahead == 0:
        return None
    shown = view.status.queue_position
    if shown is not None and view.job.condition("Reconciling") and not _worth_telling(shown, view.ahead):
        return Decision(view.status)
    says = Says("Queued", f"Waits for a place at ExportTarget {view.job.spec.target_ref.name}.")
    return Decision(status_of(view, "Queued", reconciling=says, queue_position=view.ahead))


def begin(view: View) -> Decision | None:
    """Its turn: the intent is written first, then the service is called."""
    if view.status.submission is not None or view.target is None:
        return None
    submission = naming.intend(view.job, view.target, view.now)
    says = Says("Submitting", f"Attempt {submission.attempt} is being submitted.")
    status = status_of(
        view,
        "Submitting",
        reconciling=says,
        submission=submission,
        attempts=submission.attempt,
        start_time=view.status.start_time or whole_seconds(view.now),
        queue_position=None,
        retry_time=None,
        waits=None,
        tasks=(),
        progress=None,
    )
    return Decision(status, Begin(submission))


def pause(view: View) -> Decision | None:
    """Suspended while it runs: its tasks are paused."""
    submission = view.status.submission
    alive = tasks.live(view.status.tasks)
    if submission is None or not view.job.spec.suspend or not alive:
        return None
    moving = tuple(t.id for t in alive if t.status not in tasks.PAUSED | tasks.STOPPING)
    says = Says("JobSuspended", "The export is paused; set spec.suspend to false to go on.")
    status = status_of(view, "Suspended", suspended=says, start_time=None)
    return Decision(status, Control(submission, "pause", moving) if moving else Nothing())


def resume(view: View) -> Decision | None:
    """No longer suspended: the tasks that the operator paused go on."""
    submission = view.status.submission
    if submission is None or not view.job.is_suspended or view.job.spec.suspend:
        return None
    held = tuple(t.id for t in view.status.tasks if t.status in tasks.PAUSED)
    says = Says("Resuming", "The export goes on.")
    if held:
        # Suspended stays true until the tasks move: a crash in between must not forget them.
        return Decision(view.status, Control(submission, "resume", held), after=5)
    start = view.status.start_time or whole_seconds(view.now)
    return Decision(status_of(view, "Running", reconciling=says, start_time=start), after=0)


def verify_delivery(view: View) -> Decision | None:
    """All tasks completed: what lies in the bucket decides."""
    submission = view.status.submission
    if submission is None or not tasks.all_in(view.status.tasks, tasks.COMPLETED):
        return None
    retry = view.status.retry_time
    if retry is not None and view.now < retry:
        return Decision(view.status, after=seconds_until(retry, view.now))
    return Decision(view.status, Inspect(submission))


def retire_attempt(view: View) -> Decision | None:
    """All tasks ended, not all well."""
    if view.status.submission is None or not view.status.tasks or tasks.live(view.status.tasks):
        return None
    return tasks_failed(view)


def stop_siblings(view: View) -> Decision | None:
    """One task failed: the export cannot become whole, so the others need not go on."""
    submission, listed = view.status.submission, view.status.tasks
    if submission is None or not any(t.status in tasks.FAILED | tasks.CANCELED for t in listed):
        return None
    return _stop(view, "Stopping", Says("SiblingFailed", "A task failed; the others are being stopped."))


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
    says = Says("TaskVanished", text)
    status = status_of(view, "Unknown", reconciling=None, stalled=says)
    return Decision(status, Inspect(submission), after=60)


def follow(view: View) -> Decision | None:
    """It runs: progress is shown, sparingly; a change of status at once."""
    if not view.status.tasks:
        return None
    paused = tasks.all_in(tasks.live(view.status.tasks), tasks.PAUSED)
    if paused:
        says = Says("PausedAtService", "The export was paused in Reltio, not here; resume it there.")
    else:
        words = ", ".join(sorted({t.status or "SCHEDULED" for t in view.status.tasks}))
        says = Says("ExportRunning", f"The service reports {words}.")
    phase = "Paused" if paused else "Running"
    return Decision(status_of(view, phase, reconciling=says))


CHAIN: tuple[Policy, ...] = (
    leave_orphan,
    stop_for_deletion,
    rest_when_finished,
    end_early,
    settle_doubt,
    hold_before_start,
    retry_later,
    wait_for_target,
    wait_for_turn,
    begin,
    verify_delivery,
    retire_attempt,
    stop_siblings,
    pause,
    resume,
    look_for_vanished,
    follow,
)


def decide(view: View) -> Decision:
    """The next step of a job."""
    observed = _with_sightings(view)
    for policy in CHAIN:
        decision = policy(observed)
        if decision is not None:
            return _with_deadline(view, decision)
    return Decision(view.status)


def _with_sightings(view: View) -> View:
    """Take over what was seen of the tasks: a change of status at once, mere counters when they are due."""
    before = view.status.tasks
    after = tasks.refreshed(before, view.seen)
    if [task.status for task in before] == [task.status for task in after] and not view.progress_due:
        return view
    shown = tasks.progress(after, view.seen, view.now) if after else view.status.progress
    status = msgspec.structs.replace(view.status, tasks=after, progress=shown)
    return replace(view, job=msgspec.structs.replace(view.job, status=status))


def _with_deadline(view: View, decision: Decision) -> Decision:
    """Look again no later than when the deadline strikes."""
    limit, start = view.job.spec.active_deadline_seconds, decision.status.start_time
    if limit is None or start is None or view.job.is_finished:
        return decision
    left = seconds_until(start + timedelta(seconds=limit), view.now)
    after = left if decision.after is None else min(left, decision.after)
    return Decision(decision.status, decision.action, after, decision.events)


def _reason_to_end(view: View) -> Says | None:
    if view.job.wants_cancel:
        return Says("Cancelled", "The job was cancelled.")
    limit, start = view.job.spec.active_deadline_seconds, view.status.start_time
    if limit is not None and start is not None and view.now >= start + timedelta(seconds=limit):
        return Says("DeadlineExceeded", f"The job was active longer than activeDeadlineSeconds ({limit} s).")
    return None


def _stop(view: View, phase: str, says: Says) -> Decision:
    submission = view.status.submission
    assert submission is not None
    moving = tuple(t.id for t in tasks.live(view.status.tasks) if t.status not in tasks.STOPPING)
    action = Control(submission, "stop", moving) if moving else Nothing()
    return Decision(status_of(view, phase, reconciling=says), action, after=10)


def _worth_telling(shown: int, ahead: int) -> bool:
    """Whether a queue position has moved enough for a person to care: near the head, or halved."""
    return ahead != shown and (ahead <= 10 or ahead <= shown // 2 or ahead > shown)
