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

from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException
from rich.console import Console
from rich.live import Live
from rich.table import Table

from .environment import BUCKET, Options, Sandbox

_GROUP, _VERSION = "export.reltio.com", "v1alpha1"
_PLURALS = {"ExportTarget": "exporttargets", "ExportJob": "exportjobs"}
_LIMIT = 120.0
_NAMESPACE = "default"

Raw = dict[str, Any]


async def demo(examples: Path) -> int:
    """Run the demo; returns the exit code: 0 only if what arrived equals what the tenant holds."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="reltio-export-") as folder:
        console.print("Starting a Kubernetes API, AWS and Reltio on loopback, and the operator…")
        async with Sandbox(Options(Path(folder))) as sandbox:
            configuration = client.Configuration()
            await config.load_kube_config(str(sandbox.kubeconfig), client_configuration=configuration)
            configuration.client_session_kwargs = {"trust_env": False}  # it is on loopback: no proxy
            async with client.ApiClient(configuration) as api:
                for name in ("target.yaml", "job.yaml"):
                    for document in sandbox.fill((examples / name).read_text()):
                        await apply(api, document)
                        console.print(f"applied {document['kind']} {document['metadata']['name']}")
                job = await _follow(console, api)
            return await _report(console, sandbox, job)


async def apply(api: client.ApiClient, document: Raw) -> None:
    """Create the object."""
    if document["kind"] == "Secret":
        await client.CoreV1Api(api).create_namespaced_secret(_NAMESPACE, document)
    else:
        await client.CustomObjectsApi(api).create_namespaced_custom_object(
            _GROUP, _VERSION, _NAMESPACE, _PLURALS[document["kind"]], document
        )


async def _snapshots(api: client.ApiClient) -> AsyncIterator[tuple[Raw, Raw]]:
    objects = client.CustomObjectsApi(api)
    end = time.monotonic() + _LIMIT
    while time.monotonic() < end:
        try:
            target = await objects.get_namespaced_custom_object(_GROUP, _VERSION, _NAMESPACE, "exporttargets", "lake")
            job = await objects.get_namespaced_custom_object(_GROUP, _VERSION, _NAMESPACE, "exportjobs", "people")
        except ApiException as error:
            raise RuntimeError(f"The Kubernetes API answered {error.status}.") from None
        yield target, job
        await asyncio.sleep(0.5)


async def _follow(console: Console, api: client.ApiClient) -> Raw:
    """Show the two objects until the job has ended: a live table on a terminal, else a line a change."""
    job: Raw = {}
    shown = ""
    with Live(console=console, auto_refresh=False, transient=False) as live:
        async for target, job in _snapshots(api):
            line = _line(target, job)
            if line != shown:
                shown = line
                if console.is_terminal:
                    live.update(_table(target, job), refresh=True)
                else:
                    console.print(line)
            if _condition(job, "Complete") or _condition(job, "Failed"):
                break
    return job


def _line(target: Raw, job: Raw) -> str:
    status = job.get("status", {})
    progress = status.get("progress", {}).get("summary", "")
    ready = _condition(target, "Ready").get("status", "…")
    return f"target Ready={ready}  job {status.get('phase', '…')} {progress}".rstrip()


def _table(target: Raw, job: Raw) -> Table:
    status = job.get("status", {})
    table = Table("Object", "State", "Progress", "Why")
    ready = _condition(target, "Ready")
    table.add_row("ExportTarget lake", f"Ready={ready.get('status', '…')}", "", ready.get("message", ""))
    why = next((c["message"] for c in reversed(status.get("conditions", [])) if c["status"] == "True"), "")
    table.add_row("ExportJob people", status.get("phase", "…"), status.get("progress", {}).get("summary", ""), why)
    return table


def _condition(raw: Raw, type_: str) -> Raw:
    for condition in raw.get("status", {}).get("conditions", []):
        if condition["type"] == type_:
            return dict(condition)
    return {}


async def _report(console: Console, sandbox: Sandbox, job: Raw) -> int:
    """List what arrived and compare its rows with what the tenant holds."""
    if not _condition(job, "Complete"):
        ended = _condition(job, "Failed") or _condition(job, "Stalled") or _condition(job, "Reconciling")
        console.print(f"The job did not complete: {ended.get('reason')}: {ended.get('message')}")
        console.print(sandbox.operator_log.read_text()[-4000:])
        return 1
    prefix = job["status"]["output"]["prefix"]
    arrived: list[Raw] = []
    console.print(f"\nIn s3://{BUCKET}/{prefix}")
    for key, size in await asyncio.to_thread(sandbox.cloud.list_objects, BUCKET, prefix):
        console.print(f"  {size:>8}  {key.removeprefix(prefix)}")
        if key.endswith(".gz"):
            content = gzip.decompress(await asyncio.to_thread(sandbox.cloud.read_object, BUCKET, key))
            arrived += [json.loads(line) for line in content.splitlines()]
    runs = sandbox.reltio.engine.runs
    expected = sandbox.reltio.expected(runs[0].order)
    same = sorted(r["uri"] for r in arrived) == sorted(r["uri"] for r in expected)
    console.print(
        f"\n{len(arrived)} rows arrived, {len(expected)} are held by the tenant; "
        f"{len(runs)} export ran. {'They are equal.' if same else 'They differ.'}"
    )
    return 0 if same and len(runs) == 1 else 1
