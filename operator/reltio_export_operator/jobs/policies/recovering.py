"""Policies for a job whose status has lost an attempt, or was restored from a backup.

The status may be cleared, or an object restored without it. The annotation then says which attempt may have been
submitted, and it is searched for like one whose answer was lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...api.attempt import AttemptRecord
from ...api.meta import ATTEMPT_ANNOTATION, RESTORED_ANNOTATION, whole_seconds
from ...api.reasons import ConditionReason
from ...api.target import ExportTarget
from ...api.task import ObservedTask
from .. import identity, messages, naming
from ..endings import early_end_reason, failed
from ..observation import (
    Decision,
    Event,
    FindUnrecorded,
    Observation,
    RemoveFinalizer,
    seconds_until_urgent_retry,
    status_of,
)
from ..ownership import time_of, unrecorded_attempts


def recover_attempt(obs: Observation) -> Decision | None:
    """The annotation names an attempt that the status has lost: write its intent again, so that it is searched for."""
    job = obs.job
    record = identity.lost_attempt(job)
    if record is None or record.id == obs.unsent_attempt:
        return None
    if obs.is_deleted and (not job.holds_finalizer or job.spec.deletion_policy == "Orphan"):
        return None
    doubt = _doubt(obs, record)
    if doubt is not None:
        return _hold(obs, doubt)
    if obs.target is None:
        return None
    return _recovered(obs, obs.target, record, messages.RECOVERING(attempt=record.attempt, path=record.path))


def find_before_end(obs: Observation) -> Decision | None:
    """Deleted or cancelled, and an export may run that the object says nothing of: search for it, to stop it."""
    job = obs.job
    if not obs.unrecorded or job.is_finished or not identity.is_without_record(job) or obs.target is None:
        return None
    timeout = obs.limits.cleanup_timeout_seconds
    if obs.is_deleted:
        is_ending = job.holds_finalizer and job.spec.deletion_policy == "Cancel" and obs.elapsed.deletion < timeout
    else:
        is_ending = early_end_reason(obs) is not None and obs.elapsed.ending < timeout
    if not is_ending:
        return None
    left = seconds_until_urgent_retry(obs)
    return Decision(obs.status, requeue_after=left) if left else Decision(obs.status, FindUnrecorded())


def ask_about_restored(obs: Observation) -> Decision | None:
    """Restored from a backup under a new uid, without its status: a person has to choose."""
    record = identity.awaits_choice(obs.job)
    if record is None:
        return None
    meta = obs.job.metadata
    why = messages.RESTORED_COPY(
        annotation=RESTORED_ANNOTATION, name=meta.name, namespace=meta.namespace, attempt=record.id, path=record.path
    )
    return Decision(status_of(obs, "Pending", stalled=why, queue_position=None))


def on_unrecorded_found(obs: Observation, target: ExportTarget, found: Sequence[ObservedTask]) -> Decision:
    """Reltio has exports of a job that has no record of them: the last attempt is taken for the current one."""
    attempts = unrecorded_attempts(obs.job, found)
    attempt = max(attempts)
    created = [task.created_ms for task in attempts[attempt] if task.created_ms is not None]
    intended = time_of(min(created)) if created else obs.job.metadata.creation_timestamp or obs.now
    job, meta = obs.job, obs.job.metadata
    is_ending = obs.is_deleted or early_end_reason(obs) is not None
    if naming.depends_on_time(job) and not is_ending:
        ids = ", ".join(sorted(task.id for task in attempts[attempt]))
        why = messages.DIRECTORY_UNKNOWN(tasks=ids, name=naming.export_name(job, attempt))
        return Decision(status_of(obs, "Unknown", stalled=why, queue_position=None))
    record = AttemptRecord(
        id=naming.attempt_id(job, attempt),
        attempt=attempt,
        path=naming.directory(job, target, attempt, intended),
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        tenant=target.spec.reltio.tenant,
        bucket=target.spec.s3.bucket,
        intended_time=intended,
    )
    return _recovered(obs, target, record, messages.UNRECORDED_FOUND(attempt=attempt))


def _recovered(obs: Observation, target: ExportTarget, record: AttemptRecord, why: ConditionReason) -> Decision:
    status = status_of(
        obs,
        "Submitting",
        reconciling=why,
        submission=naming.recovered(obs.job, target, record),
        attempts=record.attempt,
        start_time=obs.status.start_time or whole_seconds(obs.now),
        queue_position=None,
        retry_time=None,
        waits=None,
        waiting_since=None,
        progress=None,
    )
    return Decision(status, requeue_after=0)


def _doubt(obs: Observation, record: AttemptRecord) -> str | None:
    """Why the attempt cannot be searched for by what the annotation says."""
    if obs.original_exists:
        return f"the annotation {ATTEMPT_ANNOTATION} names an attempt of another job that still exists"
    if obs.target is None:
        is_ending = obs.is_deleted or early_end_reason(obs) is not None
        return "the target does not exist" if is_ending else None
    spec = obs.target.spec
    if record.tenant != spec.reltio.tenant:
        return f"the target names tenant {spec.reltio.tenant}, and the attempt was for tenant {record.tenant}"
    if record.bucket != spec.s3.bucket:
        return f"the target names bucket {spec.s3.bucket}, and the attempt was for bucket {record.bucket}"
    if not naming.is_within(record.path, obs.target) or not record.path.endswith(f"/{record.id}/"):
        return f"the directory in the annotation {ATTEMPT_ANNOTATION} is not one of this target"
    return None


def _hold(obs: Observation, doubt: str) -> Decision:
    job = obs.job
    if obs.is_deleted:
        why = messages.CLEANUP_UNCERTAIN(doubts=doubt, uid=job.metadata.uid)
        return Decision(obs.status, RemoveFinalizer(), events=(Event.warning(why),))
    early = early_end_reason(obs)
    if early is not None:
        uncertain = messages.ENDED_UNCERTAIN(early=early.message, doubts=doubt, uid=job.metadata.uid)
        return failed(obs, ConditionReason(early.reason, uncertain.message))
    why = messages.ATTEMPT_LOST(doubt=doubt)
    return Decision(status_of(obs, "Unknown", stalled=why, queue_position=None))
