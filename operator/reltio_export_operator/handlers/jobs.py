"""Wakes the controller of ExportJobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kopf

from ..api.meta import GROUP, JOBS, VERSION
from ..controllers.manager import Manager
from ..controllers.unreadable import key_of


def register(registry: kopf.OperatorRegistry, manager: Manager) -> None:
    """Every event of a job puts its key on the queue; the reconciler reads the object itself."""

    @kopf.on.event(GROUP, VERSION, JOBS, registry=registry)
    async def job_changed(type: str | None, body: kopf.Body, **_: Any) -> None:
        wake(manager, body, is_deleted=type == "DELETED")


def wake(manager: Manager, body: Mapping[str, Any], *, is_deleted: bool = False) -> None:
    """The job was listed, has changed or is gone."""
    if manager.needs_reconcile(body):
        manager.jobs.add(key_of(body))
    if (schedule := manager.schedule_to_wake(body, is_deleted=is_deleted)) is not None:
        manager.schedules.add(schedule)
