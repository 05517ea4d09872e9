"""What the chart's pre-delete hook does, as a process of its own, while the operator runs."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from kubernetes.aio import client

from integration.conftest import World, condition
from reltio_export_operator.api.meta import CANCEL_ANNOTATION, FINALIZER

pytestmark = pytest.mark.asyncio


async def pre_delete(world: World, *arguments: str, namespaces: str | None = None) -> tuple[int, str]:
    """Exit code and output of the hook, which looks at the namespaces that the operator watches."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(world.sandbox.kubeconfig),
        "RELTIO_EXPORT_NAMESPACES": world.namespace if namespaces is None else namespaces,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from reltio_export_operator.cli.main import main; main()",
        "pre-delete",
        "--release=exports",
        "--release-namespace=ops",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def running(world: World, name: str) -> None:
    """A job whose export runs, and does not end by itself."""
    world.sandbox.reltio.config.objects_per_second = 1
    await world.job(name)
    await world.until("ExportJob", name, lambda raw: raw.get("status", {}).get("tasks"))


async def ready_world(world: World) -> None:
    await world.secret()
    await world.target()
    await world.ready()


async def waiting(world: World, name: str) -> None:
    """A job that waits for a target which does not exist."""
    await world.job(name, target="missing")
    await world.until("ExportJob", name, lambda raw: raw.get("status", {}).get("phase"))


async def gone(world: World, name: str) -> bool:
    """Whether the job goes away when it is deleted while no operator runs."""
    await world.delete("ExportJob", name)
    try:
        await world.get("ExportJob", name)
    except client.ApiException as error:
        return bool(error.status == 404)
    return False


async def test_running_jobs_keep_the_release_and_are_left_alone_and_no_others_do(world: World) -> None:
    await ready_world(world)
    await world.job("done")
    await world.finished("done")
    await waiting(world, "later")
    code, output = await pre_delete(world)
    assert code == 0, output
    assert "1 ExportJob without an export do not change until the operator is installed again." in output

    await running(world, "nightly")
    task = (await world.get("ExportJob", "nightly"))["status"]["tasks"][0]["id"]
    code, output = await pre_delete(world)
    assert code == 1
    assert "1 ExportJob still runs." in output
    assert f"{world.namespace}/nightly: Running" in output
    assert f"(Reltio task {task})" in output
    assert "helm uninstall exports -n ops --no-hooks" in output
    assert f"kubectl annotate exportjob nightly -n {world.namespace} {CANCEL_ANNOTATION}=true" in output
    job = await world.get("ExportJob", "nightly")
    assert CANCEL_ANNOTATION not in job["metadata"].get("annotations", {})
    assert not condition(job, "Failed")

    assert (await pre_delete(world, namespaces="kube-public"))[0] == 0
    assert (await pre_delete(world, namespaces=f"kube-public,{world.namespace}"))[0] == 1


async def test_without_an_operator_what_has_finished_is_made_deletable_and_the_rest_is_listed(world: World) -> None:
    await ready_world(world)
    await world.job("done")
    await world.finished("done")
    await running(world, "paused")
    await world.patch("ExportJob", "paused", {"spec": {"suspend": True}})
    await world.until("ExportJob", "paused", lambda raw: condition(raw, "Suspended"))
    await running(world, "deleted")
    await world.sandbox.kill_operator()
    await world.delete("ExportJob", "deleted")
    await world.patch("ExportJob", "done", {"metadata": {"finalizers": ["example.com/theirs", FINALIZER]}})

    code, output = await pre_delete(world)
    assert code == 1
    assert "2 ExportJobs still run" in output
    assert f"{world.namespace}/paused: Suspended" in output
    assert f"{world.namespace}/deleted: Deleting" in output
    assert (await world.get("ExportJob", "done"))["metadata"]["finalizers"] == ["example.com/theirs"]

    code, output = await pre_delete(world, "--policy=Cancel", "--timeout=1")
    assert code == 1
    assert "2 ExportJobs did not stop within 1 s" in output
    assert "kubectl logs -n ops" in output
    assert "--no-hooks" in output


async def test_cancel_stops_what_runs_and_what_would_begin_then(world: World) -> None:
    await ready_world(world)
    await running(world, "nightly")
    await waiting(world, "later")
    code, output = await pre_delete(world, "--policy=Cancel", "--timeout=60")
    assert code == 0, output
    assert "Waiting for 1 ExportJob to stop" in output
    ended = await world.get("ExportJob", "nightly")
    assert condition(ended, "Failed")["reason"] == "Cancelled"  # type: ignore[index]
    assert [task["status"] for task in ended["status"]["tasks"]] == ["CANCELED"]
    assert (await world.get("ExportJob", "later"))["metadata"]["annotations"][CANCEL_ANNOTATION] == "true"
    await world.sandbox.stop_operator()
    assert await gone(world, "nightly")
    assert await gone(world, "later")
