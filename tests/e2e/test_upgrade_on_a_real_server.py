"""Upgrade from an older version, and rollback to it, with jobs in every phase.

`make upgrade-test OLDER=COMMIT` prepares the older version: a checkout with a virtual environment of its own, which
OLDER_OPERATOR names. Each version leaves jobs in every phase to the other one, and brings them to their end.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from kubernetes.aio import client

from e2e.conftest import _prepare
from integration.conftest import condition, options
from integration.replicas import Replicas, is_complete, open_replicas, until
from reltio_export_sandbox.environment import Sandbox, crds
from reltio_export_sandbox.reltio import Fault, SimulatorConfig, Tenant

Raw = dict[str, Any]
OLDER = os.environ.get("OLDER_OPERATOR", "")
SLOW, FAST = 1, 500  # objects per second; a file of 100 takes 5 s or less
SMALL = "acme03"  # its exports end at once, also while the others are slow
DOUBTFUL: dict[str, Literal["before", "after"]] = {"unsent": "before", "submitting": "after"}  # lost answers
MOVING = {"deleted", *DOUBTFUL}  # their bounds pass: one is released, the others are searched for
HELD = "StatusNotUnderstood", "SpecNotUnderstood", "StatusRefused", "StatusInvalid", "AttemptLost", "RestoredCopy"

pytestmark = [
    pytest.mark.skipif(not OLDER, reason="OLDER_OPERATOR names no checkout of an older version: make upgrade-test"),
    pytest.mark.skipif("KUBEBUILDER_ASSETS" not in os.environ, reason="replaces CRDs: in a server of its own only"),
]


@pytest.fixture
async def world(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Replicas]:
    tenants = Tenant("acme01", entities=4000), Tenant("acme02", entities=40), Tenant(SMALL, entities=1)
    simulator = SimulatorConfig(time_scale=20, objects_per_file=100)
    chosen = replace(options(tmp_path), kubeconfig=kubeconfig, operator=False, tenants=tenants, simulator=simulator)
    async with Sandbox(chosen) as sandbox, open_replicas(sandbox) as opened:
        await _prepare(opened.objects.api_client, f"{opened.namespace}-other")
        yield opened
        await install(opened, crds())


def older_crds() -> list[Raw]:
    return [yaml.safe_load(path.read_text()) for path in sorted((Path(OLDER) / "crds").glob("*.yaml"))]


async def install(world: Replicas, wanted: list[Raw]) -> None:
    """Replace the CRDs by those of a version, as Helm does before anything else."""
    extensions = client.ApiextensionsV1Api(world.objects.api_client)
    for crd in wanted:
        name = crd["metadata"]["name"]
        stored = await extensions.read_custom_resource_definition(name)
        versioned = {**crd, "metadata": {**crd["metadata"], "resourceVersion": stored.metadata.resource_version}}
        await extensions.replace_custom_resource_definition(name, versioned)


def phase_of(raw: Raw) -> str | None:
    return (raw.get("status") or {}).get("phase")


async def populate(world: Replicas, prefix: str) -> dict[str, str]:
    """Jobs of every phase, by name. Those that run do so until `release`."""
    reltio = world.sandbox.reltio
    reltio.config.objects_per_second = SLOW
    lake, small = f"{prefix}-lake", f"{prefix}-small"
    await world.target(lake, tenant="acme01", spec={"maxConcurrentJobs": 6})
    await world.target(small, tenant=SMALL, spec={"maxConcurrentJobs": 5})
    for name in (lake, small):
        await world.ready(name, within=90)

    async def job(name: str, phase: str, target: str, **spec: Any) -> None:
        await world.job(f"{prefix}-{name}", target=target, **spec)
        await world.until("ExportJob", f"{prefix}-{name}", lambda raw: phase_of(raw) == phase, within=90)

    await job("complete", "Complete", small)
    await job("running", "Running", lake)
    await job("suspended", "Running", lake)
    await world.patch("ExportJob", f"{prefix}-suspended", {"spec": {"suspend": True}})
    await world.until("ExportJob", f"{prefix}-suspended", lambda raw: phase_of(raw) == "Suspended")
    await job("failed", "Running", lake, backoffLimit=0)
    failing = next(run for run in reltio.engine.runs if f"{prefix}-failed" in run.order.name)
    reltio.engine.force(failing.tasks[0], "FAILED", "by the test")
    await world.until("ExportJob", f"{prefix}-failed", lambda raw: phase_of(raw) == "Failed")
    await job("deleted", "Running", lake)
    reltio.faults.append(Fault(method="PUT", path="/_stop", status=403, times=0))
    await world.delete("ExportJob", f"{prefix}-deleted")
    await world.until("ExportJob", f"{prefix}-deleted", lambda raw: phase_of(raw) == "Deleting")
    await world.job(f"{prefix}-verifying", target=small)
    created = await world.get("ExportJob", f"{prefix}-verifying")
    world.s3.refused[created["metadata"]["uid"].encode()] = 503  # its directory cannot be read
    await world.until("ExportJob", f"{prefix}-verifying", lambda raw: phase_of(raw) == "Verifying")
    for name, when in DOUBTFUL.items():
        reltio.faults.append(hang := Fault(path="/export/", method="POST", hang=100, when=when))
        await world.job(f"{prefix}-{name}", target=lake)
        await until(lambda hang=hang: _seen(hang), bool)  # type: ignore[misc]
        await world.until("ExportJob", f"{prefix}-{name}", lambda raw: phase_of(raw) == "Submitting")
    await job("running-too", "Running", lake)
    await job("queued", "Queued", lake)
    await job("pending", "Pending", f"{prefix}-missing")
    return {
        "complete": "Complete",
        "running": "Running",
        "suspended": "Suspended",
        "failed": "Failed",
        "deleted": "Deleting",
        "verifying": "Verifying",
        "queued": "Queued",
        "pending": "Pending",
        "running-too": "Running",
        **dict.fromkeys(DOUBTFUL, "Submitting"),
    }


async def _seen(fault: Fault) -> int:
    return fault.seen


async def release(world: Replicas, *prefixes: str) -> None:
    """Let everything that was held up come to its end."""
    world.sandbox.reltio.faults[:] = [world.posts]
    world.sandbox.reltio.config.objects_per_second = FAST
    world.s3.refused.clear()
    for prefix in prefixes:
        await world.target(f"{prefix}-missing", tenant="acme02")
        await world.patch("ExportJob", f"{prefix}-suspended", {"spec": {"suspend": False}})


async def stop(world: Replicas, name: str) -> None:
    world.send(name, signal.SIGTERM)
    assert await world.exit_code(name) == 0, world.log(name)[-3000:]


async def all_jobs(world: Replicas) -> dict[str, Raw]:
    listed = await world.objects.list_namespaced_custom_object(
        "export.reltio.com", "v1alpha1", world.namespace, "exportjobs"
    )
    return {raw["metadata"]["name"]: raw for raw in listed["items"]}


async def assert_understood(world: Replicas, jobs: dict[str, Raw]) -> None:
    """No job is held because of its status, and none has a second export."""
    for name, raw in jobs.items():
        conditions = (raw.get("status") or {}).get("conditions") or []
        reasons = {one["reason"] for one in conditions} | {one["type"] for one in conditions}
        assert not reasons & {*HELD, "DuplicateDetected"}, (name, raw["status"])
        assert world.runs_of(raw) <= 1, name


async def steady(world: Replicas, replica: str, prefix: str, expected: dict[str, str]) -> None:
    """The jobs of the other version are where it left them, after this one has reconciled all of them twice."""
    await world.until_ready(replica)
    await world.job(f"{replica}-later", target=f"{prefix}-small")  # it is reconciled after what was there
    await world.until("ExportJob", f"{replica}-later", is_complete, within=90)
    jobs = await all_jobs(world)
    await assert_understood(world, jobs)
    for name, phase in expected.items():
        if name in MOVING:
            continue
        assert phase_of(jobs[f"{prefix}-{name}"]) == phase, (name, jobs[f"{prefix}-{name}"]["status"])


async def test_jobs_of_every_phase_survive_an_upgrade_and_a_rollback(world: Replicas) -> None:
    older = str(Path(OLDER) / ".venv" / "bin" / "python")
    waits = {"RELTIO_EXPORT_CLEANUP_TIMEOUT_SECONDS": "600"}
    await install(world, older_crds())
    await world.start("older", python=older, **waits)
    await world.until_ready("older")
    first = await populate(world, "one")
    uids = {name: raw["metadata"]["uid"] for name, raw in (await all_jobs(world)).items()}
    await stop(world, "older")
    _record("older", await all_jobs(world))

    await install(world, crds())  # the upgrade
    await world.start("newer", **waits)
    await steady(world, "newer", "one", first)
    second = await populate(world, "two")
    uids |= {name: raw["metadata"]["uid"] for name, raw in (await all_jobs(world)).items()}
    await stop(world, "newer")
    _record("newer", await all_jobs(world))

    await install(world, older_crds())  # the rollback
    await world.start("again", python=older, **waits)
    await steady(world, "again", "one", first)
    await steady_second(world, second)
    await release(world, "one", "two")
    for name, raw in (await all_jobs(world)).items():
        if raw["metadata"].get("deletionTimestamp"):
            await until(lambda name=name: _exists(world, name), lambda found: not found, within=120)  # type: ignore[misc]
            continue
        ended = await world.finished(name, within=120)
        assert is_complete(ended) or name.endswith("-failed"), (name, ended["status"])
        assert condition(ended, "DuplicateDetected") is None
    runs = {name: sum(uid in run.order.name for run in world.sandbox.reltio.engine.runs) for name, uid in uids.items()}
    assert runs == dict.fromkeys(uids, 1)
    for replica in ("older", "newer", "again"):
        assert "Traceback" not in world.log(replica)


async def steady_second(world: Replicas, expected: dict[str, str]) -> None:
    jobs = await all_jobs(world)
    await assert_understood(world, jobs)
    for name, phase in expected.items():
        if name not in MOVING:
            assert phase_of(jobs[f"two-{name}"]) == phase, (name, jobs[f"two-{name}"]["status"])


async def _exists(world: Replicas, name: str) -> bool:
    return name in await all_jobs(world)


def _record(name: str, jobs: dict[str, Raw]) -> None:
    """Keep what a version has written where the caller of the test wants it."""
    if directory := os.environ.get("RECORD_STATUS"):
        Path(directory, f"{name}.json").write_text(json.dumps(jobs, indent=1, sort_keys=True) + "\n")
