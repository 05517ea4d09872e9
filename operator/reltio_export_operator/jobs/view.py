"""What a decision reads, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ..api.conditions import Conditions
from ..api.job import ExportJob, JobStatus, Submission
from ..api.observation import TaskView
from ..api.target import ExportTarget


@dataclass(frozen=True)
class Limits:
    """Bounds in seconds that shape a job's life."""

    retry_base: float = 10.0
    retry_cap: float = 360.0
    settle: float = 75.0  # longer than the time-out of a submission: one still under way has ended by then
    cleanup: float = 120.0  # how long a deletion waits for tasks to stop
    unverifiable: float = 900.0  # how long a finished export waits to become readable


@dataclass(frozen=True)
class View:
    """A job and all that a decision about it may know."""

    job: ExportJob
    now: datetime
    target: ExportTarget | None = None
    ahead: int = 0
    seen: Mapping[str, TaskView] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    progress_due: bool = True
    limits: Limits = field(default_factory=Limits)

    @property
    def status(self) -> JobStatus:
        return self.job.status


@dataclass(frozen=True)
class Nothing:
    """Wait for the next event, observation or time."""


@dataclass(frozen=True)
class Begin:
    """Write this intent so that a rival's write conflicts, then submit."""

    submission: Submission


@dataclass(frozen=True)
class Search:
    """Ask the service and the bucket whether the attempt is known."""

    submission: Submission


@dataclass(frozen=True)
class Submit:
    """Submit again, to the same directory and under the same name."""

    submission: Submission


@dataclass(frozen=True)
class Control:
    """Ask the service to pause, resume or stop tasks. Asking again is harmless."""

    submission: Submission
    verb: Literal["pause", "resume", "stop"]
    task_ids: tuple[str, ...]


@dataclass(frozen=True)
class Inspect:
    """Read the manifest and list the directory."""

    submission: Submission


@dataclass(frozen=True)
class Release:
    """Remove the finalizer: nothing outside is left to undo."""


@dataclass(frozen=True)
class Delete:
    """Delete the object, its time to live being over."""


Action = Nothing | Begin | Search | Submit | Control | Inspect | Release | Delete


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event to post about the job."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Decision:
    """The status to write, what to do after it is written, and when to look again at the latest (seconds)."""

    status: JobStatus
    action: Action = Nothing()
    after: float | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Says:
    """Reason and message of a condition."""

    reason: str
    message: str


def status_of(
    view: View,
    phase: str,
    *,
    reconciling: Says | None = None,
    stalled: Says | None = None,
    complete: Says | None = None,
    failed: Says | None = None,
    suspended: Says | None = None,
    **changes: object,
) -> JobStatus:
    """The job's status with these conditions and fields.

    Complete and Failed appear only when true, as in batch/v1. Reconciling and Stalled appear only while true,
    as kstatus reads them. Suspended turns False once the job goes on.
    """
    generation = view.job.metadata.generation
    conditions = Conditions(view.status.conditions, generation=generation, now=view.now)
    for type_, says in {
        "Complete": complete,
        "Failed": failed,
        "Reconciling": reconciling,
        "Stalled": stalled,
    }.items():
        if says is None:
            conditions.drop(type_)
        else:
            conditions.put(type_, "True", says.reason, says.message)
    if suspended is not None:
        conditions.put("Suspended", "True", suspended.reason, suspended.message)
    elif view.job.condition("Suspended") is not None:
        conditions.put("Suspended", "False", "Resumed", "The job is not suspended.")
    return msgspec.structs.replace(
        view.status,
        phase=phase,
        observed_generation=generation,
        conditions=conditions.result(),
        **changes,
    )


def seconds_until(moment: datetime, now: datetime) -> float:
    return max(0.0, (moment - now).total_seconds())


def backoff(view: View, failures: int) -> timedelta:
    """Exponential: the base doubled for each failure before this one, up to the cap."""
    seconds = view.limits.retry_base * 2 ** min(max(failures - 1, 0), 30)
    return timedelta(seconds=min(view.limits.retry_cap, seconds))
