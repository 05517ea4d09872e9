"""Whether what a failed attempt wrote is deleted, and what the result means. Pure.

With `spec.delivery.cleanupFailedAttempts`, the directory of an attempt is emptied once Reltio shows that the attempt
has failed or was stopped. Before a retry this comes first, because the retry replaces the attempt in status; after the
last attempt the job fails first. Only what Reltio reports counts: an export that Reltio completed is never deleted,
whatever the operator found in its files. In doubt everything is kept. Nothing here changes how the job ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from ..api.conditions import is_true
from ..api.foreign import Quoted, own, quote
from ..api.job import Cleanup, ExportJob, JobStatus, Submission, TaskStatus
from ..api.meta import whole_seconds
from ..api.task import ObservedTask
from . import messages, tasks
from .naming import attempt_id
from .observation import (
    LONGEST_WAIT,
    CleanUp,
    Decision,
    Event,
    Observation,
    backoff,
    seconds_until,
    status_of,
)

MAX_DELETED = 100_000  # objects of one attempt, as many as a delivery may have
_KEPT_ENTRIES = 10
_MESSAGE_LIMIT = 2048  # characters, as the CRD allows
_SHOWN = 5
_RETRIES = 8  # of a call that fails for a cause that passes, which take about 15 minutes
_ATTEMPT_ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}-[0-9]+")


@dataclass(frozen=True)
class Cleaned:
    """What one pass over the directory of an attempt did.

    `deleted` counts objects. `others`: the first names of objects that are not the attempt's. `is_whole`: nothing of
    the attempt is left. `found`: tasks that a search for the attempt has found, and that may be its own. `error`: why
    the pass ended early; `transient` if the same call may succeed later.
    """

    deleted: int = 0
    others: tuple[str, ...] = ()
    is_whole: bool = False
    found: tuple[ObservedTask, ...] = ()
    error: Quoted | None = None
    transient: bool = False


def before_retry(obs: Observation) -> Decision | None:
    """The next step of deleting what the attempt wrote before it is retried; None if there is nothing to do."""
    submission = obs.status.submission
    bad = [task for task in obs.status.tasks if task.status not in tasks.COMPLETED]
    will_retry = (obs.status.attempts or 1) <= obs.job.spec.backoff_limit and not tasks.all_in(bad, tasks.CANCELED)
    step = _next_step(obs, submission) if submission is not None and will_retry else None
    if submission is None or step is None:
        return None  # the job fails first, or the attempt is retried
    why = messages.DELETING_PARTIAL_DATA(attempt=submission.attempt, destination=submission.destination)
    return replace(step, status=status_of(obs.with_status(step.status), "Stopping", reconciling=why))


def after_end(obs: Observation) -> Decision | None:
    """As `before_retry`, for the last attempt of a job that has failed."""
    submission = obs.status.submission
    if submission is None or not is_true(obs.status.conditions, "Failed"):
        return None
    return _next_step(obs, submission)


def is_of_attempt(name: str, modified: datetime | None, submission: Submission, until: datetime) -> bool:
    """Whether the attempt may have written the object of this name in its directory.

    It was written between the intent and `until`, and not to the directory of another attempt below this one.
    """
    since = submission.first_intended_time or submission.intended_time
    if modified is None or not since <= modified <= until:
        return False
    return all(id_ == submission.id for id_ in _ATTEMPT_ID.findall(name))


def may_write(job: ExportJob, found: Iterable[ObservedTask]) -> list[ObservedTask]:
    """Those of the tasks that a search has found which may not have ended, or which the status does not name."""
    recorded = {task.id for task in job.status.tasks}
    return [task for task in found if task.id not in recorded or task.status not in tasks.ENDED]


def on_cleaned(obs: Observation, submission: Submission, cleaned: Cleaned) -> Decision:
    """A pass over the directory has ended: it is empty, or another pass follows, or the rest is kept."""
    entry = _entry(obs.status, submission)
    if entry is None or entry.result != "Deleting":
        return Decision(obs.status, requeue_after=0)
    entry = msgspec.structs.replace(entry, deleted=entry.deleted + cleaned.deleted)
    cause = _cause_to_keep(obs, cleaned)
    if cause is not None:
        return _kept(obs, submission, entry, cause)
    if cleaned.error is not None:
        if entry.retries >= _RETRIES or not cleaned.transient:
            return _kept(obs, submission, entry, cleaned.error)
        delay = backoff(obs, entry.retries + 1)
        due = whole_seconds(obs.now + delay)
        entry = msgspec.structs.replace(entry, retries=entry.retries + 1, retry_time=due, message=_short(cleaned.error))
        return Decision(_with(obs.status, entry), requeue_after=delay.total_seconds())
    if not cleaned.is_whole:
        if entry.deleted >= MAX_DELETED:
            return _kept(obs, submission, entry, own(f"no more than {MAX_DELETED:,} objects are deleted."))
        return Decision(_with(obs.status, entry), requeue_after=0)
    why = messages.PARTIAL_DATA_DELETED(
        count=entry.deleted, attempt=submission.attempt, destination=submission.destination
    )
    done = msgspec.structs.replace(entry, result="Deleted", message=_short(why.message), retry_time=None)
    return Decision(_with(obs.status, done), requeue_after=0, events=(Event.normal(why),))


def _next_step(obs: Observation, submission: Submission) -> Decision | None:
    """None when nothing is to be deleted, or when that has ended."""
    if not obs.job.spec.delivery.cleanup_failed_attempts or not obs.status.tasks:
        return None
    entry = _entry(obs.status, submission)
    if entry is None:
        entry = Cleanup(
            attempt=submission.attempt,
            result="Deleting",
            # Were the entry lost and made again later, it would still not reach what others have written since.
            time=obs.status.completion_time or whole_seconds(obs.now),
            destination=submission.destination,
        )
        doubt = _doubt(obs, submission)
        if doubt is not None:
            return _kept(obs, submission, entry, doubt)
    elif entry.result != "Deleting":
        return None
    until = entry.time + timedelta(seconds=obs.limits.submit_settle_seconds)
    left = _seconds_until(obs, max(until, entry.retry_time or until))
    status = _with(obs.status, entry)
    return Decision(status, requeue_after=left) if left else Decision(status, CleanUp(submission, until))


def _seconds_until(obs: Observation, moment: datetime) -> float:
    """A time further away than any backoff means that the clock was set back: 0."""
    left = seconds_until(moment, obs.now)
    return left if left <= LONGEST_WAIT else 0.0


def _doubt(obs: Observation, submission: Submission) -> Quoted | None:
    """Why nothing of the attempt may be deleted, by what is known of its tasks."""
    listed = (*obs.status.tasks, *obs.status.duplicates)
    if submission.id != attempt_id(obs.job, submission.attempt) or not submission.path.endswith(f"{submission.id}/"):
        return own("the directory is not one that this job has made.")
    if running := tasks.unfinished(listed):
        return own(f"task {_ids(obs, running)} is not known to have ended.")
    if tasks.all_in(obs.status.tasks, tasks.COMPLETED):
        return own("Reltio had completed the export.")
    if obs.status.duplicates:
        return own("a second export wrote to the same directory.")
    return None


def _cause_to_keep(obs: Observation, cleaned: Cleaned) -> Quoted | None:
    """Why a pass has shown that objects are to stay."""
    if doubtful := may_write(obs.job, cleaned.found):
        return own(f"task {_ids(obs, doubtful)} may still write there.")
    if cleaned.others and cleaned.is_whole:
        more = " and more" if len(cleaned.others) > _SHOWN else ""
        shown = quote(", ".join(sorted(cleaned.others)[:_SHOWN]), obs.secrets)
        return own(f"these objects are not of this attempt, or are newer than its end: {shown}{more}.")
    return None


def _ids(obs: Observation, listed: Sequence[TaskStatus] | Sequence[ObservedTask]) -> Quoted:
    return quote(", ".join(sorted(task.id for task in listed)[:_SHOWN]), obs.secrets)


def _kept(obs: Observation, submission: Submission, entry: Cleanup, cause: Quoted) -> Decision:
    why = messages.PARTIAL_DATA_KEPT(
        destination=submission.destination, attempt=submission.attempt, count=entry.deleted, error=cause
    )
    kept = msgspec.structs.replace(entry, result="Kept", message=_short(why.message), retry_time=None)
    return Decision(_with(obs.status, kept), requeue_after=0, events=(Event.warning(why),))


def _entry(status: JobStatus, submission: Submission) -> Cleanup | None:
    return next((entry for entry in status.cleanups if entry.attempt == submission.attempt), None)


def _with(status: JobStatus, entry: Cleanup) -> JobStatus:
    rest = [one for one in status.cleanups if one.attempt != entry.attempt]
    return msgspec.structs.replace(status, cleanups=(*rest, entry)[-_KEPT_ENTRIES:])


def _short(text: str) -> str:
    return text[:_MESSAGE_LIMIT]
