"""The input and the output of a decision about a schedule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import msgspec

from ..api.job import ExportJob
from ..api.reasons import ConditionReason
from ..api.schedule import ExportSchedule, IncrementalStatus, PointerStatus, Run, ScheduleStatus, run_of
from ..api.target import ExportTarget


@dataclass(frozen=True)
class Child:
    """A job of the schedule. `run` is None if its annotation cannot be read.

    `known_for` are the seconds for which this process has known the job, whatever its clock says.
    """

    job: ExportJob
    run: Run | None
    known_for: float = 0.0

    @classmethod
    def of(cls, job: ExportJob, known_for: float = 0.0) -> Child:
        return cls(job, run_of(job.metadata.annotations), known_for)

    @property
    def name(self) -> str:
        return self.job.metadata.name

    @property
    def is_active(self) -> bool:
        return not self.job.is_finished

    @property
    def data_time(self) -> datetime | None:
        """Objects updated before this time are in its export.

        The clock of the process that decided on the run may have been wrong: the API server's has the last word.
        """
        created = self.job.metadata.creation_timestamp
        if self.run is None or created is None:
            return None
        return min(self.run.window_end, created)


@dataclass(frozen=True)
class Observation:
    """A schedule with all its jobs, at one moment.

    `unreadable` are names of unfinished jobs that this release cannot decode. `target` is None if it does not exist.
    `pointer` is the pointer as a call has just left it, or why the call failed; None while nothing new is known.
    `recalled` is what the pointer says of the watermark, for a schedule that has lost its status.
    """

    schedule: ExportSchedule
    now: datetime
    children: tuple[Child, ...] = ()
    unreadable: tuple[str, ...] = ()
    target: ExportTarget | None = None
    pointer: PointerStatus | ConditionReason | None = None
    recalled: IncrementalStatus | None = None

    @property
    def status(self) -> ScheduleStatus:
        return self.schedule.status

    @property
    def active(self) -> tuple[Child, ...]:
        return tuple(child for child in self.children if child.is_active)

    @property
    def active_names(self) -> tuple[str, ...]:
        return (*(child.name for child in self.active), *self.unreadable)

    def child(self, name: str) -> Child | None:
        return next((child for child in self.children if child.name == name), None)

    def with_status(self, status: ScheduleStatus) -> Observation:
        return replace(self, schedule=msgspec.structs.replace(self.schedule, status=status))


@dataclass(frozen=True)
class CreateJob:
    """Create the job of the run in `status.starting`."""

    run: Run


@dataclass(frozen=True)
class CancelJob:
    """Ask for the end of a running export, because the next run replaces it."""

    child: Child


@dataclass(frozen=True)
class DeleteJob:
    """Delete a finished job, which the history limits do not keep."""

    child: Child


@dataclass(frozen=True)
class WritePointer:
    """Add complete exports to the pointer, the one with the oldest data first."""

    children: tuple[Child, ...]


Action = CreateJob | CancelJob | DeleteJob | WritePointer


@dataclass(frozen=True)
class Event:
    type: Literal["Normal", "Warning"]
    why: ConditionReason


@dataclass(frozen=True)
class Decision:
    """The status to write, then the actions to carry out. `requeue_after` is in seconds; 0 means at once."""

    status: ScheduleStatus
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = field(default=())
    requeue_after: float | None = None
