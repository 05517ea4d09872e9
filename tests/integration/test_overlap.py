"""Two releases whose watched namespaces overlap: each has a Lease of its own, so both are leaders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.conftest import condition
from integration.replicas import Replicas, is_complete, open_replicas, open_sandbox, until


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Replicas]:
    async with open_sandbox(tmp_path) as sandbox, open_replicas(sandbox) as opened:
        yield opened


async def metric(world: Replicas, replica: str) -> float:
    _, text = await world.probe(replica, "/metrics")
    lines = [line for line in text.splitlines() if line.startswith("reltio_export_overlapping_targets ")]
    return float(lines[0].split()[1]) if lines else -1.0


async def test_releases_that_overlap_are_reported_and_a_job_is_still_one_export(world: Replicas) -> None:
    await world.start("a", RELTIO_EXPORT_LEASE_NAME="first")
    await world.target()
    await world.ready(within=90)
    alone = await world.get("ExportTarget", "lake")
    assert alone["status"]["operator"] == f"{world.namespace}/first"
    assert await metric(world, "a") == 0
    await world.start("b", RELTIO_EXPORT_LEASE_NAME="second")
    overlapping = await world.until("ExportTarget", "lake", lambda raw: condition(raw, "OverlappingReleases"))
    found = condition(overlapping, "OverlappingReleases")
    assert found is not None
    assert f"Leases {world.namespace}/first and {world.namespace}/second" in found["message"]
    await until(lambda: metric(world, "a"), lambda value: value == 1)
    assert "OverlappingReleases" in await world.events("lake", until="OverlappingReleases")
    assert "OverlappingReleases: The operators of Leases" in world.log("a")
    jobs = [f"job-{number}" for number in range(4)]
    for name in jobs:
        await world.job(name)
    for name in jobs:
        job = await world.finished(name)
        assert is_complete(job)
        assert world.runs_of(job) == 1
