"""One tiny real export through the service: what only that can prove. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from ..api.conditions import Conditions, find
from ..api.job import ExportJob
from ..api.meta import API_VERSION
from ..api.target import ExportTarget, TargetStatus

_LONGEST_NAME = 253
_KEPT = 3600  # seconds that the canary's job stays after its end
_NOTHING = "equals(uri,'entities/0')"  # matches next to nothing, so that the export is small


def is_wanted(target: ExportTarget, status: TargetStatus) -> bool:
    """Whether the outcome for the target as it is now is still to be found out."""
    if not target.spec.verification.canary:
        return False
    ready, known = find(status.conditions, "Ready"), find(status.conditions, "Delivered")
    current = known is not None and known.observed_generation == target.metadata.generation
    settled = current and known is not None and known.status != "Unknown"
    return ready is not None and ready.status == "True" and not settled


def name_of(target: ExportTarget) -> str:
    """The name says the generation, so that whoever creates it twice finds it there already."""
    tail = f"-canary-{target.metadata.generation}"
    return target.metadata.name[: _LONGEST_NAME - len(tail)] + tail


def manifest_of(target: ExportTarget) -> dict[str, Any]:
    """The job that is the canary. It goes with its target, and some time after its end."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ExportJob",
        "metadata": {
            "name": name_of(target),
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


def judge(target: ExportTarget, status: TargetStatus, job: ExportJob | None, now: datetime) -> TargetStatus:
    """The status with condition Delivered as the canary's job has it."""
    conditions = Conditions(status.conditions, generation=target.metadata.generation, now=now)
    if job is not None and not any(owner.get("uid") == target.metadata.uid for owner in job.metadata.owner_references):
        text = f"ExportJob {name_of(target)} is there already and is not of this target; delete it."
        conditions.put("Delivered", "Unknown", "CanaryNameTaken", text)
        return msgspec.structs.replace(status, conditions=conditions.result())
    complete, failed = (job.condition(type_) if job else None for type_ in ("Complete", "Failed"))
    if complete is not None:
        text = "A small export of Reltio's own arrived."
        conditions.put("Delivered", "True", "CanaryDelivered", text)
    elif failed is not None:
        conditions.put("Delivered", "False", failed.reason, f"The canary failed: {failed.message}")
    else:
        conditions.put("Delivered", "Unknown", "CanaryRunning", f"See ExportJob {name_of(target)}.")
    return msgspec.structs.replace(status, conditions=conditions.result())


def without(target: ExportTarget, status: TargetStatus, now: datetime) -> TargetStatus:
    """The status without Delivered, where no canary is asked for."""
    if target.spec.verification.canary or find(status.conditions, "Delivered") is None:
        return status
    conditions = Conditions(status.conditions, generation=target.metadata.generation, now=now)
    conditions.drop("Delivered")
    return msgspec.structs.replace(status, conditions=conditions.result())
