"""The story of a job: what happened in order, what it waits for, and what to do. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ..api.conditions import Condition
from ..api.job import ExportJob
from ..api.target import ExportTarget

# What a person can do about a reason; where the message of the condition says it already, nothing is added.
_TODO = {
    "JobSuspended": "Set spec.suspend of ExportJob {name} to false.",
    "TargetNotReady": "kubectl reltio-export verify {target} -n {namespace}",
    "TargetNotFound": "Create ExportTarget {target} in namespace {namespace}.",
    "TaskVanished": "kubectl reltio-export cancel {name} -n {namespace}, if it does not run in Reltio's console.",
    "DeliveryMismatch": "Compare the directory with its manifest; create a new ExportJob to export again.",
    "BackoffLimitExceeded": "See the failures above; create a new ExportJob once their cause is mended.",
    "PausedAtService": "Resume the task in Reltio's console.",
    "DuplicateDetected": "Find out who submitted the second export; this operator stops it.",
}


@dataclass(frozen=True)
class Happening:
    """Something that happened, and when (RFC 3339, UTC); no time where none is on record."""

    time: str
    text: str


@dataclass(frozen=True)
class Story:
    job: str
    state: str
    happened: tuple[Happening, ...]
    waits_for: str | None
    to_do: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        width = max((len(one.time) for one in self.happened), default=0)
        told = [f"{one.time:<{width}}  {one.text}" for one in self.happened]
        rest = [f"Waits for: {self.waits_for}"] if self.waits_for else []
        rest += [f"To do: {self.to_do}"] if self.to_do else []
        return [f"{self.job}: {self.state}", "", *told, *([""] if rest else []), *rest]


def tell(job: ExportJob, target: ExportTarget | None = None, events: tuple[dict[str, Any], ...] = ()) -> Story:
    """The story of the job as its status and its events have it."""
    happened = sorted([*_from_status(job), *_from_events(events)], key=lambda one: one.time)
    now = _present(job)
    return Story(
        job=f"ExportJob {job.metadata.namespace}/{job.metadata.name}",
        state=job.status.phase or "not seen by the operator yet",
        happened=tuple(dict.fromkeys(happened)),
        waits_for=_waits_for(job, now, target),
        to_do=_to_do(job, now),
    )


def _from_status(job: ExportJob) -> list[Happening]:
    status, submission = job.status, job.status.submission
    told = [Happening(_time(job.metadata.creation_timestamp), f"created for ExportTarget {job.spec.target_ref.name}")]
    told += [
        Happening(_time(failure.time), f"attempt {failure.attempt} failed: {failure.reason}: {failure.message}")
        for failure in status.failures
    ]
    if submission is not None:
        text = f"attempt {submission.attempt} intended for {submission.destination}"
        told.append(Happening(_time(submission.intended_time), text))
        if submission.refused_time is not None:
            told.append(Happening(_time(submission.refused_time), "the service refused it for now"))
        if submission.submitted_time is not None:
            ids = ", ".join(task.id for task in status.tasks) or "no task"
            verb = "found running at the service" if submission.adopted else "taken by the service"
            told.append(Happening(_time(submission.submitted_time), f"{verb} as {ids}"))
    for condition in status.conditions:
        if condition.type in ("Complete", "Failed", "DuplicateDetected", "Retained") and condition.status == "True":
            text = f"{condition.type}: {condition.reason}: {condition.message}"
            told.append(Happening(_time(condition.last_transition_time), text))
    return told


def _from_events(events: tuple[dict[str, Any], ...]) -> list[Happening]:
    known = ("Submitted", "Adopted", "Completed", "Failed", "DuplicateDetected")  # the status says these itself
    return [
        Happening(_time(event["time"]), f"{event['reason']}: {event['message']}")
        for event in events
        if event["reason"] not in known
    ]


def _present(job: ExportJob) -> Condition | None:
    """The condition that says where the job stands."""
    for type_ in ("Complete", "Failed", "Stalled", "Reconciling", "Suspended"):
        condition = job.condition(type_)
        if condition is not None and condition.status == "True":
            return condition
    return None


def _waits_for(job: ExportJob, now: Condition | None, target: ExportTarget | None) -> str | None:
    if job.is_finished:
        return None
    if now is None:
        return "the operator: it has not seen the job yet. Does it run, and watch this namespace?"
    text = f"{now.reason}: {now.message} (since {_time(now.last_transition_time)})"
    if job.status.queue_position is not None:
        text += f" Position {job.status.queue_position}."
    if job.status.progress is not None and job.status.progress.summary:
        text += f" {job.status.progress.summary}."
    if now.reason == "TargetNotReady" and target is not None:
        ready = next((c for c in target.status.conditions if c.type == "Ready"), None)
        text += f" Its target says {ready.reason}: {ready.message}" if ready else ""
    return text


def _to_do(job: ExportJob, now: Condition | None) -> str | None:
    template = _TODO.get(now.reason) if now else None
    if template is None:
        return None
    meta = job.metadata
    return template.format(name=meta.name, namespace=meta.namespace, target=job.spec.target_ref.name)


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else ""
