"""What is lost of an object, at any step of its life: the status, the finalizer, or the object itself."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from .losses import drop_annotation, restore, wipe_status
from .matrix import is_over
from .world import DELIVERED, JOB, NAMESPACE, TARGET, World

pytestmark = pytest.mark.usefixtures("quietly")

Raw = dict[str, Any]


def conditions(world: World, name: str = JOB) -> dict[str, str]:
    listed = (world.job(name) or {}).get("status", {}).get("conditions", [])
    return {c["type"]: c["reason"] for c in listed if c["status"] == "True"}


def wipe(world: World, *, annotation: bool = False) -> None:
    """Clear the status, and the annotation too if asked."""
    wipe_status(world)
    if annotation:
        drop_annotation(world)


def has_tasks(world: World, name: str = JOB) -> bool:
    return bool((world.job(name) or {}).get("status", {}).get("tasks"))


@pytest.mark.parametrize("running", [True, False], ids=["while it is watched", "while no operator runs"])
@pytest.mark.parametrize("annotation", [False, True], ids=["annotation kept", "annotation lost too"])
@pytest.mark.parametrize("complete", [False, True], ids=["running", "complete"])
def test_a_status_that_is_cleared_leads_to_no_second_export(
    world: World, complete: bool, annotation: bool, running: bool
) -> None:
    if annotation and running:
        pytest.skip("a leader that has listed the jobs does not search for each new one")
    world.submit_job()
    world.start()
    world.wait(lambda: is_over(world) if complete else has_tasks(world))
    if not running:
        world.kill()
    wipe(world, annotation=annotation)
    if not running:
        world.start()
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


def test_a_status_that_is_cleared_between_attempts_loses_no_attempt(world: World) -> None:
    world.service.behave(fail="disk full")
    world.submit_job()
    world.start()
    world.wait(lambda: bool((world.job() or {})["status"].get("failures")))
    wipe(world)
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert [export.path[-2:] for export in world.service.exports] == ["-1", "-2"]


def test_an_attempt_that_was_never_sent_is_sent_to_the_recorded_directory(world: World) -> None:
    """The directory contains the time, so that it could not be computed again."""
    world.service.full_until = world.clock.now + 10**6
    world.submit_job(path="{date}/{time}")
    world.start()
    world.wait(lambda: bool(world.service.submissions))
    world.kill()
    path = (world.job() or {})["status"]["submission"]["path"]
    wipe(world)
    world.service.full_until = 0.0
    world.start()
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert [f"{export.path}/" for export in world.service.exports] == [path]


def test_a_cleared_job_that_is_deleted_stops_its_export(world: World) -> None:
    world.service.behave(status="stuck")
    world.submit_job()
    world.start()
    world.wait(lambda: has_tasks(world))
    world.kill()
    wipe(world)
    world.delete_job()
    for task in world.service.tasks.values():
        task.left = 10_000.0
    world.start()
    world.wait(lambda: world.job() is None)
    assert not world.service.exports[0].is_active


@pytest.mark.parametrize("lost", ["annotation", "target"])
def test_a_cleared_and_deleted_job_that_cannot_be_found_does_not_block_its_deletion(world: World, lost: str) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: has_tasks(world))
    world.kill()
    wipe(world, annotation=lost == "annotation")
    if lost == "target":
        world.kube.user_delete("exporttargets", NAMESPACE, TARGET)
    world.delete_job()
    world.start()
    world.wait(lambda: world.job() is None, within=600)
    assert world.job() is None
    stopped = not world.service.exports[0].is_active
    assert stopped or "CleanupIncomplete" in [reason for _, reason, _ in world.kube.events]


def test_a_cleared_job_whose_target_changed_is_held(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: has_tasks(world))
    world.kill()
    wipe(world)
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"s3": {"bucket": "another"}}})
    world.start()
    world.wait(lambda: False, within=3600)
    assert conditions(world) == {"Stalled": "AttemptLost"}
    assert len(world.service.exports) == 1
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"s3": {"bucket": "acme-mdm-exports"}}})
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


@pytest.mark.parametrize("path", ["other/{id}/", "out/../secret/{id}/", "out/mdm/nightly/", "out//{id}/"])
def test_an_edited_annotation_cannot_lead_an_export_elsewhere(world: World, path: str) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: has_tasks(world))
    world.kill()
    annotation = (world.job() or {})["metadata"]["annotations"]["export.reltio.com/attempt"]
    record = json.loads(annotation)
    wipe(world)
    changed = json.dumps({**record, "path": path.format(id=record["id"])})
    world.edit_job({"metadata": {"annotations": {"export.reltio.com/attempt": changed}}})
    world.start()
    world.wait(lambda: False, within=3600)
    assert conditions(world) == {"Stalled": "AttemptLost"}
    assert len(world.service.exports) == 1


def test_an_annotation_that_cannot_be_read_holds_a_job_without_a_status(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: has_tasks(world))
    world.kill()
    wipe(world)
    world.edit_job({"metadata": {"annotations": {"export.reltio.com/attempt": "{"}}})
    world.start()
    world.wait(lambda: False, within=3600)
    assert conditions(world) == {"Stalled": "StatusNotUnderstood"}
    assert len(world.service.exports) == 1


@pytest.mark.parametrize("dropped_at", ["submitted", "running"])
def test_a_finalizer_that_is_dropped_is_put_back_while_there_is_something_to_stop(
    world: World, dropped_at: str
) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: has_tasks(world) if dropped_at == "running" else bool(world.service.submissions))
    world.edit_job({"metadata": {"finalizers": [], "annotations": {"export.reltio.com/attempt": None}}})
    world.wait(lambda: False, within=5)
    meta = (world.job() or {})["metadata"]
    assert meta["finalizers"] == ["export.reltio.com/running-export"]
    assert "export.reltio.com/attempt" in meta["annotations"]
    world.delete_job()
    world.wait(lambda: world.job() is None)
    assert not world.service.exports[0].is_active


def test_a_finalizer_is_not_put_back_on_an_object_that_is_being_deleted(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: has_tasks(world))
    refused: list[Raw] = []
    allowed = world.kube.set_finalizers

    async def refuse(plural: str, raw: Raw, finalizers: list[str], **more: Any) -> Raw | None:
        if "deletionTimestamp" in raw["metadata"] and set(finalizers) - set(raw["metadata"].get("finalizers", [])):
            refused.append(raw)
        return await allowed(plural, raw, finalizers, **more)

    world.kube.set_finalizers = refuse  # type: ignore[method-assign]
    world.edit_job({"metadata": {"finalizers": ["somebody/else", "export.reltio.com/running-export"]}})
    world.delete_job()
    world.edit_job({"metadata": {"finalizers": ["somebody/else"]}})
    world.wait(lambda: False, within=300)
    assert refused == []


def _complete(world: World) -> bool:
    return is_over(world)


@pytest.mark.parametrize("when", [has_tasks, _complete], ids=["running", "complete"])
def test_a_copy_under_the_same_name_waits_until_somebody_chooses(world: World, when: Callable[[World], bool]) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: when(world))
    copied = copy.deepcopy(world.job())
    world.kill()
    assert copied is not None
    world.forget_job()
    restore(world, copied)
    world.start()
    world.wait(lambda: False, within=3600)
    assert conditions(world) == {"Stalled": "RestoredCopy"}
    assert len(world.service.exports) == 1


def test_a_copy_that_waits_for_a_choice_holds_up_no_other_job(world: World) -> None:
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"maxConcurrentJobs": 1}})
    test_a_copy_under_the_same_name_waits_until_somebody_chooses(world, is_over)
    world.submit_job("another")
    world.wait(lambda: conditions(world, "another") == DELIVERED, within=300)
    assert conditions(world, "another") == DELIVERED


@pytest.mark.parametrize(("choice", "exports"), [("adopt", 1), ("new", 2)])
@pytest.mark.parametrize("when", [has_tasks, _complete], ids=["running", "complete"])
def test_a_copy_under_the_same_name_does_what_was_chosen(
    world: World, when: Callable[[World], bool], choice: str, exports: int
) -> None:
    test_a_copy_under_the_same_name_waits_until_somebody_chooses(world, when)
    world.edit_job({"metadata": {"annotations": {"export.reltio.com/restored": choice}}})
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == exports


def test_an_adopted_copy_survives_another_loss_of_its_status(world: World) -> None:
    test_a_copy_under_the_same_name_does_what_was_chosen(world, is_over, "adopt", 1)
    wipe(world)
    world.wait(lambda: not is_over(world))
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


def test_a_copy_under_another_name_is_a_new_job(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: is_over(world))
    copied = world.job()
    assert copied is not None
    restore(world, copied, name="copy")
    world.wait(lambda: "Complete" in conditions(world, "copy"))
    assert conditions(world, "copy") == DELIVERED
    assert len(world.service.exports) == 2


def test_a_copy_with_its_status_continues_where_the_original_was(world: World) -> None:
    world.submit_job()
    world.start()
    world.wait(lambda: has_tasks(world))
    copied = copy.deepcopy(world.job())
    world.kill()
    assert copied is not None
    world.forget_job()
    restore(world, copied, status=True)
    world.start()
    world.wait(lambda: is_over(world))
    assert conditions(world) == DELIVERED
    assert len(world.service.exports) == 1


def test_a_copied_annotation_does_not_adopt_the_export_of_a_job_that_exists(world: World) -> None:
    world.service.behave(status="stuck")
    victim = world.submit_job("victim")
    world.start()
    world.wait(lambda: has_tasks(world, "victim"))
    made = world.submit_job("thief", suspend=True, export={"type": "Entities", "name": "mdm.victim"})
    record = json.loads((world.job("victim") or {})["metadata"]["annotations"]["export.reltio.com/attempt"])
    stolen = json.dumps({**record, "uid": made["metadata"]["uid"], "name": "thief"})
    assert victim["metadata"]["uid"] in record["id"]
    world.edit_job({"metadata": {"annotations": {"export.reltio.com/attempt": stolen}}}, "thief")
    world.edit_job({"spec": {"suspend": False}}, "thief")
    world.wait(lambda: "Stalled" in conditions(world, "thief"))
    assert conditions(world, "thief") == {"Stalled": "AttemptLost"}
    world.edit_job({"spec": {"cancel": True}}, "thief")
    world.wait(lambda: "Failed" in conditions(world, "thief"))
    assert world.service.exports[0].is_active or world.service.exports[0].is_complete


@pytest.mark.parametrize("path", ["{namespace}/{name}", "{date}/{name}"])
def test_an_export_that_the_object_says_nothing_of_is_found_after_a_restart(world: World, path: str) -> None:
    world.submit_job(path=path)
    world.start()
    world.wait(lambda: has_tasks(world))
    world.kill()
    wipe(world, annotation=True)
    world.edit_job({"metadata": {"finalizers": []}})
    world.start()
    world.wait(lambda: is_over(world), within=3600)
    expected = {"Stalled": "DirectoryUnknown"} if "{date}" in path else DELIVERED
    assert conditions(world) == expected
    assert len(world.service.exports) == 1


def test_the_jobs_of_a_first_list_share_one_reading_and_later_jobs_need_none(world: World) -> None:
    for number in range(20):
        world.submit_job(f"job-{number}", suspend=number >= 10)
    world.start()
    world.wait(lambda: len(world.service.exports) == 10)
    assert sum("/tasks/history" in line for line in world.wire.log) == 1
    world.submit_job("later")
    world.wait(lambda: conditions(world, "later") == DELIVERED)
    assert sum("/tasks/history" in line for line in world.wire.log) == 1


def test_a_conflict_with_the_intent_leaves_nothing_to_search_for(world: World) -> None:
    """The annotation was written and the intent was not, and this process knows it."""
    allowed = world.kube.set_finalizers
    started = world.clock.now

    async def then_edit(plural: str, raw: Raw, finalizers: list[str], **more: Any) -> Raw | None:
        answer = await allowed(plural, raw, finalizers, **more)
        world.kube.set_finalizers = allowed  # type: ignore[method-assign]
        world.edit_job({"metadata": {"labels": {"touched": "yes"}}})
        return answer

    world.kube.set_finalizers = then_edit  # type: ignore[method-assign]
    world.submit_job()
    world.start()
    world.wait(lambda: bool(world.service.submissions))
    assert world.service.submissions[0] - started < 10
