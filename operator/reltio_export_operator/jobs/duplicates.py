"""Which tasks in Reltio are one export, and which are a second one.

All tasks given here belong to one attempt (`ownership.py`). Tasks that share a `groupId` are siblings: parts of one
export. Reltio may leave `groupId` out; then tasks created together count as siblings, because the operator never
submits an attempt twice within that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..api.job import Submission
from ..api.task import ObservedTask
from .observation import Observation

_TOGETHER_MS = 10_000  # siblings are created by one call; a second call is made after `Limits.submit_settle_seconds`


@dataclass(frozen=True)
class TaskGroups:
    """Tasks of the export that counts, which is the oldest, and tasks of duplicates."""

    own: tuple[ObservedTask, ...]
    duplicates: tuple[ObservedTask, ...]


def group_tasks(tasks: Iterable[ObservedTask], known: Iterable[ObservedTask] = ()) -> TaskGroups:
    """Separate the oldest export from later ones. Those in `known` were named in one answer: they are one export."""
    oldest, *later = _exports(tasks, known) or [[]]
    return TaskGroups(tuple(oldest), tuple(task for export in later for task in export))


def group_untracked_tasks(obs: Observation, submission: Submission) -> TaskGroups:
    """Tasks that are not in status: siblings that the answer did not name, and duplicates.

    When the export in status is the newer one, it is the duplicate, and the older one takes its place.
    """
    duplicate_ids = {task.id for task in obs.status.duplicates}
    untracked = [task for task in obs.untracked_tasks if task.id not in duplicate_ids]
    tracked = [obs.observed_tasks[task.id] for task in obs.status.tasks if task.id in obs.observed_tasks]
    if tracked:
        return group_tasks(untracked, known=tracked)
    siblings = [task for task in untracked if task.group_id and task.group_id == submission.group_id]
    others = [task for task in untracked if task not in siblings]
    if is_sole(submission):  # only another group shows that a task is not of the only export
        others = [task for task in others if task.group_id and submission.group_id]
    return TaskGroups(tuple(siblings), tuple(others))


def is_sole(submission: Submission) -> bool:
    """Whether the attempt was submitted once and answered, so that all its tasks are of one export."""
    return submission.resent == 0 and not submission.adopted


def _exports(tasks: Iterable[ObservedTask], known: Iterable[ObservedTask]) -> list[list[ObservedTask]]:
    """Siblings together, the oldest export first."""
    tracked = sorted(known, key=_age)
    exports = [tracked] if tracked else []
    for task in sorted(tasks, key=_age):
        home = next((export for export in exports if _is_sibling(task, export)), None)
        if home is None:
            exports.append([task])
        else:
            home.append(task)
    return sorted(exports, key=lambda export: _age_of_export(export, is_tracked=export is tracked))


def _is_sibling(task: ObservedTask, export: list[ObservedTask]) -> bool:
    """Whether the task has the group of these tasks, or was created together with one that has no group."""
    if task.group_id:
        return any(other.group_id == task.group_id for other in export)
    return any(not other.group_id and _are_together(task, other) for other in export)


def _are_together(task: ObservedTask, other: ObservedTask) -> bool:
    """Whether both were created by one call. An unknown time proves no second export, and only that is stopped."""
    if task.created_ms is None or other.created_ms is None:
        return True
    return abs(other.created_ms - task.created_ms) <= _TOGETHER_MS


def _age_of_export(export: list[ObservedTask], *, is_tracked: bool) -> tuple[float, str]:
    """Where no time is known, the export in status counts as the oldest, and another one as the newest."""
    oldest, id_ = min(map(_age, export))
    return (float("-inf") if is_tracked and oldest == float("inf") else oldest), id_


def _age(task: ObservedTask) -> tuple[float, str]:
    return (float("inf") if task.created_ms is None else task.created_ms), task.id
