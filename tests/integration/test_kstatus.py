"""What `flux`, `helm --wait` and others that use kstatus conclude, over whole lives of targets and jobs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from integration.conftest import GROUP, PLURALS, VERSION, condition
from kstatus import recorded, results, shape_of
from reltio_export_sandbox.reltio import Behaviour, Fault

if TYPE_CHECKING:
    from integration.conftest import World

Raw = dict[str, Any]
RESULTS = results()
WITHIN = 90.0  # seconds for each step, on a busy machine


def result(raw: Raw) -> str:
    return RESULTS.get(shape_of(raw), "not recorded: see tests/kstatus/README.md")


@asynccontextmanager
async def seen(world: World, kind: str) -> AsyncIterator[list[Raw]]:
    """The versions of the objects of this kind, but for those that last less than some milliseconds."""
    versions: list[Raw] = []
    known: set[tuple[str, str]] = set()

    async def read() -> None:
        listed = await world.objects.list_namespaced_custom_object(GROUP, VERSION, world.namespace, PLURALS[kind])
        for raw in listed["items"]:
            version = (raw["metadata"]["name"], raw["metadata"]["resourceVersion"])
            if version not in known:
                known.add(version)
                versions.append(raw)

    async def follow() -> None:
        while True:
            await read()
            await asyncio.sleep(0.05)

    following = asyncio.create_task(follow())
    try:
        yield versions
        await read()  # what was written since the last time
    finally:
        if following.done():
            following.result()
        following.cancel()
        record(versions)


def record(versions: list[Raw]) -> None:
    """Add one object of each shape to the file that KSTATUS_RECORD names, for tests/kstatus/README.md."""
    if file := os.environ.get("KSTATUS_RECORD"):
        with Path(file).open("a") as written:
            for raw in {shape_of(raw): raw for raw in versions}.values():
                written.write(json.dumps(raw, sort_keys=True) + "\n")


def course(versions: list[Raw], name: str) -> list[str]:
    """The results of one object, each as long as it lasted."""
    listed = [result(raw) for raw in versions if raw["metadata"]["name"] == name]
    return [one for before, one in zip(["", *listed], listed, strict=False) if one != before]


def reconciling(reason: str) -> Any:
    return lambda raw: (condition(raw, "Reconciling") or {}).get("reason") == reason


def suspended(raw: Raw) -> bool:
    return condition(raw, "Suspended") is not None and condition(raw, "Reconciling") is None


async def test_whole_lives(world: World) -> None:
    reltio = world.sandbox.reltio
    async with seen(world, "ExportJob") as jobs, seen(world, "ExportTarget") as targets:
        await world.secret()
        await world.target()
        await world.target("nowhere", bucket="no-such-bucket")
        await world.job("orphan", target="missing")
        await world.ready(within=WITHIN)

        await world.job("waiting", suspend=True)
        await world.until("ExportJob", "waiting", suspended, WITHIN)
        await world.patch("ExportJob", "waiting", {"spec": {"suspend": False}})
        await world.finished("waiting", WITHIN)

        reltio.engine.behaviours.append(Behaviour(name="failing", fail="disk full"))
        await world.job("failing", backoffLimit=0)
        await world.finished("failing", WITHIN)

        reltio.engine.behaviours.append(Behaviour(name="lost", stuck=True, lost_after=200))
        await world.job("lost")
        await world.until("ExportJob", "lost", lambda raw: condition(raw, "Stalled"), WITHIN)

        reltio.config.objects_per_second = 1
        await world.job("paused")
        await world.until("ExportJob", "paused", reconciling("ExportRunning"), WITHIN)
        await world.patch("ExportJob", "paused", {"spec": {"suspend": True}})
        await world.until("ExportJob", "paused", suspended, WITHIN)
        reltio.faults.append(Fault(path="/tasks", times=0, status=503))
        await world.patch("ExportJob", "paused", {"spec": {"suspend": False}})
        away = await world.until("ExportJob", "paused", reconciling("ServiceUnavailable"), WITHIN)
        assert "cannot resume the tasks" in away["status"]["message"]
        reltio.faults.clear()
        await world.until("ExportJob", "paused", reconciling("ExportRunning"), WITHIN)
        await world.delete("ExportJob", "paused")
        reltio.config.objects_per_second = 500

        await world.patch("ExportTarget", "lake", {"spec": {"suspend": True}})
        off = await world.until("ExportTarget", "lake", suspended, WITHIN)
        assert condition(off, "Ready") is None
        await world.job("held")
        await world.until("ExportJob", "held", reconciling("TargetSuspended"), WITHIN)
        await world.patch("ExportTarget", "lake", {"spec": {"suspend": False}})
        await world.finished("held", WITHIN)
        await world.until("ExportTarget", "nowhere", lambda raw: condition(raw, "Stalled"), WITHIN)

    assert result(away) == "InProgress"
    waits, works = "InProgress", "Current"
    for versions, name, expected in (
        (jobs, "waiting", [waits, works, waits, works]),
        (jobs, "failing", [waits, "Failed"]),
        (jobs, "lost", [waits, "Failed"]),
        (jobs, "orphan", [waits]),
        (jobs, "paused", [waits, works, waits, "Terminating"]),
        (jobs, "held", [waits, works]),
        (targets, "lake", [waits, works, waits, works, waits, works]),
        (targets, "nowhere", [waits, "Failed"]),
    ):
        found = course(versions, name)
        left = iter(expected)
        assert all(one in left for one in found), f"{name}: {found}"
        assert found[-1] == expected[-1], f"{name}: {found}"


@pytest.mark.parametrize("one", recorded(), ids=lambda one: one["result"])
def test_no_object_that_was_recorded_is_current_while_it_waits_or_is_broken(one: Raw) -> None:
    raw, found = one["object"], one["result"]
    ends = {type_ for type_ in ("Complete", "Ready", "Suspended") if condition(raw, type_)}
    assert (found == "Current") <= bool(ends), "a wait would end too early"
    assert RESULTS[shape_of(raw)] == found
    assert (found == "Failed") == bool(condition(raw, "Stalled") and "deletionTimestamp" not in raw["metadata"])
