"""What one object that cannot be decoded does to the others: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from reltio_export_operator.api.meta import FINALIZER

from .matrix import is_over
from .world import NAMESPACE, TARGET, World

pytestmark = pytest.mark.usefixtures("quietly")

Raw = dict[str, Any]
BAD_TARGETS: list[Raw] = [
    {"spec": {"s3": {"region": 7}}},
    {"spec": {"s3": "everywhere"}},
    {"spec": {"maxConcurrentJobs": "many"}},
    {"spec": {"reltio": None}},
    {"metadata": {"creationTimestamp": "yesterday"}},
]
BAD_JOBS: list[Raw] = [
    {"spec": {"export": {"type": 7}}},
    {"spec": {"targetRef": "lake"}},
    {"spec": {"backoffLimit": [2]}},
    {"spec": {"export": None}},
    {"metadata": {"creationTimestamp": "yesterday"}},
]


def conditions(raw: Raw | None) -> dict[str, tuple[str, str]]:
    listed = (raw or {}).get("status", {}).get("conditions", [])
    return {c["type"]: (c["status"], c["reason"]) for c in listed}


def target(world: World, name: str) -> Raw:
    return world.kube.objects["exporttargets", NAMESPACE, name]


def another_target(world: World, name: str) -> None:
    world.kube.user_create("exporttargets", NAMESPACE, name, target(world, TARGET)["spec"])


def events(world: World, raw: Raw | None) -> list[str]:
    assert raw is not None
    return [reason for uid, reason, _ in world.kube.events if uid == raw["metadata"]["uid"]]


@pytest.mark.parametrize("bad", BAD_TARGETS, ids=str)
def test_a_target_that_cannot_be_read_at_the_start_is_reported_and_holds_up_no_other_one(
    world: World, bad: Raw
) -> None:
    another_target(world, "bad")
    world.kube.change("exporttargets", NAMESPACE, "bad", bad)
    world.submit_job("of-bad", targetRef={"name": "bad"})
    world.submit_job()
    world.start()
    world.wait(lambda: is_over(world))
    assert conditions(world.job())["Complete"][0] == "True"
    found = conditions(target(world, "bad"))
    assert found["Ready"] == ("False", "SpecNotUnderstood")
    assert found["Stalled"] == ("True", "SpecNotUnderstood")
    assert events(world, target(world, "bad")) == ["SpecNotUnderstood"]
    assert conditions(world.job("of-bad"))["Reconciling"] == ("True", "TargetNotUnderstood")


def test_jobs_of_a_target_continue_once_it_can_be_read_again(world: World) -> None:
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"maxConcurrentJobs": "many"}})
    world.submit_job()
    world.start()
    world.wait(lambda: "Reconciling" in conditions(world.job()) and "Ready" in conditions(target(world, TARGET)))
    assert not world.service.exports
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"maxConcurrentJobs": 1}})
    world.wait(lambda: is_over(world))
    assert conditions(world.job())["Complete"][0] == "True"
    assert "Stalled" not in conditions(target(world, TARGET))


def test_a_running_job_completes_while_its_target_cannot_be_read(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: bool((world.job() or {}).get("status", {}).get("tasks")))
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"maxConcurrentJobs": "many"}})
    world.wait(lambda: is_over(world))
    assert conditions(world.job())["Complete"][0] == "True"


@pytest.mark.parametrize("bad", BAD_JOBS, ids=str)
def test_a_job_that_cannot_be_read_at_the_start_is_reported_and_holds_up_no_other_one(world: World, bad: Raw) -> None:
    world.submit_job("bad")
    world.edit_job(bad, "bad")
    world.submit_job()
    world.start()
    world.wait(lambda: is_over(world))
    assert conditions(world.job())["Complete"][0] == "True"
    assert conditions(world.job("bad")) == {"Stalled": ("True", "SpecNotUnderstood")}
    assert events(world, world.job("bad")) == ["SpecNotUnderstood"]


def test_a_job_that_cannot_be_read_keeps_its_place_at_the_target_after_a_restart(world: World) -> None:
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"maxConcurrentJobs": 1}})
    world.submit_job("bad")
    world.start()
    world.wait(lambda: bool((world.job("bad") or {}).get("status", {}).get("tasks")))
    world.kill()
    world.edit_job({"spec": {"backoffLimit": "two"}}, "bad")
    world.submit_job()
    world.start()
    world.wait(lambda: False, within=3600)
    assert len(world.service.exports) == 1
    assert conditions(world.job())["Reconciling"] == ("True", "Queued")
    world.edit_job({"spec": {"backoffLimit": 2}}, "bad")
    world.wait(lambda: is_over(world))
    assert conditions(world.job("bad"))["Complete"][0] == "True"
    assert "Stalled" not in conditions(world.job("bad"))
    assert conditions(world.job())["Complete"][0] == "True"


@pytest.mark.parametrize("bad", BAD_JOBS, ids=str)
def test_a_deleted_job_that_cannot_be_read_is_released_after_the_bound_and_not_before(world: World, bad: Raw) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: bool((world.job() or {}).get("status", {}).get("tasks")))
    world.edit_job(bad)
    world.edit_job({"metadata": {"finalizers": [FINALIZER, "example.com/other"]}})
    before = world.job()
    world.delete_job()
    bound = world.settings.cleanup_timeout_seconds
    world.wait(lambda: False, within=bound / 2 - 10)
    assert conditions(world.job())["Stalled"][1] == "SpecNotUnderstood"
    world.wait(lambda: False, within=bound / 2)
    (stalled,) = [one for one in (world.job() or {})["status"]["conditions"] if one["type"] == "Stalled"]
    assert stalled["reason"] == "ExportMayStillRun"
    submitted = (before or {})["status"]
    named = f"(task {submitted['tasks'][0]['id']}, directory {submitted['submission']['destination']})"
    assert named in stalled["message"]
    assert FINALIZER in (world.job() or {})["metadata"]["finalizers"]
    world.wait(lambda: (world.job() or {})["metadata"]["finalizers"] == ["example.com/other"], within=bound)
    assert (world.job() or {})["metadata"]["finalizers"] == ["example.com/other"]
    assert events(world, before).count("CleanupIncomplete") == 1
