"""Many jobs at once: each runs once, and calls to Reltio grow with tenants."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integration.conftest import World

JOBS, TARGETS, TENANTS = 200, 20, ("acme01", "acme02", "acme03")


async def test_200_jobs_over_20_targets_on_3_tenants_each_run_once(world: World) -> None:
    for tenant in world.sandbox.reltio.tenants.values():
        tenant.entities = 50
        tenant.max_tasks = 1000
    await world.secret()
    for number in range(TARGETS):
        await world.target(f"lake-{number}", tenant=TENANTS[number % len(TENANTS)])
    for number in range(JOBS):
        await world.job(f"job-{number}", target=f"lake-{number % TARGETS}")
    done = await asyncio.gather(*(world.finished(f"job-{number}", within=240) for number in range(JOBS)))
    assert {job["status"]["phase"] for job in done} == {"Complete"}
    runs = Counter(run.order.name for run in world.sandbox.reltio.engine.runs)
    assert len(runs) == JOBS
    assert set(runs.values()) == {1}
    lists = Counter(r["path"] for r in world.sandbox.reltio.requests if r["path"].endswith("/tasks"))
    assert set(lists) == {f"/jobs/{tenant}/tasks" for tenant in TENANTS}
