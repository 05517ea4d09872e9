"""A watched namespace is deleted while an export of it runs, with the namespace controller of a real cluster.

That controller deletes the Role of the operator along with everything else, and the API server refuses to create
another one, or an event.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client

from e2e.conftest import _as_service_account, has_controllers, replicas_beside
from integration.conftest import condition
from integration.replicas import Replicas, until
from reltio_export_sandbox.reltio import Fault
from tools import tool

pytestmark = pytest.mark.skipif(not has_controllers(), reason="needs a controller manager")

BOUND = 8.0  # seconds; the cleanup timeout


@pytest.fixture
async def world(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Replicas]:
    async with replicas_beside(kubeconfig, tmp_path, "ops") as opened:
        yield opened


async def started(world: Replicas, kubeconfig: Path, *, cluster_role: bool) -> dict[str, str]:
    """An operator as the chart installs it, outside of the namespace that it watches. Answers with its settings."""
    ops = f"{world.namespace}-ops"
    account = await _as_service_account(
        world.objects.api_client,
        tool("helm"),
        ops,
        kubeconfig,
        world.sandbox.kubeconfig.with_name(f"account-{ops}"),
        watched=world.namespace,
        cluster_role=cluster_role,
    )
    settings = {
        "KUBECONFIG": str(account),
        "RELTIO_EXPORT_LEASE_NAMESPACE": ops,
        "RELTIO_EXPORT_LEASE_NAME": "reltio-export-operator",
        "RELTIO_EXPORT_CLEANUP_TIMEOUT_SECONDS": str(BOUND),
    }
    await world.start("a", **settings)
    await world.until_ready("a")
    return settings


async def running(world: Replicas, name: str = "nightly") -> tuple[dict[str, Any], Any]:
    """A job that exports for as long as nobody stops it, and its run at Reltio."""
    world.sandbox.reltio.config.objects_per_second = 0.1
    await world.target()
    await world.ready()
    await world.job(name)
    job = await world.until("ExportJob", name, lambda raw: (raw.get("status") or {}).get("tasks"))
    (run,) = [run for run in world.sandbox.reltio.engine.runs if job["metadata"]["uid"] in run.order.name]
    return job, run


async def phase(world: Replicas) -> str | None:
    """The phase of the watched namespace; None once it is gone."""
    try:
        found = await world.core.read_namespace(world.namespace)
    except client.ApiException as error:
        if error.status != 404:
            raise
        return None
    return str(found.status.phase)


async def role_is_gone(world: Replicas) -> bool:
    rbac = client.RbacAuthorizationV1Api(world.objects.api_client)
    return not (await rbac.list_namespaced_role(world.namespace)).items


async def allow_events(world: Replicas) -> None:
    rbac, name = client.RbacAuthorizationV1Api(world.objects.api_client), f"{world.namespace}-events"
    rule = {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}
    await rbac.create_cluster_role({"metadata": {"name": name}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    account = {"kind": "ServiceAccount", "name": "reltio-export-operator", "namespace": f"{world.namespace}-ops"}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [account]}
    await rbac.create_cluster_role_binding(binding)


async def test_a_namespace_with_a_running_export_ends_and_its_export_is_stopped(
    world: Replicas, kubeconfig: Path
) -> None:
    await started(world, kubeconfig, cluster_role=True)
    job, run = await running(world)
    await world.core.delete_namespace(world.namespace)
    await until(lambda: phase(world), lambda found: found is None)
    assert [task.status for task in run.tasks] == ["CANCELED"]
    assert world.runs_of(job) == 1
    assert "Traceback" not in world.log("a")


async def test_what_could_not_be_stopped_is_in_status_log_and_metric(world: Replicas, kubeconfig: Path) -> None:
    await started(world, kubeconfig, cluster_role=True)
    await allow_events(world)  # as for an operator that watches all namespaces, whose rights stay
    job, run = await running(world)
    world.sandbox.reltio.faults.append(Fault(path="/tasks", status=403, times=0))
    await world.core.delete_namespace(world.namespace)
    late = await world.until("ExportJob", "nightly", lambda raw: condition(raw, "Stalled"))
    stalled = condition(late, "Stalled")
    assert stalled is not None
    assert stalled["reason"] == "ExportMayStillRun"
    named = f"(task {run.tasks[0].id}, directory {job['status']['submission']['destination']})"
    assert named in stalled["message"]
    await until(lambda: phase(world), lambda found: found is None)
    assert run.tasks[0].is_active
    log = world.log("a")
    assert f"CleanupIncomplete: Stopped waiting after {BOUND:.0f} s" in log
    assert named in log.partition("CleanupIncomplete: Stopped")[2]
    assert "Cannot post event CleanupIncomplete" in log
    assert "because it is being terminated" in log
    _, metrics = await world.probe("a", "/metrics")
    (line,) = [line for line in metrics.splitlines() if line.startswith("reltio_export_events_not_posted_total ")]
    assert float(line.split()[1]) >= 1


async def test_an_operator_that_starts_after_the_role_is_gone_ends_the_namespace(
    world: Replicas, kubeconfig: Path
) -> None:
    settings = await started(world, kubeconfig, cluster_role=True)
    job, _ = await running(world)
    await world.sandbox.kill_operator("a")
    await world.core.delete_namespace(world.namespace)
    await until(lambda: role_is_gone(world), bool)
    await world.start("b", **settings)
    await until(lambda: phase(world), lambda found: found is None)
    assert world.runs_of(job) == 1
    log = world.log("b")
    assert job["status"]["submission"]["destination"] in log.partition("CleanupIncomplete")[2]


async def test_without_the_cluster_role_the_finalizer_has_to_be_removed_by_hand(
    world: Replicas, kubeconfig: Path
) -> None:
    await started(world, kubeconfig, cluster_role=False)
    job, _ = await running(world)
    await world.core.delete_namespace(world.namespace)
    await until(lambda: role_is_gone(world), bool)
    await until(lambda: _log(world), lambda text: "Forbidden" in text)
    assert await phase(world) == "Terminating"
    left = await world.get("ExportJob", "nightly")
    assert left["metadata"]["finalizers"] == job["metadata"]["finalizers"]
    patch = json.dumps({"metadata": {"finalizers": None}})
    command = ("patch", "exportjob", "nightly", "-n", world.namespace, "--type=merge", "-p", patch)
    kubectl = (tool("kubectl"), "--kubeconfig", str(kubeconfig))
    await asyncio.to_thread(subprocess.run, [*kubectl, *command], check=True, capture_output=True)
    await until(lambda: phase(world), lambda found: found is None)


async def _log(world: Replicas) -> str:
    return world.log("a")
