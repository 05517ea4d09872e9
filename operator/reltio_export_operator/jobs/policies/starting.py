"""Policies for a job whose export is not known to run yet."""

from __future__ import annotations

import msgspec

from ...api.foreign import own
from ...api.job import ExportJob, Submission
from ...api.meta import whole_seconds
from ...api.reasons import ConditionReason
from ...api.target import ExportTarget, leaves_open
from .. import messages, naming
from ..endings import failed
from ..observation import Decision, FindUnrecorded, Observation, Search, Submit, seconds_until_retry, status_of

SHORT_WAIT_SECONDS = 1.0  # for a place: it is not shown, because it may be over before anybody has seen it
FOREIGN_TASKS_SECONDS = 30.0  # between counts of the tasks of others


def retry_refused_submission(obs: Observation) -> Decision | None:
    """Reltio refused the submission for now, so it does not have the export: submit again after the backoff."""
    submission = obs.status.submission
    if submission is None or obs.status.tasks or submission.refused_time is None:
        return None
    suspended = suspended_submission(obs)
    if suspended is not None:
        return suspended
    left = seconds_until_retry(obs)
    if left:
        return Decision(obs.status, requeue_after=left)
    return resubmit(obs, submission)


def suspended_submission(obs: Observation) -> Decision | None:
    """A suspension keeps a submission that Reltio does not have from being sent again."""
    target = obs.target
    if obs.job.spec.suspend:
        why = messages.SUSPENDED_AFTER_REFUSAL()
        return Decision(status_of(obs, "Suspended", suspended=why, start_time=None))
    if target is not None and target.spec.suspend:
        return Decision(status_of(obs, "Pending", reconciling=_target_suspended(obs)))
    if obs.job.is_suspended:
        start = obs.status.start_time or whole_seconds(obs.now)
        return Decision(status_of(obs, "Pending", reconciling=messages.RESUMING(), start_time=start), requeue_after=0)
    return None


def resolve_unknown_submission(obs: Observation) -> Decision | None:
    """An intent without an answer: search for the export before anything is sent again."""
    submission = obs.status.submission
    if submission is None or obs.status.tasks:
        return None
    left = seconds_until_retry(obs)
    return Decision(obs.status, requeue_after=left) if left else Decision(obs.status, Search(submission))


def wait_while_suspended(obs: Observation) -> Decision | None:
    """Suspended before anything was submitted."""
    if obs.status.submission is not None or not obs.job.spec.suspend:
        return None
    why = messages.SUSPENDED_BEFORE_START()
    return Decision(status_of(obs, "Suspended", suspended=why, queue_position=None, start_time=None))


def wait_for_backoff(obs: Observation) -> Decision | None:
    """An earlier attempt failed, and its backoff has not passed."""
    left = seconds_until_retry(obs)
    return Decision(obs.status, requeue_after=left) if obs.status.submission is None and left else None


def wait_for_target(obs: Observation) -> Decision | None:
    """The target is missing, suspended or not Ready."""
    if obs.status.submission is not None:
        return None
    name, target = obs.job.spec.target_ref.name, obs.target
    if obs.target_unreadable:
        why = messages.TARGET_NOT_UNDERSTOOD(target=name)
    elif target is None:
        why = messages.TARGET_NOT_FOUND(target=name)
    elif target.metadata.deletion_timestamp is not None:
        why = messages.TARGET_DELETED(target=name)
    elif target.spec.suspend:
        why = _target_suspended(obs)
    elif obs.refusal is not None:
        why = obs.refusal
    elif not target.is_ready and not _is_its_canary(obs.job, target):
        why = messages.TARGET_NOT_READY(target=name)
    else:
        return None
    return Decision(status_of(obs, "Pending", reconciling=why, queue_position=None, retry_time=None))


def _is_its_canary(job: ExportJob, target: ExportTarget) -> bool:
    """Whether the job is the canary that is to show whether the target works."""
    owned = any(owner.get("uid") == target.metadata.uid for owner in job.metadata.owner_references)
    return owned and job.metadata.name == target.status.canary_job and leaves_open(target)


def wait_in_queue(obs: Observation) -> Decision | None:
    """The target runs as many jobs as it may, or older jobs come first."""
    if obs.status.submission is not None or obs.queue_position == 0:
        return None
    shown = obs.status.queue_position
    if shown is None and obs.just_queued:
        return Decision(obs.status, requeue_after=SHORT_WAIT_SECONDS, brief=True)
    if shown is not None and obs.job.condition("Reconciling") and not _is_worth_a_write(shown, obs.queue_position):
        return Decision(obs.status)
    why = messages.QUEUED(target=obs.job.spec.target_ref.name)
    # The backoff has passed: without retryTime the job counts among those that may be admitted.
    return Decision(status_of(obs, "Queued", reconciling=why, queue_position=obs.queue_position, retry_time=None))


def wait_for_others(obs: Observation) -> Decision | None:
    """The target leaves the tenant to others while they have many tasks there. The job keeps its turn."""
    target, count = obs.target, obs.foreign_tasks
    if obs.status.submission is not None or target is None or count is None:
        return None
    limit = target.spec.max_foreign_tasks
    if limit is None or count <= limit:
        return None
    why = messages.TENANT_BUSY(count=limit, target=target.metadata.name)
    status = status_of(obs, "Pending", reconciling=why, queue_position=None, retry_time=None)
    return Decision(status, requeue_after=FOREIGN_TASKS_SECONDS)


def submit(obs: Observation) -> Decision | None:
    """Admitted: write the intent first, then call Reltio."""
    if obs.status.submission is not None or obs.target is None:
        return None
    if obs.unrecorded:
        return Decision(obs.status, FindUnrecorded())
    submission = naming.intend(obs.job, obs.target, obs.now)
    excess_bytes = naming.excess_bytes(submission.path)
    if excess_bytes:
        return failed(obs, messages.PATH_TOO_LONG(path=submission.path, bytes=excess_bytes))
    status = status_of(
        obs,
        "Submitting",
        reconciling=messages.SUBMITTING(attempt=submission.attempt),
        submission=submission,
        attempts=submission.attempt,
        start_time=obs.status.start_time or whole_seconds(obs.now),
        queue_position=None,
        retry_time=None,
        waits=None,
        waiting_since=None,
        tasks=(),
        duplicates=(),
        progress=None,
    )
    return Decision(status, Submit(submission))


def resubmit(obs: Observation, submission: Submission) -> Decision:
    """Submit the same attempt again, to the same directory, under the same name, as a new intent."""
    again = msgspec.structs.replace(
        submission,
        intended_time=whole_seconds(obs.now),
        first_intended_time=submission.first_intended_time or submission.intended_time,
        refused_time=None,
        resent=submission.resent + 1,
    )
    why = messages.RESUBMITTING(attempt=submission.attempt)
    stalled = still_unanswered(obs)
    status = status_of(obs, "Submitting", reconciling=why, stalled=stalled, submission=again, retry_time=None)
    return Decision(status, Submit(again))


def still_unanswered(obs: Observation) -> ConditionReason | None:
    """That several submissions in a row have no answer, if the job is Stalled for that: it stays so until one has."""
    stalled, submission = obs.job.condition("Stalled"), obs.status.submission
    if stalled is None or submission is None or not submission.unanswered:
        return None
    return ConditionReason(stalled.reason, own(stalled.message)) if stalled.reason == messages.UNANSWERED.name else None


def _target_suspended(obs: Observation) -> ConditionReason:
    return messages.TARGET_SUSPENDED(target=obs.job.spec.target_ref.name)


def _is_worth_a_write(shown: int, position: int) -> bool:
    """Whether a queue position has changed enough for a person to care: near the head, or halved."""
    return position != shown and (position <= 10 or position <= shown // 2 or position > shown)
