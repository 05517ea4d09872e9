"""The life of an export, as the list of policies that decides its next step.

`decide` asks each policy in turn and follows the first that returns a decision. Policies are pure: the same
observation gives the same decision, so any process may take over at any point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec

from ...api.job import JobStatus, TaskStatus
from .. import deletion, tasks
from ..observation import Decision, Observation, Wait, seconds_until
from .ending import end_early, keep_finished, orphan_export, stop_for_deletion
from .recovering import ask_about_restored, find_before_end, recover_attempt
from .running import (
    end_failed_attempt,
    find_lost_tasks,
    find_unclear_ends,
    pause,
    replace_unknown_ids,
    report_progress,
    resume,
    stop_duplicates,
    stop_siblings,
    verify_delivery,
)
from .starting import (
    resolve_unknown_submission,
    retry_refused_submission,
    submit,
    wait_for_backoff,
    wait_for_others,
    wait_for_target,
    wait_in_queue,
    wait_while_suspended,
)
from .uncertain import hold_uncertain, release_uncertain

# Seconds between reconciles while nothing polls the tasks, so that a restored Secret is used within a minute.
_UNWATCHED_REQUEUE_SECONDS = 20.0

Policy = Callable[[Observation], Decision | None]

CHAIN: tuple[Policy, ...] = (
    # The status may have lost an attempt: it is searched for before anything else is decided.
    recover_attempt,
    find_before_end,
    # The end: nothing may start or continue.
    release_uncertain,
    orphan_export,
    stop_for_deletion,
    keep_finished,
    # It is not certain what was submitted: nothing may be submitted.
    hold_uncertain,
    end_early,
    # An intent is in status, its tasks are not.
    retry_refused_submission,
    resolve_unknown_submission,
    # Nothing is in status.
    ask_about_restored,
    wait_while_suspended,
    wait_for_backoff,
    wait_for_target,
    wait_in_queue,
    wait_for_others,
    submit,
    # The tasks are in status. Results of calls (`jobs/results.py`) end the attempt or the job.
    replace_unknown_ids,
    stop_duplicates,
    verify_delivery,
    end_failed_attempt,
    stop_siblings,
    pause,
    resume,
    find_lost_tasks,
    find_unclear_ends,
    report_progress,
)


def decide(obs: Observation) -> Decision:
    """The next step of a job."""
    current = _with_observed_tasks(obs)
    for policy in CHAIN:
        decision = policy(current)
        if decision is not None:
            reported = _without_small_changes(obs, deletion.with_report(current, decision))
            return _with_generation(current, _with_requeue(current, reported))
    return _with_generation(current, Decision(current.status))


def _with_generation(obs: Observation, decision: Decision) -> Decision:
    """Every decision takes the current spec into account. A deleted job is left as it is."""
    generation = obs.job.metadata.generation
    if obs.is_deleted or decision.brief or decision.status.observed_generation == generation:
        return decision
    # `kubectl wait` skips conditions of an earlier generation.
    conditions = tuple(
        msgspec.structs.replace(condition, observed_generation=generation) for condition in decision.status.conditions
    )
    status = msgspec.structs.replace(decision.status, observed_generation=generation, conditions=conditions)
    return replace(decision, status=status)


def _with_observed_tasks(obs: Observation) -> Observation:
    """Copy the observed tasks to the status: a change of a task's status at once, counters when they are due."""
    before = obs.status
    if not obs.observed_tasks:
        return obs
    current = tasks.refreshed(before.tasks, obs.observed_tasks, obs.secrets)
    duplicates = tasks.refreshed(before.duplicates, obs.observed_tasks, obs.secrets)
    if _statuses(before.tasks + before.duplicates) == _statuses(current + duplicates) and not obs.progress_due:
        return obs
    progress = tasks.progress(current, obs.observed_tasks, obs.now) if current else before.progress
    return obs.with_status(msgspec.structs.replace(before, tasks=current, duplicates=duplicates, progress=progress))


def _without_small_changes(obs: Observation, decision: Decision) -> Decision:
    """Leave what has changed in words and numbers alone for the next report of progress.

    Nothing is lost by it: tasks are observed until their end is on record, and their observer wakes the job when
    progress is due.
    """
    if obs.progress_due or obs.is_deleted or decision.events or decision.action != Wait():
        return decision
    if _without_details(decision.status) != _without_details(obs.status):
        return decision
    return replace(decision, status=obs.status)


def _without_details(status: JobStatus) -> JobStatus:
    return msgspec.structs.replace(
        status,
        message=None,
        waiting_since=None,
        progress=None,
        conditions=tuple(msgspec.structs.replace(one, message="") for one in status.conditions),
        tasks=tuple(map(_without_numbers, status.tasks)),
        duplicates=tuple(map(_without_numbers, status.duplicates)),
    )


def _without_numbers(task: TaskStatus) -> TaskStatus:
    return TaskStatus(id=task.id, status="" if task.status in tasks.MOVING else task.status)


def _statuses(listed: tuple[TaskStatus, ...]) -> list[str]:
    return [task.status for task in listed]


def _with_requeue(obs: Observation, decision: Decision) -> Decision:
    """Requeue no later than the deadline, and soon when nothing polls the tasks."""
    if obs.is_deleted:
        # Keeps the bound of a deletion whatever is waited for, and notices the end of the object without its event.
        urgent = min(obs.limits.urgent_requeue_seconds, deletion.seconds_until_step(obs))
        return replace(decision, requeue_after=min(urgent, decision.requeue_after or urgent))
    if obs.job.is_finished:
        return decision
    times = [decision.requeue_after] if decision.requeue_after is not None else []
    limit, start = obs.job.spec.active_deadline_seconds, decision.status.start_time
    if limit is not None and start is not None:
        times.append(max(1.0, seconds_until(start + timedelta(seconds=limit), obs.now)))
    if obs.watch_error is not None:
        times.append(_UNWATCHED_REQUEUE_SECONDS)
    return replace(decision, requeue_after=min(times, default=None))
