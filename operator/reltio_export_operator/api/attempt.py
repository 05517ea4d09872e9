"""The annotation that names the last attempt of a job, for the case that the status is lost."""

from __future__ import annotations

import msgspec

from .job import ExportJob, Submission
from .meta import ATTEMPT_ANNOTATION, Count, Model, Time

_ENCODER = msgspec.json.Encoder()


class AttemptRecord(Model, frozen=True, kw_only=True):
    """What identifies an attempt, and the job that it was written for.

    A backup tool may restore an object without its status, and somebody may copy a manifest: `uid`, `namespace` and
    `name` show that. `path` cannot be computed again, because it may contain the time of the intent.
    """

    id: str
    attempt: Count
    path: str
    uid: str
    namespace: str
    name: str
    tenant: str
    bucket: str
    intended_time: Time

    @classmethod
    def of(cls, job: ExportJob, submission: Submission) -> AttemptRecord:
        """The record of the attempt whose intent this is."""
        return cls(
            id=submission.id,
            attempt=submission.attempt,
            path=submission.path,
            uid=job.metadata.uid,
            namespace=job.metadata.namespace,
            name=job.metadata.name,
            tenant=submission.service.tenant,
            bucket=submission.s3.bucket,
            intended_time=submission.first_intended_time or submission.intended_time,
        )

    @property
    def first_uid(self) -> str:
        """The uid of the job that began the attempt."""
        return self.id.rpartition("-")[0]

    def is_same(self, other: AttemptRecord | None) -> bool:
        """Whether both identify the same attempt, whatever their times are."""
        return other is not None and msgspec.structs.replace(other, intended_time=self.intended_time) == self

    def encoded(self) -> str:
        """The value of the annotation."""
        return _ENCODER.encode(self).decode()


def record_of(job: ExportJob) -> AttemptRecord | None:
    """The record in the annotation; None if there is none, or if it cannot be read."""
    stored = job.metadata.annotations.get(ATTEMPT_ANNOTATION)
    if not stored:
        return None
    try:
        record = msgspec.json.decode(stored, type=AttemptRecord)
    except (msgspec.DecodeError, UnicodeError):  # a ValidationError is a DecodeError
        return None
    is_sound = all((record.first_uid, record.path, record.uid, record.name, record.tenant, record.bucket))
    return record if is_sound and record.id == f"{record.first_uid}-{record.attempt}" else None
