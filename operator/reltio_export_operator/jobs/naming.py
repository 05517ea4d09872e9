"""Names that connect an export in Reltio to one attempt of one job.

Reltio has no idempotency key. A directory and a name that no other attempt has serve as one: while a task is active on
the directory, Reltio refuses a second submission with the id of the first task, and lists of tasks have the name.
Sources, copy of 2026-07-10:
https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/store-export-results
https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/naming-an-export-job
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal

from ..api.attempt import AttemptRecord, record_of
from ..api.job import ExportJob, S3Snapshot, ServiceSnapshot, Submission
from ..api.meta import whole_seconds
from ..api.target import ExportTarget, SecretKeyRef

_NAME_LIMIT = 140  # characters
# Bytes of an S3 key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_KEY_LIMIT = 1024
_FILE_NAME = 64  # bytes that remain for the names of files
_TIMES = {"{date}": "%Y-%m-%d", "{time}": "%H%M%S", "{year}": "%Y", "{month}": "%m", "{day}": "%d"}
_PATH = re.compile(r"([-A-Za-z0-9!_.*()=]+/)+")  # as the schemas of spec.path and spec.s3.path allow it


def attempt_id(job: ExportJob, attempt: int) -> str:
    """The value unique to job and attempt."""
    return f"{job.metadata.uid}-{attempt}"


def export_name(job: ExportJob, attempt: int) -> str:
    """Name of the export in Reltio: that of the user, then the attempt id."""
    return _export_name(job, attempt_id(job, attempt))


def _export_name(job: ExportJob, id_: str) -> str:
    tail = f"-{id_}"
    chosen = job.spec.export.name or f"{job.metadata.namespace}.{job.metadata.name}"
    return chosen[: _NAME_LIMIT - len(tail)] + tail


def directory(job: ExportJob, target: ExportTarget, attempt: int, now: datetime) -> str:
    """Key prefix of the attempt, with a trailing slash and no leading one."""
    utc = now.astimezone(UTC)
    chosen = job.spec.path
    for placeholder, value in {
        "{namespace}": job.metadata.namespace,
        "{name}": job.metadata.name,
        "{type}": job.spec.export.type,
        "{tenant}": target.spec.reltio.tenant,
        **{placeholder: utc.strftime(form) for placeholder, form in _TIMES.items()},
    }.items():
        chosen = chosen.replace(placeholder, value)
    chosen = chosen.strip("/")
    middle = f"{chosen}/" if chosen else ""
    return f"{target.spec.s3.prefix}{middle}{attempt_id(job, attempt)}/"


def excess_bytes(path: str) -> int:
    """Bytes by which a directory is too long for files in it to have keys that S3 takes; 0 for none."""
    return max(0, len(path.encode()) + _FILE_NAME - _KEY_LIMIT)


def intend(job: ExportJob, target: ExportTarget, now: datetime) -> Submission:
    """The intent of the next attempt, with the target frozen as it is now."""
    # The status may be lost between the patch of the annotation and that of the intent: no number is used again then.
    record = record_of(job)
    marked = record.attempt if record is not None and record.uid == job.metadata.uid else 0
    attempt = max((job.status.attempts or 0) + 1, marked)
    return _submission(job, target, attempt_id(job, attempt), attempt, directory(job, target, attempt, now), now)


def recovered(job: ExportJob, target: ExportTarget, record: AttemptRecord) -> Submission:
    """The intent of an attempt of which only the annotation is left, with the target as it is now."""
    return _submission(job, target, record.id, record.attempt, record.path, record.intended_time)


def is_within(path: str, target: ExportTarget) -> bool:
    """Whether a recorded directory is one that the target could have led to: an annotation can be edited."""
    segments = path.removesuffix("/").split("/")
    is_plain = _PATH.fullmatch(path) is not None and not {".", ".."} & {*segments}
    return is_plain and path.startswith(target.spec.s3.prefix)


def depends_on_time(job: ExportJob) -> bool:
    """Whether the directory of an attempt cannot be computed again."""
    return any(placeholder in job.spec.path for placeholder in _TIMES)


def _submission(
    job: ExportJob, target: ExportTarget, id_: str, attempt: int, path: str, intended: datetime
) -> Submission:
    reltio, s3 = target.spec.reltio, target.spec.s3
    return Submission(
        id=id_,
        attempt=attempt,
        name=_export_name(job, id_),
        path=path,
        destination=f"s3://{s3.bucket}/{path}",
        intended_time=whole_seconds(intended),
        service=ServiceSnapshot(
            export_service_url=reltio.service_url,
            auth_url=reltio.auth_url,
            tenant=reltio.tenant,
            credentials_secret_ref=reltio.credentials_secret_ref,
        ),
        s3=S3Snapshot(
            bucket=s3.bucket,
            role_arn=s3.role_arn,
            region=s3.region,
            external_id_secret_ref=_external_id_ref(target),
            external_id_source=_external_id_source(target),
            server_side_encryption=s3.server_side_encryption,
        ),
    )


def _external_id_source(target: ExportTarget) -> Literal["None", "Secret", "Target"]:
    if _external_id_ref(target) is not None:
        return "Secret"
    s3 = target.spec.s3
    value = s3.previous_external_id if target.status.external_id_in_use == "Previous" else s3.external_id
    return "None" if value is None else "Target"


def _external_id_ref(target: ExportTarget) -> SecretKeyRef | None:
    """The Secret of the external ID that works: during a change that may be the previous one."""
    s3 = target.spec.s3
    previous = target.status.external_id_in_use == "Previous"
    return s3.previous_external_id_secret_ref if previous else s3.external_id_secret_ref
