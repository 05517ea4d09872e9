"""Objects that were not lived through: copies of some that were, with other names and tasks."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator

from . import processes
from .cluster import TENANTS, Cluster, Raw
from .figures import Value, percentile
from .live import until
from .load import create_jobs, watched
from .processes import Process

Found = dict[str, Value]
NAMESPACE = "default"
POLL_SECONDS = 15.0
READY_SECONDS, SETTLE_SECONDS, IDLE_SECONDS, TICKS = 120.0, 15.0, 30.0, 3
LAG_JOBS, LAG_SECONDS = 100, 120.0
RESTART_SECONDS = 180.0
RUNNING_SHARE = 10  # one in so many of the unfinished jobs runs
MOST_TARGETS = 1000


class Templates:
    """A Ready target, and jobs that wait, run and have ended, as the operator left them."""

    def __init__(self, target: Raw, waiting: Raw, running: Raw, finished: Raw) -> None:
        self._texts = {"target": target, "waiting": waiting, "running": running, "finished": finished}
        self.running_uid: str = running["metadata"]["uid"]

    @classmethod
    async def lived(cls, cluster: Cluster) -> Templates:
        """Live through one of each, in the tenant of the first template."""
        await cluster.target("template-target", TENANTS[0], 1)
        async with processes.operator(cluster, RELTIO_EXPORT_POLL_INTERVAL_SECONDS="1"), watched(cluster) as seen:
            await cluster.targets_ready()
            for name in ("template-finished", "template-running", "template-waiting"):
                await create_jobs(cluster, seen, [name], ["template-target"])
                if name == "template-finished" and not await until(seen, "finished", [name], 60):
                    raise TimeoutError("the first job did not end")
                if name == "template-running":
                    await cluster.services.ask("configure", time_scale=0.0)
                    if not await until(seen, "submitted", [name], 60):
                        raise TimeoutError("the second job was not submitted")
            await asyncio.sleep(3.0)  # their last writes
        names = ("waiting", "running", "finished")
        jobs = [await cluster.get("ExportJob", f"template-{name}") for name in names]
        return cls(await cluster.get("ExportTarget", "template-target"), *jobs)

    def copy(self, what: str, name: str, **texts: str) -> Raw:
        """A copy with another name and uid, and these texts in the place of others."""
        raw = self._texts[what]
        uid = texts.pop("uid", "") or str(uuid.uuid4())
        text = json.dumps(raw).replace(raw["metadata"]["uid"], uid).replace(raw["metadata"]["name"], name)
        for before, after in texts.items():
            text = text.replace(before, after)
        copied: Raw = json.loads(text)
        copied["metadata"]["resourceVersion"] = ""
        return copied


async def finished(cluster: Cluster, size: int, templates: Templates) -> Found:
    """Start among finished jobs."""
    async with processes.operator(cluster) as process:
        await process.until_ready()
        await asyncio.sleep(SETTLE_SECONDS)
        without = process.memory()
    await cluster.insert(("exportjobs", templates.copy("finished", f"finished-{number:05d}")) for number in range(size))
    async with processes.operator(cluster) as process:
        async with asyncio.timeout(READY_SECONDS):
            await process.until_ready()
        ready = time.time() - process.began
        await asyncio.sleep(SETTLE_SECONDS)
        resident = process.memory()
        idle = await _cpu_percent(process)
        return {
            "finished ready": ready,
            "finished peak": process.memory("VmHWM"),
            "finished rss": resident,
            "finished kib": max(0.0, resident - without) * 1024 / size,
            "finished idle": idle,
        }


async def _cpu_percent(process: Process, seconds: float = IDLE_SECONDS) -> float:
    before = (await process.snapshot()).cpu
    await asyncio.sleep(seconds)
    return ((await process.snapshot()).cpu - before) / seconds * 100


async def unfinished(cluster: Cluster, size: int, templates: Templates) -> AsyncIterator[Found]:
    """Start among unfinished jobs: a tenth runs; of those that wait, one half does so at one target."""
    running = size // RUNNING_SHARE
    targets = [f"lake-{number:04d}" for number in range(min(MOST_TARGETS, max(len(TENANTS), running)))]
    await _insert_running(cluster, templates, targets, running)
    async with processes.operator(cluster) as process:
        await process.until_ready()
        await _settled(process)
        without, blocks = process.memory(), (await process.ask("blocks"))["blocks"]
    await cluster.insert(("exportjobs", raw) for raw in _waiting(templates, targets, size - running))
    await cluster.insert(_with_a_free_place(templates))
    await cluster.services.ask("reset")
    async with processes.operator(cluster) as process, watched(cluster) as seen:
        yield {"restart": await _first_submission(cluster, process)}
        await process.until_ready()
        await _settled(process)
        more = size - running
        yield {
            "unfinished rss": process.memory(),
            "unfinished peak": process.memory("VmHWM"),
            "waiting kib": (process.memory() - without) * 1024 / more,
            "waiting blocks": ((await process.ask("blocks"))["blocks"] - blocks) / more,
        }
        yield await _steady(cluster, process, running)
        await create_jobs(cluster, seen, ["neighbour"], ["healthy"])
        submitted = await until(seen, "submitted", ["neighbour"], 60)
        job = seen.jobs["neighbour"]
        yield {"neighbour": job.submitted - job.created if submitted else "> 60"}
        yield await _lag(cluster, [f"running-{number:05d}" for number in range(min(running, LAG_JOBS))])


async def _settled(process: Process) -> None:
    """Wait until the process uses little CPU for a while, within a bound."""
    for _ in range(12):
        if await _cpu_percent(process, 5.0) < 10.0:
            break


async def _insert_running(cluster: Cluster, templates: Templates, targets: list[str], running: int) -> None:
    changes = []
    for number in range(running):
        tenant, target = _place(targets, number)
        changes.append(
            {
                templates.running_uid: str(uuid.uuid4()),
                "template-running": f"running-{number:05d}",
                "template-target": target,
                TENANTS[0]: tenant,
            }
        )
    made = await cluster.services.ask("orders", name=templates.running_uid, many=changes)

    def objects() -> Iterator[tuple[str, Raw]]:
        for number, name in enumerate(targets):
            yield "exporttargets", templates.copy("target", name, **{TENANTS[0]: _place(targets, number)[0]})
        for change, ids in zip(changes, made["ids"], strict=True):
            texts = dict(change)
            uid, name = texts.pop(templates.running_uid), texts.pop("template-running")
            texts |= dict(zip(made["template"], ids, strict=True))
            yield "exportjobs", templates.copy("running", name, uid=uid, **texts)

    await cluster.insert(objects())


def _place(targets: list[str], number: int) -> tuple[str, str]:
    index = number % len(targets)
    return TENANTS[index % len(TENANTS)], targets[index]


def _waiting(templates: Templates, targets: list[str], count: int) -> Iterator[Raw]:
    for number in range(count):
        target = targets[0] if number < count // 2 else targets[1 + number % (len(targets) - 1)]
        yield templates.copy("waiting", f"waiting-{number:05d}", **{"template-target": target})


def _with_a_free_place(templates: Templates) -> Iterator[tuple[str, Raw]]:
    """A target of a tenant whose jobs wait too, with more places, and one job that may begin."""
    target = templates.copy("target", "healthy", **{TENANTS[0]: TENANTS[2]})
    target["spec"]["maxConcurrentJobs"] = 4
    yield "exporttargets", target
    yield "exportjobs", templates.copy("waiting", "first", **{"template-target": "healthy"})


async def _first_submission(cluster: Cluster, process: Process) -> Value:
    end = time.time() + RESTART_SECONDS
    while time.time() < end:
        if submitted := (await cluster.services.ask("seen"))["submitted"]:
            return float(submitted[0] - process.began)
        await asyncio.sleep(0.2)
    return f"> {RESTART_SECONDS:.0f}"


async def _steady(cluster: Cluster, process: Process, running: int) -> Found:
    """Some polls while nothing changes."""
    await cluster.services.ask("reset")
    await process.ask("sample")
    percent = await _cpu_percent(process, POLL_SECONDS * TICKS)
    delays = (await process.snapshot("stop")).delays
    calls = (await cluster.services.ask("seen"))["counts"]
    pages = -(-(running // len(TENANTS)) // 100)
    return {
        "unfinished idle": percent,
        "steady delay": percentile(delays, 0.99) * 1000,
        "ticks": calls.get("list", 0) / TICKS / len(TENANTS),
        "pages": float(pages),
        "by id": calls.get("by id", 0) / TICKS,
    }


async def _lag(cluster: Cluster, names: list[str]) -> Found:
    """From the end of a task in Reltio until the job's status shows it."""
    ids = {name: (await cluster.get("ExportJob", name))["status"]["tasks"][0]["id"] for name in names}
    async with watched(cluster) as seen:
        await asyncio.sleep(1.0)
        when = await cluster.services.ask("pause_tasks", ids=list(ids.values()))
        try:
            async with asyncio.timeout(LAG_SECONDS):
                await seen.until(lambda job: "PAUSED" in job.tasks.values(), names)
        except TimeoutError:
            return {"lag": f"> {LAG_SECONDS:.0f}"}
    lags = sorted(seen.jobs[name].changed[id_] - when[id_] for name, id_ in ids.items())
    return {"lag": percentile(lags, 0.99)}
