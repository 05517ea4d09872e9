"""Election, rights and CRDs as a real API server has them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from kubernetes.aio import client

from e2e.conftest import _as_service_account, _with_token, replicas_beside
from integration.replicas import Replicas, is_complete, until
from reltio_export_sandbox.environment import crds
from tools import tool

NOT_INSTALLED = "CRDs are not installed: kubectl apply -f crds/"


@pytest.fixture
async def world(kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Replicas]:
    async with replicas_beside(kubeconfig, tmp_path, "other") as opened:
        yield opened


@pytest.fixture
async def restricted(world: Replicas, kubeconfig: Path, tmp_path: Path) -> str:
    """A kubeconfig of the chart's ServiceAccount, which may watch the world's namespace and nothing else."""
    api = world.objects.api_client
    path = await _as_service_account(api, tool("helm"), world.namespace, kubeconfig, tmp_path / "restricted")
    return str(path)


async def export(world: Replicas, name: str) -> None:
    """A job of this name completes, and nothing holds it any more: its CRD may be deleted."""
    await world.job(name)
    await world.until(
        "ExportJob", name, lambda raw: is_complete(raw) and not raw["metadata"].get("finalizers"), within=90
    )


async def test_a_lease_is_released_and_taken_with_the_rights_of_the_chart(world: Replicas, restricted: str) -> None:
    first = await world.elect(KUBECONFIG=restricted)
    world.send("a", signal.SIGTERM)
    assert await world.exit_code("a") == 0
    second = await world.leader(other_than=first)
    assert (await world.lease())["leaseTransitions"] >= 1

    async def messages() -> list[str]:
        listed = await world.core.list_namespaced_event(world.namespace)
        return sorted(event.message for event in listed.items if event.reason == "LeaderElection")

    expected = sorted([f"{first} became leader", f"{first} stopped leading", f"{second} became leader"])
    await until(messages, lambda logged: logged == expected)
    for name in ("a", "b"):
        assert "Cannot" not in world.log(name)


async def test_a_namespace_without_rights_is_served_once_it_has_them(world: Replicas, restricted: str) -> None:
    other = f"{world.namespace}-other"
    await world.start("a", KUBECONFIG=restricted, RELTIO_EXPORT_NAMESPACES=f"{other},{world.namespace}")
    await world.until_ready("a")
    await world.target()
    await world.ready()
    await export(world, "here")
    assert f"in {other}: HTTP 403 Forbidden" in world.log("a")
    there = Replicas(world.sandbox, world.objects.api_client, world.s3, other)
    rbac = client.RbacAuthorizationV1Api(world.objects.api_client)
    role = await rbac.read_namespaced_role("reltio-export-operator", world.namespace)
    binding = await rbac.read_namespaced_role_binding("reltio-export-operator", world.namespace)
    for copied in (role, binding):
        copied.metadata = client.V1ObjectMeta(name=copied.metadata.name)
    await rbac.create_namespaced_role(other, role)
    await rbac.create_namespaced_role_binding(other, binding)
    await there.secret()
    await there.target()
    await there.ready(within=90)
    await export(there, "there")
    assert world.sandbox.replicas["a"].returncode is None
    assert "Traceback" not in world.log("a")


async def test_a_token_that_is_refused_is_logged_and_waited_for(world: Replicas, kubeconfig: Path) -> None:
    wrong = kubeconfig.with_name("wrong-token")
    _with_token(kubeconfig, wrong, "wrong")
    for name, elect in (("a", "true"), ("b", "false")):
        await world.start(name, KUBECONFIG=str(wrong), RELTIO_EXPORT_LEADER_ELECT=elect)
        await world.until_ready(name, "HTTP 401 Unauthorized")
        assert (await world.probe(name, "/healthz"))[0] == 200
        world.send(name, signal.SIGTERM)
        assert await world.exit_code(name) == 0
        assert "Traceback" not in world.log(name)


@pytest.mark.skipif("KUBEBUILDER_ASSETS" not in os.environ, reason="deletes CRDs: in a server of its own only")
@pytest.mark.parametrize("mode", ["named namespaces", "all namespaces"])
async def test_an_operator_waits_for_crds_that_are_deleted_and_created_again(world: Replicas, mode: str) -> None:
    extensions = client.ApiextensionsV1Api(world.objects.api_client)
    installed = {crd["metadata"]["name"]: crd for crd in crds()}

    async def present() -> set[str]:
        listed = await extensions.list_custom_resource_definition()
        return {crd.metadata.name for crd in listed.items} & set(installed)

    watched = {} if mode == "named namespaces" else {"RELTIO_EXPORT_NAMESPACES": ""}
    await world.start("a", RELTIO_EXPORT_LEADER_ELECT="false", **watched)
    await world.until_ready("a")
    await world.target()
    await world.ready()
    await export(world, "before")
    for name in installed:
        await extensions.delete_custom_resource_definition(name)
    await until(present, lambda names: not names)
    await world.until_ready("a", NOT_INSTALLED)
    for crd in installed.values():
        await extensions.create_custom_resource_definition(yaml.safe_load(yaml.safe_dump(crd)))
    await world.until_ready("a")
    await world.target()
    await world.ready()
    await export(world, "after")
    assert world.sandbox.replicas["a"].returncode is None
    assert "Traceback" not in world.log("a")
