"""What the statuses of the service's tasks mean for a job.

Statuses are the service's own words (its task management API). One that is not known here is shown as it is
and taken for a task that lives: waiting is safe, giving up is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from ..api.job import Progress, TaskStatus
from ..api.meta import whole_seconds
from ..api.observation import TaskView

COMPLETED = frozenset({"COMPLETED"})
FAILED = frozenset({"FAILED", "COMPLETED_WITH_ERRORS"})
CANCELED = frozenset({"CANCELED"})
ENDED = COMPLETED | FAILED | CANCELED
PAUSED = frozenset({"PAUSED", "PAUSING"})
STOPPING = frozenset({"CANCELING"})


def live(tasks: Iterable[TaskStatus]) -> tuple[TaskStatus, ...]:
    """The tasks that have not ended."""
    return tuple(task for task in tasks if task.status not in ENDED)


def all_in(tasks: Iterable[TaskStatus], statuses: frozenset[str]) -> bool:
    """Whether there are tasks and each is in one of the statuses."""
    listed = tuple(tasks)
    return bool(listed) and all(task.status in statuses for task in listed)


def refreshed(tasks: Iterable[TaskStatus], seen: Mapping[str, TaskView]) -> tuple[TaskStatus, ...]:
    """The tasks with what was seen of them now; those not seen stay as they were, ended ones for good."""
    return tuple(_from_view(seen[task.id]) if task.id in seen and task.status not in ENDED else task for task in tasks)


def _from_view(view: TaskView) -> TaskStatus:
    return TaskStatus(
        id=view.id,
        status=view.status,
        stage=view.stage,
        processed=view.processed,
        total=view.total,
        error=view.error[:1024] if view.error else None,
    )


def progress(tasks: Iterable[TaskStatus], seen: Mapping[str, TaskView], now: datetime) -> Progress:
    """Sum over sibling tasks. The total is known only when each of them tells its own."""
    listed = tuple(tasks)
    processed = sum(task.processed or 0 for task in listed)
    totals = [task.total for task in listed]
    total = sum(known for known in totals if known) if listed and all(totals) else None
    percent = min(100, processed * 100 // total) if total else None
    rates = [view.rate for task in listed if (view := seen.get(task.id)) and view.rate]
    etas = [view.eta_seconds for task in listed if (view := seen.get(task.id)) and view.eta_seconds]
    return Progress(
        processed=processed,
        total=total,
        percent=percent,
        objects_per_second=round(sum(rates)) if rates else None,
        estimated_completion_time=whole_seconds(now + timedelta(seconds=max(etas))) if etas else None,
        summary=f"{percent}% ({processed}/{total})" if percent is not None else f"{processed}",
    )
