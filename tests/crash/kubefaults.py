"""What an API server may do to a client."""

from __future__ import annotations

from reltio_export_operator.kube.client import ConflictError

from .kube import ServerError
from .world import World

KINDS = ("conflict", "500-before", "500-after", "watch-cut")


def arm(world: World, number: int, kind: str, *, more: bool = False) -> None:
    """Strike the API call of this number, counted over the whole run. `more`: besides the calls armed before."""
    others = world.kube.fault

    def fault(call: int, name: str, when: str) -> Exception | None:
        if call != number:
            return others(call, name, when) if more else None
        if kind == "conflict" and when == "before" and name in ("patch_status", "set_finalizers", "delete"):
            return ConflictError(name)
        if kind == f"500-{when}":
            return ServerError(name)
        if kind == "watch-cut" and when == "before":
            world.cut_watch(20.0)
        return None

    world.kube.fault = fault
