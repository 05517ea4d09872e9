"""Objects and tasks that resemble others: the wrong export is stopped, taken over, or sent twice."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from integration.conftest import GROUP, PLURALS, VERSION, condition
from reltio_export_operator.api.meta import ATTEMPT_ANNOTATION, FINALIZER
from reltio_export_sandbox.reltio.tasks import Run

from .rows import Attack, Row
from .stage import Stage

SLOW, FAST = 2, 500  # objects a second
_STOPPED = ("CANCELED", "CANCELING")
_LONG_ENOUGH = 5.0  # seconds in which the operator polls and decides several times
_WITHIN = 25.0  # seconds in which an export is sent
Raw = dict[str, Any]

_NAMES: dict[str, Callable[[str], str]] = {
    "the name of an attempt and more": lambda name: f"{name}-copy",
    "more and the name of an attempt": lambda name: f"copy-of-{name}",
    "the name of an attempt in brackets": lambda name: f"export [{name}] again",
    "the name of an attempt in capitals": str.upper,
}


def rows() -> Iterator[Row]:
    for what, imitate in _NAMES.items():
        yield Row(f"task of another client with {what}", "ownership of tasks", _imitated(imitate))
    copied = "records of attempts name their object"
    yield Row("copied manifest with the annotation of a running job", copied, _copied)
    yield Row("copied manifest that is deleted while the first job runs", copied, _copied_and_deleted)
    restored = "restored objects wait for a person"
    yield Row("job restored under another uid after its end", restored, _restored(running=False))
    yield Row("job restored under another uid while its export runs", restored, _restored(running=True))
    kept = "the annotation keeps the attempt"
    yield Row("status cleared after the end", kept, _cleared)
    yield Row("status and annotation lost in a restore", "jobs without a record are searched for", _lost)
    yield Row("finalizer dropped by a replace, then deleted", "the finalizer is put back", _replaced)


async def _running(stage: Stage, name: str = "nightly") -> tuple[Raw, Run]:
    """A job whose export runs for long."""
    stage.world.sandbox.reltio.config.objects_per_second = SLOW
    await stage.world.job(name, target="warm")
    job = await stage.seen("ExportJob", name, lambda raw: raw.get("status", {}).get("tasks"))
    (run,) = _runs(stage, job)
    return job, run


def _runs(stage: Stage, job: Raw) -> list[Run]:
    """The exports that were sent for this object."""
    return [run for run in stage.world.sandbox.reltio.engine.runs if job["metadata"]["uid"] in run.order.name]


async def _finished(stage: Stage, name: str = "nightly") -> Raw:
    stage.world.sandbox.reltio.config.objects_per_second = FAST
    job: Raw = await stage.seen("ExportJob", name, lambda raw: condition(raw, "Complete"), within=60)
    return job


def _is_stopped(run: Run) -> bool:
    return any(task.status in _STOPPED for task in run.tasks)


def _imitated(imitate: Callable[[str], str]) -> Attack:
    async def attack(stage: Stage) -> str:
        await stage.warm_up()
        _, run = await _running(stage)
        elsewhere = {**run.order.destination, "s3Path": "another-client"}
        foreign = stage.world.sandbox.reltio.engine.accept(
            dataclasses.replace(
                run.order, name=imitate(run.order.name), destination=elsewhere, group_id="another-group", task_ids=[]
            )
        )
        await asyncio.sleep(_LONG_ENOUGH)
        await stage.world.delete("ExportJob", "nightly")
        if not await stage.until(lambda: _is_stopped(run)):
            raise RuntimeError("the job's own export was not stopped")
        await asyncio.sleep(1)
        return "an export of another client stopped" if _is_stopped(foreign) else ""

    return attack


async def _create(stage: Stage, copied: Raw, name: str) -> Raw:
    """What `kubectl get -o yaml`, an edit of the name, and `kubectl apply` come to; so does a backup tool."""
    meta = {
        key: copied["metadata"][key] for key in ("annotations", "labels", "finalizers") if key in copied["metadata"]
    }
    body = {**copied, "metadata": {**meta, "name": name}}
    body.pop("status", None)
    created: Raw = await stage.world.objects.create_namespaced_custom_object(
        GROUP, VERSION, stage.world.namespace, PLURALS["ExportJob"], body
    )
    return created


async def _copied(stage: Stage) -> str:
    await stage.warm_up()
    job, _ = await _running(stage)
    copy = await _create(stage, job, "copy")
    found = await stage.seen("ExportJob", "copy", lambda raw: raw.get("status", {}).get("tasks"))
    of_first = {task["id"] for task in job["status"]["tasks"]}
    took = of_first & {task["id"] for task in found["status"]["tasks"]}
    return "the export of another job as its own" if took or not _runs(stage, copy) else ""


async def _copied_and_deleted(stage: Stage) -> str:
    await stage.warm_up()
    job, run = await _running(stage)
    await _create(stage, job, "copy")
    await stage.seen("ExportJob", "copy", lambda raw: raw.get("status", {}).get("tasks"))
    await stage.world.delete("ExportJob", "copy")
    await asyncio.sleep(_LONG_ENOUGH)
    return "an export of another job stopped" if _is_stopped(run) else ""


def _restored(*, running: bool) -> Attack:
    async def attack(stage: Stage) -> str:
        await stage.warm_up()
        job, _ = await _running(stage)
        job = job if running else await _finished(stage)
        job = await stage.world.get("ExportJob", "nightly")
        # Its namespace was lost with the cluster: nothing of the operator took part.
        await stage.world.sandbox.stop_operator()
        await stage.world.patch("ExportJob", "nightly", {"metadata": {"finalizers": []}})
        await stage.world.delete("ExportJob", "nightly")
        restored = await _create(stage, job, "nightly")
        await stage.start()
        return await _sent_again(stage, restored, 0)

    return attack


async def _clear_status(stage: Stage) -> None:
    status = (await stage.world.get("ExportJob", "nightly"))["status"]
    await stage.world.objects.patch_namespaced_custom_object_status(
        GROUP,
        VERSION,
        stage.world.namespace,
        PLURALS["ExportJob"],
        "nightly",
        {"status": {**dict.fromkeys(status), "observedGeneration": -1}},
        _content_type="application/merge-patch+json",
    )


async def _cleared(stage: Stage) -> str:
    """While an export runs nothing is gained: its directory is in use, which shows whose export it is."""
    await stage.warm_up()
    job, _ = await _running(stage)
    await _finished(stage)
    await _clear_status(stage)
    return await _sent_again(stage, job, 1)


async def _sent_again(stage: Stage, job: Raw, known: int) -> str:
    """Whether more exports are sent for this object than are known."""
    return "a second export" if await stage.until(lambda: len(_runs(stage, job)) > known, within=_WITHIN) else ""


async def _lost(stage: Stage) -> str:
    await stage.warm_up()
    job, run = await _running(stage)
    await stage.world.sandbox.kill_operator()
    bare: Raw = {"metadata": {"finalizers": [], "annotations": {ATTEMPT_ANNOTATION: None}}}
    await stage.world.patch("ExportJob", "nightly", bare)
    await _clear_status(stage)
    stage.world.sandbox.reltio.config.objects_per_second = FAST
    await stage.until(lambda: not any(task.is_active for task in run.tasks))  # or its directory shows whose it is
    await stage.start()
    return await _sent_again(stage, job, 1)


async def _replaced(stage: Stage) -> str:
    await stage.warm_up()
    _, run = await _running(stage)
    await stage.world.patch("ExportJob", "nightly", {"metadata": {"finalizers": []}})
    await asyncio.sleep(_LONG_ENOUGH)
    raw = await stage.world.get("ExportJob", "nightly")
    is_held = FINALIZER in raw["metadata"].get("finalizers", [])
    await stage.world.delete("ExportJob", "nightly")
    await stage.until(lambda: _is_stopped(run), within=10)
    return "" if is_held and _is_stopped(run) else "an export that nobody stops"
