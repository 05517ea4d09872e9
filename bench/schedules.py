"""Measures 1,000 schedules of the same minute: how late their runs start, and what each costs, with and without jitter.

    make schedules-bench [BENCH_ARGS="--schedules 1000 --jitter 120 --servers sandbox"]

The schedules are created before, and the clock is the real one. No time passes in Reltio, so that no job ends
meanwhile. A run starts when its job is seen by a watch. How late it is counts from the time of the schedule with its
jitter.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from datetime import UTC, datetime, timedelta

from scale import cluster as clusters
from scale import live, processes
from scale.cluster import BASE, Cluster
from scale.figures import percentile
from scale.load import Watched
from scale.processes import Process

GRACE = timedelta(seconds=60)  # from the end of the creations to the minute of the runs, at least
CREATED_AT_ONCE = 32
BOUND_SECONDS = 900.0


class _Seen(Watched):
    """Notes when a job is first seen."""

    def _note(self, line: bytes) -> None:
        super()._note(line)
        for job in self.jobs.values():
            job.created = job.created or time.time()


async def _create(cluster: Cluster, names: list[str], targets: list[str], cron: str, jitter: int) -> None:
    waiting = iter(enumerate(names))

    async def work() -> None:
        for number, name in waiting:
            template = {"targetRef": {"name": targets[number % len(targets)]}, "export": {"type": "Entities"}}
            spec = {"schedule": cron, "jitterSeconds": jitter, "jobTemplate": {"spec": template}}
            await cluster.create("ExportSchedule", name, spec)

    async with asyncio.TaskGroup() as group:
        for _ in range(CREATED_AT_ONCE):
            group.create_task(work())


async def _planned(cluster: Cluster, names: list[str]) -> dict[str, float]:
    """When each schedule says that it runs, once all do."""
    while True:
        listed = (await cluster.call("GET", f"{BASE}/default/exportschedules"))["items"]
        times = {raw["metadata"]["name"]: raw.get("status", {}).get("nextScheduleTime") for raw in listed}
        if all(times.get(name) for name in names):
            return {name: datetime.fromisoformat(str(times[name])).timestamp() for name in names}
        await asyncio.sleep(1)


async def measure(cluster: Cluster, process: Process, targets: list[str], count: int, jitter: int) -> None:
    mark = "jitter" if jitter else "plain"
    names = [f"{mark}-{number:04d}" for number in range(count)]
    began = time.monotonic()
    # Creating them takes a while, and how long is not known: the minute is far enough away for 20 a second.
    slot = (datetime.now(UTC) + GRACE + timedelta(seconds=count / 20)).replace(second=0, microsecond=0)
    slot += timedelta(minutes=1)
    await _create(cluster, names, targets, f"{slot.minute} {slot.hour} * * *", jitter)
    planned = await _planned(cluster, names)
    created = time.monotonic() - began
    if datetime.now(UTC) > slot - timedelta(seconds=5):
        raise RuntimeError(f"creating {count} schedules took {created:.0f} s, too long for the minute that was chosen")
    listed = await cluster.call("GET", f"{BASE}/default/exportjobs?limit=1")
    before = await process.snapshot("reset")
    seen = _Seen(cluster, "default")
    watching = asyncio.create_task(seen.run(listed["metadata"]["resourceVersion"]))
    jobs = {name: f"{name}-{int(slot.timestamp()) // 60}" for name in names}
    try:
        await seen.until(lambda job: job.submitted, list(jobs.values()))
    finally:
        watching.cancel()
    await asyncio.sleep(3)  # the last writes follow
    after = await process.snapshot("show")
    late = sorted(max(0.0, seen.jobs[job].created - planned[name]) for name, job in jobs.items())
    submitted = sorted(max(0.0, seen.jobs[job].submitted - planned[name]) for name, job in jobs.items())
    writes = {what: after.writes(what) / count for what in ("exportschedules", "exportjobs", "events")}
    print(f"{count} schedules of {slot:%H:%M} UTC, jitterSeconds {jitter}. Load: {os.getloadavg()[0]:.1f}.")
    print(
        f"  start skew      p50 {percentile(late, 0.5):.2f} s, p99 {percentile(late, 0.99):.2f} s, "
        f"most {late[-1]:.2f} s"
    )
    print(f"  until submitted p50 {percentile(submitted, 0.5):.2f} s, p99 {percentile(submitted, 0.99):.2f} s")
    print("  writes per run  " + ", ".join(f"{what} {number:.2f}" for what, number in writes.items()))
    print(f"  CPU per run     {(after.cpu - before.cpu) * 1000 / count:.1f} ms; memory {process.memory():.0f} MiB")


async def run(server: str, count: int, jitters: list[int]) -> None:
    print(f"API server: {server}", flush=True)
    for jitter in jitters:
        async with asyncio.timeout(BOUND_SECONDS), clusters.opened(server) as cluster:
            targets = await live.prepare(cluster, "default")
            async with processes.operator(cluster) as process:
                await cluster.targets_ready()
                await cluster.services.ask("configure", time_scale=0.0)
                await measure(cluster, process, targets, count, jitter)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--jitter", type=int, default=120, help="seconds, of the run with jitter")
    parser.add_argument("--servers", nargs="+", choices=["sandbox", "real"], default=["sandbox"])
    chosen = parser.parse_args()
    for server in chosen.servers:
        asyncio.run(run(server, chosen.schedules, [0, chosen.jitter]))


if __name__ == "__main__":
    main()
