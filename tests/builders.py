"""Short ways to say a job or a target in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from reltio_export_operator.api.decoding import decode_job, decode_target
from reltio_export_operator.api.job import ExportJob
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.delivery.manifest import StoredFile

T0 = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)
# A manifest, and the files that are in the directory with it.
GOOD_MANIFEST: dict[str, Any] = {
    "success": True,
    "files": ["part-00000.gz", "part-00001.gz"],
    "totalObjects": 12,
    "totalNumberOfFiles": 2,
}
STORED_FILES = {"part-00000.gz": StoredFile(100), "part-00001.gz": StoredFile(50), "manifest.json": StoredFile(9)}


def stamp(seconds: float = 0) -> str:
    return (T0 + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(type_: str, status: str = "True", reason: str = "Because", **more: Any) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": stamp(),
        "observedGeneration": 1,
        **more,
    }


def target(
    *, ready: bool = True, spec: dict[str, Any] | None = None, metadata: dict[str, Any] | None = None
) -> ExportTarget:
    raw = {
        "metadata": {"name": "lake", "namespace": "mdm", "uid": "t-1", "generation": 1, **(metadata or {})},
        "spec": {
            "reltio": {
                "environment": "na99-prod",
                "tenant": "acme01",
                "credentialsSecretRef": {"name": "reltio-api"},
            },
            "s3": {
                "bucket": "acme-mdm-exports",
                "path": "/reltio/",
                "roleARN": "arn:aws:iam::111122223333:role/reltio-exporter",
            },
            **(spec or {}),
        },
        "status": {"conditions": [condition("Ready", "True" if ready else "False")]},
    }
    return decode_target(raw)


def submission(attempt: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"u-1-{attempt}",
        "attempt": attempt,
        "name": f"mdm.nightly-u-1-{attempt}",
        "path": f"reltio/mdm/nightly/u-1-{attempt}/",
        "destination": f"s3://acme-mdm-exports/reltio/mdm/nightly/u-1-{attempt}/",
        "intendedTime": stamp(),
        "service": {
            "exportServiceURL": "https://na99-prod.reltio.com/jobs",
            "authURL": "https://auth.reltio.com/oauth/token",
            "tenant": "acme01",
            "credentialsSecretRef": {"name": "reltio-api"},
        },
        "s3": {
            "bucket": "acme-mdm-exports",
            "roleARN": "arn:aws:iam::111122223333:role/reltio-exporter",
            "externalIDSource": "None",
        },
        **more,
    }


def running(*statuses: str, **more: Any) -> dict[str, Any]:
    """The status of a job whose tasks were last seen in these statuses."""
    return {
        "attempts": 1,
        "startTime": stamp(),
        "submission": submission(submittedTime=stamp()),
        "tasks": [{"id": f"task-{n}", "status": status} for n, status in enumerate(statuses)],
        **more,
    }


def between_attempts(attempts: int = 1, **more: Any) -> dict[str, Any]:
    """The status of a job whose attempts so far have failed."""
    failures = [{"attempt": n, "reason": "TaskFailed", "message": "", "time": stamp()} for n in range(1, attempts + 1)]
    return {"attempts": attempts, "failures": failures[-10:], **more}


def job(
    *,
    spec: dict[str, Any] | None = None,
    status: Any = None,
    metadata: dict[str, Any] | None = None,
) -> ExportJob:
    raw = {
        "metadata": {
            "name": "nightly",
            "namespace": "mdm",
            "uid": "u-1",
            "generation": 1,
            "resourceVersion": "7",
            "creationTimestamp": stamp(),
            **(metadata or {}),
        },
        "spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}, **(spec or {})},
        "status": {} if status is None else status,
    }
    return decode_job(raw)
