"""Rules for a job that is deleted, finished, cancelled or late."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from ...api.conditions import Conditions
from ...api.job import JobStatus
from .. import retention, tasks
from ..endings import failed, reason_to_end
from ..observation import (
    Control,
    Decision,
    Delete,
    Event,
    Nothing,
    Release,
    Says,
    Search,
    View,
    seconds_until,
    status_of,
    urgent_wait,
)


def leave_orphan(view: View) -> Decision | None:
    """Deleted, and its export is to run on, or there is none."""
    if view.job.metadata.deletion_timestamp is None:
        return None
    if not view.job.holds_finalizer:
        return Decision(view.status)
    submission = view.status.submission
    orphan = view.job.spec.deletion_policy == "Orphan"
    if orphan or view.job.is_finished or submission is None or submission.refused_time is not None:
        return Decision(view.status, Release())
    return None


def stop_for_deletion(view: View) -> Decision | None:
    """Deleted: its tasks are stopped and waited for, but never longer than the stated bound."""
    deleted, submission = view.job.metadata.deletion_timestamp, view.status.submission
    if deleted is None or submission is None:
        return None
    if _gives_up(view, deleted):
        gave_up = Event(
            "Warning",
            "CleanupIncomplete",
            f"Let go after {view.limits.cleanup:.0f} s without seeing export {submission.name} end.",
        )
        return Decision(view.status, Release(), events=(gave_up,))
    if not view.status.tasks:
        left = urgent_wait(view)
        return Decision(view.status, after=left) if left else Decision(view.status, Search(submission))
    alive = tasks.live(view.status.tasks + view.status.duplicates, view.missing)
    if not alive:
        return Decision(view.status, Release())
    return stop(view, "Deleting", Says("Deleting", f"Waiting for {len(alive)} tasks to stop."))


def _gives_up(view: View, deleted: datetime) -> bool:
    """Whether the bound is over: counted from when this process first saw the deletion.

    A process that finds a deletion older than the bound still asks for the stop, and waits a quarter of it: nobody
    may have asked before, and a crash loop must not hold a namespace for ever.
    """
    known, bound = view.ages.deletion, view.limits.cleanup
    return known >= bound or (known >= bound / 4 and (view.now - deleted).total_seconds() >= bound)


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
    if left:
        return Decision(view.status, after=left)
    keeper = retention.keeper_of(view.job)
    return Decision(view.status, Delete()) if keeper is None else Decision(_tombstone(view, keeper))


def end_early(view: View) -> Decision | None:
    """Cancelled, or past its deadline: what runs is stopped, then the job fails."""
    says = reason_to_end(view)
    if says is None:
        return None
    if tasks.all_in(view.status.tasks, tasks.COMPLETED):
        text = "The service had completed the export; what lies at its destination could not be verified."
        return failed(view, says.reason, f"{says.message} {text}") if view.status.waits else None
    submission = view.status.submission
    if submission is not None and not view.status.tasks and submission.refused_time is None:
        told = view.status.phase == "Stopping"
        status = view.status if told else status_of(view, "Stopping", reconciling=says)
        left = urgent_wait(view)
        return Decision(status, after=left) if left else Decision(status, Search(submission))
    alive = tasks.live(view.status.tasks + view.status.duplicates, view.missing)
    if not alive:
        return failed(view, says.reason, says.message)
    if view.ages.ending >= view.limits.cleanup:
        ids = ", ".join(task.id for task in alive)
        text = f"{says.message} Asked to stop, task {ids} had not ended after {view.limits.cleanup:.0f} s."
        return failed(view, says.reason, f"{text} Stop it in Reltio's console if it still runs.")
    return stop(view, "Stopping", says)


def stop(view: View, phase: str, says: Says) -> Decision:
    """Ask the service to stop all that lives, and look again."""
    submission = view.status.submission
    assert submission is not None
    alive = tasks.live(view.status.tasks + view.status.duplicates, view.missing)
    moving = tuple(task.id for task in alive if task.status not in tasks.STOPPING)
    action = Control(submission, "stop", moving) if moving else Nothing()
    return Decision(status_of(view, phase, reconciling=says), action, after=10)


def _tombstone(view: View, keeper: str) -> JobStatus:
    """The status of a job that is kept because its deletion would be undone, with little more than its outcome."""
    conditions = Conditions(view.status.conditions, generation=view.job.metadata.generation, now=view.now)
    conditions.put(
        "Retained",
        "True",
        "WouldBeRecreated",
        f"Its time to live is over, but {keeper} would create it again, and so a second export. "
        "Remove the job at its source; then it goes away for good.",
    )
    return msgspec.structs.replace(view.status, conditions=conditions.result(), tasks=(), failures=(), progress=None)
