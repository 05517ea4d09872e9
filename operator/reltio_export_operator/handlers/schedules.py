"""Wakes the controller of ExportSchedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kopf

from ..api.meta import GROUP, SCHEDULES, VERSION
from ..controllers.manager import Manager
from ..controllers.unreadable import key_of


def register(registry: kopf.OperatorRegistry, manager: Manager) -> None:
    """Every event of a schedule puts its key on the queue. Its jobs wake it when they end (`handlers/jobs.py`)."""

    @kopf.on.event(GROUP, VERSION, SCHEDULES, registry=registry)
    async def schedule_changed(body: kopf.Body, **_: Any) -> None:
        wake(manager, body)


def wake(manager: Manager, body: Mapping[str, Any]) -> None:
    """The schedule was listed, has changed or is gone."""
    manager.schedules.add(key_of(body))
