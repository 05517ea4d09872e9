"""One log line for each transition of a job or a target.

The lines are derived from the status before and after a write. So a write that changes nothing that matters, such as
progress, logs nothing, and neither does a restart. Call these only after the write has succeeded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from ..api.conditions import Condition, find, headline, is_true
from ..api.decoding import STATUS_INVALID
from ..api.job import HEADLINES, ExportJob, JobStatus
from ..api.meta import ObjectMeta
from ..api.schedule import ExportSchedule, ScheduleStatus
from ..api.target import ExportTarget, TargetStatus
from ..jobs.observation import ControlTasks, Event
from ..runtime.logs import object_fields

_log = logging.getLogger(__name__)
_MESSAGE_LIMIT = 512  # characters; the whole message is in the object's status
_WARNINGS = ("DuplicateDetected", "Retained", "Empty", STATUS_INVALID)  # conditions of a job that need a person


def log_job(job: ExportJob, status: JobStatus) -> None:
    """Log what a write of `status` has changed in a job that was read as `job`."""
    before, why = job.status, _headline(status)
    if _state(before) != _state(status):
        phase = status.phase or "Unknown"
        change = f"{before.phase} -> {phase}" if before.phase and before.phase != phase else phase
        needs_a_person = why is not None and (why.type == "Failed" or is_true(status.conditions, "Stalled"))
        _line(
            logging.WARNING if needs_a_person else logging.INFO,
            "ExportJob",
            job.metadata,
            change,
            why,
            phase=phase,
            previousPhase=before.phase,
            target=job.spec.target_ref.name,
            attempt=status.attempts,
            taskIds=[task.id for task in status.tasks or before.tasks],
        )
    for type_ in _WARNINGS:
        if is_true(status.conditions, type_) and not is_true(before.conditions, type_):
            ids = [task.id for task in status.duplicates]
            _line(
                logging.WARNING,
                "ExportJob",
                job.metadata,
                type_,
                find(status.conditions, type_),
                attempt=status.attempts,
                duplicateTaskIds=ids,
            )


def log_job_events(job: ExportJob, events: Iterable[Event]) -> None:
    """Log warnings that are events alone: no condition says the same."""
    known = {condition.type for condition in job.status.conditions} | {*HEADLINES, *_WARNINGS}
    for event in events:
        if event.type == "Warning" and event.reason not in known:
            _log.warning(
                "ExportJob %s/%s: %s: %s",
                *job.metadata.key,
                event.reason,
                event.message[:_MESSAGE_LIMIT],
                extra=object_fields(
                    "ExportJob",
                    *job.metadata.key,
                    job.metadata.uid,
                    reason=event.reason,
                    taskIds=[task.id for task in job.status.tasks],
                ),
            )


def log_invalid(kind: str, namespace: str, name: str, uid: str, reason: str, message: str) -> None:
    """Log that an object cannot be worked on as it is."""
    _log.warning(
        "%s %s/%s: Stalled (%s): %s",
        kind,
        namespace,
        name,
        reason,
        message[:_MESSAGE_LIMIT],
        extra=object_fields(kind, namespace, name, uid, reason=reason),
    )


def log_schedule(schedule: ExportSchedule, status: ScheduleStatus) -> None:
    """Log what a write of `status` has changed in a schedule that was read as `schedule`."""
    before, meta = schedule.status, schedule.metadata
    ready, ready_before = find(status.conditions, "Ready"), find(before.conditions, "Ready")
    if ready is not None and (
        ready_before is None or (ready.status, ready.reason) != (ready_before.status, ready_before.reason)
    ):
        level = logging.INFO if ready.status == "True" else logging.WARNING
        _line(level, "ExportSchedule", meta, "Ready" if ready.status == "True" else "Not ready", ready)
    last, last_before = status.last_job, before.last_job
    if last is not None and last != last_before:
        change = f"Job {last.name} is {last.outcome}"
        level = logging.WARNING if last.outcome == "Failed" else logging.INFO
        _line(level, "ExportSchedule", meta, change, None, job=last.name, mode=last.mode)


class ControlLog:
    """Logs that the tasks of a job cannot be paused, resumed or stopped: once for each reason, not for each try."""

    def __init__(self) -> None:
        self._logged: dict[tuple[str, str], tuple[str, str]] = {}

    def failed(self, job: ExportJob, action: ControlTasks, reason: str, message: str) -> None:
        key = job.metadata.key
        if self._logged.get(key) == (action.verb, reason):
            return
        self._logged[key] = (action.verb, reason)
        _log.warning(
            "ExportJob %s/%s: Cannot %s its tasks: %s",
            *key,
            action.verb,
            message[:_MESSAGE_LIMIT],
            extra=object_fields("ExportJob", *key, job.metadata.uid, reason=reason, taskIds=list(action.task_ids)),
        )

    def succeeded(self, key: tuple[str, str]) -> None:
        """Forget what was logged: the next failure is logged."""
        self._logged.pop(key, None)


def log_job_removed(job: ExportJob, reason: str, message: str) -> None:
    """Log that the operator has deleted a job, or has let its deletion go through."""
    _log.info(
        "ExportJob %s/%s: %s",
        *job.metadata.key,
        message,
        extra=object_fields("ExportJob", *job.metadata.key, job.metadata.uid, reason=reason),
    )


def log_target(target: ExportTarget, status: TargetStatus) -> None:
    """Log what a write of `status` has changed in a target that was read as `target`."""
    before = target.status
    stalled = is_true(status.conditions, "Stalled")
    for type_ in ("Ready", "Delivered", "Suspended"):
        old, new = find(before.conditions, type_), find(status.conditions, type_)
        if new is None:
            continue
        unchanged = old is not None and (old.status, old.reason) == (new.status, new.reason)
        if unchanged and (type_ != "Ready" or is_true(before.conditions, "Stalled") == stalled):
            continue
        change = f"{old.status} -> {new.status}" if old is not None and old.status != new.status else new.status
        bad = new.status == "False" and (stalled or type_ == "Delivered")
        _line(
            logging.WARNING if bad else logging.INFO,
            "ExportTarget",
            target.metadata,
            f"{type_} {change}",
            new,
            condition=type_,
            status=new.status,
        )


def _headline(status: JobStatus) -> Condition | None:
    return headline(status.conditions, HEADLINES)


def _state(status: JobStatus) -> object:
    """What a transition of a job changes."""
    why = _headline(status)
    return (
        status.phase,
        why and (why.type, why.reason),
        is_true(status.conditions, "Stalled"),
        status.attempts,
        {task.id for task in status.tasks} if status.phase not in ("Complete", "Failed") else None,
    )


def _line(level: int, kind: str, meta: ObjectMeta, change: str, why: Condition | None, **fields: Any) -> None:
    reason, message = (why.reason, why.message) if why is not None else ("", "")
    cut = f"{message[:_MESSAGE_LIMIT]}..." if len(message) > _MESSAGE_LIMIT else message
    text = f"{change} ({reason}): {cut}" if why is not None else change
    extra = object_fields(kind, *meta.key, meta.uid, reason=reason, **fields)
    _log.log(level, "%s %s/%s: %s", kind, *meta.key, text, extra=extra)
