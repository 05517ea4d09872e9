"""The image as the chart deploys it, in a cluster that it reaches with its ServiceAccount."""

from __future__ import annotations

import gzip
import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes.aio import client, config

from image.certificates import ADDRESS, server_context
from image.conftest import ROOT, config_maps, pod_of, render
from image.pod import ACCOUNT, Container, Image, oci_spec
from integration.conftest import World
from reltio_export_sandbox.environment import BUCKET, Options, Sandbox

Raw = dict[str, Any]
NAMESPACE = "ops"
SETTINGS = {"pollIntervalSeconds": 1, "progressIntervalSeconds": 1, "targetRetryIntervalSeconds": 5}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


async def in_cluster(sandbox: Sandbox, folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """The files and variables by which a pod of this sandbox's cluster finds its API server."""
    account = folder / "serviceaccount"
    account.mkdir()
    token = secrets.token_urlsafe(32)
    (account / "token").write_text(token)
    (account / "namespace").write_text(NAMESPACE)
    assert sandbox.kube is not None
    port = await sandbox.kube.serve_pods(server_context(account), {token})
    return {ACCOUNT: account}, {"KUBERNETES_SERVICE_HOST": ADDRESS, "KUBERNETES_SERVICE_PORT": str(port)}


def values(sandbox: Sandbox, port: int) -> tuple[str, ...]:
    key = sandbox.cloud.operator_credentials
    variables = {
        "AWS_ENDPOINT_URL": sandbox.cloud.url,
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    entries = [{"name": name, "value": value} for name, value in variables.items()]
    return (
        f"--set=metrics.port={port}",
        f"--set-json=settings={json.dumps(SETTINGS | sandbox.host_values)}",
        f"--set-json=extraEnv={json.dumps(entries)}",
    )


@asynccontextmanager
async def deployed(
    image: Image, folder: Path, user: str | None
) -> AsyncIterator[tuple[World, Container, dict[str, Any]]]:
    """A world, a running replica in it, and the replica's container as the Deployment describes it."""
    async with Sandbox(Options(folder / "sandbox", operator=False)) as sandbox:
        configuration = client.Configuration()
        await config.load_kube_config(str(sandbox.kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as api:
            world = World(sandbox, api)
            await world.core.create_namespace({"metadata": {"name": NAMESPACE}})
            files, cluster = await in_cluster(sandbox, folder)
            manifests = render(*values(sandbox, free_port()))
            pod = pod_of(manifests)
            spec = oci_spec(image, pod, files | config_maps(manifests, pod, folder), cluster, user=user)
            async with Container(spec, folder) as container:
                sandbox.operator_log = container.log
                yield world, container, pod["containers"][0]


async def answer(container: Raw, probe: str) -> int:
    """The status that the kubelet's probe gets."""
    (port,) = (port["containerPort"] for port in container["ports"] if port["name"] == "metrics")
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://{ADDRESS}:{port}{container[probe]['httpGet']['path']}")).status_code


@pytest.mark.parametrize("user", [None, "1000650000:0"], ids=["chart", "openshift"])
async def test_an_export_arrives_and_the_operator_ends_in_order(image: Image, tmp_path: Path, user: str | None) -> None:
    async with deployed(image, tmp_path, user) as (world, container, described):
        sandbox = world.sandbox
        for name in ("target.yaml", "job.yaml"):
            for document in sandbox.fill((ROOT / "examples" / name).read_text()):
                if document["kind"] == "Secret":
                    await world.core.create_namespaced_secret("default", document)
                else:
                    await world.create(document["kind"], document["metadata"]["name"], document["spec"])
        job = await world.finished("people", within=120)
        assert {one["type"]: one["status"] for one in job["status"]["conditions"]}["Complete"] == "True"
        assert await answer(described, "livenessProbe") == 200
        assert await answer(described, "readinessProbe") == 200

        prefix = job["status"]["output"]["prefix"]
        rows = [
            json.loads(line)
            for key, _ in sandbox.cloud.list_objects(BUCKET, prefix)
            if key.endswith(".gz")
            for line in gzip.decompress(sandbox.cloud.read_object(BUCKET, key)).splitlines()
        ]
        (run,) = sandbox.reltio.engine.runs
        assert sorted(row["uri"] for row in rows) == sorted(row["uri"] for row in sandbox.reltio.expected(run.order))

        assert not container.has_ended
        await container.signal("TERM")
        assert await container.exit_code() == 0, container.log.read_text()


async def test_the_api_server_is_asked_as_the_service_account_and_by_tls_alone(image: Image, tmp_path: Path) -> None:
    async with deployed(image, tmp_path, None) as (world, container, described):
        assert world.sandbox.kube is not None
        leases = client.CoordinationV1Api(world.core.api_client)
        lease = None
        while lease is None and not container.has_ended:
            lease = next(iter((await leases.list_namespaced_lease(NAMESPACE)).items), None)
        assert lease is not None, container.log.read_text()
        environment = {entry["name"]: entry.get("value") for entry in described["env"]}
        assert lease.metadata.name == environment["RELTIO_EXPORT_LEASE_NAME"]
