"""Schedules on the sandbox: runs that are due, triggers, windows, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from .conftest import GROUP, VERSION, World, condition

Raw = dict[str, Any]
EXPORT: Raw = {"type": "Entities", "fileFormat": "JSON"}


def template(**spec: Any) -> Raw:
    return {"spec": {"targetRef": {"name": "lake"}, "export": EXPORT, **spec}}


async def jobs(world: World) -> list[Raw]:
    listed = await world.objects.list_namespaced_custom_object(GROUP, VERSION, world.namespace, "exportjobs")
    return sorted(listed["items"], key=lambda job: str(job["metadata"]["creationTimestamp"] + job["metadata"]["name"]))


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
        "ExportSchedule", "hourly", {"schedule": "@hourly", "jobTemplate": template(path="x/{scheduledTime}")}
    )
    await world.until("ExportSchedule", "hourly", lambda raw: raw["status"].get("nextScheduleTime"))
    slot = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    await plan(world, "hourly", slot)
    done = await world.until("ExportSchedule", "hourly", lambda raw: raw["status"].get("lastSuccessfulTime"))
    [job] = await jobs(world)
    assert job["metadata"]["name"] == f"hourly-{int(slot.timestamp()) // 60}"
    assert job["metadata"]["labels"][f"{GROUP}/schedule"] == "hourly"
    assert job["spec"]["path"] == slot.strftime("x/%Y%m%dT%H%M%SZ")
    assert condition(job, "Complete")
    status = done["status"]
    assert status["lastJob"]["outcome"] == "Complete"
    assert not status.get("active")
    assert datetime.fromisoformat(status["lastScheduleTime"]) == slot
    assert datetime.fromisoformat(status["nextScheduleTime"]) == slot + timedelta(hours=1)
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
