"""What a person sees who edits the status of a job, and what the service sees of it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from reltio_export_operator.api.meta import GROUP, VERSION
from reltio_export_sandbox.reltio import Behaviour

if TYPE_CHECKING:
    from integration.conftest import World

Raw = dict[str, Any]


async def edit_status(world: World, change: Raw, name: str = "nightly") -> None:
    """As `kubectl edit --subresource=status` does."""
    await world.objects.patch_namespaced_custom_object_status(
        GROUP,
        VERSION,
        world.namespace,
        "exportjobs",
        name,
        {"status": change},
        _content_type="application/merge-patch+json",
    )


def stalled(raw: Raw) -> Raw | None:
    conditions = raw.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == "Stalled" and c["reason"] == "StatusNotUnderstood"), None)


async def test_a_job_whose_record_is_edited_is_held_and_continues_once_it_is_corrected(world: World) -> None:
    await world.secret()
    await world.target()
    world.sandbox.reltio.engine.behaviours.append(Behaviour(throttled=60))
    await world.job()
    running = await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("tasks"))
    path = running["status"]["submission"]["path"]
    await edit_status(world, {"submission": {"path": "elsewhere/"}})
    held = await world.until("ExportJob", "nightly", stalled)
    message = (stalled(held) or {})["message"]
    assert "status.submission.path does not end with the id of the attempt" in message
    assert f"kubectl edit exportjob nightly -n {world.namespace} --subresource=status" in message
    await edit_status(world, {"submission": {"path": path}})
    job = await world.finished()
    assert [c["reason"] for c in job["status"]["conditions"] if c["type"] == "Complete"] == ["Delivered"]
    assert len(world.sandbox.reltio.engine.runs) == 1


async def test_a_held_job_that_is_cancelled_stops_its_export(world: World) -> None:
    await world.secret()
    await world.target()
    world.sandbox.reltio.engine.behaviours.append(Behaviour(throttled=6000))
    await world.job()
    await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("tasks"))
    await edit_status(world, {"submission": {"path": "elsewhere/"}})
    await world.until("ExportJob", "nightly", stalled)
    await world.patch("ExportJob", "nightly", {"spec": {"cancel": True}})
    job = await world.finished()
    assert [c["reason"] for c in job["status"]["conditions"] if c["type"] == "Failed"] == ["Cancelled"]
    assert [task["status"] for task in job["status"]["tasks"]] == ["CANCELED"]


async def test_a_phase_of_another_version_does_not_stop_the_job(world: World) -> None:
    await world.secret()
    await world.target()
    world.sandbox.reltio.engine.behaviours.append(Behaviour(throttled=60))
    await world.job()
    running = await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("tasks"))
    later = {**copy.deepcopy(running["status"]["conditions"][0]), "type": "AddedLater", "reason": "Somehow"}
    await edit_status(world, {"phase": "Hibernating", "conditions": [*running["status"]["conditions"], later]})
    job = await world.finished()
    reasons = {c["type"]: c["reason"] for c in job["status"]["conditions"]}
    assert reasons == {"Complete": "Delivered", "DeliveryVerified": "FilesVerified", "AddedLater": "Somehow"}
