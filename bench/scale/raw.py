"""The raw client: as many writes as the operator made, with as many connections, and nothing else."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from .cluster import BASE, Cluster, Raw
from .load import CREATED_AT_ONCE

MERGE = "application/merge-patch+json"


@dataclass
class Written:
    """Seconds for all jobs from the first creation to the last write, and writes in a second."""

    seconds: float
    latencies: list[float]
    per_second: float


async def write(
    cluster: Cluster, namespace: str, template: Raw, names: list[str], *, writes: int, events: int, connections: int
) -> Written:
    """Create jobs, and write each as the operator does until it is submitted: `template` is a submitted job."""
    ready: asyncio.Queue[tuple[str, float]] = asyncio.Queue()
    latencies: list[float] = []
    waiting = iter(names)
    began = time.monotonic()

    async def create() -> None:
        for name in waiting:
            await cluster.create("ExportJob", name, template["spec"], namespace)
            ready.put_nowait((name, time.monotonic()))

    async def work() -> None:
        while len(latencies) < len(names):
            name, created = await ready.get()
            if not name:
                break
            await _write_one(cluster, f"{BASE}/{namespace}/exportjobs/{name}", template, writes)
            for _ in range(events):
                await _post_event(cluster, namespace, name)
            latencies.append(time.monotonic() - created)
            if len(latencies) == len(names):
                for _ in range(connections):
                    ready.put_nowait(("", 0.0))

    async with asyncio.TaskGroup() as group:
        for _ in range(CREATED_AT_ONCE):
            group.create_task(create())
        for _ in range(connections):
            group.create_task(work())
    seconds = time.monotonic() - began
    return Written(seconds, sorted(latencies), len(names) * (1 + writes + events) / seconds)


async def _write_one(cluster: Cluster, path: str, template: Raw, writes: int) -> None:
    """The first write is that of finalizer and annotation; the others put what the status of the template holds."""
    meta, status = template["metadata"], template["status"]
    if writes:
        change = {"finalizers": meta.get("finalizers"), "annotations": meta.get("annotations")}
        await cluster.call("PATCH", path, {"metadata": change}, MERGE)
    for number in range(writes - 1):
        part = {name: value for name, value in status.items() if name != "tasks" or number == writes - 2}
        part["message"] = f"Write {number}."
        await cluster.call("PATCH", f"{path}/status", {"status": part}, MERGE)


async def _post_event(cluster: Cluster, namespace: str, name: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = {
        "metadata": {"generateName": f"{name}.", "namespace": namespace},
        "involvedObject": {"kind": "ExportJob", "namespace": namespace, "name": name},
        "type": "Normal",
        "reason": "Submitted",
        "message": "Submitted a task.",
        "source": {"component": "bench"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    await cluster.call("POST", f"/api/v1/namespaces/{namespace}/events", body)
