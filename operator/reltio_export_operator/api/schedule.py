"""ExportSchedule: exports on a clock."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .conditions import Condition, ReasonTime
from .meta import RUN_ANNOTATION, Count, Model, ObjectMeta, Problem, Time

RunMode = Literal["Full", "Incremental"]
FullReason = Literal[
    "FirstRun", "FullSchedule", "TemplateChanged", "WatermarkLost", "TooManyWindows", "PointerIncomplete"
]


class TemplateMetadata(Model, frozen=True, kw_only=True):
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


class JobTemplate(Model, frozen=True, kw_only=True):
    """The jobs to create. Their spec is kept as it was written: it has the schema of an ExportJob."""

    metadata: TemplateMetadata = TemplateMetadata()
    spec: dict[str, Any]


class Initial(Model, frozen=True, kw_only=True):
    mode: Literal["Full", "Since"] = "Full"
    since: Time | None = None


class Incremental(Model, frozen=True, kw_only=True):
    """Export what changed since the last run. `overlap` is a duration such as ``5m``."""

    overlap: str = "5m"
    initial: Initial = Initial()
    full_schedule: str | None = None


class Freshness(Model, frozen=True, kw_only=True):
    """`max_age` is a duration such as ``26h``."""

    max_age: str


class LatestPointer(Model, frozen=True, kw_only=True):
    """Where the pointer to the newest data is, below the path of the target."""

    path: str | None = None


class ScheduleSpec(Model, frozen=True, kw_only=True):
    schedule: str
    job_template: JobTemplate
    time_zone: str = "UTC"
    concurrency_policy: Literal["Forbid", "Allow", "Replace"] = "Forbid"
    starting_deadline_seconds: int | None = None
    suspend: bool = False
    successful_jobs_history_limit: int = 3
    failed_jobs_history_limit: int = 1
    jitter_seconds: int = 0
    trigger: str | None = None
    incremental: Incremental | None = None
    freshness: Freshness | None = None
    latest_pointer: LatestPointer | None = None


class Run(Model, frozen=True, kw_only=True):
    """One run: the name of its job, why it runs, and what it exports.

    It has a `scheduled_time` or a `trigger`. Objects updated before `window_end` are in its export, or in those before
    it; for a full run that is when the run was decided on. `window_start` is None for a full run.
    """

    name: str
    scheduled_time: Time | None = None
    trigger: str | None = None
    mode: RunMode
    full_reason: FullReason | None = None
    window_start: Time | None = None
    window_end: Time
    spec_hash: str = ""

    def encoded(self) -> str:
        """The value of the annotation of its job."""
        return msgspec.json.encode(self).decode()


def run_of(annotations: dict[str, str]) -> Run | None:
    """The run in the annotation of a job; None if there is none, or if it cannot be read."""
    stored = annotations.get(RUN_ANNOTATION)
    if not stored:
        return None
    try:
        run = msgspec.json.decode(stored, type=Run)
    except (msgspec.DecodeError, UnicodeError):
        return None
    return run if (run.scheduled_time is None) != (run.trigger is None) else None


class ActiveJob(Model, frozen=True, kw_only=True):
    name: str
    uid: str = ""


class LastJob(Model, frozen=True, kw_only=True):
    """The job that was started last."""

    name: str
    outcome: Literal["Active", "Complete", "Failed", "Deleted"]
    mode: RunMode
    full_reason: FullReason | None = None
    window_start: Time | None = None
    window_end: Time | None = None


class IncrementalStatus(Model, frozen=True, kw_only=True):
    """Objects updated before `watermark` are in a verified export. `windows` were exported since the last full one."""

    watermark: Time | None = None
    last_full_time: Time | None = None
    spec_hash: str = ""
    windows: Count = 0


class PointerStatus(Model, frozen=True, kw_only=True):
    """The pointer as it was last written or read. `data_time` and `job` are those of its newest export.

    `needs_full_export`: windows between its last export and newer ones are not known any more.
    """

    location: str = ""
    job: str = ""
    data_time: Time | None = None
    exports: Count = 0
    needs_full_export: bool = False


class ScheduleStatus(Model, frozen=True, kw_only=True):
    """`observed_schedule` is what `next_schedule_time` was computed from. `starting` is the run whose job is created.

    `next_schedule_time` includes the jitter, and has passed while a run that is due waits. Objects updated before
    `data_time` are in the newest complete export.
    """

    observed_generation: int | None = None
    message: str | None = None
    conditions: tuple[Condition, ...] = ()
    reason_times: tuple[ReasonTime, ...] = ()
    last_schedule_time: Time | None = None
    last_successful_time: Time | None = None
    next_schedule_time: Time | None = None
    last_missed_time: Time | None = None
    data_time: Time | None = None
    active: tuple[ActiveJob, ...] = ()
    last_job: LastJob | None = None
    last_handled_trigger: str | None = None
    observed_schedule: str | None = None
    starting: Run | None = None
    incremental: IncrementalStatus | None = None
    pointer: PointerStatus | None = None


class ExportSchedule(Model, frozen=True, kw_only=True):
    metadata: ObjectMeta
    spec: ScheduleSpec
    status: ScheduleStatus = ScheduleStatus()
    status_problems: tuple[Problem, ...] = ()
