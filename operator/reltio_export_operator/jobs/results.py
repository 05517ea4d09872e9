"""What the result of a call means for a job. Pure, like the policies: results come in as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from ..api.conditions import Conditions
from ..api.foreign import Quoted, own, quote
from ..api.job import Output, Submission, TaskStatus
from ..api.meta import ACCEPT_ANNOTATION, whole_seconds
from ..api.reasons import ConditionReason
from ..api.task import ObservedTask
from ..delivery.manifest import MANIFEST, Delivery
from . import duplicates, messages, tasks
from .endings import Verified, completed, early_end_reason, failed, record_duplicates
from .observation import CheckDelivery, ControlTasks, Decision, Event, Observation, RemoveFinalizer, backoff, status_of
from .policies.starting import resubmit, still_unanswered, suspended_submission

_SHOWN_FILES = 10
_SHOWN_TASKS = 5
_NAME_LIMIT = 1024  # characters of the name of a file, as S3 allows
_SHOWN_DIFFERENCES = 10
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_UNREADABLE_RETRIES = 8
_MANIFEST_WAIT = timedelta(hours=1)  # Reltio may report the end of the last task minutes before it writes the manifest
_STALLED_AFTER = 3  # retries
_STALLED_WHILE_ACTIVE = 12  # retries while a task runs that may be the export: about an hour
_VANISHED_REQUEUE_SECONDS = 60
SEARCH_INCOMPLETE = "SearchIncomplete"  # the reason in `reltio/messages.py`


@dataclass(frozen=True)
class CallFailure:
    """Why a call to Reltio or AWS failed. `retry_after` in seconds."""

    reason: str
    message: Quoted
    permanent: bool = False  # the same request will never be accepted
    tries: int | None = None  # in a row for this reason, after which it counts as permanent
    needs_person: bool = False  # it does not pass by itself, so the job is Stalled while it is retried
    ambiguous: bool = False  # the request may have had its effect
    retry_after: float | None = None


@dataclass(frozen=True)
class Accepted:
    """The tasks that Reltio runs for a submission. `adopted`: they existed before the call."""

    task_ids: tuple[str, ...]
    group_id: str | None = None
    adopted: bool = False


@dataclass(frozen=True)
class SearchResult:
    """What a search for the attempt found.

    `files`: its directory has objects. `unnamed` are tasks that may be of the attempt: they were created at its time,
    and the service shows no name of them. `unreadable`: why the bucket could not be read.
    """

    tasks: tuple[ObservedTask, ...] = ()
    manifest: bool = False
    files: bool = False
    unnamed: tuple[ObservedTask, ...] = ()
    unreadable: CallFailure | None = None


def on_accepted(obs: Observation, submission: Submission, accepted: Accepted) -> Decision:
    """Reltio has the export: record its tasks."""
    recorded = msgspec.structs.replace(
        submission,
        submitted_time=whole_seconds(obs.now),
        refused_time=None,
        unanswered=0,
        group_id=accepted.group_id,
        adopted=accepted.adopted,
    )
    listed = ", ".join(accepted.task_ids)
    status = status_of(
        obs,
        "Running",
        reconciling=messages.ACCEPTED(tasks=listed),
        submission=recorded,
        tasks=tuple(TaskStatus(id=id_, status="SCHEDULED") for id_ in accepted.task_ids),
        retry_time=None,
        waits=None,
        waiting_since=None,
    )
    reason = messages.ADOPTED if accepted.adopted else messages.SUBMITTED
    if submission.s3.region and obs.job.spec.export.combines_files and not accepted.adopted:
        reason = messages.SUBMITTED_WITHOUT_REGION
    event = Event.normal(reason(tasks=listed, destination=recorded.destination))
    return Decision(status, events=(event,), requeue_after=0)


def on_submit_failed(obs: Observation, submission: Submission, failure: CallFailure) -> Decision:
    """Reltio refused the submission, or its answer is lost."""
    if failure.permanent:
        return failed(obs, ConditionReason(failure.reason, failure.message))
    if failure.ambiguous:
        return _answer_lost(obs, submission, failure)
    refusals = submission.refusals + 1 if failure.tries is not None else 0
    if failure.tries is not None and refusals >= failure.tries:
        return failed(obs, ConditionReason(failure.reason, failure.message))
    refused = msgspec.structs.replace(submission, refused_time=whole_seconds(obs.now), unanswered=0, refusals=refusals)
    waiting = wait(obs, "Pending", failure, stalled_after=_STALLED_AFTER if failure.needs_person else None)
    return replace(waiting, status=msgspec.structs.replace(waiting.status, submission=refused))


def on_control_failed(obs: Observation, action: ControlTasks, failure: CallFailure) -> Decision:
    """The tasks could not be paused or resumed. Why a job is to stop stays in its condition."""
    if action.verb == "stop" or not obs.job.is_suspended or obs.job.condition("Reconciling") is None:
        return Decision(obs.status)
    text = messages.NOT_CONTROLLED(action=action.verb, error=failure.message).message
    conditions = Conditions(obs.status.conditions, generation=obs.job.metadata.generation, now=obs.now)
    conditions.put("Reconciling", "True", failure.reason, text)
    return Decision(msgspec.structs.replace(obs.status, conditions=conditions.result()))


def on_calls_paused(obs: Observation, failure: CallFailure) -> Decision:
    """Nothing is sent, because calls to Reltio are paused. It is not a failed try, so no backoff grows."""
    why = ConditionReason(failure.reason, failure.message)
    status = status_of(obs, "Pending", reconciling=why, retry_time=None)
    return Decision(status, requeue_after=max(failure.retry_after or 0.0, 1.0))


def on_search_result(obs: Observation, submission: Submission, found: SearchResult) -> Decision:
    """The search for an attempt whose submission has no answer has ended."""
    if found.tasks:
        return _adopt(obs, submission, found.tasks)
    if found.manifest:
        return Decision(obs.status, CheckDelivery(submission))
    # A submission of a process that died may still be in flight: to submit again, or to remove the finalizer, too
    # early could leave an export that no object knows of.
    left = obs.limits.submit_settle_seconds - obs.elapsed.doubt
    if left > 0:
        return _wait_for_answer(obs, messages.ANSWER_UNKNOWN(), left)
    unnamed = quote(_ids(found.unnamed), obs.secrets)
    doubt = own(f"task {unnamed}, of which Reltio shows no name, may be its export")
    if obs.is_deleted:
        why = None
        if found.files:
            why = messages.CLEANUP_UNLISTED(name=submission.name, destination=submission.destination)
        elif found.unnamed:
            why = messages.CLEANUP_UNCERTAIN(doubts=doubt, uid=obs.job.metadata.uid)
        return Decision(obs.status, RemoveFinalizer(), events=(Event.warning(why),) if why else ())
    ending = early_end_reason(obs)
    if ending is not None:
        known = "An export had written files to its directory." if found.files else "Reltio did not have its export."
        if found.unnamed and not found.files:
            known = f"It is not known whether Reltio had its export: {doubt}."
        return failed(obs, ConditionReason(ending.reason, own(f"{ending.message} {known}")))
    if found.unreadable is not None:
        text = messages.DESTINATION_UNREADABLE(error=found.unreadable.message).message
        return wait(obs, "Submitting", replace(found.unreadable, message=text), stalled_after=_STALLED_AFTER)
    if found.files or found.unnamed:
        return _hold(obs, submission, found)
    left = _seconds_between_calls(obs, submission.unanswered) - obs.elapsed.doubt
    if left > 0:
        return _wait_for_answer(obs, messages.ANSWER_UNKNOWN(), left)
    refused = msgspec.structs.replace(submission, refused_time=whole_seconds(obs.now))
    as_refused = msgspec.structs.replace(obs.status, submission=refused, retry_time=None, waits=None)
    suspended = suspended_submission(obs.with_status(as_refused))
    return suspended or resubmit(obs, submission)


def _hold(obs: Observation, submission: Submission, found: SearchResult) -> Decision:
    """The export was started, or may have been, and its tasks are not known: do not submit it again."""
    if found.files:  # only this attempt writes there
        why, stalled_after = messages.EXPORT_NOT_LISTED(destination=submission.destination), 0
    else:  # it may have had nothing to write
        why = messages.EXPORT_NOT_IDENTIFIED(tasks=quote(_ids(found.unnamed), obs.secrets))
        stalled_after = _STALLED_AFTER
    if any(task.status not in tasks.ENDED for task in found.unnamed):  # its manifest may show up
        stalled_after = _STALLED_WHILE_ACTIVE
    return wait(obs, "Submitting", CallFailure(why.reason, why.message), stalled_after=stalled_after)


def _ids(listed: Sequence[ObservedTask]) -> str:
    more = f" and {len(listed) - _SHOWN_TASKS} more" if len(listed) > _SHOWN_TASKS else ""
    return ", ".join(sorted(task.id for task in listed)[:_SHOWN_TASKS]) + more


def on_search_failed(obs: Observation, failure: CallFailure) -> Decision:
    """The search for an attempt whose submission has no answer failed."""
    # That the list of tasks is too long does not change by itself.
    stalled_after = 0 if failure.reason == SEARCH_INCOMPLETE else None
    phase = "Submitting" if obs.status.submission else "Pending"
    return wait(obs, "Stopping" if _is_ending(obs) else phase, failure, stalled_after=stalled_after)


def _adopt(obs: Observation, submission: Submission, found: Sequence[ObservedTask]) -> Decision:
    groups = duplicates.group_tasks(found)
    group_id = next((task.group_id for task in groups.own if task.group_id), None)
    ids = tuple(task.id for task in groups.own)
    decision = on_accepted(obs, submission, Accepted(ids, group_id, adopted=True))
    if not groups.duplicates:
        return decision
    recorded = record_duplicates(obs.with_status(decision.status), groups)
    return replace(decision, status=recorded.status, events=decision.events + recorded.events)


def _answer_lost(obs: Observation, submission: Submission, failure: CallFailure) -> Decision:
    """Search once the submission cannot be in flight any more. After some lost answers in a row, report it."""
    lost = msgspec.structs.replace(submission, unanswered=submission.unanswered + 1)
    obs = obs.with_status(msgspec.structs.replace(obs.status, submission=lost))
    why = messages.ANSWER_LOST(error=failure.message)
    stalled = None
    if lost.unanswered > _STALLED_AFTER:
        seconds = _seconds_between_calls(obs, lost.unanswered)
        stalled = messages.UNANSWERED(count=lost.unanswered, error=failure.message, seconds=seconds)
    return _wait_for_answer(obs, why, obs.limits.submit_settle_seconds, stalled)


def _seconds_between_calls(obs: Observation, unanswered: int) -> float:
    """The settling time, doubled for each lost answer after the first, up to the longest backoff."""
    settle = obs.limits.submit_settle_seconds
    return min(settle * 2.0 ** min(max(unanswered - 1, 0), 30), max(settle, obs.limits.retry_cap_seconds))


def _wait_for_answer(
    obs: Observation, why: ConditionReason, seconds: float, stalled: ConditionReason | None = None
) -> Decision:
    seconds = min(seconds, _longest_wait(obs))
    retry = whole_seconds(obs.now + timedelta(seconds=seconds + 1))
    if _is_ending(obs):  # its conditions say why it is to end
        return Decision(msgspec.structs.replace(obs.status, retry_time=retry), requeue_after=seconds + 1)
    stalled = stalled or still_unanswered(obs)
    status = status_of(obs, "Submitting", reconciling=why, stalled=stalled, retry_time=retry)
    return Decision(status, requeue_after=seconds + 1)


def _is_ending(obs: Observation) -> bool:
    return obs.is_deleted or early_end_reason(obs) is not None


def _longest_wait(obs: Observation) -> float:
    """Seconds until the next reconcile at the latest."""
    return obs.limits.urgent_requeue_seconds - 1 if _is_ending(obs) else obs.limits.retry_cap_seconds


def on_delivery_read(
    obs: Observation, submission: Submission, delivery: Delivery, found: SearchResult | None = None
) -> Decision:
    """The directory was read. `found`: Reltio was searched too, because the attempt was submitted more than once."""
    recorded = Decision(obs.status)
    if found is not None and found.tasks:
        recorded = record_duplicates(obs, duplicates.group_tasks(found.tasks))
    if tasks.unfinished(recorded.status.duplicates, obs.gone_task_ids):
        return replace(recorded, requeue_after=0)
    decision = _compare(obs.with_status(recorded.status), submission, delivery)
    return replace(decision, events=recorded.events + decision.events)


def _compare(obs: Observation, submission: Submission, delivery: Delivery) -> Decision:
    if delivery.missing is not None:
        if not tasks.all_in(obs.status.tasks, tasks.COMPLETED):
            return Decision(obs.status, requeue_after=_VANISHED_REQUEUE_SECONDS)
        return _without_manifest(obs, submission, delivery, delivery.missing)
    if delivery.differences:
        shown = _listed(obs, delivery.differences)
        return failed(obs, messages.DELIVERY_MISMATCH(destination=submission.destination, differences=shown))
    names, where = delivery.names or [], submission.destination
    size = sum(delivery.files[name].size for name in names)
    output = _output(obs, submission, names, size)
    output = msgspec.structs.replace(
        output,
        verified="Manifest" if delivery.partly_read else obs.job.spec.delivery.verify,
        objects=delivery.objects,
        digest=delivery.digest,
        receipt=delivery.receipt,
    )
    if delivery.objects is None:
        why = messages.DELIVERED_UNCOUNTED(files=len(names), destination=where)
    elif partly := delivery.partly_read:
        why = messages.DELIVERED_PARTLY_READ(
            objects=delivery.objects,
            files=len(names),
            destination=where,
            count=len(partly),
            names=quote(", ".join(sorted(partly)[:_SHOWN_FILES]), obs.secrets),
        )
    else:
        why = messages.DELIVERED(objects=delivery.objects, files=len(names), destination=where)
    return completed(obs, output, why, _verified(obs, delivery))


def _verified(obs: Observation, delivery: Delivery) -> Verified:
    """What DeliveryVerified says of a delivery without a difference."""
    uncertain = list(delivery.uncertain)
    if delivery.objects is None and obs.job.spec.delivery.min_objects is not None:
        uncertain.append("the number of objects is not known, so it was not compared with spec.delivery.minObjects")
    if uncertain:
        return "Unknown", messages.DELIVERY_UNCERTAIN(problems=_listed(obs, [*uncertain, *delivery.open]))
    if delivery.open:
        return "Unknown", messages.COUNTS_OPEN(problems=_listed(obs, delivery.open))
    return "True", messages.FILES_VERIFIED(files=len(delivery.names or ()), manifest=MANIFEST)


def _without_manifest(obs: Observation, submission: Submission, delivery: Delivery, cause: str) -> Decision:
    """Wait for a manifest with a list of files. After an hour, a person has to accept what is there."""
    reasons = messages.MANIFEST_PENDING.name, messages.MANIFEST_MISSING.name
    obs = _with_retries_of(obs, *reasons)
    since = obs.status.waiting_since
    why = messages.MANIFEST_PENDING(cause=quote(cause, obs.secrets))
    if since is None or obs.now - since < _MANIFEST_WAIT:
        return wait(obs, "Verifying", CallFailure(why.reason, why.message))
    names = [*(delivery.names or ()), *delivery.unlisted]
    names = sorted(name for name in dict.fromkeys(names) if name in delivery.files)
    size, where = sum(delivery.files[name].size for name in names), submission.destination
    if obs.job.accepts_delivery:
        accepted = messages.DELIVERY_ACCEPTED(
            annotation=ACCEPT_ANNOTATION, count=len(names), bytes=size, destination=where
        )
        return completed(obs, _output(obs, submission, names, size), accepted, ("False", accepted))
    shown = ", ".join(names[:_SHOWN_FILES]) + (", ..." if len(names) > _SHOWN_FILES else "")
    meta = obs.job.metadata
    why = messages.MANIFEST_MISSING(
        cause=quote(cause, obs.secrets),
        destination=where,
        count=len(names),
        bytes=size,
        names=quote(shown or "none", obs.secrets),
        name=meta.name,
        namespace=meta.namespace,
        annotation=ACCEPT_ANNOTATION,
    )
    return wait(obs, "Verifying", CallFailure(why.reason, why.message), stalled_after=0)


def _output(obs: Observation, submission: Submission, names: Sequence[str], size: int) -> Output:
    return Output(
        bucket=submission.s3.bucket,
        prefix=submission.path,
        files=len(names),
        bytes=size,
        first_files=tuple(quote(name, obs.secrets, limit=_NAME_LIMIT) for name in sorted(names)[:_SHOWN_FILES]),
    )


def _listed(obs: Observation, texts: Sequence[str]) -> Quoted:
    shown = "; ".join(quote(one, obs.secrets) for one in texts[:_SHOWN_DIFFERENCES])
    more = len(texts) - _SHOWN_DIFFERENCES
    return own(f"{shown}; and {more} more" if more > 0 else shown)


def on_delivery_unreadable(obs: Observation, submission: Submission, failure: CallFailure) -> Decision:
    """The directory could not be read: the export has ended, and what arrived is not known yet.

    Where tasks vanished, it is not known either whether the export has ended, and stays so.
    """
    if not tasks.all_in(obs.status.tasks, tasks.COMPLETED):
        return Decision(obs.status, requeue_after=_VANISHED_REQUEUE_SECONDS)
    if failure.reason == messages.DELIVERY_TOO_LARGE.name:  # which does not pass by itself
        return wait(_with_retries_of(obs, failure.reason), "Verifying", failure, stalled_after=0)
    obs = _with_retries_of(obs, "DeliveryUnverified")
    where = submission.destination
    if not _has_same_destination(obs, submission) and (obs.status.waits or 0) >= _UNREADABLE_RETRIES:
        return failed(obs, messages.DESTINATION_CHANGED(destination=where, error=failure.message))
    why = messages.DELIVERY_UNVERIFIED(destination=where, error=failure.message)
    unverified = replace(failure, reason=why.reason, message=why.message)
    return wait(obs, "Verifying", unverified, stalled_after=_STALLED_AFTER)


def _has_same_destination(obs: Observation, submission: Submission) -> bool:
    """Whether the target still names the bucket and role of the attempt, so that access may come back."""
    if obs.target is None:
        return False
    s3 = obs.target.spec.s3
    return (s3.bucket, s3.role_arn) == (submission.s3.bucket, submission.s3.role_arn)


def _with_retries_of(obs: Observation, *reasons: str) -> Observation:
    """The observation with the count and start of the retries in a row for these reasons."""
    shown = obs.job.condition("Reconciling")
    retries = (obs.status.waits or 0) if shown is not None and shown.reason in reasons else 0
    since = obs.status.waiting_since if retries else None
    return obs.with_status(msgspec.structs.replace(obs.status, waits=retries or None, waiting_since=since))


def wait(obs: Observation, phase: str, failure: CallFailure, *, stalled_after: int | None = None) -> Decision:
    """Retry later with backoff. A condition says why, since when, and when the next try is."""
    waits = (obs.status.waits or 0) + 1
    since = obs.status.waiting_since or whole_seconds(obs.now)
    delay = max(backoff(obs, waits), timedelta(seconds=failure.retry_after or 0))
    if failure.reason in (messages.SECRET_UNUSABLE.name, messages.SECRET_NOT_ALLOWED.name):
        delay = min(delay, timedelta(seconds=obs.limits.secret_requeue_seconds))
    if _is_ending(obs):
        delay = min(delay, timedelta(seconds=_longest_wait(obs)))
    retry = whole_seconds(obs.now + delay)
    text = f"{failure.message} Failing since {since:{_TIME}}. Retrying at {retry:{_TIME}}."
    why = ConditionReason(failure.reason, own(text))
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
