"""What an answer from outside means for a job. Pure, like the rules: the answer comes in as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from ..api.job import Output, TaskStatus
from ..api.meta import whole_seconds
from ..api.task import TaskView
from ..delivery.manifest import MANIFEST, Delivery, differences_of, digest_of, listed_files, total_objects
from . import duplicates, tasks
from .endings import completed, failed, reason_to_end, with_doubles
from .observation import Decision, Event, Inspect, Release, Says, View, backoff, status_of
from .policies.starting import held_back, resubmission

_SHOWN = 10
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_UNREADABLE_WAITS = 8
_MANIFEST_WAITS = 3  # the last task may be seen to end a moment before the manifest is seen


@dataclass(frozen=True)
class Refusal:
    """Why a call to Reltio or AWS did not do what was asked."""

    reason: str
    message: str
    permanent: bool = False  # the same request will never be accepted
    ambiguous: bool = False  # the request may have had its effect
    retry_after: float | None = None


@dataclass(frozen=True)
class Acceptance:
    """The tasks that the service runs for a submission. `adopted`: they were there before it."""

    task_ids: tuple[str, ...]
    group_id: str | None = None
    adopted: bool = False


@dataclass(frozen=True)
class Findings:
    """What a search for the marker brought to light. `unreadable`: why the bucket could not be asked."""

    tasks: tuple[TaskView, ...] = ()
    manifest: bool = False
    unreadable: Refusal | None = None


def accepted(view: View, acceptance: Acceptance) -> Decision:
    """The service has the export: its tasks are written down."""
    submission = view.status.submission
    assert submission is not None
    known = msgspec.structs.replace(
        submission,
        submitted_time=whole_seconds(view.now),
        refused_time=None,
        group_id=acceptance.group_id,
        adopted=acceptance.adopted,
    )
    listed = ", ".join(acceptance.task_ids)
    status = status_of(
        view,
        "Running",
        reconciling=Says("ExportRunning", f"The service took the export as {listed}."),
        submission=known,
        tasks=tuple(TaskStatus(id=id_, status="SCHEDULED") for id_ in acceptance.task_ids),
        retry_time=None,
        waits=None,
        waiting_since=None,
    )
    verb = "Found the export at the service" if acceptance.adopted else "Submitted"
    reason = "Adopted" if acceptance.adopted else "Submitted"
    return Decision(status, events=(Event("Normal", reason, f"{verb}: {listed} to {known.destination}"),), after=0)


def refused(view: View, refusal: Refusal) -> Decision:
    """The submission was refused, or its answer is lost."""
    submission = view.status.submission
    assert submission is not None
    if refusal.permanent:
        return failed(view, refusal.reason, refusal.message)
    if refusal.ambiguous:
        says = Says("AnswerLost", f"The answer to the submission was lost ({refusal.message}); the service is asked.")
        return _in_doubt(view, says, view.limits.settle)
    known = msgspec.structs.replace(submission, refused_time=whole_seconds(view.now))
    waiting = wait(view, "Pending", refusal)
    return replace(waiting, status=msgspec.structs.replace(waiting.status, submission=known))


def found(view: View, findings: Findings) -> Decision:
    """The search for an intent without answer has ended."""
    submission = view.status.submission
    assert submission is not None
    if findings.tasks:
        return _adopted(view, findings.tasks)
    if findings.manifest:
        return Decision(view.status, Inspect(submission))
    # A submission of a process that died may still be on its way: sending again, or letting go, too early
    # could leave an export that nobody knows of.
    left = view.limits.settle - view.ages.doubt
    if left > 0:
        says = Says("AnswerUnknown", "Whether the service has the export is not known yet; it is asked again.")
        return _in_doubt(view, says, left)
    if view.job.metadata.deletion_timestamp is not None:
        return Decision(view.status, Release())
    says_end = reason_to_end(view)
    if says_end is not None:
        return failed(view, says_end.reason, f"{says_end.message} The service had not taken its export.")
    if findings.unreadable is not None:
        text = "The service does not list the export, and whether it arrived cannot be read: "
        refusal = replace(findings.unreadable, message=text + findings.unreadable.message)
        return wait(view, "Submitting", refusal, stalled_after=3)
    untaken = msgspec.structs.replace(submission, refused_time=whole_seconds(view.now))
    as_refused = msgspec.structs.replace(view.status, submission=untaken, retry_time=None, waits=None)
    held = held_back(replace(view, job=msgspec.structs.replace(view.job, status=as_refused)))
    return held or resubmission(view)


def unanswered(view: View, refusal: Refusal) -> Decision:
    """The search for an intent without answer got none either."""
    return wait(view, "Stopping" if _is_ending(view) else "Submitting", refusal)


def _adopted(view: View, carriers: Sequence[TaskView]) -> Decision:
    sorted_out = duplicates.sort_out(carriers)
    group = next((task.group_id for task in sorted_out.own if task.group_id), None)
    ids = tuple(task.id for task in sorted_out.own)
    decision = accepted(view, Acceptance(ids, group, adopted=True))
    if not sorted_out.doubles:
        return decision
    told = with_doubles(replace(view, job=msgspec.structs.replace(view.job, status=decision.status)), sorted_out)
    return replace(decision, status=told.status, events=decision.events + told.events)


def _in_doubt(view: View, says: Says, seconds: float) -> Decision:
    seconds = min(seconds, _longest(view))
    retry = whole_seconds(view.now + timedelta(seconds=seconds + 1))
    if _is_ending(view):  # its conditions say why it is to end
        return Decision(msgspec.structs.replace(view.status, retry_time=retry), after=seconds + 1)
    return Decision(status_of(view, "Submitting", reconciling=says, retry_time=retry), after=seconds + 1)


def _is_ending(view: View) -> bool:
    return view.job.metadata.deletion_timestamp is not None or reason_to_end(view) is not None


def _longest(view: View) -> float:
    """Seconds that may pass until the next look, at the most."""
    return view.limits.urgent - 1 if _is_ending(view) else view.limits.retry_cap


def inspected(view: View, delivery: Delivery, findings: Findings | None = None) -> Decision:
    """The directory was read, and the service searched for doubles where an attempt was sent more than once."""
    submission = view.status.submission
    assert submission is not None
    told = (
        with_doubles(view, duplicates.sort_out(findings.tasks))
        if findings and findings.tasks
        else Decision(view.status)
    )
    if tasks.live(told.status.duplicates, view.missing):
        return replace(told, after=0)
    judged = _judged(replace(view, job=msgspec.structs.replace(view.job, status=told.status)), delivery)
    return replace(judged, events=told.events + judged.events)


def _judged(view: View, delivery: Delivery) -> Decision:
    submission = view.status.submission
    assert submission is not None
    if delivery.manifest is None and not tasks.all_in(view.status.tasks, tasks.COMPLETED):
        return Decision(view.status, after=60)
    if delivery.manifest is None and _waits_for(view, "ManifestPending") < _MANIFEST_WAITS:
        pending = Refusal("ManifestPending", f"The service finished, {MANIFEST} is not there yet.")
        return wait(_counting(view, "ManifestPending"), "Verifying", pending)
    differences = differences_of(delivery)
    if differences:
        shown = "; ".join(differences[:10]) + (f"; and {len(differences) - 10} more" if len(differences) > 10 else "")
        return failed(view, "DeliveryMismatch", f"At {submission.destination}: {shown}.")
    names = listed_files(delivery) or []
    output = Output(
        bucket=submission.s3.bucket,
        prefix=submission.path,
        verified=view.job.spec.delivery.verify,
        files=len(names),
        bytes=sum(delivery.files[name].size for name in names),
        objects=total_objects(delivery) or 0,
        digest=digest_of(delivery, names),
        first_files=tuple(sorted(names)[:_SHOWN]),
        receipt=delivery.receipt,
    )
    return completed(
        view, output, f"{output.objects} objects in {output.files} files arrived at {submission.destination}"
    )


def unreadable(view: View, refusal: Refusal) -> Decision:
    """The directory could not be read: the export is over, its proof is outstanding.

    Where tasks vanished, whether it is over is not known either, and stays so.
    """
    submission = view.status.submission
    assert submission is not None
    if not tasks.all_in(view.status.tasks, tasks.COMPLETED):
        return Decision(view.status, after=60)
    view = _counting(view, "DeliveryUnverified")
    text = f"The service finished, but {submission.destination} cannot be read: {refusal.message}"
    if not _destination_stands(view) and (view.status.waits or 0) >= _UNREADABLE_WAITS:
        return failed(view, "DeliveryUnverified", f"{text} The target was changed or deleted; look there yourself.")
    return wait(view, "Verifying", replace(refusal, reason="DeliveryUnverified", message=text), stalled_after=3)


def _destination_stands(view: View) -> bool:
    """Whether the target still says what the attempt was submitted with, so that access to it may come back."""
    submission, target = view.status.submission, view.target
    if submission is None or target is None:
        return False
    s3 = target.spec.s3
    return (s3.bucket, s3.role_arn) == (submission.s3.bucket, submission.s3.role_arn)


def _waits_for(view: View, reason: str) -> int:
    """How often in a row the job has waited for just this."""
    shown = view.job.condition("Reconciling")
    return (view.status.waits or 0) if shown is not None and shown.reason == reason else 0


def _counting(view: View, reason: str) -> View:
    """The view with the count and the beginning of waits for just this."""
    waits = _waits_for(view, reason)
    since = view.status.waiting_since if waits else None
    status = msgspec.structs.replace(view.status, waits=waits or None, waiting_since=since)
    return replace(view, job=msgspec.structs.replace(view.job, status=status))


def wait(view: View, phase: str, refusal: Refusal, *, stalled_after: int | None = None) -> Decision:
    """Refused for now: try again later. A condition says why, since when, and when the next try is."""
    waits = (view.status.waits or 0) + 1
    since = view.status.waiting_since or whole_seconds(view.now)
    delay = max(backoff(view, waits), timedelta(seconds=refusal.retry_after or 0))
    if refusal.reason == "SecretUnusable":
        delay = min(delay, timedelta(seconds=view.limits.secret))
    if _is_ending(view):
        delay = min(delay, timedelta(seconds=_longest(view)))
    retry = whole_seconds(view.now + delay)
    says = Says(refusal.reason, f"{refusal.message} Waiting since {since:{_TIME}}, next try at {retry:{_TIME}}.")
    status = status_of(
        view,
        phase,
        reconciling=says,
        stalled=says if stalled_after is not None and waits > stalled_after else None,
        waits=waits,
        waiting_since=since,
        retry_time=retry,
    )
    return Decision(status, after=delay.total_seconds())
