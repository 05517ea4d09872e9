"""What an answer from outside means for a job. Pure, like the rules: the answer comes in as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from ..api.job import Output, TaskStatus
from ..api.meta import whole_seconds
from ..api.task import ObservedTask
from ..delivery.manifest import MANIFEST, Delivery, differences_of, digest_of, listed_files, total_objects
from . import duplicates, tasks
from .endings import completed, early_end_reason, failed, record_duplicates
from .observation import (
    CheckDelivery,
    ConditionReason,
    Decision,
    Event,
    Observation,
    RemoveFinalizer,
    backoff,
    status_of,
)
from .policies.starting import resubmit, suspended_submission

_SHOWN = 10
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_UNREADABLE_WAITS = 8
_MANIFEST_WAITS = 3  # the last task may be seen to end a moment before the manifest is seen


@dataclass(frozen=True)
class CallFailure:
    """Why a call to Reltio or AWS did not do what was asked."""

    reason: str
    message: str
    permanent: bool = False  # the same request will never be accepted
    ambiguous: bool = False  # the request may have had its effect
    retry_after: float | None = None


@dataclass(frozen=True)
class Accepted:
    """The tasks that the service runs for a submission. `adopted`: they were there before it."""

    task_ids: tuple[str, ...]
    group_id: str | None = None
    adopted: bool = False


@dataclass(frozen=True)
class SearchResult:
    """What a search for the marker brought to light. `unreadable`: why the bucket could not be asked."""

    tasks: tuple[ObservedTask, ...] = ()
    manifest: bool = False
    unreadable: CallFailure | None = None


def accepted(obs: Observation, accepted_export: Accepted) -> Decision:
    """The service has the export: its tasks are written down."""
    submission = obs.status.submission
    assert submission is not None
    known = msgspec.structs.replace(
        submission,
        submitted_time=whole_seconds(obs.now),
        refused_time=None,
        group_id=accepted_export.group_id,
        adopted=accepted_export.adopted,
    )
    listed = ", ".join(accepted_export.task_ids)
    status = status_of(
        obs,
        "Running",
        reconciling=ConditionReason("ExportRunning", f"The service took the export as {listed}."),
        submission=known,
        tasks=tuple(TaskStatus(id=id_, status="SCHEDULED") for id_ in accepted_export.task_ids),
        retry_time=None,
        waits=None,
        waiting_since=None,
    )
    verb = "Found the export at the service" if accepted_export.adopted else "Submitted"
    reason = "Adopted" if accepted_export.adopted else "Submitted"
    return Decision(
        status, events=(Event("Normal", reason, f"{verb}: {listed} to {known.destination}"),), requeue_after=0
    )


def refused(obs: Observation, failure: CallFailure) -> Decision:
    """The submission was refused, or its answer is lost."""
    submission = obs.status.submission
    assert submission is not None
    if failure.permanent:
        return failed(obs, failure.reason, failure.message)
    if failure.ambiguous:
        why = ConditionReason(
            "AnswerLost", f"The answer to the submission was lost ({failure.message}); the service is asked."
        )
        return _in_doubt(obs, why, obs.limits.submit_settle_seconds)
    known = msgspec.structs.replace(submission, refused_time=whole_seconds(obs.now))
    waiting = wait(obs, "Pending", failure)
    return replace(waiting, status=msgspec.structs.replace(waiting.status, submission=known))


def found(obs: Observation, found: SearchResult) -> Decision:
    """The search for an intent without answer has ended."""
    submission = obs.status.submission
    assert submission is not None
    if found.tasks:
        return _adopted(obs, found.tasks)
    if found.manifest:
        return Decision(obs.status, CheckDelivery(submission))
    # A submission of a process that died may still be on its way: sending again, or letting go, too early
    # could leave an export that nobody knows of.
    left = obs.limits.submit_settle_seconds - obs.elapsed.doubt
    if left > 0:
        why = ConditionReason(
            "AnswerUnknown", "Whether the service has the export is not known yet; it is asked again."
        )
        return _in_doubt(obs, why, left)
    if obs.job.metadata.deletion_timestamp is not None:
        return Decision(obs.status, RemoveFinalizer())
    says_end = early_end_reason(obs)
    if says_end is not None:
        return failed(obs, says_end.reason, f"{says_end.message} The service had not taken its export.")
    if found.unreadable is not None:
        text = "The service does not list the export, and whether it arrived cannot be read: "
        failure = replace(found.unreadable, message=text + found.unreadable.message)
        return wait(obs, "Submitting", failure, stalled_after=3)
    untaken = msgspec.structs.replace(submission, refused_time=whole_seconds(obs.now))
    as_refused = msgspec.structs.replace(obs.status, submission=untaken, retry_time=None, waits=None)
    held = suspended_submission(replace(obs, job=msgspec.structs.replace(obs.job, status=as_refused)))
    return held or resubmit(obs)


def unanswered(obs: Observation, failure: CallFailure) -> Decision:
    """The search for an intent without answer got none either."""
    return wait(obs, "Stopping" if _is_ending(obs) else "Submitting", failure)


def _adopted(obs: Observation, carriers: Sequence[ObservedTask]) -> Decision:
    sorted_out = duplicates.group_tasks(carriers)
    group = next((task.group_id for task in sorted_out.own if task.group_id), None)
    ids = tuple(task.id for task in sorted_out.own)
    decision = accepted(obs, Accepted(ids, group, adopted=True))
    if not sorted_out.duplicates:
        return decision
    told = record_duplicates(replace(obs, job=msgspec.structs.replace(obs.job, status=decision.status)), sorted_out)
    return replace(decision, status=told.status, events=decision.events + told.events)


def _in_doubt(obs: Observation, why: ConditionReason, seconds: float) -> Decision:
    seconds = min(seconds, _longest(obs))
    retry = whole_seconds(obs.now + timedelta(seconds=seconds + 1))
    if _is_ending(obs):  # its conditions say why it is to end
        return Decision(msgspec.structs.replace(obs.status, retry_time=retry), requeue_after=seconds + 1)
    return Decision(status_of(obs, "Submitting", reconciling=why, retry_time=retry), requeue_after=seconds + 1)


def _is_ending(obs: Observation) -> bool:
    return obs.job.metadata.deletion_timestamp is not None or early_end_reason(obs) is not None


def _longest(obs: Observation) -> float:
    """Seconds that may pass until the next look, at the most."""
    return obs.limits.urgent_requeue_seconds - 1 if _is_ending(obs) else obs.limits.retry_cap_seconds


def inspected(obs: Observation, delivery: Delivery, found: SearchResult | None = None) -> Decision:
    """The directory was read, and the service searched for doubles where an attempt was sent more than once."""
    submission = obs.status.submission
    assert submission is not None
    told = (
        record_duplicates(obs, duplicates.group_tasks(found.tasks)) if found and found.tasks else Decision(obs.status)
    )
    if tasks.unfinished(told.status.duplicates, obs.lost_task_ids):
        return replace(told, requeue_after=0)
    judged = _judged(replace(obs, job=msgspec.structs.replace(obs.job, status=told.status)), delivery)
    return replace(judged, events=told.events + judged.events)


def _judged(obs: Observation, delivery: Delivery) -> Decision:
    submission = obs.status.submission
    assert submission is not None
    if delivery.manifest is None and not tasks.all_in(obs.status.tasks, tasks.COMPLETED):
        return Decision(obs.status, requeue_after=60)
    if delivery.manifest is None and _waits_for(obs, "ManifestPending") < _MANIFEST_WAITS:
        pending = CallFailure("ManifestPending", f"The service finished, {MANIFEST} is not there yet.")
        return wait(_counting(obs, "ManifestPending"), "Verifying", pending)
    differences = differences_of(delivery)
    if differences:
        shown = "; ".join(differences[:10]) + (f"; and {len(differences) - 10} more" if len(differences) > 10 else "")
        return failed(obs, "DeliveryMismatch", f"At {submission.destination}: {shown}.")
    names = listed_files(delivery) or []
    output = Output(
        bucket=submission.s3.bucket,
        prefix=submission.path,
        verified=obs.job.spec.delivery.verify,
        files=len(names),
        bytes=sum(delivery.files[name].size for name in names),
        objects=total_objects(delivery) or 0,
        digest=digest_of(delivery, names),
        first_files=tuple(sorted(names)[:_SHOWN]),
        receipt=delivery.receipt,
    )
    return completed(
        obs, output, f"{output.objects} objects in {output.files} files arrived at {submission.destination}"
    )


def unreadable(obs: Observation, failure: CallFailure) -> Decision:
    """The directory could not be read: the export is over, its proof is outstanding.

    Where tasks vanished, whether it is over is not known either, and stays so.
    """
    submission = obs.status.submission
    assert submission is not None
    if not tasks.all_in(obs.status.tasks, tasks.COMPLETED):
        return Decision(obs.status, requeue_after=60)
    obs = _counting(obs, "DeliveryUnverified")
    text = f"The service finished, but {submission.destination} cannot be read: {failure.message}"
    if not _destination_stands(obs) and (obs.status.waits or 0) >= _UNREADABLE_WAITS:
        return failed(obs, "DeliveryUnverified", f"{text} The target was changed or deleted; look there yourself.")
    return wait(obs, "Verifying", replace(failure, reason="DeliveryUnverified", message=text), stalled_after=3)


def _destination_stands(obs: Observation) -> bool:
    """Whether the target still says what the attempt was submitted with, so that access to it may come back."""
    submission, target = obs.status.submission, obs.target
    if submission is None or target is None:
        return False
    s3 = target.spec.s3
    return (s3.bucket, s3.role_arn) == (submission.s3.bucket, submission.s3.role_arn)


def _waits_for(obs: Observation, reason: str) -> int:
    """How often in a row the job has waited for just this."""
    shown = obs.job.condition("Reconciling")
    return (obs.status.waits or 0) if shown is not None and shown.reason == reason else 0


def _counting(obs: Observation, reason: str) -> Observation:
    """The view with the count and the beginning of waits for just this."""
    waits = _waits_for(obs, reason)
    since = obs.status.waiting_since if waits else None
    status = msgspec.structs.replace(obs.status, waits=waits or None, waiting_since=since)
    return replace(obs, job=msgspec.structs.replace(obs.job, status=status))


def wait(obs: Observation, phase: str, failure: CallFailure, *, stalled_after: int | None = None) -> Decision:
    """Refused for now: try again later. A condition says why, since when, and when the next try is."""
    waits = (obs.status.waits or 0) + 1
    since = obs.status.waiting_since or whole_seconds(obs.now)
    delay = max(backoff(obs, waits), timedelta(seconds=failure.retry_after or 0))
    if failure.reason == "SecretUnusable":
        delay = min(delay, timedelta(seconds=obs.limits.secret))
    if _is_ending(obs):
        delay = min(delay, timedelta(seconds=_longest(obs)))
    retry = whole_seconds(obs.now + delay)
    why = ConditionReason(
        failure.reason, f"{failure.message} Waiting since {since:{_TIME}}, next try at {retry:{_TIME}}."
    )
    status = status_of(
        obs,
        phase,
        reconciling=why,
        stalled=why if stalled_after is not None and waits > stalled_after else None,
        waits=waits,
        waiting_since=since,
        retry_time=retry,
    )
    return Decision(status, requeue_after=delay.total_seconds())
