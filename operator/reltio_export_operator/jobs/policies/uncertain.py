"""Policies for a job whose status does not say for certain which exports were submitted for it.

Such a job is not submitted, because that could be a second export. A person has to correct the status, or to cancel
the job.
"""

from __future__ import annotations

import msgspec

from ...api.conditions import Conditions
from ...api.job import ExportJob
from ...api.reasons import ConditionReason
from .. import identity, messages, tasks
from ..endings import early_end_reason, failed
from ..observation import Decision, Event, Observation, RemoveFinalizer
from .ending import stop_tasks

_SHOWN = 3
_CORRECTED = (messages.STATUS_UNCERTAIN.name, messages.SPEC_NOT_UNDERSTOOD.name)


def release_uncertain(obs: Observation) -> Decision | None:
    """Deleted, and it is not known which tasks to stop: remove the finalizer, and report it in an event."""
    job = obs.job
    if not obs.is_deleted or not job.holds_finalizer or job.spec.deletion_policy == "Orphan":
        return None
    if not identity.doubts(job) or _can_stop(obs):
        return None
    why = messages.CLEANUP_UNCERTAIN(doubts=_doubts(job), uid=job.metadata.uid)
    return Decision(obs.status, RemoveFinalizer(), events=(Event.warning(why),))


def hold_uncertain(obs: Observation) -> Decision | None:
    """Submit nothing until the status is corrected. A job that is cancelled or past its deadline still ends."""
    job, submission = obs.job, obs.status.submission
    if not identity.doubts(job):
        return _continue(obs)
    early = early_end_reason(obs)
    if early is not None:
        if submission is not None and _can_stop(obs) and obs.elapsed.ending < obs.limits.cleanup_timeout_seconds:
            return stop_tasks(obs, submission, "Stopping", early)
        uncertain = messages.ENDED_UNCERTAIN(early=early.message, doubts=_doubts(job), uid=job.metadata.uid)
        return failed(obs, ConditionReason(early.reason, uncertain.message))
    why = messages.STATUS_UNCERTAIN(
        doubts=_doubts(job), name=job.metadata.name, namespace=job.metadata.namespace, uid=job.metadata.uid
    )
    conditions = Conditions(obs.status.conditions, generation=job.metadata.generation, now=obs.now)
    conditions.drop("Reconciling")
    conditions.put("Stalled", "True", why.reason, why.message)
    return Decision(msgspec.structs.replace(obs.status, phase="Unknown", conditions=conditions.result()))


def _continue(obs: Observation) -> Decision | None:
    """The status, or the spec, can be read again, or written: continue from what it says now."""
    stalled, phase = obs.job.condition("Stalled"), obs.status.phase
    if stalled is None:
        return None
    if stalled.reason in _CORRECTED:
        why, phase = messages.STATUS_CORRECTED(), "Pending"
    elif stalled.reason == messages.WRITE_REFUSED.name and (obs.status.submission or obs.status.retry_time):
        why = messages.WRITE_ACCEPTED()
    else:
        return None  # without submission and retryTime, the next decision replaces the condition
    conditions = Conditions(obs.status.conditions, generation=obs.job.metadata.generation, now=obs.now)
    conditions.drop("Stalled")
    conditions.put("Reconciling", "True", why.reason, why.message)
    return Decision(msgspec.structs.replace(obs.status, phase=phase, conditions=conditions.result()), requeue_after=0)


def _can_stop(obs: Observation) -> bool:
    """Whether there are tasks that the service can be asked to stop."""
    unfinished = tasks.unfinished(obs.status.tasks + obs.status.duplicates, obs.gone_task_ids)
    return bool(unfinished) and identity.is_reachable(obs.job)


def _doubts(job: ExportJob) -> str:
    found = identity.doubts(job)
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{'; '.join(found[:_SHOWN])}{more}"
