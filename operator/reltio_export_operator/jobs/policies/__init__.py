"""The life of an export, as the list of rules that decides its next step.

`decide` asks each rule in turn; the first that has an opinion is followed. Rules are pure: the same view
gives the same decision, whoever asks and however often, so any process may take over at any point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec

from ...api.job import TaskStatus
from .. import tasks
from ..observation import Decision, Observation, seconds_until
from .ending import end_early, keep_finished, orphan_export, stop_for_deletion
from .running import (
    end_failed_attempt,
    find_lost_tasks,
    follow,
    pause,
    resume,
    stop_duplicates,
    stop_siblings,
    verify_delivery,
)
from .starting import (
    begin,
    resolve_unknown_submission,
    retry_refused_submission,
    wait_for_backoff,
    wait_for_target,
    wait_in_queue,
    wait_while_suspended,
)

_UNWATCHED = 20.0  # seconds; a Secret that is put back is taken up within a minute

Policy = Callable[[Observation], Decision | None]

CHAIN: tuple[Policy, ...] = (
    # the end: nothing may start or go on
    orphan_export,
    stop_for_deletion,
    keep_finished,
    end_early,
    # an intent is on record, its export not yet
    retry_refused_submission,
    resolve_unknown_submission,
    # nothing is on record
    wait_while_suspended,
    wait_for_backoff,
    wait_for_target,
    wait_in_queue,
    begin,
    # its tasks are on record
    stop_duplicates,
    verify_delivery,
    end_failed_attempt,
    stop_siblings,
    pause,
    resume,
    find_lost_tasks,
    follow,
)


def decide(obs: Observation) -> Decision:
    """The next step of a job."""
    observed = _with_observed_tasks(obs)
    for policy in CHAIN:
        decision = policy(observed)
        if decision is not None:
            return _observed(obs, _look_again(obs, decision))
    return _observed(obs, Decision(obs.status))


def _observed(obs: Observation, decision: Decision) -> Decision:
    """Whatever is decided takes the spec as it is now into account. Not said of what is about to go away."""
    generation = obs.job.metadata.generation
    if obs.job.metadata.deletion_timestamp is not None or decision.status.observed_generation == generation:
        return decision
    # Its conditions with it: `kubectl wait` passes over one that speaks of an earlier generation.
    told = tuple(msgspec.structs.replace(one, observed_generation=generation) for one in decision.status.conditions)
    status = msgspec.structs.replace(decision.status, observed_generation=generation, conditions=told)
    return replace(decision, status=status)


def _with_observed_tasks(obs: Observation) -> Observation:
    """Take over what was seen of the tasks: a change of status at once, mere counters when they are due."""
    before = obs.status
    requeue_after = tasks.refreshed(before.tasks, obs.observed_tasks)
    duplicates = tasks.refreshed(before.duplicates, obs.observed_tasks)
    if _words(before.tasks + before.duplicates) == _words(requeue_after + duplicates) and not obs.progress_due:
        return obs
    shown = tasks.progress(requeue_after, obs.observed_tasks, obs.now) if requeue_after else before.progress
    status = msgspec.structs.replace(before, tasks=requeue_after, duplicates=duplicates, progress=shown)
    return replace(obs, job=msgspec.structs.replace(obs.job, status=status))


def _words(listed: tuple[TaskStatus, ...]) -> list[str]:
    return [task.status for task in listed]


def _look_again(obs: Observation, decision: Decision) -> Decision:
    """Look again no later than when the deadline strikes, and soon when nobody can watch the tasks."""
    if obs.job.metadata.deletion_timestamp is not None:
        # The bound is kept whatever is waited for, and the object's end is noticed though its event may be lost.
        return replace(
            decision,
            requeue_after=min(
                obs.limits.urgent_requeue_seconds, decision.requeue_after or obs.limits.urgent_requeue_seconds
            ),
        )
    if obs.job.is_finished:
        return decision
    times = [decision.requeue_after] if decision.requeue_after is not None else []
    limit, start = obs.job.spec.active_deadline_seconds, decision.status.start_time
    if limit is not None and start is not None:
        times.append(max(1.0, seconds_until(start + timedelta(seconds=limit), obs.now)))
    if obs.watch_error is not None:
        times.append(_UNWATCHED)
    return replace(decision, requeue_after=min(times, default=None))
