"""What a job can meet on its way, and that it stays one export. One sandbox serves all stories, one after the other."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from kubernetes.aio.client.exceptions import ApiException

from integration.conftest import World, condition
from reltio_export_sandbox.reltio import Fault

if TYPE_CHECKING:
    from reltio_export_sandbox.reltio.tasks import Run

Raw = dict[str, Any]
pytestmark = pytest.mark.asyncio(loop_scope="module")
SLOW, FAST = 2, 500  # objects per second


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(opener: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opener(tmp_path_factory.mktemp("sandbox"), RELTIO_EXPORT_CLEANUP_TIMEOUT_SECONDS="4") as world:
        await world.secret()
        await world.target(spec={"maxConcurrentJobs": 16})
        await world.ready()
        yield world


@pytest.fixture
def world(shared: World) -> World:
    shared.sandbox.reltio.faults.clear()
    shared.sandbox.reltio.engine.behaviours.clear()
    shared.sandbox.reltio.config.objects_per_second = FAST
    return shared


def runs(world: World, job: Raw) -> list[Run]:
    return [run for run in world.sandbox.reltio.engine.runs if job["metadata"]["uid"] in run.order.name]


async def running(world: World, name: str, **spec: Any) -> tuple[Raw, Run]:
    """A job that takes its time, and its export at the service."""
    world.sandbox.reltio.config.objects_per_second = SLOW
    await world.job(name, **spec)
    job = await world.until("ExportJob", name, lambda raw: raw.get("status", {}).get("tasks"))
    (run,) = runs(world, job)
    return job, run


async def gone(world: World, name: str) -> None:
    async with asyncio.timeout(60):
        while True:
            if not await _exists(world, name):
                return
            await asyncio.sleep(0.1)


async def _exists(world: World, name: str) -> bool:
    try:
        await world.get("ExportJob", name)
    except ApiException as error:
        if error.status == 404:
            return False
        raise
    return True


@pytest.mark.parametrize(("status", "reason"), [(400, "BadRequest"), (413, "PayloadTooLarge")])
async def test_a_permanent_refusal_fails_the_job_with_the_message_of_reltio_and_a_remedy(
    world: World, status: int, reason: str
) -> None:
    world.sandbox.reltio.faults.append(
        Fault(path="/export/", method="POST", status=status, body={"errorMessage": "this will not do"}, times=4)
    )
    await world.job(f"refused-{status}")
    job = await world.finished(f"refused-{status}")
    failed = condition(job, "Failed")
    assert failed is not None
    assert failed["reason"] == reason
    assert "this will not do" in failed["message"]
    assert job["status"]["attempts"] == 1
    assert runs(world, job) == []


@pytest.mark.parametrize("status", [400, 403])
async def test_a_refusal_that_may_pass_is_retried(world: World, status: int) -> None:
    world.sandbox.reltio.faults.append(Fault(path="/export/", method="POST", status=status, html=True))
    await world.job(f"refused-once-{status}")
    job = await world.finished(f"refused-once-{status}")
    assert condition(job, "Complete")
    assert len(runs(world, job)) == 1


async def test_a_transient_refusal_is_reported_with_reason_and_time_and_retried(world: World) -> None:
    world.sandbox.reltio.faults.append(Fault(path="/export/", method="POST", status=429, retry_after=3))
    await world.job("limited")
    waiting = await world.until("ExportJob", "limited", lambda raw: raw.get("status", {}).get("waitingSince"))
    reported = condition(waiting, "Reconciling")
    assert reported is not None
    assert reported["reason"] == "RateLimited"
    assert waiting["status"]["waitingSince"] in reported["message"]
    job = await world.finished("limited")
    assert condition(job, "Complete")
    assert len(runs(world, job)) == 1
    assert job["status"]["submission"].get("adopted") is None


async def test_a_task_cancelled_in_the_console_fails_the_job_and_is_not_run_again(world: World) -> None:
    _, run = await running(world, "console-cancel")
    world.sandbox.reltio.engine.stop(run.tasks[0])
    job = await world.finished("console-cancel")
    failed = condition(job, "Failed")
    assert failed is not None
    assert failed["reason"] == "TaskCanceled"
    assert len(runs(world, job)) == 1


async def test_a_second_export_with_the_same_attempt_id_is_reported_and_stopped(world: World) -> None:
    _, run = await running(world, "doubled")
    elsewhere = {**run.order.destination, "s3Path": run.order.destination["s3Path"] + "-again"}
    double = world.sandbox.reltio.engine.accept(
        dataclasses.replace(run.order, destination=elsewhere, group_id="another-group", task_ids=[])
    )
    reported = await world.until("ExportJob", "doubled", lambda raw: condition(raw, "DuplicateDetected"))
    assert [task["id"] for task in reported["status"]["duplicates"]] == [task.id for task in double.tasks]
    world.sandbox.reltio.config.objects_per_second = FAST
    job = await world.finished("doubled")
    assert condition(job, "Complete")
    assert [task.status for task in double.tasks] == ["CANCELED"]
    assert "DuplicateDetected" in await world.events("doubled", until="Completed")


async def test_the_annotation_cancels_without_deleting(world: World) -> None:
    _, run = await running(world, "annotated")
    await world.patch("ExportJob", "annotated", {"metadata": {"annotations": {"export.reltio.com/cancel": "true"}}})
    job = await world.finished("annotated")
    assert condition(job, "Failed")
    assert [task.status for task in run.tasks] == ["CANCELED"]
    await world.until("ExportJob", "annotated", lambda raw: not raw["metadata"].get("finalizers"))


async def test_a_job_past_its_deadline_is_stopped_and_fails(world: World) -> None:
    _, run = await running(world, "late", activeDeadlineSeconds=3)
    job = await world.finished("late")
    failed = condition(job, "Failed")
    assert failed is not None
    assert failed["reason"] == "DeadlineExceeded"
    assert [task.status for task in run.tasks] == ["CANCELED"]


async def test_deleting_an_orphan_leaves_its_export_running(world: World) -> None:
    _, run = await running(world, "orphan", deletionPolicy="Orphan")
    await world.delete("ExportJob", "orphan")
    await gone(world, "orphan")
    assert run.tasks[0].is_active
    world.sandbox.reltio.engine.stop(run.tasks[0])


async def test_a_deletion_ends_within_its_bound_when_the_service_and_the_secret_are_gone(world: World) -> None:
    _, run = await running(world, "bounded")
    world.sandbox.reltio.faults.append(Fault(path="/tasks", status=503, times=0))
    await world.core.delete_namespaced_secret("reltio-api", world.namespace)
    try:
        await world.delete("ExportJob", "bounded")
        await gone(world, "bounded")
        assert "CleanupIncomplete" in await world.events("bounded", until="CleanupIncomplete")
    finally:
        world.sandbox.reltio.faults.clear()
        await world.secret()
        world.sandbox.reltio.engine.stop(run.tasks[0])


async def test_a_job_created_again_under_its_name_is_a_job_of_its_own(world: World) -> None:
    before, run = await running(world, "again")
    await world.delete("ExportJob", "again")
    await gone(world, "again")
    world.sandbox.reltio.config.objects_per_second = FAST
    await world.job("again")
    after = await world.finished("again")
    assert condition(after, "Complete")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert [task.status for task in run.tasks] == ["CANCELED"]
    assert len(runs(world, after)) == 1


async def test_a_finished_job_goes_when_its_time_is_over_but_not_one_that_git_would_put_back(world: World) -> None:
    tracked = {"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "exports:export.reltio.com/ExportJob:x"}}}
    await world.job("kept", suspend=True)
    await world.patch("ExportJob", "kept", tracked)
    await world.patch("ExportJob", "kept", {"spec": {"suspend": False, "ttlSecondsAfterFinished": 1}})
    await world.job("passing", ttlSecondsAfterFinished=1)
    kept = await world.until("ExportJob", "kept", lambda raw: condition(raw, "Retained"))
    assert condition(kept, "Complete")
    assert "tasks" not in kept["status"]
    await gone(world, "passing")


async def test_a_target_edited_or_deleted_meanwhile_does_not_change_where_a_job_exports_to(world: World) -> None:
    await world.target("moving")
    await world.ready("moving")
    await running(world, "steady", target="moving")
    await world.patch("ExportTarget", "moving", {"spec": {"s3": {"path": "/elsewhere/"}}})
    world.sandbox.reltio.config.objects_per_second = FAST
    job = await world.finished("steady")
    assert condition(job, "Complete")
    assert job["status"]["output"]["prefix"].startswith("moving/")
    assert len(runs(world, job)) == 1


async def test_a_canary_shows_that_a_target_delivers(world: World) -> None:
    await world.target("proven", spec={"verification": {"canary": True}})
    target = await world.until("ExportTarget", "proven", lambda raw: condition(raw, "Delivered"))
    assert condition(target, "Ready")
    canary = await world.get("ExportJob", f"proven-canary-{target['metadata']['generation']}")
    assert condition(canary, "Complete")
    assert len(runs(world, canary)) == 1
