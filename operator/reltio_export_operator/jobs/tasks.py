"""What the statuses of Reltio's tasks mean for a job.

A status that is not listed here is shown as it is, and counts as that of a running task: to wait is safe, to give up
is not. Source of the statuses, copy of 2026-07-10; THROTTLING is in the OpenAPI text of 2023-12 only,
PLATFORM_TASK_FAILED and ERROR are in the support article only:
https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/export-tasks-management-api/status-of-an-export-task
https://support.reltio.com/hc/en-us/articles/360061549151
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from ..api.foreign import Secrets, quote
from ..api.job import JobStatus, Progress, TaskStatus
from ..api.meta import whole_seconds
from ..api.task import ObservedTask

COMPLETED = frozenset({"COMPLETED"})
FAILED = frozenset({"FAILED", "COMPLETED_WITH_ERRORS", "PLATFORM_TASK_FAILED", "ERROR"})
CANCELED = frozenset({"CANCELED"})
ENDED = COMPLETED | FAILED | CANCELED
PAUSED = frozenset({"PAUSED", "PAUSING"})
STOPPING = frozenset({"CANCELING"})
MOVING = frozenset(
    {
        "SCHEDULED",
        "SCHEDULED_POLL",
        "PROCESSING",
        "WAITING",
        "WAITING_FOR_RESOURCE",
        "WAITING_FOR_QUEUE",
        "THROTTLING",
    }
)
THROTTLED = frozenset({"WAITING_FOR_RESOURCE", "THROTTLING"})
QUEUED = frozenset({"SCHEDULED", "SCHEDULED_POLL"})
KNOWN = ENDED | PAUSED | STOPPING | MOVING
# Characters. The CRD allows more, but a thousand tasks must fit into one object.
_STATUS_LIMIT, _STAGE_LIMIT, _ERROR_LIMIT = 64, 256, 512


def unfinished(tasks: Iterable[TaskStatus], gone: Container[str] = ()) -> tuple[TaskStatus, ...]:
    """The tasks that have not ended, without those whose ids the service no longer knows."""
    return tuple(task for task in tasks if task.status not in ENDED and task.id not in gone)


def all_in(tasks: Iterable[TaskStatus], statuses: frozenset[str]) -> bool:
    """Whether there are tasks and each is in one of the statuses."""
    listed = tuple(tasks)
    return bool(listed) and all(task.status in statuses for task in listed)


def refreshed(
    tasks: Iterable[TaskStatus], seen: Mapping[str, ObservedTask], secrets: Secrets
) -> tuple[TaskStatus, ...]:
    """The tasks with their new observations. Tasks that were not observed or have ended do not change."""
    return tuple(
        recorded(seen[task.id], secrets) if task.id in seen and task.status not in ENDED else task for task in tasks
    )


def recorded(obs: ObservedTask, secrets: Secrets) -> TaskStatus:
    """What status.tasks says of a task. `secrets`: what the service may repeat."""
    return TaskStatus(
        id=obs.id,
        status=obs.status if obs.status in KNOWN else quote(obs.status, secrets, limit=_STATUS_LIMIT),
        stage=quote(obs.stage, secrets, limit=_STAGE_LIMIT) if obs.stage else None,
        processed=obs.processed,
        total=obs.total,
        error=quote(obs.error, secrets, limit=_ERROR_LIMIT) if obs.error else None,
    )


_LAST_KNOWN = "was "


def last_known(status: JobStatus) -> JobStatus:
    """The status of a job whose tasks cannot be read: its progress is that of the last observation."""
    known = status.progress
    if known is None or not known.summary or known.summary.startswith(_LAST_KNOWN):
        return status
    stale = msgspec.structs.replace(
        known, summary=f"{_LAST_KNOWN}{known.summary}", objects_per_second=None, estimated_completion_time=None
    )
    return msgspec.structs.replace(status, progress=stale)


def known_again(status: JobStatus) -> JobStatus:
    """The status of a job whose tasks can be read again."""
    known = status.progress
    if known is None or not known.summary.startswith(_LAST_KNOWN):
        return status
    fresh = msgspec.structs.replace(known, summary=known.summary.removeprefix(_LAST_KNOWN))
    return msgspec.structs.replace(status, progress=fresh)


def progress(tasks: Iterable[TaskStatus], seen: Mapping[str, ObservedTask], now: datetime) -> Progress:
    """Sum over sibling tasks. The total is known only if each task has one."""
    listed = tuple(tasks)
    processed = sum(task.processed or 0 for task in listed)
    totals = [task.total for task in listed]
    total = sum(known for known in totals if known) if listed and all(totals) else None
    percent = min(100, processed * 100 // total) if total else None
    rates = [obs.rate for task in listed if (obs := seen.get(task.id)) and obs.rate]
    etas = [obs.eta_seconds for task in listed if (obs := seen.get(task.id)) and obs.eta_seconds]
    return Progress(
        processed=processed,
        total=total,
        percent=percent,
        objects_per_second=round(sum(rates)) if rates else None,
        estimated_completion_time=whole_seconds(now + timedelta(seconds=max(etas))) if etas else None,
        summary=f"{percent}% ({processed}/{total})" if percent is not None else f"{processed}",
    )
