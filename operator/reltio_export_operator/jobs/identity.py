"""Whether a status says for certain which exports were submitted for a job.

Everything that keeps a job at one export rests on its status: which attempt is the current one, under which name, in
which directory, and which tasks it has. Where that record cannot be read or contradicts itself, nobody knows whether an
export runs, and "no record" must not be taken for "never submitted".
"""

from __future__ import annotations

from collections.abc import Iterator

from ..api.job import ExportJob
from ..api.meta import Problem

_ENDED = ("Complete", "Failed")


def doubts(job: ExportJob) -> tuple[str, ...]:
    """What makes the record of an unfinished job's exports uncertain, as phrases; empty when it is certain.

    How many attempts there were matters only between attempts: the current one has its own number.
    """
    if job.is_finished:
        return ()
    found = [*map(str, filter(_is_critical, job.status_problems)), *_contradictions(job)]
    if job.status.submission is None:
        found += [*map(str, filter(_is_history, job.status_problems)), *_gaps(job)]
    return tuple(dict.fromkeys(found))


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


def _gaps(job: ExportJob) -> Iterator[str]:
    """Between attempts every attempt that was begun is recorded as failed."""
    begun = job.status.attempts or 0
    failed = max((failure.attempt for failure in job.status.failures), default=0)
    if begun > failed:
        yield f"status.attempts is {begun}, and neither status.submission nor status.failures has that attempt"
    elif begun < failed:
        yield f"status.attempts is {begun}, and status.failures has attempt {failed}"
