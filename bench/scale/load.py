"""Creates jobs, and watches what becomes of them. Nothing of this is measured but the times."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import msgspec

from .cluster import BASE, NAMESPACE, Cluster, Job, Raw, _Event

CREATED_AT_ONCE = 32
_EVENT = msgspec.json.Decoder(_Event)
_ENDS = ("Complete", "Failed")


class Watched:
    """The jobs of a namespace as a watch shows them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self.jobs: dict[str, Job] = {}
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[Job], object], names: list[str]) -> None:
        """Wait until this holds of all jobs of these names."""
        waiting = set(names)
        while waiting:
            self._changed.clear()
            waiting = {name for name in waiting if name not in self.jobs or not holds(self.jobs[name])}
            if waiting:
                await self._changed.wait()
                await asyncio.sleep(0.02)

    async def run(self, version: str) -> None:
        path = f"{BASE}/{self._namespace}/exportjobs?watch=1&resourceVersion={version}&timeoutSeconds=3600"
        async with self._cluster.read_lines(path) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        self._note(line)

    def _note(self, line: bytes) -> None:
        now = time.time()
        event = _EVENT.decode(line)
        seen, job = event.object, self.jobs.setdefault(event.object.metadata.name, Job())
        if seen.status.tasks and not job.submitted:
            job.submitted = now
        ended = any(c.type in _ENDS and c.status == "True" for c in seen.status.conditions)
        if (ended or seen.status.phase in _ENDS) and not job.finished:
            job.finished = now
        for task in seen.status.tasks:
            if job.tasks.get(task.id) != task.status:
                job.tasks[task.id] = task.status
                job.changed[task.id] = now
        self._changed.set()


@contextlib.asynccontextmanager
async def watched(cluster: Cluster, namespace: str = NAMESPACE) -> AsyncIterator[Watched]:
    listed = await cluster.call("GET", f"{BASE}/{namespace}/exportjobs?limit=1")
    found = Watched(cluster, namespace)
    task = asyncio.create_task(found.run(listed["metadata"]["resourceVersion"]))
    try:
        yield found
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def create_jobs(
    cluster: Cluster, seen: Watched, names: list[str], targets: list[str], namespace: str = NAMESPACE
) -> float:
    """Create these jobs as fast as it goes. Returns when the first one was asked for."""
    waiting = iter(enumerate(names))
    began = time.time()

    async def work() -> None:
        for number, name in waiting:
            spec: Raw = {"targetRef": {"name": targets[number % len(targets)]}, "export": {"type": "Entities"}}
            seen.jobs.setdefault(name, Job())
            await cluster.create("ExportJob", name, spec, namespace)
            seen.jobs[name].created = time.time()

    async with asyncio.TaskGroup() as group:
        for _ in range(CREATED_AT_ONCE):
            group.create_task(work())
    return began
