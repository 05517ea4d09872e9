"""Jobs that are lived through, from their creation to their end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from . import processes, raw
from .cluster import TENANTS, Cluster, Raw
from .figures import Value, percentile
from .load import Watched, create_jobs, watched
from .processes import Process, Snapshot

TARGETS = 20
PLACES = 1000  # at each target: no job waits for another one
SECONDS = 300.0  # until all jobs are submitted, and again until all have ended
REST_SECONDS = 10.0
SCALE = 20.0  # simulated seconds in a real one
Found = dict[str, Value]
GETS = {"job gets": "kube GET exportjobs", "target gets": "kube GET exporttargets"}


async def prepare(cluster: Cluster, namespace: str) -> list[str]:
    """Targets of three tenants. Returns their names."""
    names = [f"target-{number:02d}" for number in range(TARGETS)]
    for number, name in enumerate(names):
        await cluster.target(name, TENANTS[number % len(TENANTS)], PLACES, namespace)
    return names


async def rest(cluster: Cluster, process: Process) -> Found:
    await cluster.targets_ready()
    await asyncio.sleep(REST_SECONDS)
    return {"rest": process.memory()}


async def sixty(cluster: Cluster, targets: list[str]) -> Found:
    """The slowest of 60 jobs, with all 60 created at once on an operator that has nothing else to do."""
    names = [f"sixty-{number:02d}" for number in range(60)]
    async with watched(cluster) as seen:
        await create_jobs(cluster, seen, names, targets)
        if not await until(seen, "submitted", names, 60):
            return {"one of 60": "> 60"}
        found = max(seen.jobs[name].submitted - seen.jobs[name].created for name in names)
        await until(seen, "finished", names, SECONDS)
    return {"one of 60": found}


async def until(seen: Watched, what: str, names: list[str], seconds: float = SECONDS) -> bool:
    """Whether all jobs got there in this time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await seen.until(lambda job: getattr(job, what), names)
            return True
    return False


async def burst(cluster: Cluster, process: Process, names: list[str], targets: list[str], namespace: str) -> Found:
    """Create all jobs at once, and live them through. No time passes in Reltio until all are submitted."""
    await cluster.services.ask("configure", time_scale=0.0)
    await cluster.services.ask("reset")
    before = await process.snapshot("reset")
    await process.ask("sample")
    count = len(names)
    async with watched(cluster, namespace) as seen:
        began = await create_jobs(cluster, seen, names, targets, namespace)
        if not await until(seen, "submitted", names):
            submitted = sum(1 for name in names if seen.jobs[name].submitted)
            return {"submitted": f"> {SECONDS:.0f} ({submitted} of {count})"}
        at = await process.snapshot("delays")
        found = _until_submitted(seen, names, began, before, at)
        await cluster.services.ask("configure", time_scale=SCALE)
        if not await until(seen, "finished", names):
            return found
        await asyncio.sleep(3.0)  # the last writes follow the end
    end = await process.snapshot("stop")
    calls = (await cluster.services.ask("seen"))["counts"]
    return found | {
        "writes": end.writes("exportjobs") / count,
        "events": end.writes("events") / count,
        "target writes": end.writes("exporttargets") / count,
        "calls": sum(calls.values()) / count,
        "life cpu": (end.cpu - before.cpu) * 1000 / count,
        "queue": end.starting("queue ") / count,
        "delay": percentile(end.delays, 0.99) * 1000,
        "after": process.memory(),
    }


def _until_submitted(seen: Watched, names: list[str], began: float, before: Snapshot, at: Snapshot) -> Found:
    count = len(names)
    latencies = sorted(max(0.0, seen.jobs[name].submitted - seen.jobs[name].created) for name in names)
    seconds = max(seen.jobs[name].submitted for name in names) - began
    others = at.starting("kube GET ") - at.of(*GETS.values())
    written = at.writes("exportjobs") + at.writes("events")
    return {
        "submitted": seconds,
        "p50": percentile(latencies, 0.5),
        "p99": percentile(latencies, 0.99),
        **{figure: at.of(kind) / count for figure, kind in GETS.items()},
        "other gets": others / count,
        "submit writes": at.writes("exportjobs") / count,
        "submit events": at.writes("events") / count,
        "writes a second": (written + count) / seconds,
        "connections": at.most,
        "cpu": (at.cpu - before.cpu) * 1000 / count,
    }


async def raw_burst(cluster: Cluster, like: Found, template: Raw, names: list[str], namespace: str) -> Found:
    """The same number of writes with the same number of connections as the operator."""
    written = await raw.write(
        cluster,
        namespace,
        template,
        names,
        writes=round(float(like["submit writes"])),
        events=round(float(like["submit events"])),
        connections=int(like["connections"]),
    )
    return {
        "submitted": written.seconds,
        "p50": percentile(written.latencies, 0.5),
        "p99": percentile(written.latencies, 0.99),
        "writes a second": written.per_second,
        "connections": like["connections"],
        "submit writes": float(round(float(like["submit writes"]))),
        "submit events": float(round(float(like["submit events"]))),
    }


async def stage(cluster: Cluster, size: int, *, first: bool) -> AsyncIterator[tuple[str, Found]]:
    """Subjects and what was found of them: the operator, the raw client, and the baseline."""
    names = [f"job-{number:05d}" for number in range(size)]
    targets = await prepare(cluster, "default")
    async with processes.operator(cluster) as process:
        yield "operator", await rest(cluster, process)
        if first:
            yield "operator", await sixty(cluster, targets)
        found = await burst(cluster, process, names, targets, "default")
        yield "operator", found
    if "submit writes" in found:
        template = await cluster.get("ExportJob", names[0])
        await cluster.namespace("raw")
        yield "raw", await raw_burst(cluster, found, template, names, "raw")
    await cluster.namespace("baseline")
    targets = await prepare(cluster, "baseline")
    async with processes.baseline(cluster, "baseline") as process:
        await asyncio.sleep(REST_SECONDS)
        yield "baseline", {"rest": process.memory()}
        began = time.monotonic()
        found = await burst(cluster, process, names, targets, "baseline")
        if isinstance(found["submitted"], str):
            print(process.log.read_text()[-2000:], f"after {time.monotonic() - began:.0f} s")
        yield "baseline", found
