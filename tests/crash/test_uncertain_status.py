"""What a status written by hand, or by another version, does to the real controllers."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from .matrix import is_over
from .world import DELIVERED, JOB, NAMESPACE, TARGET, World

pytestmark = pytest.mark.usefixtures("quietly")

Raw = dict[str, Any]
BAD: list[Raw] = [
    {"submission": 7},
    {"submission": {"path": 7}},
    {"submission": {"id": "another"}},
    {"submission": {"service": {"tenant": ["acme01"]}}},
    {"submission": {"s3": {"bucket": "another"}}},
    {"submission": {"intendedTime": "yesterday"}},
    {"submission": None},
    {"tasks": "none"},
    {"tasks": [{"status": "PROCESSING"}]},
    {"tasks": None},
    {"conditions": [{"type": "Complete", "status": "Maybe"}]},
]


def status_of(world: World, name: str = JOB) -> Raw:
    status: Raw = (world.job(name) or {}).get("status", {})
    return status


def conditions(world: World, name: str = JOB) -> dict[str, str]:
    listed = status_of(world, name).get("conditions", [])
    return {c["type"]: c["reason"] for c in listed if c["status"] == "True"}


def is_running(world: World) -> bool:
    return bool(status_of(world).get("tasks")) and "Reconciling" in conditions(world)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: str(bad)[1:-1])
def test_a_running_job_whose_record_is_damaged_is_held_and_continues_once_it_is_corrected(
    world: World, bad: Raw
) -> None:
    world.submit_job(backoffLimit=5)
    world.start()
    world.wait(lambda: is_running(world))
    good = copy.deepcopy(status_of(world))
    world.edit_job({"status": bad})
    world.wait(lambda: conditions(world).get("Stalled") == "StatusNotUnderstood")
    world.wait(lambda: False, within=3600)
    assert conditions(world)["Stalled"] == "StatusNotUnderstood"
    assert len(world.service.exports) == 1
    world.edit_job({"status": {name: good[name] for name in bad}})
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


@pytest.mark.parametrize("bad", BAD[:6], ids=lambda bad: str(bad)[1:-1])
def test_a_job_in_doubt_whose_record_is_damaged_while_no_operator_runs_is_not_submitted(world: World, bad: Raw) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: bool(world.service.exports))
    world.kill()
    world.edit_job({"status": {"tasks": None, "submission": {"submittedTime": None, "groupID": None}}})  # as before
    good = copy.deepcopy(status_of(world))
    world.edit_job({"status": bad})
    world.start()
    world.wait(lambda: False, within=3600)
    assert conditions(world)["Stalled"] == "StatusNotUnderstood"
    assert len(world.service.exports) == 1
    world.edit_job({"status": {name: good[name] for name in bad}})
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: str(bad)[1:-1])
def test_a_finished_job_whose_status_is_damaged_is_never_submitted(world: World, bad: Raw) -> None:
    world.submit_job()
    world.run(lambda: is_over(world))
    world.edit_job({"status": {"conditions": "gone", **bad}})
    world.start()
    world.wait(lambda: False, within=3600)
    assert len(world.service.exports) == 1


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: str(bad)[1:-1])
@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_held_job_can_be_cancelled_and_deleted(world: World, bad: Raw, end: str) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: is_running(world))
    world.edit_job({"status": bad})
    world.wait(lambda: conditions(world).get("Stalled") == "StatusNotUnderstood")
    if end == "delete":
        world.delete_job()
        world.wait(lambda: world.job() is None, within=600)
        assert world.job() is None
    else:
        world.edit_job({"spec": {"cancel": True}})
        world.wait(lambda: conditions(world).get("Failed") == "Cancelled", within=600)
        assert conditions(world)["Failed"] == "Cancelled"
    assert len(world.service.exports) == 1


def test_a_held_job_holds_up_no_other(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: is_running(world))
    world.edit_job({"status": {"submission": 7}})
    world.submit_job("another")
    world.wait(lambda: conditions(world, "another") == DELIVERED)
    assert len(world.service.exports) == 2


def test_values_that_do_not_identify_the_export_are_reported_and_the_job_continues(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: is_running(world))
    world.edit_job({"status": {"waits": "many", "progress": {"percent": "half"}, "startTime": "then"}})
    world.wait(lambda: "StatusInvalid" in conditions(world))
    world.wait(lambda: is_over(world))
    assert conditions(world)["Complete"] == "Delivered"


def test_what_another_version_wrote_survives_the_life_of_a_job(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: is_running(world))
    status = copy.deepcopy(status_of(world))
    status["addedLater"] = {"a": 1}
    status["submission"]["s3"]["addedLater"] = [1]
    status["tasks"][0]["addedLater"] = True
    status["conditions"].append({**status["conditions"][0], "type": "Later", "addedLater": 1})
    world.edit_job({"status": status})
    world.wait(lambda: is_over(world))
    after = status_of(world)
    assert after["addedLater"] == {"a": 1}
    assert after["submission"]["s3"]["addedLater"] == [1]
    assert after["tasks"][0]["addedLater"] is True
    assert next(c for c in after["conditions"] if c["type"] == "Later")["addedLater"] == 1
    assert "StatusInvalid" not in conditions(world)


@pytest.mark.parametrize(
    "bad", [{"conditions": 7}, {"checks": {}}, {"activeJobs": "x", "lastVerificationTime": "then"}], ids=str
)
def test_a_target_with_a_damaged_status_serves_its_jobs_and_says_what_is_wrong(world: World, bad: Raw) -> None:
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"status": bad})
    world.submit_job()
    world.start()
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    found = world.kube.objects["exporttargets", NAMESPACE, TARGET]["status"]["conditions"]
    assert next(c for c in found if c["type"] == "Ready")["status"] == "True"
