"""How a job ends, and how an attempt does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from ..api.conditions import Conditions
from ..api.job import Failure, JobStatus, Output, Progress, TaskStatus
from ..api.meta import whole_seconds
from ..api.task import ObservedTask
from . import tasks
from .duplicates import TaskGroups
from .observation import (
    ConditionReason,
    Decision,
    Event,
    Observation,
    RemoveFinalizer,
    backoff,
    seconds_until,
    status_of,
)

_KEPT_FAILURES = 10


def early_end_reason(obs: Observation) -> ConditionReason | None:
    """Why the job is to end before its export does, if it is."""
    if obs.job.wants_cancel:
        return ConditionReason("Cancelled", "The job was cancelled.")
    limit, start = obs.job.spec.active_deadline_seconds, obs.status.start_time
    if limit is not None and start is not None and not seconds_until(start + timedelta(seconds=limit), obs.now):
        return ConditionReason("DeadlineExceeded", f"The job was active longer than activeDeadlineSeconds ({limit} s).")
    return None


def failed(obs: Observation, reason: str, message: str) -> Decision:
    """The job ends as Failed. It is Stalled too: no controller will mend it by itself."""
    why = ConditionReason(reason, message)
    return Decision(
        _ended(obs, status_of(obs, "Failed", failed=why, stalled=why)),
        events=(Event("Warning", "Failed", f"{reason}: {message}"),),
        requeue_after=0,
    )


def completed(obs: Observation, output: Output, message: str, reason: str = "Delivered") -> Decision:
    """The job ends as Complete: what was promised lies in the bucket."""
    shown = obs.status.progress
    count = output.objects if output.objects is not None else shown.total if shown else None
    summary = f"100% ({count}/{count})" if count is not None else "100%"
    progress = Progress(processed=count or 0, total=count, percent=100, summary=summary)
    status = status_of(
        obs,
        "Complete",
        complete=ConditionReason(reason, message),
        output=output,
        progress=progress,
    )
    return Decision(_ended(obs, status), events=(Event("Normal", "Completed", message),), requeue_after=0)


def attempt_failed(obs: Observation, reason: str, message: str) -> Decision:
    """One attempt is over for certain: another directory is tried after a while, or the job fails."""
    submission = obs.status.submission
    attempts = obs.status.attempts or 1
    failure = Failure(
        attempt=attempts,
        reason=reason,
        message=message[:2048],
        time=whole_seconds(obs.now),
        destination=submission.destination if submission else None,
    )
    failures = (*obs.status.failures, failure)[-_KEPT_FAILURES:]
    if attempts > obs.job.spec.backoff_limit:
        ended = failed(obs, "BackoffLimitExceeded" if attempts > 1 else reason, message)
        return replace(ended, status=msgspec.structs.replace(ended.status, failures=failures))
    delay = backoff(obs, attempts)
    retry_time = whole_seconds(obs.now + delay)
    status = status_of(
        obs,
        "Pending",
        reconciling=ConditionReason(
            "RetryPending",
            f"Attempt {attempts} of {obs.job.spec.backoff_limit + 1} failed ({reason}: {message}) "
            f"Next attempt at {retry_time:%Y-%m-%dT%H:%M:%SZ}.",
        ),
        failures=failures,
        retry_time=retry_time,
        submission=None,
        tasks=(),
        duplicates=(),
        progress=None,
        waits=None,
        waiting_since=None,
    )
    # Between attempts nothing is outside that would have to be undone.
    return Decision(status, RemoveFinalizer(), requeue_after=delay.total_seconds())


def tasks_failed(obs: Observation) -> Decision:
    """All tasks have ended and not all of them completed.

    A task that somebody cancelled in Reltio is a decision, not a failure: it is not tried again.
    """
    bad = [task for task in obs.status.tasks if task.status not in tasks.COMPLETED]
    told = "; ".join(f"task {task.id} {task.status}: {task.error or 'no reason given'}" for task in bad)
    text = f"{len(bad)} of {len(obs.status.tasks)} tasks did not complete: {told}."
    if tasks.all_in(bad, tasks.CANCELED):
        return failed(obs, "TaskCanceled", f"{text} Somebody stopped it in Reltio; create a new ExportJob to run it.")
    return attempt_failed(obs, "TaskFailed", text)


def record_duplicates(obs: Observation, found: TaskGroups) -> Decision:
    """Write down siblings and doubles that were not on record. The status is the view's own when there are none."""
    status = obs.status
    recorded = {task.id: task for task in (*status.tasks, *status.duplicates)}
    own = tuple(_as_recorded(recorded, task) for task in found.own)
    second = tuple(_as_recorded(recorded, task) for task in found.duplicates)
    younger = {task.id for task in second}
    merged = tuple({task.id: task for task in (*status.tasks, *own) if task.id not in younger}.values())
    duplicates = tuple({task.id: task for task in (*status.duplicates, *second)}.values())
    if merged == status.tasks and duplicates == status.duplicates:
        return Decision(status)
    if duplicates == status.duplicates:
        return Decision(msgspec.structs.replace(status, tasks=merged))
    ids = ", ".join(sorted(younger))
    text = f"More than one export carries the marker of this job: task {ids} is a second one and is being stopped."
    conditions = Conditions(status.conditions, generation=obs.job.metadata.generation, now=obs.now)
    conditions.put("DuplicateDetected", "True", "SecondExportFound", text)
    changed = msgspec.structs.replace(status, tasks=merged, duplicates=duplicates, conditions=conditions.result())
    return Decision(changed, events=(Event("Warning", "DuplicateDetected", text),))


def _as_recorded(recorded: dict[str, TaskStatus], task: ObservedTask) -> TaskStatus:
    return recorded.get(task.id) or tasks.recorded(task)


def duration_text(start: datetime, end: datetime) -> str:
    """Such as ``1h2m3s``."""
    total = max(0, int((end - start).total_seconds()))
    hours, minutes, seconds = total // 3600, total // 60 % 60, total % 60
    parts = [(hours, "h"), (minutes, "m"), (seconds, "s")]
    return "".join(f"{value}{unit}" for value, unit in parts if value) or "0s"


def _ended(obs: Observation, status: JobStatus) -> JobStatus:
    now = whole_seconds(obs.now)
    return msgspec.structs.replace(
        status,
        completion_time=now,
        duration=duration_text(status.start_time, now) if status.start_time else None,
        queue_position=None,
        retry_time=None,
        waits=None,
        waiting_since=None,
    )
