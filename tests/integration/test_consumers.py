"""Programs that read what the pointer lists count exactly what the tenant holds."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import World
from integration.test_latest_pointer import INCREMENTAL, Changes, location, pointed, prepared, run
from reltio_export_sandbox.environment import BUCKET

ROOT = Path(__file__).parents[2]
CONSUMERS = ROOT / "examples" / "consumers"
LIBRARIES = Path(os.environ.get("CONSUMER_LIBRARIES", ROOT / ".venv" / "deliveries"))
RUNS = 24
DOCUMENTED = "acme-mdm-exports/reltio/_latest/mdm/changes.json"


def adapted(name: str, key: str, world: World) -> str:
    """The text of an example, for the object of this test and the S3 of its sandbox."""
    text = (CONSUMERS / name).read_text()
    assert text.count(DOCUMENTED) == 1
    there = f"S3FileSystem(endpoint_override={world.sandbox.cloud.url!r})"  # pyarrow does not read AWS_ENDPOINT_URL
    return text.replace(DOCUMENTED, f"{BUCKET}/{key}").replace("S3FileSystem()", there)


def environment(world: World, **more: str) -> dict[str, str]:
    key = world.sandbox.cloud.admin_credentials
    return {
        **os.environ,
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": world.sandbox.cloud.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


def printed(command: list[str], env: dict[str, str]) -> int:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.fixture(autouse=True)
def _libraries() -> None:
    if not LIBRARIES.is_dir():
        pytest.fail("The libraries of the consumers are missing: run `make .venv/.deliveries`.")


async def test_consumers_count_what_the_tenant_holds_after_a_full_run_and_24_windows(world: World) -> None:
    changes = Changes(world, 300)
    await prepared(world, incremental=INCREMENTAL)
    await run(world, "full")
    for number in range(RUNS):
        changes.make(number, 100 + number)
        await run(world, str(number))
    document = await pointed(world)
    # Two runs that were decided on in one second have the same window, which is listed once.
    assert RUNS // 2 < len(document["exports"]) <= RUNS + 1
    expected = len(changes.until(document["dataTime"]))
    assert expected > 300 + RUNS // 2
    key = location(world)
    libraries: dict[str, Any] = {"PYTHONPATH": str(LIBRARIES)}
    for name in ("duckdb_latest.py", "pandas_latest.py"):
        command = [sys.executable, "-c", adapted(name, key, world)]
        assert await asyncio.to_thread(printed, command, environment(world, **libraries)) == expected, name
    if shutil.which("aws") and shutil.which("jq"):
        command = ["/bin/sh", "-c", adapted("latest.sh", key, world)]
        assert await asyncio.to_thread(printed, command, environment(world)) == expected


@pytest.mark.parametrize("name", sorted(path.name for path in CONSUMERS.iterdir()))
def test_the_documentation_shows_what_is_tested(name: str) -> None:
    text = (ROOT / "docs" / "schedules.md").read_text()
    assert (CONSUMERS / name).read_text().removeprefix("#!/bin/sh\nset -eu\n") in text
