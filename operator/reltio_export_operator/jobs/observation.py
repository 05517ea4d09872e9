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
from ..api.task import ObservedTask

LONGEST_WAIT = 3700.0  # seconds; a Retry-After is taken for an hour at most


@dataclass(frozen=True)
class Limits:
    """Bounds in seconds that shape a job's life."""

    retry_base_seconds: float = 10.0
    retry_cap_seconds: float = 360.0
    submit_settle_seconds: float = (
        75.0  # after this long, a submission that nobody has heard of is not on its way any more
    )
    submit_window_seconds: float = 60.0  # a submission starts and ends within this of its intent; well below `settle`
    cleanup_timeout_seconds: float = 120.0  # how long a deletion waits for tasks to stop
    urgent_requeue_seconds: float = (
        10.0  # the longest wait between looks while a deletion or an early end waits for an answer
    )
    secret: float = 20.0  # the longest wait for a Secret that cannot be read: whoever mends it sees it taken up


@dataclass(frozen=True)
class Elapsed:
    """Seconds since this process first met a state, by a clock that nobody can set.

    Each is at most the real age, so waiting for one is safe after a restart and when the wall clock jumps.
    """

    doubt: float = 0.0  # of an intent without an answer
    deletion: float = 0.0
    ending: float = 0.0  # of the wish to stop all tasks


@dataclass(frozen=True)
class ConditionReason:
    """Reason and message of a condition."""

    reason: str
    message: str


@dataclass(frozen=True)
class Observation:
    """A job and all that a decision about it may know.

    `observed_tasks` are the job's tasks as the service last listed them. `lost_task_ids` are ids that the service no
    longer knows. `untracked_tasks` carry the attempt's id but are not in status. `watch_error` says why the tasks
    cannot be read.
    """

    job: ExportJob
    now: datetime
    target: ExportTarget | None = None
    queue_position: int = 0
    observed_tasks: Mapping[str, ObservedTask] = field(default_factory=dict)
    lost_task_ids: frozenset[str] = frozenset()
    untracked_tasks: tuple[ObservedTask, ...] = ()
    watch_error: ConditionReason | None = None
    progress_due: bool = True
    elapsed: Elapsed = field(default_factory=Elapsed)
    limits: Limits = field(default_factory=Limits)

    @property
    def status(self) -> JobStatus:
        return self.job.status


@dataclass(frozen=True)
class Wait:
    """Wait for the next event, observation or time."""


@dataclass(frozen=True)
class Submit:
    """Write this intent so that a rival's write conflicts, then submit: a new attempt, or the same one again."""

    submission: Submission


@dataclass(frozen=True)
class Search:
    """Ask the service and the bucket whether the attempt is known."""

    submission: Submission


@dataclass(frozen=True)
class ControlTasks:
    """Ask the service to pause, resume or stop tasks. Asking again is harmless."""

    submission: Submission
    verb: Literal["pause", "resume", "stop"]
    task_ids: tuple[str, ...]


@dataclass(frozen=True)
class CheckDelivery:
    """Read the manifest and list the directory."""

    submission: Submission


@dataclass(frozen=True)
class RemoveFinalizer:
    """Remove the finalizer: nothing outside is left to undo."""


@dataclass(frozen=True)
class DeleteJob:
    """Delete the object, its time to live being over."""


Action = Wait | Submit | Search | ControlTasks | CheckDelivery | RemoveFinalizer | DeleteJob


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
    action: Action = Wait()
    requeue_after: float | None = None
    events: tuple[Event, ...] = ()


def status_of(
    obs: Observation,
    phase: str,
    *,
    reconciling: ConditionReason | None = None,
    stalled: ConditionReason | None = None,
    complete: ConditionReason | None = None,
    failed: ConditionReason | None = None,
    suspended: ConditionReason | None = None,
    **changes: object,
) -> JobStatus:
    """The job's status with these conditions and fields.

    Complete and Failed appear only when true, as in batch/v1. Reconciling and Stalled appear only while true,
    as kstatus reads them. Suspended turns False once the job goes on.
    """
    generation = obs.job.metadata.generation
    conditions = Conditions(obs.status.conditions, generation=generation, now=obs.now)
    for type_, why in {
        "Complete": complete,
        "Failed": failed,
        "Reconciling": reconciling,
        "Stalled": stalled,
    }.items():
        if why is None:
            conditions.drop(type_)
        else:
            conditions.put(type_, "True", why.reason, why.message)
    if suspended is not None:
        conditions.put("Suspended", "True", suspended.reason, suspended.message)
    elif obs.job.condition("Suspended") is not None:
        conditions.put("Suspended", "False", "Resumed", "The job is not suspended.")
    return msgspec.structs.replace(
        obs.status,
        phase=phase,
        observed_generation=generation,
        conditions=conditions.result(),
        **changes,
    )


def seconds_until_retry(obs: Observation) -> float:
    """Seconds until `retryTime`. One further away than any wait is a sign of a clock that was set back: 0."""
    moment = obs.status.retry_time
    left = seconds_until(moment, obs.now) if moment else 0.0
    return left if left <= LONGEST_WAIT else 0.0


def urgent_wait_seconds(obs: Observation) -> float:
    """As `wait_left`, for what must end soon: a wait that was chosen before there was haste does not count."""
    left = seconds_until_retry(obs)
    return left if left <= obs.limits.urgent_requeue_seconds else 0.0


def seconds_until(moment: datetime, now: datetime) -> float:
    return max(0.0, (moment - now).total_seconds())


def backoff(obs: Observation, failures: int) -> timedelta:
    """Exponential: the base doubled for each failure before this one, up to the cap."""
    seconds = obs.limits.retry_base_seconds * 2 ** min(max(failures - 1, 0), 30)
    return timedelta(seconds=min(obs.limits.retry_cap_seconds, seconds))
