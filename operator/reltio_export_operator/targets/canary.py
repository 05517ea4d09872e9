"""One tiny real export through the service: what only that can prove. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from ..api.conditions import Conditions, ConditionStatus, find, is_true
from ..api.job import ExportJob
from ..api.meta import API_VERSION
from ..api.target import ExportTarget, TargetStatus

_LONGEST_NAME = 253
_KEPT = 3600  # seconds that the canary's job stays after its end
_NOTHING = "equals(uri,'entities/0')"  # matches next to nothing, so that the export is small


def is_wanted(target: ExportTarget, status: TargetStatus) -> bool:
    """Whether the outcome for the target as it is now is still to be found out, or to be found out anew."""
    if not target.spec.verification.canary:
        return False
    known = _outcome(target, status)
    failed = known == "False" and status.canary_job == name_of(target, status)
    return is_true(status.conditions, "Ready") and known != "True" and not failed


def name_of(target: ExportTarget, status: TargetStatus) -> str:
    """The name of the canary's job, so that whoever creates it twice finds it there already.

    It says the generation, and which request for a verification it serves: one that failed is repeated on request.
    """
    if _outcome(target, status) == "Unknown" and status.canary_job:
        return status.canary_job
    tail = f"-canary-{target.metadata.generation}"
    if target.verify_request is not None:
        tail += f"-{hashlib.sha256(target.verify_request.encode()).hexdigest()[:8]}"
    return target.metadata.name[: _LONGEST_NAME - len(tail)].rstrip("-.") + tail


def _outcome(target: ExportTarget, status: TargetStatus) -> ConditionStatus | None:
    """What is known of the target as it is now."""
    known = find(status.conditions, "Delivered")
    return known.status if known is not None and known.observed_generation == target.metadata.generation else None


def manifest_of(target: ExportTarget, name: str) -> dict[str, Any]:
    """The job that is the canary. It goes with its target, and some time after its end."""
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
            "export": {"type": "Entities", "filter": _NOTHING},
            "path": "canary",
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": _KEPT,
        },
    }


def refused(target: ExportTarget, status: TargetStatus, name: str, why: str, now: datetime) -> TargetStatus:
    """The status when the API server does not let the operator create the canary's job."""
    conditions = Conditions(status.conditions, generation=target.metadata.generation, now=now)
    text = f"ExportJob {name} cannot be created: {why}"
    conditions.put("Delivered", "Unknown", "CanaryNotCreated", text)
    return msgspec.structs.replace(status, conditions=conditions.result(), canary_job=name)


def evaluate(
    target: ExportTarget, status: TargetStatus, name: str, job: ExportJob | None, now: datetime
) -> TargetStatus:
    """The status with condition Delivered as the canary's job of this name has it."""
    conditions = Conditions(status.conditions, generation=target.metadata.generation, now=now)
    if job is not None and not any(owner.get("uid") == target.metadata.uid for owner in job.metadata.owner_references):
        text = f"ExportJob {name} is there already and is not of this target; delete it."
        conditions.put("Delivered", "Unknown", "CanaryNameTaken", text)
        return msgspec.structs.replace(status, conditions=conditions.result(), canary_job=name)
    all_checks, failed = (job.condition(type_) if job else None for type_ in ("Complete", "Failed"))
    if all_checks is not None:
        text = "A small export of Reltio's own arrived."
        conditions.put("Delivered", "True", "CanaryDelivered", text)
    elif failed is not None:
        text = f"The canary failed: {failed.message} To try again: kubectl reltio-export verify {target.metadata.name}"
        conditions.put("Delivered", "False", failed.reason, text)
    else:
        conditions.put("Delivered", "Unknown", "CanaryRunning", f"See ExportJob {name}.")
    return msgspec.structs.replace(status, conditions=conditions.result(), canary_job=name)


def without(target: ExportTarget, status: TargetStatus, now: datetime) -> TargetStatus:
    """The status without Delivered, where no canary is asked for."""
    if target.spec.verification.canary or find(status.conditions, "Delivered") is None:
        return status
    conditions = Conditions(status.conditions, generation=target.metadata.generation, now=now)
    conditions.drop("Delivered")
    return msgspec.structs.replace(status, conditions=conditions.result(), canary_job=None)
