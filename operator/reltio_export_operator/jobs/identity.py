"""Whether a status says for certain which exports were submitted for a job.

Everything that keeps a job at one export rests on its status: which attempt is the current one, under which name, in
which directory, and which tasks it has. Where that record cannot be read or contradicts itself, nobody knows whether an
export runs, and "no record" must not be taken for "never submitted".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ..api.attempt import AttemptRecord, record_of
from ..api.job import ExportJob
from ..api.meta import ATTEMPT_ANNOTATION, RESTORED_ANNOTATION, Problem
from . import messages

_ENDED = ("Complete", "Failed")

Origin = Literal["Own", "Restored", "Copied"]


def doubts(job: ExportJob) -> tuple[str, ...]:
    """What makes the record of an unfinished job's exports uncertain, as phrases; empty when it is certain.

    How many attempts there were matters only between attempts: the current one has its own number.
    """
    if job.is_finished:
        return ()
    found = [*map(str, filter(_is_critical, job.status_problems)), *_contradictions(job)]
    if job.status.submission is None and lost_attempt(job) is None:
        found += [*map(str, filter(_is_history, job.status_problems)), *_gaps(job)]
    return tuple(dict.fromkeys(found))


def origin(job: ExportJob) -> Origin | None:
    """Whose attempt the annotation names: that of this very object, of one that it was restored from, or of another.

    None if there is no annotation, or if it cannot be read.
    """
    record, meta = record_of(job), job.metadata
    if record is None:
        return None
    if record.uid == meta.uid:
        return "Own"
    return "Restored" if (record.namespace, record.name) == meta.key else "Copied"


def lost_attempt(job: ExportJob) -> AttemptRecord | None:
    """The attempt that the annotation names and the status has lost: it may have been submitted.

    An attempt of an object that this one was restored from counts once a person has chosen to adopt it.
    """
    record, status = record_of(job), job.status
    if record is None or job.is_finished or not _has_no_current_attempt(job):
        return None
    if any(_is_critical(problem) or _is_history(problem) for problem in job.status_problems):
        return None
    known = max((failure.attempt for failure in status.failures), default=0)
    if record.attempt <= known or record.attempt < (status.attempts or 0):
        return None
    whose = origin(job)
    adopted = whose == "Restored" and job.metadata.annotations.get(RESTORED_ANNOTATION) == "adopt"
    return record if whose == "Own" or adopted else None


def awaits_choice(job: ExportJob) -> AttemptRecord | None:
    """The attempt of an object that this one was restored from, while a person has to choose what to do."""
    if job.is_finished or not is_without_record(job) or origin(job) != "Restored":
        return None
    chosen = job.metadata.annotations.get(RESTORED_ANNOTATION)
    return None if chosen in ("adopt", "new") else record_of(job)


def is_without_record(job: ExportJob) -> bool:
    """Whether the status says nothing of any attempt."""
    return _has_no_current_attempt(job) and not job.status.attempts and not job.status.failures


def is_unmarked(job: ExportJob) -> bool:
    """Whether neither status nor annotation show that an attempt was begun. An object that lost both looks so too."""
    return not job.is_finished and is_without_record(job) and not job.metadata.annotations.get(ATTEMPT_ANNOTATION)


def waits_for_person(job: ExportJob) -> bool:
    """Whether a job without an attempt on record is held until a person does something."""
    stalled = job.condition("Stalled")
    is_held = stalled is not None and stalled.reason == messages.DIRECTORY_UNKNOWN.name
    return is_held or awaits_choice(job) is not None


def takes_place(job: ExportJob) -> bool:
    """Whether an export of the job may run, so that it counts against maxConcurrentJobs."""
    return job.status.submission is not None or bool(doubts(job)) or lost_attempt(job) is not None


def needs_mark(job: ExportJob) -> bool:
    """Whether the job must have the finalizer and the annotation: there is something to undo, and it is certain what.

    The API server refuses new finalizers once an object is being deleted.
    """
    is_active = job.status.submission is not None and not job.is_finished
    return is_active and job.metadata.deletion_timestamp is None and not doubts(job)


def _has_no_current_attempt(job: ExportJob) -> bool:
    status = job.status
    return status.submission is None and not status.tasks and not status.duplicates and status.completion_time is None


def is_reachable(job: ExportJob) -> bool:
    """Whether the record names the service and the tenant of the current attempt."""
    service = ("status", "submission", "service")
    return job.status.submission is not None and not any(
        problem.path == service[: len(problem.path)] or problem.path[:3] == service for problem in job.status_problems
    )


def _is_critical(problem: Problem) -> bool:
    """Whether the problem is with the current attempt, with the ids of its tasks, or with how the job ended."""
    match problem.path:
        case ("status",) | ("status", "submission", *_):
            return True
        case ("status", "tasks" | "duplicates" | "conditions") | (
            "status",
            "tasks" | "duplicates" | "conditions",
            int(),
        ):
            return True
        case ("status", "conditions", type_, "status"):
            return type_ in _ENDED
    return False


def _is_history(problem: Problem) -> bool:
    match problem.path:
        case ("status", "attempts") | ("status", "failures") | ("status", "failures", int()):
            return True
        case ("status", "failures", int(), "attempt"):
            return True
    return False


def _contradictions(job: ExportJob) -> Iterator[str]:
    """Where the record of the current attempt does not agree with itself, as `naming.intend` writes it."""
    status, submission = job.status, job.status.submission
    yield from _contradictions_of_annotation(job)
    if status.completion_time is not None:
        yield "status.completionTime is set, and no condition says how the job ended"
    if submission is None:
        if status.tasks or status.duplicates:
            yield "status.tasks has entries, and status.submission is missing"
        return
    if submission.submitted_time is not None and not status.tasks:
        yield "status.submission.submittedTime is set, and status.tasks is empty"
    if not submission.id.endswith(f"-{submission.attempt}"):
        yield "status.submission.id does not end with the number of the attempt"
    if not submission.name.endswith(f"-{submission.id}"):
        yield "status.submission.name does not end with the id of the attempt"
    if not submission.path.endswith(f"{submission.id}/"):
        yield "status.submission.path does not end with the id of the attempt"
    if submission.destination != f"s3://{submission.s3.bucket}/{submission.path}":
        yield "status.submission.destination is not made of bucket and path"
    service, s3 = submission.service, submission.s3
    if not all((service.export_service_url, service.auth_url, service.tenant, service.credentials_secret_ref.name)):
        yield "status.submission.service has an empty field"
    if not all((s3.bucket, s3.role_arn)):
        yield "status.submission.s3 has an empty field"


def _contradictions_of_annotation(job: ExportJob) -> Iterator[str]:
    record, submission = record_of(job), job.status.submission
    if record is None and job.metadata.annotations.get(ATTEMPT_ANNOTATION) and is_without_record(job):
        yield f"the annotation {ATTEMPT_ANNOTATION} cannot be read, and status has no attempt"
    elif record is not None and submission is not None and origin(job) == "Own" and record.attempt > submission.attempt:
        yield f"the annotation {ATTEMPT_ANNOTATION} names a later attempt than status.submission"


def _gaps(job: ExportJob) -> Iterator[str]:
    """Between attempts every attempt that was begun is recorded as failed."""
    begun = job.status.attempts or 0
    failed = max((failure.attempt for failure in job.status.failures), default=0)
    if begun > failed:
        yield f"status.attempts is {begun}, and neither status.submission nor status.failures has that attempt"
    elif begun < failed:
        yield f"status.attempts is {begun}, and status.failures has attempt {failed}"
