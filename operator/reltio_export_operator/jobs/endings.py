"""How a job ends, and how an attempt does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from ..api.conditions import Conditions, ConditionStatus
from ..api.foreign import Secrets
from ..api.job import Failure, JobStatus, Output, Progress, TaskStatus
from ..api.meta import whole_seconds
from ..api.reasons import ConditionReason
from ..api.task import ObservedTask
from . import messages, tasks
from .duplicates import TaskGroups
from .observation import Decision, Event, Observation, RemoveFinalizer, backoff, seconds_until, status_of

Verified = tuple[ConditionStatus, ConditionReason]  # of the condition DeliveryVerified

_KEPT_FAILURES = 10
_MESSAGE_LIMIT = 2048  # characters of a failure's message, as the CRD allows


def early_end_reason(obs: Observation) -> ConditionReason | None:
    """Why the job is to end before its export does; None when it is not."""
    if obs.job.wants_cancel:
        return messages.CANCELLED()
    limit, start = obs.job.spec.active_deadline_seconds, obs.status.start_time
    if limit is not None and start is not None and not seconds_until(start + timedelta(seconds=limit), obs.now):
        return messages.DEADLINE_EXCEEDED(seconds=limit)
    return None


def failed(obs: Observation, why: ConditionReason) -> Decision:
    """The job ends as Failed. It is Stalled too: no controller will change that."""
    return Decision(
        _ended(obs, status_of(obs, "Failed", failed=why, stalled=why)),
        events=(Event.warning(messages.FAILED(reason=why.reason, message=why.message)),),
        requeue_after=0,
    )


def completed(obs: Observation, output: Output, why: ConditionReason, verified: Verified | None = None) -> Decision:
    """The job ends as Complete: the export is in the bucket. With too few objects for its spec it fails.

    `verified`: what the condition DeliveryVerified says, where the delivery was checked.
    """
    least = obs.job.spec.delivery.min_objects
    if least is not None and output.objects is not None and output.objects < least:
        destination = f"s3://{output.bucket}/{output.prefix}"
        return failed(obs, messages.TOO_FEW_OBJECTS(destination=destination, objects=output.objects, count=least))
    known = obs.status.progress
    count = output.objects if output.objects is not None else known.total if known else None
    summary = f"100% ({count}/{count})" if count is not None else "100%"
    progress = Progress(processed=count or 0, total=count, percent=100, summary=summary)
    status = status_of(obs, "Complete", complete=why, output=output, progress=progress)
    events = [Event.normal(messages.COMPLETED(message=why.message))]
    conditions = Conditions(status.conditions, generation=obs.job.metadata.generation, now=obs.now)
    if verified is not None:
        result, shown = verified
        conditions.put("DeliveryVerified", result, shown.reason, shown.message)
        if shown.reason == messages.DELIVERY_UNCERTAIN.name:
            events.append(Event.warning(shown))
    if output.objects == 0 and not obs.job.spec.export.is_partial:
        empty = messages.NO_OBJECTS()
        conditions.put("Empty", "True", empty.reason, empty.message)
        events.append(Event.warning(empty))
    status = msgspec.structs.replace(status, conditions=conditions.result())
    return Decision(_ended(obs, status), events=tuple(events), requeue_after=0)


def is_accepted(obs: Observation) -> bool:
    """Whether a person has accepted a delivery that the job reports as one without a manifest."""
    stalled = obs.job.condition("Stalled")
    is_missing = stalled is not None and stalled.reason == messages.MANIFEST_MISSING.name
    return is_missing and obs.job.accepts_delivery


def attempt_failed(obs: Observation, why: ConditionReason) -> Decision:
    """The attempt has certainly ended: retry in another directory after a backoff, or fail the job."""
    submission = obs.status.submission
    attempts = obs.status.attempts or 1
    failure = Failure(
        attempt=attempts,
        reason=why.reason,
        message=why.message[:_MESSAGE_LIMIT],
        time=whole_seconds(obs.now),
        destination=submission.destination if submission else None,
    )
    failures = (*obs.status.failures, failure)[-_KEPT_FAILURES:]
    if attempts > obs.job.spec.backoff_limit:
        last = messages.BACKOFF_LIMIT_EXCEEDED(error=why.message) if attempts > 1 else why
        ended = failed(obs, last)
        return replace(ended, status=msgspec.structs.replace(ended.status, failures=failures))
    delay = backoff(obs, attempts)
    retry_time = whole_seconds(obs.now + delay)
    pending = messages.RETRY_PENDING(
        attempt=attempts,
        attempts=obs.job.spec.backoff_limit + 1,
        reason=why.reason,
        error=why.message,
        time=f"{retry_time:%Y-%m-%dT%H:%M:%SZ}",
    )
    status = status_of(
        obs,
        "Pending",
        reconciling=pending,
        failures=failures,
        retry_time=retry_time,
        submission=None,
        tasks=(),
        duplicates=(),
        progress=None,
        waits=None,
        waiting_since=None,
    )
    # Between attempts there is nothing outside the cluster to clean up.
    return Decision(status, RemoveFinalizer(), requeue_after=delay.total_seconds())


def tasks_failed(obs: Observation) -> Decision:
    """All tasks have ended, and not all of them completed.

    A task that was canceled in Reltio is somebody's decision, not a failure: it is not retried.
    """
    bad = [task for task in obs.status.tasks if task.status not in tasks.COMPLETED]
    listed = "; ".join(f"task {task.id} {task.status}: {task.error or 'no reason given'}" for task in bad)
    count, total = len(bad), len(obs.status.tasks)
    if tasks.all_in(bad, tasks.CANCELED):
        return failed(obs, messages.TASK_CANCELED(count=count, total=total, tasks=listed))
    return attempt_failed(obs, messages.TASK_FAILED(count=count, total=total, tasks=listed))


def record_duplicates(obs: Observation, found: TaskGroups) -> Decision:
    """Add siblings and duplicates that are not in status yet. With none, the status stays the same object."""
    status = obs.status
    recorded = {task.id: task for task in (*status.tasks, *status.duplicates)}
    own = tuple(_as_recorded(recorded, task, obs.secrets) for task in found.own)
    newer = tuple(_as_recorded(recorded, task, obs.secrets) for task in found.duplicates)
    newer_ids = {task.id for task in newer}
    merged = tuple({task.id: task for task in (*status.tasks, *own) if task.id not in newer_ids}.values())
    duplicates = tuple({task.id: task for task in (*status.duplicates, *newer)}.values())
    if merged == status.tasks and duplicates == status.duplicates:
        return Decision(status)
    if duplicates == status.duplicates:
        return Decision(msgspec.structs.replace(status, tasks=merged))
    why = messages.SECOND_EXPORT_FOUND(tasks=", ".join(sorted(newer_ids)))
    conditions = Conditions(status.conditions, generation=obs.job.metadata.generation, now=obs.now)
    conditions.put("DuplicateDetected", "True", why.reason, why.message)
    changed = msgspec.structs.replace(status, tasks=merged, duplicates=duplicates, conditions=conditions.result())
    return Decision(changed, events=(Event.warning(messages.DUPLICATE_DETECTED(message=why.message)),))


def _as_recorded(recorded: dict[str, TaskStatus], task: ObservedTask, secrets: Secrets) -> TaskStatus:
    return recorded.get(task.id) or tasks.recorded(task, secrets)


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
