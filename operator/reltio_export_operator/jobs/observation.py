"""What a decision reads, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ..api.conditions import Conditions
from ..api.job import ExportJob, JobStatus, Submission
from ..api.target import ExportTarget
from ..api.task import TaskView

LONGEST_WAIT = 3700.0  # seconds; a Retry-After is taken for an hour at most


@dataclass(frozen=True)
class Limits:
    """Bounds in seconds that shape a job's life."""

    retry_base: float = 10.0
    retry_cap: float = 360.0
    settle: float = 75.0  # after this long, a submission that nobody has heard of is not on its way any more
    submit_window: float = 60.0  # a submission starts and ends within this of its intent; well below `settle`
    cleanup: float = 120.0  # how long a deletion waits for tasks to stop
    urgent: float = 10.0  # the longest wait between looks while a deletion or an early end waits for an answer
    secret: float = 20.0  # the longest wait for a Secret that cannot be read: whoever mends it sees it taken up


@dataclass(frozen=True)
class Ages:
    """Seconds since this process first met a state, by a clock that nobody can set.

    Each is at most the real age, so waiting for one is safe after a restart and when the wall clock jumps.
    """

    doubt: float = 0.0  # of an intent without an answer
    deletion: float = 0.0
    ending: float = 0.0  # of the wish to stop all tasks


@dataclass(frozen=True)
class Says:
    """Reason and message of a condition."""

    reason: str
    message: str


@dataclass(frozen=True)
class View:
    """A job and all that a decision about it may know.

    `seen` are its tasks as the service last showed them, `missing` the ids that it no longer knows, `strangers` tasks
    that carry the marker of the attempt and are not on record; `trouble` says why the service cannot be watched.
    """

    job: ExportJob
    now: datetime
    target: ExportTarget | None = None
    ahead: int = 0
    seen: Mapping[str, TaskView] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    strangers: tuple[TaskView, ...] = ()
    trouble: Says | None = None
    progress_due: bool = True
    ages: Ages = field(default_factory=Ages)
    limits: Limits = field(default_factory=Limits)

    @property
    def status(self) -> JobStatus:
        return self.job.status


@dataclass(frozen=True)
class Nothing:
    """Wait for the next event, observation or time."""


@dataclass(frozen=True)
class Begin:
    """Write this intent so that a rival's write conflicts, then submit: a new attempt, or the same one again."""

    submission: Submission


@dataclass(frozen=True)
class Search:
    """Ask the service and the bucket whether the attempt is known."""

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


Action = Nothing | Begin | Search | Control | Inspect | Release | Delete


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


def wait_left(view: View) -> float:
    """Seconds until `retryTime`. One further away than any wait is a sign of a clock that was set back: 0."""
    moment = view.status.retry_time
    left = seconds_until(moment, view.now) if moment else 0.0
    return left if left <= LONGEST_WAIT else 0.0


def urgent_wait(view: View) -> float:
    """As `wait_left`, for what must end soon: a wait that was chosen before there was haste does not count."""
    left = wait_left(view)
    return left if left <= view.limits.urgent else 0.0


def seconds_until(moment: datetime, now: datetime) -> float:
    return max(0.0, (moment - now).total_seconds())


def backoff(view: View, failures: int) -> timedelta:
    """Exponential: the base doubled for each failure before this one, up to the cap."""
    seconds = view.limits.retry_base * 2 ** min(max(failures - 1, 0), 30)
    return timedelta(seconds=min(view.limits.retry_cap, seconds))
