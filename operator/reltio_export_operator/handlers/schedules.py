"""Wakes the controller of ExportSchedules."""

from __future__ import annotations

from typing import Any

import kopf

from ..api.meta import GROUP, SCHEDULES, VERSION
from ..controllers.manager import Manager


def register(registry: kopf.OperatorRegistry, manager: Manager) -> None:
    """Every event of a schedule puts its key on the queue. Its jobs wake it when they end (`handlers/jobs.py`)."""

    @kopf.on.event(GROUP, VERSION, SCHEDULES, registry=registry)
    async def schedule_changed(namespace: str | None, name: str | None, **_: Any) -> None:
        if namespace and name:
            manager.schedules.add((namespace, name))
