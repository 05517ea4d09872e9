"""Which tasks of a tenant belong to an attempt. Other clients use the same tenant, under any names.

A task belongs to an attempt when the service named its id in an answer to this attempt, when the name of the attempt
stands as a whole where the service puts it and the task was not created before the intent, or when it shares the
`groupId` of such a task. Nothing else is followed, and nothing else is ever stopped.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from ..api.job import ExportJob, Submission
from ..api.task import ObservedTask
from . import naming

_ATTEMPT = re.compile(r"-([1-9][0-9]{0,4})$")
_ATTEMPT_ID = re.compile(r"-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[1-9][0-9]{0,4}$")
_IN_FLIGHT = timedelta(minutes=2)  # longer than a submission may take until Reltio creates its task
_CLOCKS_APART = timedelta(minutes=10)  # the most that the clocks of the operator and the service are taken to differ


def earliest_creation_ms(submission: Submission) -> int:
    """Tasks that were created before this time, in epoch milliseconds, are not of this attempt."""
    return earliest_ms(submission.first_intended_time or submission.intended_time)


def earliest_ms(begun: datetime) -> int:
    """A time as the service may show it, in epoch milliseconds, if its clock is as far behind as can be."""
    return round((begun - _CLOCKS_APART).timestamp() * 1000)


def time_of(milliseconds: int) -> datetime:
    """A time of the service."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def is_named_for(task: ObservedTask, submission: Submission) -> bool:
    """Whether the task has exactly the name of the attempt, and is not older than its intent."""
    if submission.name not in task.given_names:
        return False
    return task.created_ms is None or task.created_ms >= earliest_creation_ms(submission)


def unrecorded_attempts(job: ExportJob, tasks: Iterable[ObservedTask]) -> dict[int, list[ObservedTask]]:
    """The tasks that have exactly the name of an attempt of this job, by the number of the attempt.

    Attempts follow each other without gaps, so a name that has a higher number is an imitation.
    """
    created = job.metadata.creation_timestamp
    found: dict[int, list[ObservedTask]] = defaultdict(list)
    for task in tasks:
        if created is not None and task.created_ms is not None and task.created_ms < earliest_ms(created):
            continue
        for name in task.given_names:
            number = _ATTEMPT.search(name)
            if number is not None and name == naming.export_name(job, int(number[1])):
                found[int(number[1])].append(task)
                break
    numbers = sorted(number for number in found if number <= job.spec.backoff_limit + 1)
    return {number: found[number] for place, number in enumerate(numbers) if number == numbers[0] + place}


def is_of_a_job(task: ObservedTask) -> bool:
    """Whether the task has the name of an attempt of some ExportJob. Good enough for courtesy, not for ownership."""
    return any(_ATTEMPT_ID.search(name) for name in task.given_names)


class TaskIndex:
    """Tasks of one listing, by id, name and group."""

    def __init__(self, tasks: Iterable[ObservedTask]) -> None:
        self.by_id: dict[str, ObservedTask] = {}
        self._by_name: dict[str, list[ObservedTask]] = defaultdict(list)
        self._by_group: dict[str, list[ObservedTask]] = defaultdict(list)
        for task in tasks:
            self.add(task)

    def add(self, task: ObservedTask) -> None:
        """Add a task. A newer observation of the same task replaces the older one."""
        earlier = self.by_id.get(task.id)
        if earlier is not None:
            self._remove(earlier)
        self.by_id[task.id] = task
        for name in task.given_names:
            self._by_name[name].append(task)
        if task.group_id:
            self._by_group[task.group_id].append(task)

    def tasks_of(
        self, submission: Submission, known_ids: Collection[str] = (), groups: Collection[str | None] = ()
    ) -> tuple[ObservedTask, ...]:
        """The tasks of an attempt. `known_ids` and `groups` are of tasks that are known to be of this attempt."""
        found = {id_: self.by_id[id_] for id_ in known_ids if id_ in self.by_id}
        found |= {task.id: task for task in self._by_name.get(submission.name, ()) if is_named_for(task, submission)}
        shared = {submission.group_id, *groups, *(task.group_id for task in found.values())}
        for group in sorted(group for group in shared if group):
            found |= {task.id: task for task in self._by_group.get(group, ())}
        return tuple(found.values())

    def unnamed(self, submission: Submission) -> tuple[ObservedTask, ...]:
        """Tasks without a name that may be of the attempt: they were created at the time of a submission of it.

        `exportName` shows no other owner, because Reltio may generate it.
        """
        latest = submission.intended_time + _IN_FLIGHT + _CLOCKS_APART
        earliest_ms, latest_ms = earliest_creation_ms(submission), latest.timestamp() * 1000
        return tuple(
            task
            for task in self.by_id.values()
            if not task.name and (task.created_ms is None or earliest_ms <= task.created_ms <= latest_ms)
        )

    def _remove(self, task: ObservedTask) -> None:
        for name in task.given_names:
            self._by_name[name].remove(task)
        if task.group_id:
            self._by_group[task.group_id].remove(task)
