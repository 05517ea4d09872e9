"""What failed attempts wrote is deleted, and nothing else, also across crashes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from .matrix import is_over
from .world import JOB, World

pytestmark = pytest.mark.usefixtures("quietly")

ON = {"cleanupFailedAttempts": True}


def failed_once(world: World, **spec: Any) -> str:
    """A job whose first attempt has failed with files written. Returns its directory."""
    world.service.leaves_partial_data = True
    world.service.behave(tasks=3, fail="disk full")
    world.submit_job(delivery=ON, **spec)
    world.start()
    world.wait(lambda: bool(world.service.exports) and not world.service.exports[0].is_active)
    return f"{world.service.exports[0].path}/"


def cleanups(world: World) -> list[dict[str, Any]]:
    return list((world.job() or {}).get("status", {}).get("cleanups", []))


def below(world: World, directory: str) -> list[str]:
    return [key for key in world.bucket.objects if key.startswith(directory)]


def test_only_what_the_failed_attempt_wrote_is_deleted(world: World) -> None:
    world.bucket.objects["out/mdm/other/part-00000.gz"] = b"of another job"
    directory = failed_once(world)
    others = [f"{directory}{world.job()['metadata']['uid']}-7/part-00000.gz", f"{directory[:-1]}0/part-00000.gz"]  # type: ignore[index]
    for key in others:
        world.bucket.objects[key] = b"of another attempt"
    assert below(world, directory)
    world.wait(lambda: is_over(world))
    assert sorted(world.bucket.deleted) == sorted(set(world.bucket.deleted))
    assert set(world.bucket.deleted) & {*others, "out/mdm/other/part-00000.gz"} == set()
    assert below(world, directory) == others[:1]
    assert [(one["attempt"], one["result"]) for one in cleanups(world)] == [(1, "Kept")]


@pytest.mark.parametrize("crash", [False, True], ids=["", "with a crash in between"])
def test_a_failed_job_is_cleaned_up_after_it_failed(world: World, crash: bool) -> None:
    directory = failed_once(world, backoffLimit=0)
    world.wait(lambda: bool(cleanups(world)))
    if crash:
        world.kill()
        world.rest(300)
        world.start()
    world.wait(lambda: cleanups(world)[0]["result"] != "Deleting" and not world.job()["metadata"].get("finalizers"))  # type: ignore[index]
    assert cleanups(world)[0]["result"] == "Deleted"
    assert below(world, directory) == []
    assert len(world.service.exports) == 1


def test_a_crash_after_some_deletes_continues_with_the_rest(world: World) -> None:
    directory = failed_once(world, backoffLimit=0)
    calls: list[str] = []

    def second_delete(action: str) -> ClientError | None:
        calls.append(action)
        failing = calls.count("s3:DeleteObject") >= 2
        return ClientError({"Error": {"Code": "InternalError"}}, "DeleteObject") if failing else None

    world.bucket.fault = second_delete
    world.wait(lambda: calls.count("s3:DeleteObject") >= 2)
    world.kill()
    assert len(world.bucket.deleted) == 1
    world.bucket.fault = lambda action: None
    world.start()
    world.wait(lambda: cleanups(world)[0]["result"] == "Deleted")
    assert below(world, directory) == []


def test_a_denied_delete_changes_nothing_about_the_job(world: World) -> None:
    directory = failed_once(world)

    def denied(action: str) -> ClientError | None:
        is_delete = action == "s3:DeleteObject"
        return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Delete") if is_delete else None

    world.bucket.fault = denied
    before = below(world, directory)
    world.wait(lambda: is_over(world))
    assert below(world, directory) == before
    assert [(one["result"], one.get("deleted", 0)) for one in cleanups(world)] == [("Kept", 0)]
    assert "s3:DeleteObject" in cleanups(world)[0]["message"]
    assert {c["type"]: c["status"] for c in world.job()["status"]["conditions"]}["Complete"] == "True"  # type: ignore[index]


def test_a_job_that_is_deleted_leaves_the_files(world: World) -> None:
    directory = failed_once(world, backoffLimit=0)
    world.wait(lambda: bool(cleanups(world)))
    before = below(world, directory)
    world.delete_job(JOB)
    world.wait(lambda: world.job() is None, within=30)
    world.wait(lambda: False, within=600)
    assert below(world, directory) == before


def test_without_the_field_nothing_is_deleted(world: World) -> None:
    world.service.leaves_partial_data = True
    world.service.behave(tasks=3, fail="disk full")
    world.submit_job()
    world.start()
    world.wait(lambda: is_over(world))
    assert world.bucket.deleted == []


def test_a_task_that_shows_up_late_keeps_everything(world: World) -> None:
    directory = failed_once(world, backoffLimit=0)
    world.wait(lambda: bool(cleanups(world)))
    export = world.service.exports[0]
    world.service._start(export.name, export.path, {"status": "PROCESSING"})
    world.service.exports[-1].tasks[0].left = 3600
    before = below(world, directory)
    world.wait(lambda: cleanups(world)[0]["result"] != "Deleting")
    assert cleanups(world)[0]["result"] == "Kept"
    assert "may still write" in cleanups(world)[0]["message"]
    assert below(world, directory) == before


def test_more_objects_than_one_pass_deletes_are_all_deleted(world: World) -> None:
    directory = failed_once(world, backoffLimit=0)
    for number in range(2_500):
        world.bucket.objects[f"{directory}part-{number:05d}.gz"] = b"part"
    world.wait(lambda: bool(cleanups(world)) and cleanups(world)[0]["result"] != "Deleting")
    assert cleanups(world)[0]["result"] == "Deleted"
    assert cleanups(world)[0]["deleted"] >= 2_500
    assert below(world, directory) == []


def test_an_outage_of_the_bucket_is_waited_for(world: World) -> None:
    directory = failed_once(world, backoffLimit=0)
    until = world.clock.now + 400

    def outage(action: str) -> ClientError | None:
        broken = world.clock.now < until
        return ClientError({"Error": {"Code": "ServiceUnavailable"}}, action) if broken else None

    world.bucket.fault = outage
    world.wait(lambda: bool(cleanups(world)) and cleanups(world)[0]["result"] != "Deleting")
    assert cleanups(world)[0]["result"] == "Deleted"
    assert cleanups(world)[0]["retries"] >= 2
    assert below(world, directory) == []
