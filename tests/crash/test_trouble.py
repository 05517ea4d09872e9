"""Failures that the table of kills and faults does not have."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from . import kubefaults
from .matrix import is_over
from .world import DELIVERED, World

pytestmark = pytest.mark.usefixtures("quietly")

Raw = dict[str, Any]


def conditions(world: World) -> dict[str, str]:
    raw = world.job() or {}
    listed = raw.get("status", {}).get("conditions", [])
    return {c["type"]: c["reason"] for c in listed if c["status"] == "True"}


def tasks_of(world: World) -> list[Raw]:
    return list((world.job() or {}).get("status", {}).get("tasks", []))


def denied(action: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, action.split(":")[-1])


def test_a_vanished_sibling_of_a_failed_task_never_leads_to_a_second_export(world: World) -> None:
    world.service.behave(tasks=2, fail="disk full")
    world.submit_job()
    world.start()
    world.wait(lambda: len(tasks_of(world)) == 2)
    world.service.forget(tasks_of(world)[1]["id"])
    world.wait(lambda: conditions(world).get("Stalled") == "TaskVanished")
    world.wait(lambda: False, within=3600)
    assert len(world.service.exports) == 1
    world.edit_job({"spec": {"cancel": True}})
    world.wait(lambda: "Failed" in conditions(world))
    assert conditions(world)["Failed"] == "Cancelled"


def test_a_vanished_task_and_a_bucket_that_cannot_be_read_are_reported_and_nothing_spins(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: bool(tasks_of(world)))
    world.service.forget(tasks_of(world)[0]["id"])
    world.bucket.fault = denied
    world.wait(lambda: conditions(world).get("Stalled") == "TaskVanished")
    world.wait(lambda: False, within=120)
    before = world.job()
    world.wait(lambda: False, within=3600)
    assert conditions(world) == {"Stalled": "TaskVanished"}
    assert world.job() == before
    world.bucket.fault = lambda action: None
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED


def test_nothing_is_submitted_while_a_refused_job_is_suspended(world: World) -> None:
    start = world.clock.now
    world.service.full_until = start + 60
    world.submit_job()
    world.clock.after(20, lambda: world.edit_job({"spec": {"suspend": True}}))
    world.start()
    world.wait(lambda: False, within=400)
    assert conditions(world) == {"Suspended": "JobSuspended"}
    assert [when for when in world.service.submissions if when > start + 21] == []
    world.edit_job({"spec": {"suspend": False}})
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED


def test_a_suspended_target_gets_no_submission_that_was_refused_before(world: World) -> None:
    start = world.clock.now
    world.service.full_until = start + 60
    world.submit_job()

    def suspend() -> None:
        world.kube.change("exporttargets", "mdm", "lake", {"spec": {"suspend": True}})

    world.clock.after(20, suspend)
    world.start()
    world.wait(lambda: False, within=400)
    assert conditions(world) == {"Reconciling": "TargetSuspended"}
    assert [when for when in world.service.submissions if when > start + 21] == []
    world.kube.change("exporttargets", "mdm", "lake", {"spec": {"suspend": False}})
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED


def test_an_export_whose_job_was_deleted_while_no_operator_ran_is_stopped(world: World) -> None:
    world.service.behave(tasks=2)
    world.submit_job()
    world.start()
    world.wait(lambda: bool(tasks_of(world)))
    world.kill()
    for task in world.service.tasks.values():
        task.left = 10_000.0
    world.delete_job()
    world.rest(300)
    assert world.service.exports[0].is_active
    world.start()
    world.wait(lambda: world.job() is None)
    assert [task.status for task in world.service.exports[0].tasks] == ["CANCELED", "CANCELED"]


def test_a_deleted_job_in_doubt_goes_within_the_bound_although_the_service_never_answers(world: World) -> None:
    world.submit_job()
    world.wire.strikes = dict.fromkeys(range(1, 5000), "503-html")
    world.start()
    world.wait(lambda: False, within=900)
    assert "Reconciling" in conditions(world)
    deleted = world.clock.now
    world.delete_job()
    world.wait(lambda: world.job() is None)
    assert world.job() is None
    assert world.clock.now - deleted <= world.settings.cleanup_timeout_seconds + 60


def test_a_job_in_doubt_is_cancelled_although_its_bucket_cannot_be_read(world: World) -> None:
    world.submit_job()
    world.bucket.fault = denied
    world.wire.strikes_of_submissions = ["reset-before"]
    world.start()
    world.wait(lambda: conditions(world).get("Stalled") == "AccessDenied")
    assert len(world.service.submissions) == 0
    world.edit_job({"spec": {"cancel": True}})
    world.wait(lambda: "Failed" in conditions(world), within=120)
    assert conditions(world)["Failed"] == "Cancelled"


def test_a_job_in_doubt_continues_once_its_bucket_can_be_read(world: World) -> None:
    world.submit_job()
    world.bucket.fault = denied
    world.wire.strikes_of_submissions = ["reset-before"]
    world.start()
    world.wait(lambda: "Stalled" in conditions(world))
    world.bucket.fault = lambda action: None
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


def test_a_completed_export_that_cannot_be_verified_can_be_cancelled(world: World) -> None:
    world.submit_job()
    world.bucket.fault = denied
    world.start()
    world.wait(lambda: conditions(world).get("Stalled") == "DeliveryUnverified")
    world.edit_job({"spec": {"cancel": True}})
    world.wait(lambda: "Failed" in conditions(world), within=60)
    assert conditions(world)["Failed"] == "Cancelled"


def test_a_job_that_begins_takes_the_target_as_it_is_at_that_moment(world: World) -> None:
    world.cut_watch(300)
    world.submit_job()
    world.kube.change("exporttargets", "mdm", "lake", {"spec": {"s3": {"bucket": "another-bucket"}}})
    world.start()
    world.wait(lambda: bool(tasks_of(world)))
    assert (world.job() or {})["status"]["submission"]["s3"]["bucket"] == "another-bucket"


def test_a_started_operator_counts_what_runs_before_it_lets_anything_begin(world: World) -> None:
    world.kube.change("exporttargets", "mdm", "lake", {"spec": {"maxConcurrentJobs": 1}})
    world.submit_job("z-first")
    world.start()
    world.wait(lambda: bool((world.job("z-first") or {}).get("status", {}).get("tasks")))
    world.kill()
    world.service.tasks[world.service.exports[0].tasks[0].id].left = 500.0
    world.submit_job("a-second")
    world.kube.objects = dict(reversed(world.kube.objects.items()))  # the events of a start come in any order
    world.start()
    world.wait(lambda: False, within=10)
    assert len(world.service.exports) == 1
    world.wait(lambda: len(world.service.exports) == 2)
    assert not world.service.exports[0].is_active


def test_a_job_whose_deletion_was_not_heard_of_gives_its_place_in_the_queue(world: World) -> None:
    world.kube.change("exporttargets", "mdm", "lake", {"spec": {"maxConcurrentJobs": 1}})
    for name in ("one", "two", "three"):
        world.submit_job(name)
        world.rest(2)
    world.start()
    world.wait(lambda: (world.job("three") or {}).get("status", {}).get("phase") == "Queued")
    world.cut_watch(5)
    world.kube.user_delete("exportjobs", "mdm", "two")
    world.wait(lambda: "output" in (world.job("three") or {}).get("status", {}), within=600)
    assert (world.job("three") or {})["status"]["phase"] == "Complete"


def test_a_corrected_secret_is_taken_up_within_a_minute_however_long_the_target_has_failed(world: World) -> None:
    world.bucket.fault = denied
    secret = world.kube.secrets.pop(("mdm", "reltio-api"))
    world.kube.change("exporttargets", "mdm", "lake", {"spec": {"verification": {"mode": "AssumeRole"}}})
    world.start()
    world.wait(lambda: False, within=2 * 3600 + 100)
    target = world.kube.objects["exporttargets", "mdm", "lake"]
    before = target["status"]["lastVerificationTime"]
    gap = world.clock.now
    world.wait(
        lambda: world.kube.objects["exporttargets", "mdm", "lake"]["status"]["lastVerificationTime"] != before,
        within=3600,
    )
    assert world.clock.now - gap > 60, "it backs off"
    world.kube.secrets["mdm", "reltio-api"] = secret
    corrected = world.clock.now
    before = world.kube.objects["exporttargets", "mdm", "lake"]["status"]["lastVerificationTime"]
    world.wait(
        lambda: world.kube.objects["exporttargets", "mdm", "lake"]["status"]["lastVerificationTime"] != before,
        within=3600,
    )
    assert world.clock.now - corrected <= 60


def test_a_submission_that_is_never_answered_is_sent_ever_more_rarely_and_reported(world: World) -> None:
    world.wire.strikes_of_submissions = ["500-before"] * 10_000
    world.submit_job()
    world.start()
    world.wait(lambda: False, within=2 * 3600)
    sent = [number for number, line in enumerate(world.wire.log) if "/export/" in line]
    assert 3 <= len(sent) <= 2 * 3600 / 360 + 4
    assert conditions(world)["Stalled"] == "AnswerLost"
    stalled = next(c for c in (world.job() or {})["status"]["conditions"] if c["type"] == "Stalled")
    assert 'It returned 500: "' in stalled["message"]
    world.wire.strikes_of_submissions = []
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize(
    ("fault", "each"),
    [
        (None, 9),
        ("500-after", 9),
        ("conflict", 9),
        ("conflict", 7),
        ("conflict", 5),
        ("conflict", 3),
        ("500-before", 9),
    ],
)
def test_never_more_jobs_run_than_the_target_allows_however_their_writes_end(
    world: World, limit: int, fault: str | None, each: int
) -> None:
    world.kube.change("exporttargets", "mdm", "lake", {"spec": {"maxConcurrentJobs": limit}})
    most = 0

    def count(*_: object) -> None:
        nonlocal most
        most = max(most, sum(export.is_active for export in world.service.exports))

    world.kube.listeners.append(count)
    if fault:
        for call in range(0, 400, each):
            kubefaults.arm(world, call, fault, more=True)
    for number in range(8):
        world.submit_job(f"job-{number}")
    world.start()
    world.kube.listeners.append(count)
    world.wait(lambda: sum(export.is_complete for export in world.service.exports) == 8)
    assert most == limit
    assert len(world.service.exports) == 8


def test_an_attempt_is_never_sent_again_on_an_incomplete_search(world: World) -> None:
    world.service.older_tasks, world.service.is_ordered = 200_000, False
    world.start()
    world.wait(lambda: False, within=3)  # the job is none of the first list
    world.wire.strikes_of_submissions = ["500-before"]
    world.submit_job()
    world.wait(lambda: conditions(world).get("Stalled") == "SearchIncomplete", within=1200)
    assert conditions(world)["Stalled"] == "SearchIncomplete"
    assert sum("/export/" in line for line in world.wire.log) == 1
    world.service.older_tasks = 0
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


def test_a_long_history_costs_a_search_few_pages(world: World) -> None:
    world.service.older_tasks = 200_000
    world.start()
    world.wait(lambda: False, within=3)
    world.wire.strikes_of_submissions = ["500-before"]
    world.submit_job()
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    pages = sum("/tasks/history" in line for line in world.wire.log)
    searches = sum("/export/" in line for line in world.wire.log)
    assert pages <= 5 * searches
