"""Which tasks at the service are one export, and which one is a second.

All tasks asked about carry the marker of one attempt. Those that share a `groupId` are siblings: parts of one export.
The service may leave `groupId` out; then tasks created together count as siblings, because the protocol never submits
an attempt twice within that time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..api.task import ObservedTask
from .observation import Observation

_TOGETHER_MS = 10_000  # siblings are made in one go; a second submission comes later than `Limits.settle`


@dataclass(frozen=True)
class TaskGroups:
    """Tasks of the export that counts, which is the oldest one, and of those that should not be."""

    own: tuple[ObservedTask, ...]
    duplicates: tuple[ObservedTask, ...]


def group_tasks(tasks: Iterable[ObservedTask], known: Iterable[ObservedTask] = ()) -> TaskGroups:
    """Tell the oldest export from later ones. Those in `known` were named in one answer, so they are one export."""
    eldest, *later = _exports(tasks, known) or [[]]
    return TaskGroups(tuple(eldest), tuple(task for export in later for task in export))


def group_untracked_tasks(obs: Observation) -> TaskGroups:
    """Tasks that are not on record: siblings that were not told of, and doubles.

    An export on record that is the younger one is among the doubles, so that the elder takes its place.
    """
    submission = obs.status.submission
    known_doubles = {task.id for task in obs.status.duplicates}
    fresh = [task for task in obs.untracked_tasks if task.id not in known_doubles]
    on_record = [obs.observed_tasks[task.id] for task in obs.status.tasks if task.id in obs.observed_tasks]
    if not fresh or submission is None:
        return TaskGroups(tuple(on_record), ())
    if not on_record:
        siblings = [task for task in fresh if task.group_id and task.group_id == submission.group_id]
        return TaskGroups(tuple(siblings), tuple(task for task in fresh if task not in siblings))
    return group_tasks(fresh, known=on_record)


def _exports(tasks: Iterable[ObservedTask], known: Iterable[ObservedTask]) -> list[list[ObservedTask]]:
    """Siblings together, the oldest export first."""
    one = sorted(known, key=_age)
    exports = [one] if one else []
    for task in sorted(tasks, key=_age):
        home = next((export for export in exports if _belongs(task, export)), None)
        if home is None:
            exports.append([task])
        else:
            home.append(task)
    return sorted(exports, key=lambda export: min(map(_age, export)))


def _belongs(task: ObservedTask, export: list[ObservedTask]) -> bool:
    """Whether the task is a sibling of those: of their group, or created together with one that tells no group."""
    if task.group_id:
        return any(other.group_id == task.group_id for other in export)
    return any(not other.group_id and abs(_created(other) - _created(task)) <= _TOGETHER_MS for other in export)


def _created(task: ObservedTask) -> int:
    return task.created_ms or 0


def _age(task: ObservedTask) -> tuple[int, str]:
    return _created(task), task.id
