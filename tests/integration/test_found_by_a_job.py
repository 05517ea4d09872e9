"""What a job runs into is found by a verification of its target at once, and not when the next one is due."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from integration.conftest import condition
from reltio_export_sandbox.environment import EXTERNAL_ID

if TYPE_CHECKING:
    from integration.conftest import World

Raw = dict[str, Any]


def reason(raw: Raw, type_: str) -> str | None:
    return next((c["reason"] for c in raw.get("status", {}).get("conditions", []) if c["type"] == type_), None)


async def test_a_secret_that_is_deleted_while_a_job_runs_makes_its_target_not_ready(world: World) -> None:
    world.sandbox.reltio.config.objects_per_second = 1
    await world.secret()
    await world.target(spec={"verification": {"interval": "1h"}})
    await world.ready()
    await world.job()
    await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("phase") == "Running")
    await world.core.delete_namespaced_secret("reltio-api", world.namespace)
    target = await world.ready(status="False", within=60)
    assert reason(target, "Ready") == "SecretUnusable"
    await world.job("next")
    waiting = await world.until("ExportJob", "next", lambda raw: reason(raw, "Reconciling"))
    assert waiting["status"]["phase"] == "Pending"
    world.sandbox.reltio.config.objects_per_second = 500
    await world.secret()
    await world.ready()
    assert condition(await world.finished(), "Complete")
    assert condition(await world.finished("next"), "Complete")
    assert len(world.sandbox.reltio.engine.runs) == 2, "one export for each job"


async def test_a_role_that_is_broken_while_its_target_is_ready_makes_it_not_ready_with_the_first_job(
    world: World,
) -> None:
    await world.secret()
    await world.target(spec={"verification": {"interval": "1h"}})
    await world.ready()
    trusted = world.sandbox.cloud.set_external_id
    await asyncio.to_thread(trusted, "reltio-exporter", "somebody-else")
    await world.job()
    target = await world.ready(status="False", within=60)
    assert reason(target, "Ready") == "AssumeRoleDenied"
    job = await world.get("ExportJob", "nightly")
    assert [failure["reason"] for failure in job["status"].get("failures", [])] in (
        [],
        ["TaskFailed"],
        ["TaskFailed"] * 2,
    )
    await asyncio.to_thread(trusted, "reltio-exporter", EXTERNAL_ID)
    await world.ready()
    job = await world.finished()
    assert condition(job, "Complete")
    failures = [failure["reason"] for failure in job["status"]["failures"]]
    # A slow verification may end after the second attempt has begun.
    assert set(failures) == {"TaskFailed"}
    assert len(world.sandbox.reltio.engine.runs) == len(failures) + 1, "the attempts that failed, and one more"
