"""Wakes the controller of ExportTargets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kopf

from ..api.meta import GROUP, TARGETS, VERSION
from ..controllers.manager import Manager
from ..controllers.unreadable import key_of


def register(registry: kopf.OperatorRegistry, manager: Manager) -> None:
    """Every event of a target puts its key on the queue."""

    @kopf.on.event(GROUP, VERSION, TARGETS, registry=registry)
    async def target_changed(body: kopf.Body, **_: Any) -> None:
        wake(manager, body)


def wake(manager: Manager, body: Mapping[str, Any]) -> None:
    """The target was listed, has changed or is gone."""
    manager.targets.add(key_of(body))
