"""Observations of a job, and what the policies decide on them."""

from __future__ import annotations

from typing import Any

from builders import T0, job, stamp, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.jobs.observation import Decision, Observation

DELETED = {"deletionTimestamp": stamp(), "finalizers": [FINALIZER]}


def obs(**more: Any) -> Observation:
    given_job = {key: more.pop(key) for key in ("spec", "status", "metadata") if key in more}
    return Observation(job=job(**given_job), now=more.pop("now", T0), target=more.pop("target", target()), **more)


def summary(decision: Decision) -> tuple[str, str]:
    """The action, and the reason of the condition that a person reads first."""
    for type_ in ("Complete", "Failed", "Stalled", "Reconciling", "Suspended"):
        found = find(decision.status.conditions, type_)
        if found is not None and found.status == "True":
            return type(decision.action).__name__, found.reason
    return type(decision.action).__name__, ""
