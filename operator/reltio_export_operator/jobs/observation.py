"""The input and the output of a decision: Observation and Decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from ..api.conditions import Conditions
from ..api.foreign import NOTHING_SECRET, Quoted, Secrets
from ..api.job import ExportJob, JobStatus, Submission
from ..api.reasons import ConditionReason
from ..api.target import ExportTarget
from ..api.task import ObservedTask
from . import messages, tasks

LONGEST_WAIT = 3700.0  # seconds; Retry-After is honoured up to an hour


@dataclass(frozen=True)
class Limits:
    """Bounds of a job's life, in seconds."""

    retry_base_seconds: float = 10.0
    retry_cap_seconds: float = 360.0
    # A submission that Reltio does not list after this time is not in flight any more.
    submit_settle_seconds: float = 75.0
    # A submission starts and ends within this time of its intent; well below `submit_settle_seconds`.
    submit_window_seconds: float = 60.0
    cleanup_timeout_seconds: float = 120.0  # how long a deletion waits for tasks to stop
    urgent_requeue_seconds: float = 10.0  # the longest requeue while a deletion or an early end waits for an answer
    # A task with an unknown status that is not among the active tasks has this long to show a known one.
    unknown_status_seconds: float = 900.0
    secret_requeue_seconds: float = 20.0  # the longest backoff for a Secret, so that a corrected one is used soon


@dataclass(frozen=True)
class Elapsed:
    """Seconds since this process first observed a state, on the monotonic clock.

    Each is at most the real time, so waiting for one is safe after a restart and when the wall clock jumps.
    """

    doubt: float = 0.0  # since an intent without an answer
    deletion: float = 0.0
    ending: float = 0.0  # since all tasks are to be stopped
    unclear: float = 0.0  # since the first of `Observation.unclear_task_ids`


@dataclass(frozen=True)
class Observation:
    """A job and all that a decision about it may know.

    `target_unreadable`: the target exists and cannot be decoded. `refusal` says why the settings of the operator do
    not allow the target. `just_queued`: it has waited for its place so shortly that this need not be shown yet.
    `foreign_tasks` are active in the tenant and not of any ExportJob; None if they were not counted.
    `observed_tasks` are the job's tasks as the service last listed them. `lost_task_ids` are ids that the service no
    longer knows, `missing_task_ids` those that it did not know last time. `unlisted_task_ids` are not among the
    tenant's active tasks. `untracked_tasks` belong to the attempt (`ownership.py`) but are not in status. `watch_error`
    says why the tasks cannot be read. `unrecorded`: an export may exist of which the object says nothing.
    `unsent_attempt` is the id of an attempt that this process has put into the annotation and has certainly not
    submitted. `original_exists`: the object that this one may have been restored from is still there. `secrets` are
    what text of the service may repeat.
    """

    job: ExportJob
    now: datetime
    target: ExportTarget | None = None
    target_unreadable: bool = False
    refusal: ConditionReason | None = None
    queue_position: int = 0
    just_queued: bool = False
    foreign_tasks: int | None = None
    observed_tasks: Mapping[str, ObservedTask] = field(default_factory=dict)
    lost_task_ids: frozenset[str] = frozenset()
    missing_task_ids: frozenset[str] = frozenset()
    unlisted_task_ids: frozenset[str] = frozenset()
    untracked_tasks: tuple[ObservedTask, ...] = ()
    watch_error: ConditionReason | None = None
    unrecorded: bool = False
    unsent_attempt: str | None = None
    original_exists: bool = False
    progress_due: bool = True
    secrets: Secrets = NOTHING_SECRET
    elapsed: Elapsed = field(default_factory=Elapsed)
    limits: Limits = field(default_factory=Limits)

    @property
    def status(self) -> JobStatus:
        return self.job.status

    @property
    def is_deleted(self) -> bool:
        return self.job.metadata.deletion_timestamp is not None

    @property
    def unclear_task_ids(self) -> frozenset[str]:
        """Tasks that may have ended: their status is not known, and they are not among the active tasks."""
        return frozenset(
            id_
            for id_, task in self.observed_tasks.items()
            if task.status not in tasks.KNOWN and id_ in self.unlisted_task_ids - self.lost_task_ids
        )

    @property
    def gone_task_ids(self) -> frozenset[str]:
        """Tasks that are not waited for any more: lost ones, and unclear ones after their time."""
        is_over = self.elapsed.unclear >= self.limits.unknown_status_seconds
        return self.lost_task_ids | self.unclear_task_ids if is_over else self.lost_task_ids

    def with_status(self, status: JobStatus) -> Observation:
        """The same observation of the job with another status."""
        return replace(self, job=msgspec.structs.replace(self.job, status=status))


@dataclass(frozen=True)
class Wait:
    """Do nothing until the next event, observation or requeue."""


@dataclass(frozen=True)
class Submit:
    """Write this intent with a write that can conflict, then submit: a new attempt, or the same one again."""

    submission: Submission


@dataclass(frozen=True)
class Search:
    """Search Reltio and the bucket for the attempt."""

    submission: Submission


@dataclass(frozen=True)
class FindUnrecorded:
    """Search Reltio for exports of the job, of which neither status nor annotation say anything."""


@dataclass(frozen=True)
class ControlTasks:
    """Ask Reltio to pause, resume or stop tasks. Idempotent."""

    submission: Submission
    verb: Literal["pause", "resume", "stop"]
    task_ids: tuple[str, ...]


@dataclass(frozen=True)
class CheckDelivery:
    """Compare the files in the bucket with the manifest."""

    submission: Submission


@dataclass(frozen=True)
class CleanUp:
    """Delete what a failed attempt wrote to its directory, `until` the moment after which nothing of it is expected."""

    submission: Submission
    until: datetime


@dataclass(frozen=True)
class RemoveFinalizer:
    """Remove the finalizer: nothing outside the cluster is left to clean up."""


@dataclass(frozen=True)
class DeleteJob:
    """Delete the object: its spec.ttlSecondsAfterFinished has passed."""


Action = Wait | Submit | Search | FindUnrecorded | ControlTasks | CheckDelivery | CleanUp | RemoveFinalizer | DeleteJob


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event to post about the job."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: Quoted

    @classmethod
    def normal(cls, why: ConditionReason) -> Event:
        return cls("Normal", why.reason, why.message)

    @classmethod
    def warning(cls, why: ConditionReason) -> Event:
        return cls("Warning", why.reason, why.message)


@dataclass(frozen=True)
class Decision:
    """The status to write, the action to take after it, and the seconds after which to reconcile at the latest.

    `brief`: it may be over at once, so nothing is written, not even that the spec was seen.
    """

    status: JobStatus
    action: Action = Wait()
    requeue_after: float | None = None
    events: tuple[Event, ...] = ()
    brief: bool = False


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
    as kstatus reads them. Suspended turns False once the job continues.
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
        resumed = messages.RESUMED()
        conditions.put("Suspended", "False", resumed.reason, resumed.message)
    return msgspec.structs.replace(
        obs.status,
        phase=phase,
        observed_generation=generation,
        conditions=conditions.result(),
        **changes,
    )


def seconds_until_retry(obs: Observation) -> float:
    """Seconds until `retryTime`. A time further away than any backoff means that the clock was set back: 0."""
    moment = obs.status.retry_time
    left = seconds_until(moment, obs.now) if moment else 0.0
    return left if left <= LONGEST_WAIT else 0.0


def seconds_until_urgent_retry(obs: Observation) -> float:
    """As `seconds_until_retry`, for what must end soon: a longer wait was chosen before it became urgent."""
    left = seconds_until_retry(obs)
    return left if left <= obs.limits.urgent_requeue_seconds else 0.0


def seconds_until(moment: datetime, now: datetime) -> float:
    return max(0.0, (moment - now).total_seconds())


def backoff(obs: Observation, failures: int) -> timedelta:
    """Exponential: the base, doubled for each failure before this one, up to the cap."""
    seconds = obs.limits.retry_base_seconds * 2 ** min(max(failures - 1, 0), 30)
    return timedelta(seconds=min(obs.limits.retry_cap_seconds, seconds))
