"""Policies for a job that is deleted, finished, cancelled or past its deadline."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from ...api.conditions import Conditions
from ...api.foreign import own
from ...api.job import JobStatus, Submission
from ...api.reasons import ConditionReason
from .. import cleanup, deletion, messages, retention, tasks
from ..endings import early_end_reason, failed
from ..observation import (
    ControlTasks,
    Decision,
    DeleteJob,
    Event,
    Observation,
    RemoveFinalizer,
    Search,
    Wait,
    seconds_until,
    seconds_until_urgent_retry,
    status_of,
)


def orphan_export(obs: Observation) -> Decision | None:
    """Deleted, and there is no export, or it is to run on."""
    if not obs.is_deleted:
        return None
    if not obs.job.holds_finalizer:
        return Decision(obs.status)
    submission = obs.status.submission
    orphan = obs.job.spec.deletion_policy == "Orphan"
    if orphan or obs.job.is_finished or submission is None or submission.refused_time is not None:
        return Decision(obs.status, RemoveFinalizer())
    return None


def stop_for_deletion(obs: Observation) -> Decision | None:
    """Deleted: stop its tasks and wait for their end, but never longer than the cleanup timeout."""
    submission = obs.status.submission
    if not obs.is_deleted or submission is None:
        return None
    unfinished = tasks.unfinished(obs.status.tasks + obs.status.duplicates, obs.gone_task_ids)
    if deletion.has_timed_out(obs):
        return Decision(obs.status, RemoveFinalizer(), events=(Event.warning(deletion.timed_out_reason(obs)),))
    if not obs.status.tasks:
        left = seconds_until_urgent_retry(obs)
        return Decision(obs.status, requeue_after=left) if left else Decision(obs.status, Search(submission))
    if not unfinished:
        return Decision(obs.status, RemoveFinalizer())
    return stop_tasks(obs, submission, "Deleting", messages.DELETING(count=len(unfinished)))


def keep_finished(obs: Observation) -> Decision | None:
    """Finished: what a failed attempt wrote is deleted if the spec asks for it, then the finalizer is removed.

    The finalizer makes a process that starts continue with that. The object is deleted once
    spec.ttlSecondsAfterFinished has passed.
    """
    if not obs.job.is_finished:
        return None
    cleaning = cleanup.after_end(obs)
    if cleaning is not None:
        return cleaning
    if obs.job.holds_finalizer:
        return Decision(obs.status, RemoveFinalizer())
    ttl, ended = obs.job.spec.ttl_seconds_after_finished, obs.status.completion_time
    if ttl is None or ended is None:
        return Decision(obs.status)
    left = seconds_until(ended + timedelta(seconds=ttl), obs.now)
    if left:
        return Decision(obs.status, requeue_after=left)
    manager = retention.recreated_by(obs.job)
    return Decision(obs.status, DeleteJob()) if manager is None else Decision(_tombstone(obs, manager))


def end_early(obs: Observation) -> Decision | None:
    """Cancelled, or past its deadline: stop what runs, then fail the job."""
    why = early_end_reason(obs)
    if why is None:
        return None
    if tasks.all_in(obs.status.tasks, tasks.COMPLETED):
        if not obs.status.waits:
            return None
        text = f"{why.message} Reltio had completed the export, but the files at its destination were not verified."
        return failed(obs, ConditionReason(why.reason, own(text)))
    submission = obs.status.submission
    if submission is not None and not obs.status.tasks and submission.refused_time is None:
        is_recorded = obs.status.phase == "Stopping"
        status = obs.status if is_recorded else status_of(obs, "Stopping", reconciling=why)
        left = seconds_until_urgent_retry(obs)
        return Decision(status, requeue_after=left) if left else Decision(status, Search(submission))
    unfinished = tasks.unfinished(obs.status.tasks + obs.status.duplicates, obs.gone_task_ids)
    if not unfinished or submission is None:
        return failed(obs, why)
    if obs.elapsed.ending >= obs.limits.cleanup_timeout_seconds:
        ids = ", ".join(task.id for task in unfinished)
        text = (
            f"{why.message} Task {ids} was asked to stop and had not ended after "
            f"{obs.limits.cleanup_timeout_seconds:.0f} s. Stop it in Reltio's console if it still runs."
        )
        return failed(obs, ConditionReason(why.reason, own(text)))
    return stop_tasks(obs, submission, "Stopping", why)


def stop_tasks(obs: Observation, submission: Submission, phase: str, why: ConditionReason) -> Decision:
    """Ask Reltio to stop all unfinished tasks, and check again soon."""
    unfinished = tasks.unfinished(obs.status.tasks + obs.status.duplicates, obs.gone_task_ids)
    ids = tuple(task.id for task in unfinished if task.status not in tasks.STOPPING)
    action = ControlTasks(submission, "stop", ids) if ids else Wait()
    return Decision(status_of(obs, phase, reconciling=why), action, requeue_after=10)


def _tombstone(obs: Observation, manager: str) -> JobStatus:
    """The status of a job that is kept because its deletion would be undone: little more than its outcome."""
    why = messages.WOULD_BE_RECREATED(manager=manager)
    conditions = Conditions(obs.status.conditions, generation=obs.job.metadata.generation, now=obs.now)
    conditions.put("Retained", "True", why.reason, why.message)
    return msgspec.structs.replace(obs.status, conditions=conditions.result(), tasks=(), failures=(), progress=None)
