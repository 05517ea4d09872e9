"""The main job, shown: a target and a job are applied, and an export arrives in S3."""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from .environment import BUCKET, Options, Sandbox

GROUP, VERSION = "export.reltio.com", "v1alpha1"
PLURALS = {"ExportTarget": "exporttargets", "ExportJob": "exportjobs"}
_LIMIT = 120.0
_NAMESPACE = "default"

Raw = dict[str, Any]


async def demo(examples: Path) -> int:
    """Run the demo; returns the exit code: 0 only if what arrived equals what the tenant holds."""
    with tempfile.TemporaryDirectory(prefix="reltio-export-") as folder:
        click.echo("Starting a Kubernetes API, AWS and Reltio on loopback, and the operator…")
        async with Sandbox(Options(Path(folder))) as sandbox:
            configuration = client.Configuration()
            await config.load_kube_config(str(sandbox.kubeconfig), client_configuration=configuration)
            configuration.client_session_kwargs = {"trust_env": False}  # it is on loopback: no proxy
            async with client.ApiClient(configuration) as api:
                for name in ("target.yaml", "job.yaml"):
                    for document in sandbox.fill((examples / name).read_text()):
                        await apply(api, document)
                        click.echo(f"applied {document['kind']} {document['metadata']['name']}")
                job = await _follow(sandbox, api)
            return await _report(sandbox, job)


async def apply(api: client.ApiClient, document: Raw) -> None:
    """Create the object."""
    if document["kind"] == "Secret":
        await client.CoreV1Api(api).create_namespaced_secret(_NAMESPACE, document)
    else:
        await client.CustomObjectsApi(api).create_namespaced_custom_object(
            GROUP, VERSION, _NAMESPACE, PLURALS[document["kind"]], document
        )


async def _snapshots(api: client.ApiClient) -> AsyncIterator[tuple[Raw, Raw]]:
    objects = client.CustomObjectsApi(api)
    end = time.monotonic() + _LIMIT
    while time.monotonic() < end:
        try:
            target = await objects.get_namespaced_custom_object(GROUP, VERSION, _NAMESPACE, "exporttargets", "lake")
            job = await objects.get_namespaced_custom_object(GROUP, VERSION, _NAMESPACE, "exportjobs", "people")
        except ApiException as error:
            raise RuntimeError(f"The Kubernetes API answered {error.status}.") from None
        yield target, job
        await asyncio.sleep(0.5)


async def _follow(sandbox: Sandbox, api: client.ApiClient) -> Raw:
    """Print a line for each change of the two objects until the job has ended.

    Lines are left to the terminal to wrap: a URL that is cut into pieces cannot be copied.
    """
    job: Raw = {}
    shown = ""
    async for target, job in _snapshots(api):
        line = _line(target, job)
        if line != shown:
            shown = line
            click.echo(line)
        if sandbox.operator_has_ended() or _condition(job, "Complete") or _condition(job, "Failed"):
            break
    return job


def _line(target: Raw, job: Raw) -> str:
    status = job.get("status", {})
    progress = status.get("progress", {}).get("summary", "")
    ready = _condition(target, "Ready").get("status", "…")
    return f"target lake: Ready={ready}  job people: {status.get('phase', '…')} {progress}".rstrip()


def _condition(raw: Raw, type_: str) -> Raw:
    for condition in raw.get("status", {}).get("conditions", []):
        if condition["type"] == type_:
            return dict(condition)
    return {}


async def _report(sandbox: Sandbox, job: Raw) -> int:
    """List what arrived and compare its rows with what the tenant holds."""
    if not _condition(job, "Complete"):
        if sandbox.operator_has_ended():
            click.echo("The operator has ended. Its log:")
        else:
            ended = _condition(job, "Failed") or _condition(job, "Stalled") or _condition(job, "Reconciling")
            click.echo(f"The job did not complete: {ended.get('reason')}: {ended.get('message')}")
        click.echo(sandbox.operator_log.read_text()[-4000:])
        return 1
    prefix = job["status"]["output"]["prefix"]
    arrived: list[Raw] = []
    click.echo(f"\nDelivered to s3://{BUCKET}/{prefix}")
    for key, size in await asyncio.to_thread(sandbox.cloud.list_objects, BUCKET, prefix):
        click.echo(f"  {size:>8}  {key.removeprefix(prefix)}")
        if key.endswith(".gz"):
            content = gzip.decompress(await asyncio.to_thread(sandbox.cloud.read_object, BUCKET, key))
            arrived += [json.loads(line) for line in content.splitlines()]
    runs = sandbox.reltio.engine.runs
    expected = sandbox.reltio.expected(runs[0].order)
    same = sorted(r["uri"] for r in arrived) == sorted(r["uri"] for r in expected)
    click.echo(
        f"\n{len(arrived)} records were delivered, the tenant holds {len(expected)}, and {len(runs)} export ran. "
        f"{'The records are equal.' if same else 'The records differ.'}"
    )
    return 0 if same and len(runs) == 1 else 1
