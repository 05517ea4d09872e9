"""Wakes the controller of ExportJobs."""

from __future__ import annotations

from typing import Any

import kopf

from ..api.meta import GROUP, JOBS, VERSION
from ..controllers.manager import Manager


def register(registry: kopf.OperatorRegistry, manager: Manager) -> None:
    """Every event of a job puts its key on the queue; the reconciler reads the object itself."""

    @kopf.on.event(GROUP, VERSION, JOBS, registry=registry)
    async def job_changed(
        type: str | None,
        namespace: str | None,
        name: str | None,
        body: kopf.Body,
        **_: Any,
    ) -> None:
        if namespace and name and manager.needs_reconcile(body):
            manager.jobs.add((namespace, name))
        if (schedule := manager.schedule_to_wake(body, is_deleted=type == "DELETED")) is not None:
            manager.schedules.add(schedule)
