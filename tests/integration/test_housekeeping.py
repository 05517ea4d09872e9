"""What a cluster's own controllers do to our objects: namespaces are emptied, and what is owned goes with its owner."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kubernetes.aio.client.exceptions import ApiException

from integration.conftest import World, condition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def absent(look: Callable[[], Awaitable[object]], within: float = 60) -> None:
    async with asyncio.timeout(within):
        while True:
            try:
                await look()
            except ApiException as error:
                if error.status == 404:
                    return
                raise
            await asyncio.sleep(0.1)


async def test_a_namespace_that_is_deleted_stops_the_exports_in_it_and_goes(world: World) -> None:
    world.sandbox.reltio.config.objects_per_second = 2
    await world.core.create_namespace({"metadata": {"name": "team"}})
    team = World(world.sandbox, world.objects.api_client, "team")
    await team.secret()
    await team.target()
    await team.job()
    await team.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("tasks"))
    await world.core.delete_namespace("team")
    await absent(lambda: world.core.read_namespace("team"))
    (run,) = world.sandbox.reltio.engine.runs
    assert {task.status for task in run.tasks} == {"CANCELED"}


async def test_the_canary_goes_with_its_target_and_jobs_of_users_stay(world: World) -> None:
    await world.secret()
    await world.target(spec={"verification": {"canary": True}})
    await world.until("ExportTarget", "lake", lambda raw: condition(raw, "Delivered"))
    await world.job()
    await world.finished()
    canary = "lake-canary-1"
    await world.get("ExportJob", canary)
    await world.delete("ExportTarget", "lake")
    await absent(lambda: world.get("ExportJob", canary))
    assert condition(await world.get("ExportJob", "nightly"), "Complete")
