"""Wakes the controller of ExportTargets."""

from __future__ import annotations

from typing import Any

import kopf

from ..api.meta import GROUP, TARGETS, VERSION
from ..controllers.manager import Manager


def register(registry: kopf.OperatorRegistry, manager: Manager) -> None:
    """Every event of a target puts its key on the queue."""

    @kopf.on.event(GROUP, VERSION, TARGETS, registry=registry)
    async def target_changed(namespace: str | None, name: str | None, **_: Any) -> None:
        if namespace and name:
            manager.targets.add((namespace, name))
