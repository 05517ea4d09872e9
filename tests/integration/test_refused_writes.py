"""A job whose writes the API server refuses, beside one whose writes it accepts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from integration.replicas import Relay, Replicas, is_complete, open_replicas, open_sandbox
from reltio_export_sandbox.environment import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sandbox")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(sandbox: Sandbox) -> AsyncIterator[Replicas]:
    async with open_replicas(sandbox) as opened:
        yield opened


@pytest.mark.parametrize("status", [403, 422])
async def test_a_job_whose_writes_are_refused_lets_the_next_one_go_first(world: Replicas, status: int) -> None:
    assert world.sandbox.kube is not None
    relay = Relay(world.sandbox.kube.url)
    await relay.start()
    try:
        path = f"/apis/export.reltio.com/v1alpha1/namespaces/{world.namespace}/exportjobs/first"
        relay.refused[f"PATCH {path}".encode()] = status
        await world.target(spec={"maxConcurrentJobs": 1})
        await world.job("first")
        await world.job()
        await world.start("a", KUBECONFIG=world.kubeconfig_for(relay), RELTIO_EXPORT_RETRY_CAP_SECONDS="1")
        assert is_complete(await world.finished(within=90))
        first = await world.get("ExportJob", "first")
        assert world.runs_of(first) == 0
        assert await world.events("first", "WriteRefused") == ["WriteRefused"]
        relay.refused.clear()
        first = await world.finished("first")
        assert is_complete(first)
        assert world.runs_of(first) == 1
        assert "Traceback" not in world.log("a")
    finally:
        await relay.stop()
