"""What an answer from outside means for a job. Pure, like the rules: the answer comes in as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from ..api.job import JobStatus, Output, TaskStatus
from ..api.meta import whole_seconds
from ..api.observation import TaskView
from . import tasks
from .verdicts import completed, failed
from .view import Decision, Event, Inspect, Says, Submit, View, backoff, status_of

MANIFEST = "manifest.json"
_UNREADABLE_WAITS = 8


@dataclass(frozen=True)
class Refusal:
    """Why a call to Reltio or AWS did not do what was asked."""

    reason: str
    message: str
    permanent: bool = False  # the same request will never be accepted
    ambiguous: bool = False  # the request may have had its effect
    retry_after: float | None = None


@dataclass(frozen=True)
class Findings:
    """What a search for the marker brought to light."""

    tasks: tuple[TaskView, ...] = ()
    manifest: bool = False


@dataclass(frozen=True)
class Delivery:
    """What lies in the attempt's directory: the manifest as parsed JSON; sizes in bytes by name below it."""

    manifest: object | None
    sizes: Mapping[str, int]


def accepted(view: View, task_ids: Sequence[str], *, adopted: bool = False) -> Decision:
    """The service has the export: its tasks are written down."""
    submission = view.status.submission
    assert submission is not None
    known = msgspec.structs.replace(submission, submitted_time=whole_seconds(view.now), adopted=adopted)
    listed = ", ".join(task_ids)
    says = Says("ExportRunning", f"The service took the export as {listed}.")
    status = status_of(
        view,
        "Running",
        reconciling=says,
        submission=known,
        tasks=tuple(TaskStatus(id=id_, status="SCHEDULED") for id_ in task_ids),
        retry_time=None,
        waits=None,
    )
    verb = "Found the export running at the service" if adopted else "Submitted"
    event = Event("Normal", "Adopted" if adopted else "Submitted", f"{verb}: {listed} to {known.destination}")
    return Decision(status, events=(event,))


def refused(view: View, refusal: Refusal) -> Decision:
    """The submission was refused, or its answer is lost."""
    if refusal.permanent:
        return failed(view, refusal.reason, refusal.message)
    if refusal.ambiguous:
        retry = whole_seconds(view.now + timedelta(seconds=view.limits.settle))
        says = Says("AnswerLost", f"The answer to the submission was lost ({refusal.message}); the service is asked.")
        status = status_of(view, "Submitting", reconciling=says, retry_time=retry)
        return Decision(status, after=view.limits.settle)
    return wait(view, "Pending", refusal)


def found(view: View, findings: Findings) -> Decision:
    """The search for an intent without answer has ended."""
    submission = view.status.submission
    assert submission is not None
    if findings.tasks:
        return accepted(view, [task.id for task in findings.tasks], adopted=True)
    if findings.manifest:
        return Decision(view.status, Inspect(submission))
    if view.job.metadata.deletion_timestamp is not None or view.job.wants_cancel:
        return _nothing_to_stop(view)
    # A submission of a process that died may still be on its way: sending again too early could make two.
    age = (view.now - submission.intended_time).total_seconds()
    if age < view.limits.settle and view.status.retry_time is None:
        left = view.limits.settle - age
        retry = whole_seconds(view.now + timedelta(seconds=left))
        says = Says("AnswerUnknown", "Whether the service has the export is not known yet; it is asked again.")
        return Decision(status_of(view, "Submitting", reconciling=says, retry_time=retry), after=left)
    again = msgspec.structs.replace(submission, intended_time=whole_seconds(view.now))
    says = Says("Submitting", f"Attempt {submission.attempt} is submitted again, to the same directory.")
    status = status_of(view, "Submitting", reconciling=says, submission=again, retry_time=None)
    return Decision(status, Submit(again))


def inspected(view: View, delivery: Delivery) -> Decision:
    """The directory was read."""
    submission = view.status.submission
    assert submission is not None
    if delivery.manifest is None and not tasks.all_in(view.status.tasks, tasks.COMPLETED):
        return Decision(view.status, after=60)
    differences = differences_of(delivery)
    if differences:
        shown = "; ".join(differences[:10]) + (f"; and {len(differences) - 10} more" if len(differences) > 10 else "")
        return failed(view, "DeliveryMismatch", f"At {submission.destination}: {shown}.")
    manifest: Any = delivery.manifest
    names = manifest["files"]
    output = Output(
        bucket=submission.s3.bucket,
        prefix=submission.path,
        files=len(names),
        bytes=sum(delivery.sizes[name] for name in names),
        objects=manifest["totalObjects"],
    )
    text = f"{output.objects} objects in {output.files} files arrived at {submission.destination}"
    return completed(view, output, text)


def differences_of(delivery: Delivery) -> list[str]:
    """What in the directory disagrees with the service's manifest; empty when the delivery is whole."""
    manifest = delivery.manifest
    if manifest is None:
        return [f"{MANIFEST} is missing"]
    if not isinstance(manifest, Mapping):
        return [f"{MANIFEST} is not a JSON object"]
    differences = []
    if manifest.get("success") is not True:
        differences.append(f"{MANIFEST} says success: {manifest.get('success')}")
    total = manifest.get("totalObjects")
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        differences.append(f"{MANIFEST} has no valid totalObjects")
    names = manifest.get("files")
    if not isinstance(names, Sequence) or isinstance(names, str):
        return [*differences, f"{MANIFEST} lists no files"]
    if manifest.get("totalNumberOfFiles", len(names)) != len(names):
        differences.append(f"{MANIFEST} lists {len(names)} files but counts {manifest['totalNumberOfFiles']}")
    for name in names:
        if name not in delivery.sizes:
            differences.append(f"{name} is listed but missing")
        elif delivery.sizes[name] == 0:
            differences.append(f"{name} is empty")
    return differences


def unreadable(view: View, refusal: Refusal) -> Decision:
    """The directory could not be read: the export is over, its proof is outstanding."""
    waits = (view.status.waits or 0) + 1
    submission = view.status.submission
    assert submission is not None
    text = f"The service finished, but {submission.destination} cannot be read: {refusal.message}"
    if view.target is None and waits > _UNREADABLE_WAITS:
        return failed(view, "DeliveryUnverified", text)
    says = Says("DeliveryUnverified", text)
    delay = backoff(view, waits)
    status = status_of(
        view,
        "Verifying",
        reconciling=says,
        stalled=says if waits > 3 else None,
        waits=waits,
        retry_time=whole_seconds(view.now + delay),
    )
    return Decision(status, after=delay.total_seconds())


def wait(view: View, phase: str, refusal: Refusal) -> Decision:
    """Refused for now: try again later, with the reason and its time in a condition."""
    waits = (view.status.waits or 0) + 1
    delay = max(backoff(view, waits), timedelta(seconds=refusal.retry_after or 0))
    says = Says(refusal.reason, refusal.message)
    status = status_of(view, phase, reconciling=says, waits=waits, retry_time=whole_seconds(view.now + delay))
    return Decision(status, after=delay.total_seconds())


def _nothing_to_stop(view: View) -> Decision:
    if view.job.metadata.deletion_timestamp is not None:
        status: JobStatus = msgspec.structs.replace(view.status, submission=None)
        return Decision(status, after=0)
    return failed(view, "Cancelled", "The job was cancelled before the service had taken its export.")
