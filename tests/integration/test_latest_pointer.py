"""The pointer to the newest proven data, as a program that reads the exports sees it."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from datetime import datetime
from typing import Any

import pytest

from integration.conftest import World, condition
from reltio_export_sandbox.cloud import EXPORT_ACTIONS
from reltio_export_sandbox.environment import BUCKET, ROLE

Raw = dict[str, Any]


def location(world: World) -> str:
    return f"lake/_latest/{world.namespace}/people.json"


def spec(**more: Any) -> Raw:
    return {
        "schedule": "@yearly",
        "latestPointer": {},
        "jobTemplate": {"spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities", "fileFormat": "JSON"}}},
        **more,
    }


INCREMENTAL = {"overlap": "1m", "fullSchedule": "@yearly"}


async def prepared(world: World, **more: Any) -> None:
    await world.secret()
    await world.target()
    await world.ready()
    await world.create("ExportSchedule", "people", spec(**more))
    await world.until("ExportSchedule", "people", lambda raw: raw["status"].get("nextScheduleTime"))


async def run(world: World, trigger: str) -> Raw:
    """One triggered run, until the schedule has recorded its outcome."""
    await world.patch("ExportSchedule", "people", {"spec": {"trigger": trigger}})
    return await world.until(
        "ExportSchedule",
        "people",
        lambda raw: (
            raw["status"].get("lastHandledTrigger") == trigger and raw["status"]["lastJob"]["outcome"] == "Complete"
        ),
    )


async def pointed(world: World) -> Raw:
    """The document, once it has the newest job."""
    raw = await world.until(
        "ExportSchedule",
        "people",
        lambda raw: (
            condition(raw, "PointerCurrent") and raw["status"]["pointer"]["job"] == raw["status"]["lastJob"]["name"]
        ),
    )
    document: Raw = json.loads(await asyncio.to_thread(world.sandbox.cloud.read_object, BUCKET, location(world)))
    assert raw["status"]["pointer"]["location"] == f"s3://{BUCKET}/{location(world)}"
    return document


async def records(world: World, document: Raw) -> list[Raw]:
    found: list[Raw] = []
    for export in document["exports"]:
        for name in export["files"]:
            key = export["prefix"] + name
            content = await asyncio.to_thread(world.sandbox.cloud.read_object, export["bucket"], key)
            found += [json.loads(line) for line in gzip.decompress(content).splitlines()]
    return found


def newest(found: list[Raw]) -> dict[str, int]:
    """When each object was updated last, by its uri: what a consumer keeps."""
    return {one["uri"]: one["updatedTime"] for one in sorted(found, key=lambda one: int(one["updatedTime"]))}


class Changes:
    """Changes the entities of a tenant, and remembers when."""

    def __init__(self, world: World, entities: int) -> None:
        self.tenant = world.sandbox.reltio.tenants["acme01"]
        self.tenant.entities = entities
        self.tenant.updates = dict.fromkeys(range(entities), int(time.time() * 1000) - 3_600_000)
        self._made = list(self.tenant.updates.items())

    def make(self, *numbers: int) -> None:
        """Update these entities now, and create one."""
        for number in (*numbers, self.tenant.entities):
            self.tenant.updates[number] = int(time.time() * 1000)
            self._made.append((number, self.tenant.updates[number]))
        self.tenant.entities += 1

    def until(self, moment: str) -> dict[str, int]:
        """When each entity was updated last before this time, by its uri. Windows end at whole seconds."""
        end = datetime.fromisoformat(moment).timestamp() * 1000
        return {f"entities/{number:07d}": updated for number, updated in self._made if updated <= end}


async def test_full_and_windows_together_are_what_the_tenant_holds(world: World) -> None:
    changes = Changes(world, 1000)
    await prepared(world, incremental=INCREMENTAL)
    await run(world, "0")
    document = await pointed(world)
    assert [one["mode"] for one in document["exports"]] == ["Full"]
    for number in range(1, 4):
        changes.make(number, 500 + number)
        await run(world, str(number))
    document = await pointed(world)
    assert {one["mode"] for one in document["exports"][1:]} == {"Incremental"}
    assert document["verified"] == "Delivered"
    ends = [one["windowEnd"] for one in document["exports"]]
    assert ends == sorted(ends)
    assert document["dataTime"] == ends[-1]
    assert document["prefix"] == document["exports"][-1]["prefix"]
    found = await records(world, document)
    assert sum(one["objects"] for one in document["exports"]) == len(found)
    assert newest(found) == changes.until(document["dataTime"])


async def test_a_document_that_was_deleted_is_written_again_from_the_jobs(world: World) -> None:
    await prepared(world, incremental=INCREMENTAL)
    await run(world, "0")
    await run(world, "1")
    before = await pointed(world)
    await asyncio.to_thread(world.sandbox.cloud.delete_object, BUCKET, location(world))
    await run(world, "2")
    after = await pointed(world)
    assert after["exports"][:2] == before["exports"]
    assert len(after["exports"]) == 3


async def test_without_incremental_it_has_the_newest_export(world: World) -> None:
    await prepared(world)
    await run(world, "0")
    first = await pointed(world)
    await run(world, "1")
    second = await pointed(world)
    assert [len(one["exports"]) for one in (first, second)] == [1, 1]
    assert first["dataTime"] < second["dataTime"]
    assert first["prefix"] != second["prefix"]


async def test_a_pointer_of_another_schedule_stays_as_it_is(world: World) -> None:
    other = json.dumps({"somebody": "else"}).encode()
    await prepared(world)
    await run(world, "0")
    document = await pointed(world)
    document["schedule"]["name"] = "other"
    taken = json.dumps(document).encode()
    await asyncio.to_thread(world.sandbox.cloud.put_object, BUCKET, location(world), taken)
    done = await run(world, "1")
    await world.until(
        "ExportSchedule",
        "people",
        lambda raw: (condition(raw, "PointerCurrent", "False") or {}).get("reason") == "PointerTaken",
    )
    assert await asyncio.to_thread(world.sandbox.cloud.read_object, BUCKET, location(world)) == taken
    assert condition(done, "Ready")
    await asyncio.to_thread(world.sandbox.cloud.put_object, BUCKET, location(world), other)
    await run(world, "2")
    assert (await pointed(world))["schedule"]["name"] == "people", "what is not a pointer is replaced"


async def test_a_pointer_that_may_not_be_written_is_a_matter_of_the_schedule_only(world: World) -> None:
    await prepared(world, jobTemplate=spec()["jobTemplate"], latestPointer={"path": "latest/people.json"})
    everything = {"Effect": "Allow", "Action": list(EXPORT_ACTIONS), "Resource": "*"}
    denied = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/lake/latest/*"}
    await asyncio.to_thread(world.sandbox.cloud.set_statements, ROLE, everything, denied)
    done = await run(world, "0")
    raw = await world.until(
        "ExportSchedule",
        "people",
        lambda raw: (condition(raw, "PointerCurrent", "False") or {}).get("reason") == "PointerNotWritten",
    )
    assert "s3:PutObject" in (condition(raw, "PointerCurrent", "False") or {})["message"]
    job = await world.get("ExportJob", done["status"]["lastJob"]["name"])
    assert condition(job, "Complete")
    assert condition(raw, "Ready")


@pytest.mark.parametrize("path", ["../x.json", "/x.json", "a//b", "a/../b", "x y"])
async def test_a_path_outside_of_the_target_is_refused(world: World, path: str) -> None:
    with pytest.raises(Exception, match="latestPointer"):
        await world.create("ExportSchedule", "bad", spec(latestPointer={"path": path}))
