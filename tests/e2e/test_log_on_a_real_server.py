"""The log on a real API server: what it refuses is logged in one line, without headers."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from kubernetes.aio import client

from integration.conftest import World

Opener = Callable[..., AbstractAsyncContextManager[World]]
REASONS = ["Submitting", "ExportRunning", "Delivered"]  # a check that takes longer than a second has a line too


def lines_of(world: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in world.sandbox.operator_log.read_text().splitlines()]


async def forbid_events(world: World) -> None:
    """Take the right to post events from the operator's Roles in the namespace."""
    rbac = client.RbacAuthorizationV1Api(world.core.api_client)
    for role in (await rbac.list_namespaced_role(world.namespace)).items:
        role.rules = [rule for rule in role.rules if "events" not in rule.resources]
        await rbac.replace_namespaced_role(role.metadata.name, world.namespace, role)


async def test_a_job_has_the_same_lines_as_on_the_sandbox(world: World) -> None:
    await world.secret()
    await world.target()
    await world.ready()
    await world.job("nightly")
    await world.finished("nightly")
    await world.sandbox.stop_operator()
    lines = lines_of(world)
    reasons = [line["reason"] for line in lines if line.get("kind") == "ExportJob"]
    assert [reason for reason in reasons if reason != "VerifyingDelivery"] == REASONS
    assert {line["level"] for line in lines} == {"INFO"}
    assert lines[-1]["message"] == "Released the Lease."


async def test_refused_events_are_logged_without_headers_and_stop_no_job(opener: Opener, tmp_path: Path) -> None:
    async with opener(tmp_path) as world:
        await forbid_events(world)
        await world.secret()
        await world.target()
        await world.ready()
        await world.job("nightly")
        await world.finished("nightly")
        await world.sandbox.stop_operator()
        refused = [line for line in lines_of(world) if "Cannot post event" in line["message"]]
        assert refused
        for line in refused:
            assert "HTTP 403 Forbidden: events is forbidden" in line["message"]
            assert "\n" not in line["message"]
            assert "exception" not in line
        written = world.sandbox.operator_log.read_text().lower()
        assert not [word for word in ("http response", "audit-id", "bearer", "x-kubernetes") if word in written]
