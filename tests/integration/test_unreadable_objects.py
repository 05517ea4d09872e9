"""A restarted operator beside objects that it cannot decode and a namespace that it may not list."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from kubernetes.aio import client

from integration.conftest import condition
from integration.replicas import Relay, Replicas, is_complete, open_replicas, open_sandbox
from reltio_export_sandbox.environment import Sandbox, crds

pytestmark = pytest.mark.asyncio(loop_scope="module")
Raw = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sandbox")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(sandbox: Sandbox) -> AsyncIterator[Replicas]:
    async with open_replicas(sandbox) as opened:
        yield opened


def loosened(crd: Raw) -> Raw:
    """The definition of another release, whose schema allows any spec."""
    loose = copy.deepcopy(crd)
    for version in loose["spec"]["versions"]:
        properties = version["schema"]["openAPIV3Schema"]["properties"]
        properties["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version["schema"]["openAPIV3Schema"].pop("x-kubernetes-validations", None)
    return loose


async def replace_definitions(world: Replicas, definitions: list[Raw]) -> None:
    extensions = client.ApiextensionsV1Api(world.objects.api_client)
    for definition in definitions:
        name = definition["metadata"]["name"]
        stored = await extensions.read_custom_resource_definition(name)
        version = stored.metadata.resource_version
        body = {**definition, "metadata": {**definition["metadata"], "resourceVersion": version}}
        await extensions.replace_custom_resource_definition(name, body)


async def test_a_restarted_operator_serves_readable_objects_beside_unreadable_ones(world: Replicas) -> None:
    await replace_definitions(world, [loosened(crd) for crd in crds()])
    assert world.sandbox.kube is not None
    relay = Relay(world.sandbox.kube.url)
    await relay.start()
    try:
        other = f"{world.namespace}-other"
        relay.refused[f"/namespaces/{other}/export".encode()] = 403
        settings = {
            "KUBECONFIG": world.kubeconfig_for(relay),
            "RELTIO_EXPORT_LEADER_ELECT": "false",
            "RELTIO_EXPORT_NAMESPACES": f"{other},{world.namespace}",
        }
        await world.target()
        await world.target("bad", spec={"maxConcurrentJobs": "many"})
        await world.create("ExportJob", "bad", {"targetRef": {"name": "lake"}, "export": {"type": 7}})
        await world.start("a", **settings)
        await world.until_ready("a")
        await world.ready()
        await world.job()
        assert is_complete(await world.finished(within=90))
        target = await world.until("ExportTarget", "bad", lambda raw: condition(raw, "Stalled"))
        ready = condition(target, "Ready", "False")
        assert ready is not None
        assert ready["reason"] == "SpecNotUnderstood"
        assert "spec.maxConcurrentJobs" in ready["message"]
        job = await world.until("ExportJob", "bad", lambda raw: condition(raw, "Stalled"))
        assert (condition(job, "Stalled") or {})["reason"] == "SpecNotUnderstood"
        assert "SpecNotUnderstood" in await world.events("bad", "SpecNotUnderstood")
        _, metrics = await world.probe("a", "/metrics")
        assert 'reltio_export_unreadable_objects{kind="jobs"} 1.0' in metrics
        assert 'reltio_export_unreadable_objects{kind="targets"} 1.0' in metrics
        assert "reltio_export_unserved_namespaces 1.0" in metrics
        assert "Traceback" not in world.log("a")
    finally:
        await relay.stop()
        await replace_definitions(world, crds())
