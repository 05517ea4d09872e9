"""How long a deletion waits for the export of its job, and what is reported when that takes long."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec

from ..api.conditions import Conditions
from ..api.reasons import ConditionReason
from . import messages, tasks
from .observation import Decision, Observation, RemoveFinalizer

_OLDER = 0.25  # of the cleanup timeout, for a deletion that another process may have observed before


def has_timed_out(obs: Observation) -> bool:
    """Whether the cleanup timeout has passed since this process first observed the deletion.

    A process that finds an older deletion still stops the tasks and waits for a quarter of the timeout: no process
    may have done so before, and a crash loop must never block a namespace.
    """
    return _seconds_left(obs, 1.0) <= 0


def is_late(obs: Observation) -> bool:
    """Whether half of that time has passed."""
    return _seconds_left(obs, 0.5) <= 0


def seconds_until_step(obs: Observation) -> float:
    """Seconds until half of that time, or all of it, has passed; infinity once it has."""
    if has_timed_out(obs):
        return math.inf
    return max(_seconds_left(obs, 1.0 if is_late(obs) else 0.5), 0.1)


def timed_out_reason(obs: Observation) -> ConditionReason:
    """Why the finalizer is removed although the export may run on."""
    submission = obs.status.submission
    assert submission is not None, "only an attempt is waited for"
    return messages.CLEANUP_INCOMPLETE(
        seconds=obs.limits.cleanup_timeout_seconds,
        name=submission.name,
        tasks=_tasks(obs),
        destination=submission.destination,
    )


def with_report(obs: Observation, decision: Decision) -> Decision:
    """Say in the status of a job whose deletion takes long that its export may still run.

    A namespace that is being deleted refuses events, and with the finalizer the job disappears.
    """
    submission = obs.status.submission
    if not obs.is_deleted or not obs.job.holds_finalizer or submission is None or not is_late(obs):
        return decision
    if isinstance(decision.action, RemoveFinalizer) or obs.job.is_finished:
        return decision
    why = messages.EXPORT_MAY_STILL_RUN(
        seconds=obs.limits.cleanup_timeout_seconds,
        name=submission.name,
        tasks=_tasks(obs),
        destination=submission.destination,
    )
    conditions = Conditions(decision.status.conditions, generation=obs.job.metadata.generation, now=obs.now)
    conditions.drop("Reconciling")
    conditions.put("Stalled", "True", why.reason, why.message)
    return replace(decision, status=msgspec.structs.replace(decision.status, conditions=conditions.result()))


def _seconds_left(obs: Observation, share: float) -> float:
    timeout, deleted = obs.limits.cleanup_timeout_seconds, obs.job.metadata.deletion_timestamp
    observed = obs.elapsed.deletion
    left = share * timeout - observed
    if deleted is None:
        return left
    older = max(share * _OLDER * timeout - observed, timeout - (obs.now - deleted).total_seconds())
    return min(left, older)


def _tasks(obs: Observation) -> str:
    unfinished = tasks.unfinished(obs.status.tasks + obs.status.duplicates)
    return ", ".join(task.id for task in unfinished) or "unknown"
