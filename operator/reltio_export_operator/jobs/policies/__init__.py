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
from ..observation import Decision, View, seconds_until
from .ending import end_early, leave_orphan, rest_when_finished, stop_for_deletion
from .running import (
    follow,
    look_for_vanished,
    pause,
    resume,
    retire_attempt,
    stop_doubles,
    stop_siblings,
    verify_delivery,
)
from .starting import begin, hold_before_start, retry_later, send_again, settle_doubt, wait_for_target, wait_for_turn

_UNWATCHED = 20.0  # seconds; a Secret that is put back is taken up within a minute

Policy = Callable[[View], Decision | None]

CHAIN: tuple[Policy, ...] = (
    # the end: nothing may start or go on
    leave_orphan,
    stop_for_deletion,
    rest_when_finished,
    end_early,
    # an intent is on record, its export not yet
    send_again,
    settle_doubt,
    # nothing is on record
    hold_before_start,
    retry_later,
    wait_for_target,
    wait_for_turn,
    begin,
    # its tasks are on record
    stop_doubles,
    verify_delivery,
    retire_attempt,
    stop_siblings,
    pause,
    resume,
    look_for_vanished,
    follow,
)


def decide(view: View) -> Decision:
    """The next step of a job."""
    observed = _with_sightings(view)
    for policy in CHAIN:
        decision = policy(observed)
        if decision is not None:
            return _observed(view, _look_again(view, decision))
    return _observed(view, Decision(view.status))


def _observed(view: View, decision: Decision) -> Decision:
    """Whatever is decided takes the spec as it is now into account. Not said of what is about to go away."""
    generation = view.job.metadata.generation
    if view.job.metadata.deletion_timestamp is not None or decision.status.observed_generation == generation:
        return decision
    # Its conditions with it: `kubectl wait` passes over one that speaks of an earlier generation.
    told = tuple(msgspec.structs.replace(one, observed_generation=generation) for one in decision.status.conditions)
    status = msgspec.structs.replace(decision.status, observed_generation=generation, conditions=told)
    return replace(decision, status=status)


def _with_sightings(view: View) -> View:
    """Take over what was seen of the tasks: a change of status at once, mere counters when they are due."""
    before = view.status
    after = tasks.refreshed(before.tasks, view.seen)
    doubles = tasks.refreshed(before.duplicates, view.seen)
    if _words(before.tasks + before.duplicates) == _words(after + doubles) and not view.progress_due:
        return view
    shown = tasks.progress(after, view.seen, view.now) if after else before.progress
    status = msgspec.structs.replace(before, tasks=after, duplicates=doubles, progress=shown)
    return replace(view, job=msgspec.structs.replace(view.job, status=status))


def _words(listed: tuple[TaskStatus, ...]) -> list[str]:
    return [task.status for task in listed]


def _look_again(view: View, decision: Decision) -> Decision:
    """Look again no later than when the deadline strikes, and soon when nobody can watch the tasks."""
    if view.job.metadata.deletion_timestamp is not None:
        # The bound is kept whatever is waited for, and the object's end is noticed though its event may be lost.
        return replace(decision, after=min(view.limits.urgent, decision.after or view.limits.urgent))
    if view.job.is_finished:
        return decision
    times = [decision.after] if decision.after is not None else []
    limit, start = view.job.spec.active_deadline_seconds, decision.status.start_time
    if limit is not None and start is not None:
        times.append(max(1.0, seconds_until(start + timedelta(seconds=limit), view.now)))
    if view.trouble is not None:
        times.append(_UNWATCHED)
    return replace(decision, after=min(times, default=None))
