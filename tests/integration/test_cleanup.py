"""What a failed attempt wrote is deleted by the running operator, and nothing else is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration.conftest import World, condition
from reltio_export_operator.targets.permissions import export_policy
from reltio_export_sandbox.environment import BUCKET, ROLE
from reltio_export_sandbox.reltio import Behaviour

Raw = dict[str, Any]
ON = {"cleanupFailedAttempts": True}
FAILING = Behaviour(tasks=2, fail="disk full", rows_per_file=200)


async def keys(world: World, prefix: str) -> list[str]:
    found = await asyncio.to_thread(world.sandbox.cloud.list_objects, BUCKET, prefix)
    return sorted(key for key, _ in found)


async def put(world: World, *names: str) -> None:
    for name in names:
        await asyncio.to_thread(world.sandbox.cloud.put_object, BUCKET, name, b"of somebody else")


async def next_second(world: World, key: str) -> None:
    """Wait until what happens is later than this object was written: S3 states that in whole seconds."""
    head = await asyncio.to_thread(world.sandbox.cloud.client("s3").head_object, Bucket=BUCKET, Key=key)
    left = head["LastModified"] + timedelta(seconds=1) - datetime.now(UTC)
    await asyncio.sleep(max(0.0, left.total_seconds()))


async def settled(world: World, name: str = "nightly") -> Raw:
    def holds(raw: Raw) -> bool:
        entries = raw.get("status", {}).get("cleanups", [])
        ended = condition(raw, "Failed") or condition(raw, "Complete")
        return bool(ended and entries and entries[-1]["result"] != "Deleting" and not raw["metadata"].get("finalizers"))

    return await world.until("ExportJob", name, holds, within=60)


@pytest.fixture
async def furnished(world: World) -> World:
    await world.secret()
    await world.target()
    await world.ready()
    return world


async def test_a_retried_attempt_leaves_only_what_others_wrote(furnished: World) -> None:
    world = furnished
    world.sandbox.reltio.engine.behaviours.append(FAILING)
    await world.job(suspend=True, delivery=ON)
    uid = (await world.get("ExportJob", "nightly"))["metadata"]["uid"]
    parent = "lake/default/nightly/"
    earlier = f"{parent}{uid}-1/here-before.gz"
    neighbours = [f"{parent}readme.txt", f"{parent}{uid}-10/part-00000.gz", "lake/default/weekly/part-00000.gz"]
    await put(world, earlier, *neighbours)
    await next_second(world, earlier)
    await world.patch("ExportJob", "nightly", {"spec": {"suspend": False}})
    job = await settled(world)
    assert condition(job, "Complete"), job["status"]
    (failure,) = job["status"]["failures"]
    assert failure["destination"] == f"s3://{BUCKET}/{parent}{uid}-1/"
    (entry,) = job["status"]["cleanups"]
    assert (entry["attempt"], entry["result"]) == (1, "Kept")
    assert entry["deleted"] >= 1
    assert "here-before.gz" in entry["message"]
    assert await keys(world, f"{parent}{uid}-1/") == [earlier]
    assert set(neighbours) <= set(await keys(world, "lake/default/"))
    assert len(await keys(world, job["status"]["output"]["prefix"])) == job["status"]["output"]["files"] + 1
    assert "PartialDataKept" in await world.events("nightly", "PartialDataKept")


async def test_a_failed_job_is_cleaned_up_and_versions_stay(furnished: World) -> None:
    world = furnished
    s3 = world.sandbox.cloud.client("s3")
    await asyncio.to_thread(s3.put_bucket_versioning, Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    world.sandbox.reltio.engine.behaviours.append(FAILING)
    await world.job(backoffLimit=0, delivery=ON)
    job = await settled(world)
    failed = condition(job, "Failed")
    assert failed is not None
    assert failed["reason"] == "TaskFailed"
    (entry,) = job["status"]["cleanups"]
    assert entry["result"] == "Deleted"
    prefix = job["status"]["submission"]["path"]
    assert await keys(world, prefix) == []
    versions = await asyncio.to_thread(s3.list_object_versions, Bucket=BUCKET, Prefix=prefix)
    assert len(versions["Versions"]) == len(versions["DeleteMarkers"]) == entry["deleted"] >= 1
    assert "PartialDataDeleted" in await world.events("nightly", "PartialDataDeleted")


async def test_a_denied_delete_names_the_right_that_is_missing(furnished: World) -> None:
    world = furnished
    world.sandbox.reltio.engine.behaviours.append(FAILING)
    await world.job(backoffLimit=0, delivery=ON)
    await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("tasks"))
    statements = export_policy(BUCKET, "lake/")["Statement"]
    denied = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}
    await asyncio.to_thread(world.sandbox.cloud.set_statements, ROLE, *statements, denied)
    job = await settled(world)
    failed = condition(job, "Failed")
    assert failed is not None
    assert failed["reason"] == "TaskFailed"
    (entry,) = job["status"]["cleanups"]
    assert (entry["result"], entry.get("deleted", 0)) == ("Kept", 0)
    assert "AWS denied s3:DeleteObject" in entry["message"]
    assert "Allow s3:DeleteObject in the permission policy of the role" in entry["message"]
    assert await keys(world, job["status"]["submission"]["path"])


@pytest.mark.parametrize(
    ("delivery", "behaviour", "reason"),
    [
        (ON, Behaviour(missing_file=True), "DeliveryMismatch"),
        ({}, FAILING, "TaskFailed"),
    ],
    ids=["an export that Reltio completed", "without the field"],
)
async def test_everything_else_stays(furnished: World, delivery: Raw, behaviour: Behaviour, reason: str) -> None:
    world = furnished
    world.sandbox.reltio.engine.behaviours.append(behaviour)
    await world.job(backoffLimit=0, delivery=delivery)
    if delivery:
        job = await settled(world)
    else:  # without a finalizer, the operator does nothing more
        released = lambda raw: condition(raw, "Failed") and not raw["metadata"].get("finalizers")  # noqa: E731
        job = await world.until("ExportJob", "nightly", released)
    failed = condition(job, "Failed")
    assert failed is not None
    assert failed["reason"] == reason
    assert await keys(world, job["status"]["submission"]["path"])
    assert [one["result"] for one in job["status"].get("cleanups", [])] == (["Kept"] if delivery else [])
