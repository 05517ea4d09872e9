"""What /readyz and /healthz of a replica return while something is missing, and that no restart is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from kubernetes.aio import client

from integration.replicas import Relay, Replicas, is_complete, open_replicas, open_sandbox, until
from reltio_export_sandbox.environment import Sandbox, crds

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_INSTALLED = "CRDs are not installed: kubectl apply -f crds/"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sandbox")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(sandbox: Sandbox) -> AsyncIterator[Replicas]:
    async with open_replicas(sandbox) as opened:
        yield opened


@asynccontextmanager
async def relay_to_the_api_server(world: Replicas) -> AsyncIterator[Relay]:
    assert world.sandbox.kube is not None
    relay = Relay(world.sandbox.kube.url)
    try:
        yield relay
    finally:
        await relay.stop()


async def export(world: Replicas, name: str) -> None:
    """A job of this name completes."""
    await world.job(name)
    assert is_complete(await world.finished(name, within=90))


@pytest.mark.parametrize("mode", ["named namespaces", "all namespaces"])
async def test_an_operator_waits_for_its_crds_also_when_they_go_away_while_it_runs(world: Replicas, mode: str) -> None:
    extensions = client.ApiextensionsV1Api(world.objects.api_client)
    installed = {crd["metadata"]["name"]: crd for crd in crds()}

    async def remove() -> None:
        for name in installed:
            await extensions.delete_custom_resource_definition(name)

    await remove()
    watched = {} if mode == "named namespaces" else {"RELTIO_EXPORT_NAMESPACES": ""}
    await world.start("a", RELTIO_EXPORT_LEADER_ELECT="false", **watched)
    for number in range(2):
        missing = sorted(installed)
        while missing:
            await world.until_ready("a", f"{NOT_INSTALLED} (missing: {', '.join(missing)})")
            await extensions.create_custom_resource_definition(installed[missing.pop(0)])
        await world.until_ready("a")
        await world.target()
        await world.ready()
        await export(world, f"job-{number}")
        if number == 0:
            await remove()
    assert world.sandbox.replicas["a"].returncode is None
    assert world.log("a").count(NOT_INSTALLED) >= 2
    assert "Traceback" not in world.log("a")


async def test_a_namespace_that_refuses_is_waited_for_and_harms_no_other_one(world: Replicas) -> None:
    async with relay_to_the_api_server(world) as relay:
        other = f"{world.namespace}-other"
        relay.refused[f"/namespaces/{other}/export".encode()] = 403
        await relay.start()
        await world.start(
            "a",
            KUBECONFIG=world.kubeconfig_for(relay),
            RELTIO_EXPORT_LEADER_ELECT="false",
            RELTIO_EXPORT_NAMESPACES=f"{other},{world.namespace}",
        )
        await world.until_ready("a")
        await world.target()
        await world.ready()
        await export(world, "here")
        log = world.log("a")
        assert f"Cannot list jobs and targets in {other}: HTTP 403 Refused: the relay says no. Retrying." in log
        relay.refused.clear()
        await world.core.create_namespace({"metadata": {"name": other}})
        there = Replicas(world.sandbox, world.objects.api_client, world.s3, other)
        await there.secret()
        await there.target()
        await there.ready(within=60)
        await export(there, "there")
        assert "Traceback" not in world.log("a")


@pytest.mark.parametrize("trouble", ["away", "unauthorized"])
@pytest.mark.parametrize("elect", ["true", "false"])
async def test_an_api_server_that_cannot_be_asked_is_waited_for_visibly(
    world: Replicas, trouble: str, elect: str
) -> None:
    async with relay_to_the_api_server(world) as relay:
        if trouble == "unauthorized":
            relay.refused[b"/"] = 401
            await relay.start()
        await world.start("a", KUBECONFIG=world.kubeconfig_for(relay), RELTIO_EXPORT_LEADER_ELECT=elect)
        text = "HTTP 401 Refused: the relay says no" if trouble == "unauthorized" else "cannot connect to 127.0.0.1"
        await world.until_ready("a", text)
        assert (await world.probe("a", "/healthz"))[0] == 200
        assert text in world.log("a")
        if trouble == "unauthorized":
            relay.refused.clear()
        else:
            await relay.start()
        await world.until_ready("a")
        await world.target()
        await world.ready()
        assert "Traceback" not in world.log("a")


async def test_an_api_server_that_goes_away_and_comes_back_needs_no_restart(world: Replicas) -> None:
    async with relay_to_the_api_server(world) as relay:
        await relay.start()
        await world.start("a", KUBECONFIG=world.kubeconfig_for(relay), RELTIO_EXPORT_LEADER_ELECT="false")
        await world.target()
        await world.ready()
        await relay.stop()
        await world.job("meanwhile")
        await until(lambda: asyncio.to_thread(world.log, "a"), lambda text: "cannot be watched" in text)
        assert (await world.probe("a", "/healthz"))[0] == 200
        await relay.start()
        assert is_complete(await world.finished("meanwhile", within=90))
        assert world.sandbox.replicas["a"].returncode is None
        assert "Traceback" not in world.log("a")


async def test_a_watch_that_ends_permanently_in_kopf_starts_again(world: Replicas) -> None:
    """kopf does not survive HTTP 410 on a watch."""
    async with relay_to_the_api_server(world) as relay:
        relay.refused[b"watch=true"] = 410
        await relay.start()
        await world.start("a", KUBECONFIG=world.kubeconfig_for(relay), RELTIO_EXPORT_LEADER_ELECT="false")
        await until(lambda: asyncio.to_thread(world.log, "a"), lambda text: text.count("The watch ended") >= 2)
        await world.until_ready("a", "The watch ended: APIClientError: HTTP 410 the relay says no.")
        relay.refused.clear()
        await world.until_ready("a")
        await world.target()
        await world.ready()
        await export(world, "after")
        assert "Traceback" not in world.log("a")


async def test_a_leader_that_cannot_reach_the_api_server_gives_up_and_its_standby_acts(world: Replicas) -> None:
    async with relay_to_the_api_server(world) as relay:
        await relay.start()
        await world.start("a", KUBECONFIG=world.kubeconfig_for(relay), RELTIO_EXPORT_LEASE_DURATION_SECONDS="5")
        first = await world.leader()
        await world.start("b", RELTIO_EXPORT_LEASE_DURATION_SECONDS="5")
        await world.until_ready("b")
        await relay.stop()
        assert await world.exit_code("a") == 1
        assert "Lost the Lease" in world.log("a")
        assert await world.leader(other_than=first)
        await world.target()
        await world.ready()


async def test_metrics_say_who_leads(world: Replicas) -> None:
    await world.elect()

    async def gauge(name: str) -> str:
        _, text = await world.probe(name, "/metrics")
        return next(line for line in text.splitlines() if line.startswith("reltio_export_leader "))

    assert await gauge("a") == "reltio_export_leader 1.0"
    assert await gauge("b") == "reltio_export_leader 0.0"
