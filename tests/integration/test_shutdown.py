"""A replica that is stopped, is frozen, or loses the Lease: what it still does, and which replica continues."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from integration.conftest import condition
from integration.replicas import LEASE_SECONDS, SITUATIONS, Replicas, is_complete, open_replicas, open_sandbox, until
from reltio_export_sandbox.environment import Sandbox
from reltio_export_sandbox.reltio import Fault

Raw = dict[str, Any]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sandbox")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def world(sandbox: Sandbox) -> AsyncIterator[Replicas]:
    async with open_replicas(sandbox) as opened:
        yield opened


async def led(world: Replicas, **settings: str) -> str:
    """Two replicas, and a target that is Ready. Answers with the leader's identity."""
    identity = await world.elect(**settings)
    await world.target(spec={"maxConcurrentJobs": 4})
    await world.ready()
    return identity


async def finish(world: Replicas, *jobs: str) -> None:
    """Each job completes with one export."""
    for name in jobs:
        job = await world.finished(name, within=90)
        assert is_complete(job), job["status"]
        assert world.runs_of(job) == 1


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_a_leader_that_is_stopped_submits_nothing_more_and_releases_the_lease(
    world: Replicas, situation: str
) -> None:
    first = await led(world)
    await SITUATIONS[situation](world)
    posts = world.posts.seen
    world.send("b", signal.SIGSTOP)  # so that whatever is submitted now is the leader's doing
    world.send("a", signal.SIGTERM)
    await world.job("late")
    assert await world.exit_code("a") == 0
    assert world.posts.seen == posts
    lease = await world.lease()
    assert lease["holderIdentity"] == ""
    assert lease["leaseDurationSeconds"] == 1
    world.s3.swallow = None
    world.send("b", signal.SIGCONT)
    assert await world.leader() != first
    jobs = ("late",) if situation == "idle" else ("late", "running")
    await finish(world, *jobs)


async def test_a_submission_that_does_not_come_back_is_abandoned_and_found_by_the_next_leader(world: Replicas) -> None:
    first = await led(world, RELTIO_EXPORT_SUBMIT_SETTLE_SECONDS="75")
    await SITUATIONS["submitted"](world)
    world.send("a", signal.SIGTERM)
    assert await world.exit_code("a") == 0
    assert "Submissions abandoned: 1." in world.log("a")
    await world.leader(other_than=first)
    await finish(world, "running")
    job = await world.get("ExportJob", "running")
    assert job["status"]["submission"]["adopted"] is True
    assert world.posts.seen == 1


async def test_a_standby_that_is_stopped_does_not_affect_the_leader(world: Replicas) -> None:
    first = await led(world)
    before = await world.lease()
    world.send("b", signal.SIGTERM)
    assert await world.exit_code("b") == 0
    assert await world.leader() == first
    assert (await world.lease())["leaseTransitions"] == before["leaseTransitions"]
    await world.job("late")
    await finish(world, "late")


async def test_a_standby_takes_over_before_the_old_lease_would_have_ended_and_events_report_it(world: Replicas) -> None:
    first = await world.elect()
    seen: list[Raw] = [await world.lease()]

    async def record() -> None:
        while True:
            if (lease := await world.lease()) != seen[-1]:
                seen.append(lease)
            await asyncio.sleep(0.02)

    recording = asyncio.create_task(record())
    world.send("a", signal.SIGTERM)
    second = await world.leader(other_than=first)
    recording.cancel()
    renewed = [lease for lease in seen if lease["holderIdentity"] == first]
    ends = datetime.fromisoformat(renewed[-1]["renewTime"]) + timedelta(seconds=LEASE_SECONDS)
    taken = await world.lease()
    assert taken["holderIdentity"] == second
    assert datetime.fromisoformat(taken["acquireTime"]) < ends
    assert await world.exit_code("a") == 0

    async def messages() -> list[str]:
        listed = await world.core.list_namespaced_event(world.namespace)
        found = [event for event in listed.items if event.involved_object.kind == "Lease"]
        assert {event.reason for event in found} <= {"LeaderElection"}
        return sorted(event.message for event in found)

    expected = sorted([f"{first} became leader", f"{first} stopped leading", f"{second} became leader"])
    await until(messages, lambda logged: logged == expected)


async def test_a_killed_leader_is_followed_and_its_job_is_one_export(world: Replicas) -> None:
    first = await led(world, RELTIO_EXPORT_LEASE_DURATION_SECONDS="5")
    await SITUATIONS["submitted"](world)
    await world.sandbox.kill_operator("a")
    await world.leader(other_than=first)
    await finish(world, "running")


async def test_a_second_signal_ends_a_shutdown_that_waits(world: Replicas) -> None:
    await led(world)
    await SITUATIONS["submitting"](world)
    world.send("a", signal.SIGTERM)
    await until(lambda: asyncio.to_thread(world.log, "a"), lambda text: "Waiting up to" in text)
    world.send("a", signal.SIGTERM)
    assert await world.exit_code("a") == 128 + signal.SIGTERM


async def test_a_frozen_leader_sends_nothing_once_it_thaws_after_its_lease(world: Replicas) -> None:
    """It has written its intent and waits for a token; the token is there when it thaws."""
    first = await led(world, RELTIO_EXPORT_LEASE_DURATION_SECONDS="5")
    faults = world.sandbox.reltio.faults
    faults.append(Fault(path="/export/", method="POST", status=401))  # has no effect, and asks for a new token
    faults.append(token := Fault(path="/oauth/token", hang=2, when="after"))
    await world.job("running")
    await until(lambda: _seen(token), lambda seen: seen == 1)
    world.send("a", signal.SIGSTOP)
    assert world.posts.seen == 1
    await world.leader(other_than=first)
    world.send("b", signal.SIGSTOP)
    posts = world.posts.seen
    world.send("a", signal.SIGCONT)
    assert await world.exit_code("a") == 1
    assert world.posts.seen == posts
    log = world.log("a")
    assert "Lost the Lease" in log
    assert "Traceback" not in log
    world.send("b", signal.SIGCONT)
    await world.start("c")
    await finish(world, "running")


async def _seen(fault: Fault) -> int:
    return fault.seen


async def test_a_leader_whose_lease_somebody_else_takes_ends_with_a_code_of_its_own(world: Replicas) -> None:
    await world.start("a")
    await world.leader()
    await world.until_ready("a")
    taken = {"spec": {"holderIdentity": "somebody-else"}}
    await world.objects.patch_namespaced_custom_object(
        *world.lease_path, taken, _content_type="application/merge-patch+json"
    )
    assert await world.exit_code("a") == 1
    assert "now held by somebody-else" in world.log("a")


async def test_an_operator_without_election_ends_with_code_0(world: Replicas) -> None:
    await world.start("a", RELTIO_EXPORT_LEADER_ELECT="false")
    await world.target()
    await world.ready()
    await world.job("before")
    await finish(world, "before")
    world.send("a", signal.SIGINT)
    assert await world.exit_code("a") == 0
    assert condition(await world.get("ExportJob", "before"), "Complete")
