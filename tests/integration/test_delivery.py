"""Complete means it arrived: every way in which a delivery can be wrong, and the ways in which it only looks so."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from integration.conftest import World, condition
from reltio_export_sandbox.reltio import Behaviour

Raw = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(opener: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opener(tmp_path_factory.mktemp("sandbox")) as world:
        await world.secret()
        await world.target(spec={"maxConcurrentJobs": 16})
        await world.ready()
        yield world


@pytest.fixture
def world(shared: World) -> World:
    shared.sandbox.reltio.engine.behaviours.clear()
    return shared


async def delivered(world: World, name: str, behaviour: Behaviour, **spec: Any) -> Raw:
    world.sandbox.reltio.engine.behaviours.append(behaviour)
    await world.job(name, backoffLimit=0, **spec)
    return await world.finished(name, within=120)


@pytest.mark.parametrize(
    ("name", "behaviour", "text"),
    [
        ("unsuccessful", Behaviour(unsuccessful=True), "success: False"),
        ("missing-file", Behaviour(missing_file=True), "is listed but was not found"),
        ("truncated-gzip", Behaviour(truncated_file=True), "is truncated: its gzip stream does not end"),
        ("extra-file", Behaviour(extra_file=True), "part-99999.gz exists but is not listed"),
        ("outside", Behaviour(outside_file="../other/part-00000.gz"), "outside the directory"),
    ],
)
async def test_an_incomplete_delivery_fails_the_job_with_its_differences(
    world: World, name: str, behaviour: Behaviour, text: str
) -> None:
    failed = condition(await delivered(world, name, behaviour), "Failed")
    assert failed is not None
    assert failed["reason"] == "DeliveryMismatch"
    assert text in failed["message"]


@pytest.mark.parametrize(
    ("name", "behaviour", "export"),
    [
        ("no-rows", Behaviour(rows=0), {"type": "Entities"}),
        ("siblings", Behaviour(tasks=3), {"type": "Entities"}),
        ("json", Behaviour(), {"type": "Entities", "fileFormat": "JSON"}),
        ("sliced", Behaviour(), {"type": "Entities", "slicedByCrosswalks": True}),
        ("merge-tree", Behaviour(), {"type": "MergeTree"}),
        ("one-row-a-file", Behaviour(rows_per_file=1), {"type": "Entities"}),
    ],
)
async def test_a_complete_delivery_completes_the_job(
    world: World, name: str, behaviour: Behaviour, export: Raw
) -> None:
    job = await delivered(world, name, behaviour, export=export)
    assert condition(job, "Complete"), job["status"]["conditions"]


async def test_a_number_of_objects_that_may_be_an_estimate_fails_no_job_and_proves_nothing(world: World) -> None:
    job = await delivered(world, "wrong-total", Behaviour(total_off_by=1))
    assert condition(job, "Complete"), job["status"]["conditions"]
    (verified,) = [one for one in job["status"]["conditions"] if one["type"] == "DeliveryVerified"]
    assert (verified["status"], verified["reason"]) == ("Unknown", "DeliveryUncertain")
    assert "is 1001, but the files have 1000 records" in verified["message"]
    assert job["status"]["output"]["objects"] == 1000


async def test_a_job_without_verification_needs_no_manifest(world: World) -> None:
    job = await delivered(world, "believing", Behaviour(no_manifest=True), delivery={"verify": "None"})
    complete = condition(job, "Complete")
    assert complete is not None
    assert complete["reason"] == "ReportedByService"
    assert job["status"]["output"]["verified"] == "None"


async def test_the_checksums_beside_the_data_are_those_of_the_files(world: World) -> None:
    job = await delivered(world, "receipt", Behaviour(), delivery={"verify": "Full", "receipt": True})
    output = job["status"]["output"]
    assert output["receipt"] == f"s3://{output['bucket']}/{output['prefix']}_export-receipt.json"

    def read(name: str) -> bytes:
        content: bytes = world.sandbox.cloud.read_object(output["bucket"], output["prefix"] + name)
        return content

    checksums = (await asyncio.to_thread(read, "_export-receipt.sha256")).decode()
    lines = [line.split("  ") for line in checksums.splitlines()]
    assert [name for _, name in lines] == [*(f"part-{n:05d}.gz" for n in range(output["files"])), "manifest.json"]
    for checksum, name in lines:
        assert hashlib.sha256(await asyncio.to_thread(read, name)).hexdigest() == checksum
