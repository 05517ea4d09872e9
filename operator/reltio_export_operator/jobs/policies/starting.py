"""Rules for a job whose export is not known to run yet."""

from __future__ import annotations

import msgspec

from ...api.meta import whole_seconds
from .. import naming
from ..endings import failed
from ..observation import ConditionReason, Decision, Observation, Search, Submit, seconds_until_retry, status_of


def retry_refused_submission(obs: Observation) -> Decision | None:
    """The service said no for now, so it does not have the export: after a while it is asked again."""
    submission = obs.status.submission
    if submission is None or obs.status.tasks or submission.refused_time is None:
        return None
    held = suspended_submission(obs)
    if held is not None:
        return held
    left = seconds_until_retry(obs)
    if left:
        return Decision(obs.status, requeue_after=left)
    return resubmit(obs)


def suspended_submission(obs: Observation) -> Decision | None:
    """What keeps a submission that the service does not have from being sent again: a suspension."""
    target = obs.target
    if obs.job.spec.suspend:
        why = ConditionReason("JobSuspended", "Not at the service; set spec.suspend to false to submit it again.")
        return Decision(status_of(obs, "Suspended", suspended=why, start_time=None))
    if target is not None and target.spec.suspend:
        why = _target_suspended(obs)
        return Decision(status_of(obs, "Pending", reconciling=why))
    if obs.job.is_suspended:
        start = obs.status.start_time or whole_seconds(obs.now)
        why = ConditionReason("Resuming", "No longer suspended.")
        return Decision(status_of(obs, "Pending", reconciling=why, start_time=start), requeue_after=0)
    return None


def resolve_unknown_submission(obs: Observation) -> Decision | None:
    """An intent without an answer: the service is asked before anything is sent again."""
    submission = obs.status.submission
    if submission is None or obs.status.tasks:
        return None
    left = seconds_until_retry(obs)
    return Decision(obs.status, requeue_after=left) if left else Decision(obs.status, Search(submission))


def wait_while_suspended(obs: Observation) -> Decision | None:
    """Suspended before anything was submitted."""
    if obs.status.submission is not None or not obs.job.spec.suspend:
        return None
    why = ConditionReason("JobSuspended", "Not submitted; set spec.suspend to false to go on.")
    return Decision(status_of(obs, "Suspended", suspended=why, queue_position=None, start_time=None))


def wait_for_backoff(obs: Observation) -> Decision | None:
    """An earlier attempt failed: its backoff runs."""
    left = seconds_until_retry(obs)
    return Decision(obs.status, requeue_after=left) if obs.status.submission is None and left else None


def wait_for_target(obs: Observation) -> Decision | None:
    """The target is missing, suspended or not proven to work."""
    if obs.status.submission is not None:
        return None
    name, target = obs.job.spec.target_ref.name, obs.target
    if target is None:
        why = ConditionReason("TargetNotFound", f"ExportTarget {name} does not exist in this namespace; create it.")
    elif target.metadata.deletion_timestamp is not None:
        why = ConditionReason("TargetDeleted", f"ExportTarget {name} is being deleted; create it again.")
    elif target.spec.suspend:
        why = _target_suspended(obs)
    elif not target.is_ready:
        why = ConditionReason("TargetNotReady", f"ExportTarget {name} is not Ready; see its conditions and checks.")
    else:
        return None
    return Decision(status_of(obs, "Pending", reconciling=why, queue_position=None, retry_time=None))


def wait_in_queue(obs: Observation) -> Decision | None:
    """All places of the target are taken, or older jobs come first."""
    if obs.status.submission is not None or obs.queue_position == 0:
        return None
    shown = obs.status.queue_position
    if shown is not None and obs.job.condition("Reconciling") and not _worth_reporting(shown, obs.queue_position):
        return Decision(obs.status)
    why = ConditionReason("Queued", f"Waits for a place at ExportTarget {obs.job.spec.target_ref.name}.")
    # Its backoff is over: from now on it counts among those who want a place.
    return Decision(status_of(obs, "Queued", reconciling=why, queue_position=obs.queue_position, retry_time=None))


def begin(obs: Observation) -> Decision | None:
    """Its turn: the intent is written first, then the service is called."""
    if obs.status.submission is not None or obs.target is None:
        return None
    submission = naming.intend(obs.job, obs.target, obs.now)
    excess = naming.excess(submission.path)
    if excess:
        text = f"The directory {submission.path} is {excess} bytes too long for the keys of S3's objects."
        return failed(obs, "PathTooLong", f"{text} Shorten spec.path of the job, or spec.s3.path of its target.")
    why = ConditionReason("Submitting", f"Attempt {submission.attempt} is being submitted.")
    status = status_of(
        obs,
        "Submitting",
        reconciling=why,
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


def resubmit(obs: Observation) -> Decision:
    """The same attempt once more, to the same directory, under the same name, as a new intent on record."""
    submission = obs.status.submission
    assert submission is not None
    again = msgspec.structs.replace(
        submission, intended_time=whole_seconds(obs.now), refused_time=None, resent=submission.resent + 1
    )
    why = ConditionReason("Submitting", f"Attempt {submission.attempt} is submitted again, to the same directory.")
    return Decision(status_of(obs, "Submitting", reconciling=why, submission=again, retry_time=None), Submit(again))


def _target_suspended(obs: Observation) -> ConditionReason:
    name = obs.job.spec.target_ref.name
    return ConditionReason("TargetSuspended", f"ExportTarget {name} is suspended; set its spec.suspend to false.")


def _worth_reporting(shown: int, ahead: int) -> bool:
    """Whether a queue position has moved enough for a person to care: near the head, or halved."""
    return ahead != shown and (ahead <= 10 or ahead <= shown // 2 or ahead > shown)
