"""The region that AWS is called in, as it stands in the signatures of the calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import yaml

from integration.conftest import World
from integration.test_cli import call

Opener = Callable[..., AbstractAsyncContextManager[World]]


def assumed_in(world: World, since: int = 0) -> set[str]:
    requests = world.sandbox.cloud.requests()[since:]
    return {request["region"] for request in requests if request["action"] == "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("variables", "of_the_target", "expected"),
    [
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-central-1"}, None, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-central-1"}, None, "eu-central-1"),
        ({"AWS_REGION": "eu-west-1"}, "us-east-1", "us-east-1"),
    ],
)
async def test_the_operator_and_the_command_line_assume_the_role_in_the_same_region(
    opener: Opener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    of_the_target: str | None,
    expected: str,
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    async with opener(tmp_path, **variables) as world:
        await world.secret()
        await world.target(region=of_the_target)
        await world.until("ExportTarget", "lake", lambda raw: raw.get("status", {}).get("checks"))
        assert assumed_in(world) == {expected}

        target = await world.get("ExportTarget", "lake")
        kept = {key: target[key] for key in ("apiVersion", "kind", "spec")}
        (tmp_path / "target.yaml").write_text(yaml.safe_dump({**kept, "metadata": {"name": "lake"}}))
        count = len(world.sandbox.cloud.requests())
        allowed = ("--allow-host", world.sandbox.reltio_host)
        _, output = await call(world, "verify", "-f", str(tmp_path / "target.yaml"), *allowed, variables=variables)
        assert "AssumeRole" in output
        assert assumed_in(world, since=count) == {expected}
