"""A region of AWS that takes requests and never answers: targets and deliveries of other regions continue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from attack.gateway import Gateway, silence
from integration.conftest import Raw, World, condition

Opener = Callable[..., AbstractAsyncContextManager[World]]

REGION, BUCKET = "eu-south-1", "acme-exports-south"
QUICK = {"RELTIO_EXPORT_CIRCUIT_RETRY_CAP_SECONDS": "5", "RELTIO_EXPORT_CIRCUIT_FAILURES": "1"}
JOBS = 8  # more than deliveries are read at once


async def test_deliveries_and_targets_of_other_regions_continue_and_the_region_is_used_again_when_it_answers(
    opener: Opener, tmp_path: Path
) -> None:
    async with Gateway() as aws, opener(tmp_path, AWS_ENDPOINT_URL=aws.url, **QUICK) as world:
        aws.forward_to(world.sandbox.cloud.url)
        await _story(world, aws)


async def _story(world: World, aws: Gateway) -> None:
    await asyncio.to_thread(world.sandbox.cloud.create_bucket, BUCKET, region=REGION)
    await world.secret()
    await world.target("south", bucket=BUCKET, region=REGION, spec={"maxConcurrentJobs": JOBS})
    await world.target("east")
    await asyncio.gather(world.ready("south"), world.ready("east"))

    hangs = aws.on("", silence(), signed_for=f"/{REGION}/s3/")
    for number in range(JOBS):
        await world.job(f"south-{number}", target="south")
    await asyncio.gather(*(world.until("ExportJob", f"south-{n}", _is_verifying) for n in range(JOBS)))
    await world.target("south-2", bucket=BUCKET, region=REGION)

    await world.job("east", target="east")
    await world.target("east-2", path="/more/")
    await asyncio.gather(world.finished("east"), world.ready("east-2"))
    souths = [await world.get("ExportJob", f"south-{number}") for number in range(JOBS)]
    assert not any(condition(raw, "Complete") or condition(raw, "Failed") for raw in souths)
    paused = await world.until("ExportTarget", "south-2", _is_paused)
    found = condition(paused, "Ready", "False")
    assert found is not None
    assert "S3 in eu-south-1" in found["message"]

    aws.rules.remove(hangs)
    done = await asyncio.gather(*(world.finished(f"south-{number}", within=150) for number in range(JOBS)))
    assert {raw["status"]["phase"] for raw in done} == {"Complete"}
    await world.ready("south-2", within=150)


def _is_verifying(raw: Raw) -> bool:
    return bool(raw.get("status", {}).get("phase") == "Verifying")


def _is_paused(raw: Raw) -> bool:
    found = condition(raw, "Ready", "False")
    return found is not None and found["reason"] == "CallsPaused"
