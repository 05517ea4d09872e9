"""What may be lost of an object, or copied from it, while its export runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .world import JOB, NAMESPACE, World

Raw = dict[str, Any]
ATTEMPT, RESTORED = "export.reltio.com/attempt", "export.reltio.com/restored"
_ANSWER_AFTER = 130.0  # seconds until a person answers what to do with a copy
_COPY = f"{JOB}-copy"


def wipe_status(world: World, name: str = JOB) -> None:
    """Clear the status, as somebody may who writes to the subresource."""
    raw = world.kube.objects.get(("exportjobs", NAMESPACE, name))
    if raw is not None:
        raw["status"] = {"observedGeneration": -1}
        count = int(raw["metadata"].get("labels", {}).get("wiped", "0"))
        world.edit_job({"metadata": {"labels": {"wiped": str(count + 1)}}}, name)


def drop_annotation(world: World, name: str = JOB) -> None:
    world.edit_job({"metadata": {"annotations": {ATTEMPT: None}}}, name)


def replace_object(world: World) -> None:
    """What `kubectl replace` does with a manifest that has neither. During a deletion it would end the object."""
    raw = world.job()
    if raw is not None and "deletionTimestamp" not in raw["metadata"]:
        world.edit_job({"metadata": {"finalizers": [], "annotations": {ATTEMPT: None}}})


def restore(world: World, copied: Raw, *, name: str = JOB, status: bool = False) -> Raw:
    """Create an object from a copy of an earlier one, as a backup tool or kubectl does: its uid is a new one."""
    meta = {key: value for key, value in copied["metadata"].items() if key in ("annotations", "labels", "finalizers")}
    made = world.kube.user_create("exportjobs", NAMESPACE, name, copied["spec"], **copy.deepcopy(meta))
    if status:
        world.edit_job({"status": copied["status"]}, name)
    return made


def _restore_and_answer(answer: str, world: World) -> None:
    copied = world.job()
    if copied is None:
        return
    world.forget_job()
    restore(world, copied)
    if answer == "adopt" and ATTEMPT in copied["metadata"].get("annotations", {}):
        world.ancestors.append(copied["metadata"]["uid"])
    world.expecting = True

    def choose() -> None:
        world.expecting = False
        world.edit_job({"metadata": {"annotations": {RESTORED: answer}}})

    world.clock.after(_ANSWER_AFTER, choose)


def _copy_manifest(world: World) -> None:
    copied = world.job()
    if copied is not None and world.job(_COPY) is None:
        restore(world, copied, name=_COPY)


def _wipe_all(world: World) -> None:
    wipe_status(world)
    drop_annotation(world)


LOSSES: dict[str, Callable[[World], None]] = {
    "status wiped": wipe_status,
    "object replaced": replace_object,
    "copy adopted": lambda world: _restore_and_answer("adopt", world),
    "copy as new": lambda world: _restore_and_answer("new", world),
    "copy under another name": _copy_manifest,
}
# What only a process that starts later can find out.
LOSSES_WHILE_DEAD = {**LOSSES, "status and annotation wiped": _wipe_all}
