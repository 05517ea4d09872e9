"""The canary: one small export through Reltio, which proves what nothing else can. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from ..api.conditions import Conditions, ConditionStatus, find, is_true
from ..api.foreign import Quoted, own
from ..api.job import ExportJob
from ..api.meta import API_VERSION
from ..api.reasons import ConditionReason
from ..api.target import ExportTarget, TargetStatus
from . import messages
from .readiness import leaves_open

_NAME_LIMIT = 253
_TTL_SECONDS = 3600  # how long the canary's job stays after its end
_SMALL_FILTER = "equals(uri,'entities/0')"  # matches almost nothing, so that the export is small


def is_wanted(target: ExportTarget, status: TargetStatus) -> bool:
    """Whether to run a canary: there is no result for the current generation, or a new verification was requested."""
    if not target.spec.verification.canary:
        return False
    known = _outcome(target, status)
    failed = known == "False" and status.canary_job == name_of(target, status)
    may_run = is_true(status.conditions, "Ready") or leaves_open(status.checks)
    return may_run and known != "True" and not failed


def name_of(target: ExportTarget, status: TargetStatus) -> str:
    """The name of the canary's job. It is deterministic, so that a second create finds the first job.

    It contains the generation and a hash of the verify annotation: a canary that failed runs again on request.
    """
    if _outcome(target, status) == "Unknown" and status.canary_job:
        return status.canary_job
    tail = f"-canary-{target.metadata.generation}"
    if target.verify_request is not None:
        tail += f"-{hashlib.sha256(target.verify_request.encode()).hexdigest()[:8]}"
    return target.metadata.name[: _NAME_LIMIT - len(tail)].rstrip("-.") + tail


def _outcome(target: ExportTarget, status: TargetStatus) -> ConditionStatus | None:
    """The status of condition Delivered for the current generation."""
    known = find(status.conditions, "Delivered")
    return known.status if known is not None and known.observed_generation == target.metadata.generation else None


def manifest_of(target: ExportTarget, name: str) -> dict[str, Any]:
    """The canary's ExportJob, owned by the target."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ExportJob",
        "metadata": {
            "name": name,
            "namespace": target.metadata.namespace,
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "ExportTarget",
                    "name": target.metadata.name,
                    "uid": target.metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "targetRef": {"name": target.metadata.name},
            "export": {"type": "Entities", "filter": _SMALL_FILTER},
            "path": "canary",
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": _TTL_SECONDS,
        },
    }


def not_created_status(
    target: ExportTarget, status: TargetStatus, name: str, error: Quoted, now: datetime
) -> TargetStatus:
    """The status when the API server does not let the operator create the canary's job."""
    conditions = Conditions(status.conditions, generation=target.metadata.generation, now=now)
    why = messages.CANARY_NOT_CREATED(job=name, error=error)
    conditions.put("Delivered", "Unknown", why.reason, why.message)
    return msgspec.structs.replace(status, conditions=conditions.result(), canary_job=name)


def status_from_job(
    target: ExportTarget, status: TargetStatus, name: str, job: ExportJob | None, now: datetime
) -> TargetStatus:
    """The status with condition Delivered according to the canary's job of this name."""
    conditions = Conditions(status.conditions, generation=target.metadata.generation, now=now)

    def delivered(value: ConditionStatus, why: ConditionReason) -> TargetStatus:
        conditions.put("Delivered", value, why.reason, why.message)
        return msgspec.structs.replace(status, conditions=conditions.result(), canary_job=name)

    if job is None:
        return delivered("Unknown", messages.CANARY_RUNNING(job=name))
    if not any(owner.get("uid") == target.metadata.uid for owner in job.metadata.owner_references):
        return delivered("Unknown", messages.CANARY_NAME_TAKEN(job=name))
    if job.condition("Complete") is not None:
        return delivered("True", messages.CANARY_DELIVERED())
    failed = job.condition("Failed")
    if failed is not None:
        text = messages.CANARY_FAILED(error=own(failed.message), target=target.metadata.name).message
        return delivered("False", ConditionReason(failed.reason, text))
    return delivered("Unknown", messages.CANARY_RUNNING(job=name))


def status_without(target: ExportTarget, status: TargetStatus, now: datetime) -> TargetStatus:
    """The status without condition Delivered, when spec.verification.canary is false."""
    if target.spec.verification.canary or find(status.conditions, "Delivered") is None:
        return status
    conditions = Conditions(status.conditions, generation=target.metadata.generation, now=now)
    conditions.drop("Delivered")
    return msgspec.structs.replace(status, conditions=conditions.result(), canary_job=None)
