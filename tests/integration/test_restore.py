"""Objects that are restored from a backup, with kubectl alone: they have other uids, with and without their status."""

from __future__ import annotations

import asyncio
import copy
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.conftest import condition
from integration.replicas import Replicas, is_complete, open_replicas, open_sandbox
from tools import tool

Raw = dict[str, Any]
SLOW, FAST = 2, 500  # objects per second
KINDS = "exporttargets,exportjobs"
OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Replicas]:
    async with open_sandbox(tmp_path) as sandbox, open_replicas(sandbox) as opened:
        yield opened


async def kubectl(world: Replicas, *arguments: str, objects: list[Raw] | None = None) -> str:
    command = [tool("kubectl"), "--kubeconfig", str(world.sandbox.kubeconfig), "-n", world.namespace, *arguments]
    given = yaml.safe_dump_all(objects) if objects is not None else None
    done = await asyncio.to_thread(
        subprocess.run, command, input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


async def exporting(world: Replicas, *names: str) -> dict[str, str]:
    """Jobs that export until FAST. Answers with their uids."""
    world.sandbox.reltio.config.objects_per_second = SLOW
    uids = {}
    for name in names:
        await world.job(name)
        job = await world.until("ExportJob", name, lambda raw: (raw.get("status") or {}).get("tasks"))
        uids[name] = job["metadata"]["uid"]
    return uids


async def saved(world: Replicas) -> list[Raw]:
    """A backup of what kubectl shows, made while no operator runs; then nothing is left of it."""
    world.send("a", signal.SIGTERM)
    assert await world.exit_code("a") == 0
    backup = yaml.safe_load(await kubectl(world, "get", KINDS, "-o", "yaml"))["items"]
    for raw in backup:
        if raw["metadata"].get("finalizers"):
            remove = json.dumps({"metadata": {"finalizers": None}})
            await kubectl(world, "patch", raw["kind"], raw["metadata"]["name"], "--type=merge", "-p", remove)
    await kubectl(world, "delete", KINDS, "--all", "--timeout=30s")
    assert "items: []" in await kubectl(world, "get", KINDS, "-o", "yaml")
    return list(backup)


async def restore(world: Replicas, backup: list[Raw], *, status: bool) -> None:
    """Create the objects again, and write their status if the tool that restores them does so."""
    created = []
    for raw in copy.deepcopy(backup):
        for field in OF_THE_SERVER:
            raw["metadata"].pop(field, None)
        created.append(raw)
    await kubectl(world, "create", "-f", "-", objects=created)
    if status:
        await kubectl(
            world, "replace", "--subresource=status", "-f", "-", objects=[one for one in created if "status" in one]
        )


def exports(world: Replicas, uid: str) -> int:
    return sum(uid in run.order.name for run in world.sandbox.reltio.engine.runs)


async def prepared(world: Replicas) -> dict[str, str]:
    """A finished job, jobs that export, and one that waits for its target. Answers with their uids."""
    await world.start("a")
    await world.target(spec={"maxConcurrentJobs": 8})
    await world.ready(within=90)
    world.sandbox.reltio.config.objects_per_second = FAST
    await world.job("done")
    done = await world.finished("done")
    await world.until("ExportJob", "done", lambda raw: not raw["metadata"].get("finalizers"))
    uids = await exporting(world, "adopted", "renewed")
    await world.job("waiting", target="missing")
    waiting = await world.until("ExportJob", "waiting", lambda raw: (raw.get("status") or {}).get("phase") == "Pending")
    return {"done": done["metadata"]["uid"], "waiting": waiting["metadata"]["uid"], **uids}


async def test_without_their_status_restored_jobs_wait_for_a_choice_and_export_once(world: Replicas) -> None:
    before = await prepared(world)
    backup = await saved(world)
    (adopted,) = [raw for raw in backup if raw["metadata"]["name"] == "adopted"]
    renamed = copy.deepcopy(adopted)
    renamed["metadata"]["name"] = "copied"
    await restore(world, [*backup, renamed], status=False)
    await world.start("b")
    for name in ("done", "adopted", "renewed"):
        asked = await world.until("ExportJob", name, lambda raw: condition(raw, "Stalled"))
        stalled = condition(asked, "Stalled")
        assert stalled is not None
        assert stalled["reason"] == "RestoredCopy"
    running = await world.until("ExportJob", "copied", lambda raw: (raw.get("status") or {}).get("tasks"))
    await world.target("missing")
    world.sandbox.reltio.config.objects_per_second = FAST
    assert is_complete(await world.finished("waiting"))
    now = {}
    for name, choice in (("done", "adopt"), ("adopted", "adopt"), ("renewed", "new")):
        found = await world.get("ExportJob", name)
        now[name] = found["metadata"]["uid"]
        assert now[name] != before[name]
        assert exports(world, now[name]) == 0
        await kubectl(world, "annotate", "exportjob", name, f"export.reltio.com/restored={choice}")
    for name in ("done", "adopted", "renewed", "copied"):
        assert is_complete(await world.finished(name)), name
    assert {name: exports(world, uid) for name, uid in before.items()} == {
        "done": 1,
        "adopted": 1,
        "renewed": 1,  # the one from before the backup
        "waiting": 0,
    }
    assert {name: exports(world, uid) for name, uid in now.items()} == {"done": 0, "adopted": 0, "renewed": 1}
    assert exports(world, running["metadata"]["uid"]) == 1
    waiting = await world.get("ExportJob", "waiting")
    assert exports(world, waiting["metadata"]["uid"]) == 1


@pytest.mark.parametrize("operator", ["stopped", "running"])
async def test_with_their_status_restored_jobs_continue(world: Replicas, operator: str) -> None:
    """The operator may run already when the objects come back, and see them before their status is written."""
    before = await prepared(world)
    backup = await saved(world)
    if operator == "running":
        await world.start("b")
        await world.until_ready("b")
    await restore(world, backup, status=True)
    if operator == "stopped":
        await world.start("b")
    world.sandbox.reltio.config.objects_per_second = FAST
    await world.target("missing")
    for name in before:
        job = await world.finished(name)
        assert is_complete(job), job["status"]
        assert job["metadata"]["uid"] != before[name]
        assert exports(world, before[name]) + exports(world, job["metadata"]["uid"]) == 1
        assert condition(job, "DuplicateDetected") is None
    assert "Traceback" not in world.log("b")
