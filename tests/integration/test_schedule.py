"""Schedules on the sandbox: runs that are due, triggers, windows, and what is kept."""

from __future__ import annotations

import asyncio
import json
import re
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from tools import tool

from .conftest import GROUP, VERSION, World, condition

Raw = dict[str, Any]
EXPORT: Raw = {"type": "Entities", "fileFormat": "JSON"}


def template(**spec: Any) -> Raw:
    return {"spec": {"targetRef": {"name": "lake"}, "export": EXPORT, **spec}}


async def jobs(world: World) -> list[Raw]:
    listed = await world.objects.list_namespaced_custom_object(GROUP, VERSION, world.namespace, "exportjobs")
    return sorted(listed["items"], key=lambda job: str(job["metadata"]["creationTimestamp"] + job["metadata"]["name"]))


def new_year(zone: tzinfo) -> datetime:
    """The last slot of a yearly schedule: a test hardly ever runs across one."""
    return datetime(datetime.now(zone).year, 1, 1, tzinfo=zone)


async def plan(world: World, name: str, moment: datetime) -> None:
    """Move the time of the next run, as if the schedule had been planned before."""
    await world.objects.patch_namespaced_custom_object_status(
        GROUP,
        VERSION,
        world.namespace,
        "exportschedules",
        name,
        {"status": {"nextScheduleTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ")}},
        _content_type="application/merge-patch+json",
    )


def has_handled(trigger: str) -> Callable[[Raw], bool]:
    """Whether the run of a trigger is complete."""

    def check(raw: Raw) -> bool:
        status = raw["status"]
        return bool(status.get("lastHandledTrigger") == trigger and status["lastJob"]["outcome"] == "Complete")

    return check


async def test_a_run_that_is_due_becomes_one_job_that_is_complete(world: World) -> None:
    await world.secret()
    await world.target()
    await world.ready()
    await world.create(
        "ExportSchedule", "yearly", {"schedule": "@yearly", "jobTemplate": template(path="x/{scheduledTime}")}
    )
    await world.until("ExportSchedule", "yearly", lambda raw: raw["status"].get("nextScheduleTime"))
    slot = new_year(UTC)
    await plan(world, "yearly", slot)
    done = await world.until("ExportSchedule", "yearly", lambda raw: raw["status"].get("lastSuccessfulTime"))
    [job] = await jobs(world)
    assert job["metadata"]["name"] == f"yearly-{int(slot.timestamp()) // 60}"
    assert job["metadata"]["labels"][f"{GROUP}/schedule"] == "yearly"
    assert job["spec"]["path"] == slot.strftime("x/%Y%m%dT%H%M%SZ")
    assert condition(job, "Complete")
    status = done["status"]
    assert status["lastJob"]["outcome"] == "Complete"
    assert not status.get("active")
    assert datetime.fromisoformat(status["lastScheduleTime"]) == slot
    assert datetime.fromisoformat(status["nextScheduleTime"]) == slot.replace(year=slot.year + 1)
    assert condition(done, "Ready")


async def test_a_trigger_starts_one_run_although_the_schedule_is_suspended(world: World) -> None:
    await world.secret()
    await world.target()
    await world.ready()
    spec = {"schedule": "@yearly", "suspend": True, "trigger": "at creation", "jobTemplate": template()}
    await world.create("ExportSchedule", "yearly", spec)
    seen = await world.until("ExportSchedule", "yearly", lambda raw: raw["status"].get("lastHandledTrigger"))
    assert seen["status"]["lastHandledTrigger"] == "at creation"
    assert await jobs(world) == []
    await world.patch("ExportSchedule", "yearly", {"spec": {"trigger": "now"}})
    await world.until("ExportSchedule", "yearly", lambda raw: raw["status"].get("lastSuccessfulTime"))
    done = await world.get("ExportSchedule", "yearly")
    assert done["status"]["lastHandledTrigger"] == "now"
    assert "nextScheduleTime" not in done["status"]
    [job] = await jobs(world)
    assert job["metadata"]["name"].startswith("yearly-t-")


async def test_an_incremental_run_exports_from_the_watermark_less_the_overlap(world: World) -> None:
    await world.secret()
    await world.target()
    await world.ready()
    spec = {"schedule": "@yearly", "incremental": {"overlap": "10m"}, "jobTemplate": template(path="people/{mode}")}
    await world.create("ExportSchedule", "people", spec)
    await world.until("ExportSchedule", "people", lambda raw: raw["status"].get("nextScheduleTime"))
    for number in (1, 2):
        await world.patch("ExportSchedule", "people", {"spec": {"trigger": str(number)}})
        await world.until("ExportSchedule", "people", has_handled(str(number)))
    full, changes = await jobs(world)
    assert "updatedSince" not in full["spec"]["export"]
    assert full["spec"]["path"] == "people/full"
    run = json.loads(full["metadata"]["annotations"][f"{GROUP}/run"])
    assert run["fullReason"] == "FirstRun"
    watermark = min(
        datetime.fromisoformat(run["windowEnd"]), datetime.fromisoformat(full["metadata"]["creationTimestamp"])
    )
    export = changes["spec"]["export"]
    assert changes["spec"]["path"] == "people/incremental"
    assert datetime.fromisoformat(export["updatedSince"]) == watermark - timedelta(minutes=10)
    status = (await world.get("ExportSchedule", "people"))["status"]
    assert datetime.fromisoformat(export["updatedBefore"]) >= datetime.fromisoformat(status["incremental"]["watermark"])
    assert datetime.fromisoformat(status["incremental"]["watermark"]) >= watermark
    assert status["incremental"]["windows"] == 1


async def kubectl(world: World, *arguments: str) -> str:
    command = [tool("kubectl"), "--kubeconfig", str(world.sandbox.kubeconfig), "-n", world.namespace, *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_kubectl_shows_when_a_schedule_runs_and_how_far_it_has_come(world: World) -> None:
    await world.secret()
    await world.target()
    await world.ready()
    spec = {
        "schedule": "@yearly",
        "timeZone": "Asia/Tokyo",
        "incremental": {"overlap": "10m"},
        "freshness": {"maxAge": "3h"},
        "jobTemplate": template(path="people/{mode}/{windowEnd}"),
    }
    await world.create("ExportSchedule", "people", spec)
    planned = await world.until("ExportSchedule", "people", lambda raw: raw["status"].get("nextScheduleTime"))
    assert condition(planned, "Fresh", "Unknown")
    slot = new_year(ZoneInfo("Asia/Tokyo"))
    await plan(world, "people", slot.replace(year=slot.year - 3).astimezone(UTC))
    done = await world.until("ExportSchedule", "people", lambda raw: condition(raw, "Fresh", "True"))
    assert {"RunsSkipped", "JobCreated"} <= set(await world.events("people", until="JobCreated"))
    assert datetime.fromisoformat(done["status"]["lastMissedTime"]) == slot.replace(year=slot.year - 1)
    header, row = (await kubectl(world, "get", "exs", "-o", "wide")).splitlines()
    columns = ["NAME", "SCHEDULE", "ZONE", "SUSPEND", "ACTIVE", "LAST SUCCESS", "NEXT", "FRESH", "MODE", "WATERMARK"]
    assert re.split(r"  +", header.strip()) == [*columns, "MESSAGE"]
    cells = re.split(r"  +", row.strip())
    assert cells[:4] == ["people", "@yearly", "Asia/Tokyo", "false"]
    assert cells[-5:-2] == [done["status"]["nextScheduleTime"], "True", "Full"]
    assert cells[-2:] == [done["status"]["incremental"]["watermark"], done["status"]["message"]]


async def test_kubectl_explains_what_a_person_must_know_before(world: World) -> None:
    explained = " ".join((await kubectl(world, "explain", "exportschedule")).split())
    assert "kubectl delete --cascade=orphan keeps them" in explained
    explained = " ".join((await kubectl(world, "explain", "exportschedule.spec.incremental")).split())
    assert "Deleted objects do not show up in such exports: set fullSchedule" in explained


async def test_a_schedule_that_cannot_be_used_says_why(world: World) -> None:
    await world.create("ExportSchedule", "never", {"schedule": "0 3 30 2 *", "jobTemplate": template()})
    stalled = await world.until("ExportSchedule", "never", lambda raw: condition(raw, "Stalled"))
    ready = condition(stalled, "Ready", "False")
    assert ready is not None
    assert ready["reason"] == "ScheduleInvalid"
    assert ready["message"].startswith("spec.schedule: ")
    await world.patch("ExportSchedule", "never", {"spec": {"schedule": "0 3 * * *", "timeZone": "Mars/Olympus"}})
    await world.until(
        "ExportSchedule",
        "never",
        lambda raw: "spec.timeZone: " in (condition(raw, "Ready", "False") or {}).get("message", ""),
    )
    await world.patch("ExportSchedule", "never", {"spec": {"timeZone": "Asia/Tokyo"}})
    waiting = await world.until(
        "ExportSchedule",
        "never",
        lambda raw: (condition(raw, "Ready", "False") or {}).get("reason") == "TargetNotFound",
    )
    assert condition(waiting, "Stalled") is None
