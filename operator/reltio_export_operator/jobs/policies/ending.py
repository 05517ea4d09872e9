"""Rules for a job that is deleted, finished, cancelled or late."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from ...api.conditions import Conditions
from ...api.job import JobStatus
from .. import retention, tasks
from ..endings import early_end_reason, failed
from ..observation import (
    ConditionReason,
    ControlTasks,
    Decision,
    DeleteJob,
    Event,
    Observation,
    RemoveFinalizer,
    Search,
    Wait,
    seconds_until,
    status_of,
    urgent_wait_seconds,
)


def orphan_export(obs: Observation) -> Decision | None:
    """Deleted, and its export is to run on, or there is none."""
    if obs.job.metadata.deletion_timestamp is None:
        return None
    if not obs.job.holds_finalizer:
        return Decision(obs.status)
    submission = obs.status.submission
    orphan = obs.job.spec.deletion_policy == "Orphan"
    if orphan or obs.job.is_finished or submission is None or submission.refused_time is not None:
        return Decision(obs.status, RemoveFinalizer())
    return None


def stop_for_deletion(obs: Observation) -> Decision | None:
    """Deleted: its tasks are stopped and waited for, but never longer than the stated bound."""
    deleted, submission = obs.job.metadata.deletion_timestamp, obs.status.submission
    if deleted is None or submission is None:
        return None
    if _cleanup_timed_out(obs, deleted):
        gave_up = Event(
            "Warning",
            "CleanupIncomplete",
            f"Let go after {obs.limits.cleanup_timeout_seconds:.0f} s without seeing export {submission.name} end.",
        )
        return Decision(obs.status, RemoveFinalizer(), events=(gave_up,))
    if not obs.status.tasks:
        left = urgent_wait_seconds(obs)
        return Decision(obs.status, requeue_after=left) if left else Decision(obs.status, Search(submission))
    alive = tasks.unfinished(obs.status.tasks + obs.status.duplicates, obs.lost_task_ids)
    if not alive:
        return Decision(obs.status, RemoveFinalizer())
    return stop(obs, "Deleting", ConditionReason("Deleting", f"Waiting for {len(alive)} tasks to stop."))


def _cleanup_timed_out(obs: Observation, deleted: datetime) -> bool:
    """Whether the bound is over: counted from when this process first saw the deletion.

    A process that finds a deletion older than the bound still asks for the stop, and waits a quarter of it: nobody
    may have asked before, and a crash loop must not hold a namespace for ever.
    """
    known, bound = obs.elapsed.deletion, obs.limits.cleanup_timeout_seconds
    return known >= bound or (known >= bound / 4 and (obs.now - deleted).total_seconds() >= bound)


def keep_finished(obs: Observation) -> Decision | None:
    """Finished: nothing moves any more but the finalizer, and the object when its time to live is over."""
    if not obs.job.is_finished:
        return None
    if obs.job.holds_finalizer:
        return Decision(obs.status, RemoveFinalizer())
    ttl, ended = obs.job.spec.ttl_seconds_after_finished, obs.status.completion_time
    if ttl is None or ended is None:
        return Decision(obs.status)
    left = seconds_until(ended + timedelta(seconds=ttl), obs.now)
    if left:
        return Decision(obs.status, requeue_after=left)
    keeper = retention.recreated_by(obs.job)
    return Decision(obs.status, DeleteJob()) if keeper is None else Decision(_tombstone(obs, keeper))


def end_early(obs: Observation) -> Decision | None:
    """Cancelled, or past its deadline: what runs is stopped, then the job fails."""
    why = early_end_reason(obs)
    if why is None:
        return None
    if tasks.all_in(obs.status.tasks, tasks.COMPLETED):
        text = "The service had completed the export; what lies at its destination could not be verified."
        return failed(obs, why.reason, f"{why.message} {text}") if obs.status.waits else None
    submission = obs.status.submission
    if submission is not None and not obs.status.tasks and submission.refused_time is None:
        told = obs.status.phase == "Stopping"
        status = obs.status if told else status_of(obs, "Stopping", reconciling=why)
        left = urgent_wait_seconds(obs)
        return Decision(status, requeue_after=left) if left else Decision(status, Search(submission))
    alive = tasks.unfinished(obs.status.tasks + obs.status.duplicates, obs.lost_task_ids)
    if not alive:
        return failed(obs, why.reason, why.message)
    if obs.elapsed.ending >= obs.limits.cleanup_timeout_seconds:
        ids = ", ".join(task.id for task in alive)
        text = (
            f"{why.message} Asked to stop, task {ids} had not ended after {obs.limits.cleanup_timeout_seconds:.0f} s."
        )
        return failed(obs, why.reason, f"{text} Stop it in Reltio's console if it still runs.")
    return stop(obs, "Stopping", why)


def stop(obs: Observation, phase: str, why: ConditionReason) -> Decision:
    """Ask the service to stop all that lives, and look again."""
    submission = obs.status.submission
    assert submission is not None
    alive = tasks.unfinished(obs.status.tasks + obs.status.duplicates, obs.lost_task_ids)
    moving = tuple(task.id for task in alive if task.status not in tasks.STOPPING)
    action = ControlTasks(submission, "stop", moving) if moving else Wait()
    return Decision(status_of(obs, phase, reconciling=why), action, requeue_after=10)


def _tombstone(obs: Observation, keeper: str) -> JobStatus:
    """The status of a job that is kept because its deletion would be undone, with little more than its outcome."""
    conditions = Conditions(obs.status.conditions, generation=obs.job.metadata.generation, now=obs.now)
    conditions.put(
        "Retained",
        "True",
        "WouldBeRecreated",
        f"Its time to live is over, but {keeper} would create it again, and so a second export. "
        "Remove the job at its source; then it goes away for good.",
    )
    return msgspec.structs.replace(obs.status, conditions=conditions.result(), tasks=(), failures=(), progress=None)
