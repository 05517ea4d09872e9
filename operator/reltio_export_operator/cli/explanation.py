"""Explains a job: its history, what it waits for, and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from ..api.conditions import Condition, headline
from ..api.job import HEADLINES, ExportJob
from ..api.target import ExportTarget
from .remedies import remedy

_COLOURS = {"Complete": "green", "Failed": "red", "Unknown": "red"}
_SHOWN = ("Complete", "Failed", "DuplicateDetected", "Retained", "Empty")  # conditions of the history
_VERIFIED = "DeliveryVerified"  # of the history with any status


@dataclass(frozen=True)
class Entry:
    """An entry of the history. `time` is RFC 3339 in UTC, or empty if it is not known."""

    time: str
    message: str


@dataclass(frozen=True)
class Explanation:
    job: str
    phase: str
    history: tuple[Entry, ...]
    waiting_for: str | None
    action: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "job": self.job,
            "phase": self.phase,
            "history": [{"time": entry.time, "message": entry.message} for entry in self.history],
            "waitingFor": self.waiting_for,
            "action": self.action,
        }

    def lines(self) -> list[str]:
        """Lines for a terminal; `click.echo` removes the colours elsewhere."""
        width = max((len(entry.time) for entry in self.history), default=0)
        history = [f"{entry.time:<{width}}  {entry.message}" for entry in self.history]
        rest = [f"{click.style('Waiting for:', bold=True)} {self.waiting_for}"] if self.waiting_for else []
        rest += [f"{click.style('Action:', bold=True)} {self.action}"] if self.action else []
        phase = click.style(self.phase, fg=_COLOURS.get(self.phase, "yellow"), bold=True)
        return [f"{self.job}: {phase}", "", *history, *([""] if rest else []), *rest]


def explain(job: ExportJob, target: ExportTarget | None = None, events: tuple[dict[str, Any], ...] = ()) -> Explanation:
    """The explanation of a job from its status, its events and its target."""
    history = sorted([*_from_status(job), *_from_events(events)], key=lambda entry: entry.time)
    current = _current_condition(job)
    return Explanation(
        job=f"ExportJob {job.metadata.namespace}/{job.metadata.name}",
        phase=job.status.phase or "no status yet",
        history=tuple(dict.fromkeys(history)),
        waiting_for=_waiting_for(job, current, target),
        action=_action(job, current),
    )


def _from_status(job: ExportJob) -> list[Entry]:
    status, submission = job.status, job.status.submission
    entries = [Entry(_time(job.metadata.creation_timestamp), f"Created for ExportTarget {job.spec.target_ref.name}.")]
    entries += [
        Entry(_time(failure.time), f"Attempt {failure.attempt} failed: {failure.reason}: {failure.message}")
        for failure in status.failures
    ]
    if submission is not None:
        text = f"Attempt {submission.attempt} was recorded for {submission.destination}."
        entries.append(Entry(_time(submission.intended_time), text))
        if submission.refused_time is not None:
            entries.append(Entry(_time(submission.refused_time), "Reltio did not accept it. The operator retries."))
        if submission.submitted_time is not None:
            ids = ", ".join(task.id for task in status.tasks) or "unknown"
            verb = "Found in Reltio" if submission.adopted else "Accepted by Reltio"
            entries.append(Entry(_time(submission.submitted_time), f"{verb} as task {ids}."))
    for condition in status.conditions:
        is_true = condition.status == "True"
        if (condition.type in _SHOWN and is_true) or condition.type == _VERIFIED:
            result = "" if is_true else f" is {condition.status}"
            text = f"{condition.type}{result}: {condition.reason}: {condition.message}"
            entries.append(Entry(_time(condition.last_transition_time), text))
    return entries


def _from_events(events: tuple[dict[str, Any], ...]) -> list[Entry]:
    in_status = (
        "Submitted",
        "Adopted",
        "Completed",
        "Failed",
        "DuplicateDetected",
        "DeliveryUncertain",
        "RetryPending",
    )
    return [
        Entry(_time(event["time"]), f"{event['reason']}: {event['message']}")
        for event in events
        if event["reason"] not in in_status
    ]


def _current_condition(job: ExportJob) -> Condition | None:
    """The condition that shows the state of the job."""
    return headline(job.status.conditions, HEADLINES)


def _waiting_for(job: ExportJob, current: Condition | None, target: ExportTarget | None) -> str | None:
    if job.is_finished:
        return None
    if current is None:
        return "the operator. Check that it runs and that it watches this namespace."
    text = f"{current.reason}: {current.message}".rstrip()
    since = next((one.since for one in job.status.reason_times if one.type == current.type), None)
    text += f" (since {_time(since)})" if since is not None else ""
    if job.status.queue_position is not None:
        text += f" Position {job.status.queue_position}."
    if job.status.progress is not None and job.status.progress.summary:
        text += f" {job.status.progress.summary}."
    if current.reason == "TargetNotReady" and target is not None:
        ready = next((c for c in target.status.conditions if c.type == "Ready"), None)
        text += f" The target reports {ready.reason}: {ready.message}" if ready else ""
    return text


def _action(job: ExportJob, current: Condition | None) -> str | None:
    if current is None:
        return None
    meta = job.metadata
    return remedy(current, name=meta.name, namespace=meta.namespace, target=job.spec.target_ref.name)


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else ""
