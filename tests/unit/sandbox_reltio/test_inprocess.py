"""The simulator as an httpx transport: the operator's own client speaks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from clocks import FakeClock
from reltio_export_operator.reltio.auth import TokenSource
from reltio_export_operator.reltio.client import ReltioClient
from reltio_export_operator.reltio.errors import ReltioError
from reltio_export_operator.reltio.model import WireRequest
from reltio_export_sandbox.reltio import Behaviour, Fault
from reltio_export_sandbox.reltio.inprocess import InProcessReltio
from reltio_export_sandbox.reltio.messages import Answer, Call

HEADERS = {"s3Bucket": "b", "s3Path": "/nightly/1/", "roleArn": "arn:aws:iam::111122223333:role/exporter"}
REQUEST = WireRequest("entities", {"name": "nightly", "fileFormat": "json"}, HEADERS, None)


@pytest.fixture
def reltio() -> InProcessReltio:
    return InProcessReltio()


@pytest.fixture
async def client(reltio: InProcessReltio) -> AsyncIterator[ReltioClient]:
    class Clock(FakeClock):
        def monotonic(self) -> float:
            return reltio.clock()

        async def sleep(self, seconds: float) -> None:
            reltio.advance(seconds)

    clock = Clock()

    async with reltio.client() as http:
        tokens = TokenSource(reltio.auth_url, "client", "secret", http=http, clock=clock)
        yield ReltioClient(reltio.export_service_url, "acme01", tokens, http=http, clock=clock, retry_seconds=60)


async def test_an_export_runs_while_time_passes_and_leaves_its_files(
    reltio: InProcessReltio, client: ReltioClient
) -> None:
    (task_id,) = (await client.submit(REQUEST)).task_ids
    assert [task.id async for task in client.active_tasks()] == [task_id]
    reltio.advance(60)
    assert [task.id async for task in client.active_tasks()] == []
    assert [task.id async for task in client.history()] == [task_id]
    assert sorted(reltio.objects) == [("b", "nightly/1/manifest.json"), ("b", "nightly/1/part-00000.gz")]
    assert reltio.accepted_by_name == {"nightly": 1}


async def test_nothing_happens_while_time_stops(reltio: InProcessReltio, client: ReltioClient) -> None:
    (task_id,) = (await client.submit(REQUEST)).task_ids
    assert {(await client.task(task_id)).status for _ in range(100)} == {"SCHEDULED"}


async def test_two_runs_with_the_same_seed_are_the_same() -> None:
    async def shown() -> bytes:
        reltio = InProcessReltio(seed=7)
        async with reltio.client() as http:
            auth = await http.post(
                reltio.auth_url, data={"grant_type": "client_credentials"}, auth=("client", "secret")
            )
            bearer = {"Authorization": f"Bearer {auth.json()['access_token']}"}
            await http.post(f"{reltio.export_service_url}/export/acme01/entities", headers=HEADERS | bearer)
            reltio.advance(13)
            return (await http.get(f"{reltio.export_service_url}/acme01/tasks", headers=bearer)).content

    assert await shown() == await shown()


async def test_pause_resume_and_stop_reach_the_task(reltio: InProcessReltio, client: ReltioClient) -> None:
    (task_id,) = (await client.submit(REQUEST)).task_ids
    seen = []
    for control in (client.pause, client.resume, client.stop):
        await control(task_id)
        seen.append((await client.task(task_id)).status)
        reltio.advance(3)
        seen.append((await client.task(task_id)).status)
    assert seen[:2] == ["PAUSING", "PAUSED"]
    assert seen[2] == "SCHEDULED"
    assert seen[4:] == ["CANCELING", "CANCELED"]


async def test_a_lost_answer_hides_an_export_that_the_next_submission_reveals(
    reltio: InProcessReltio, client: ReltioClient
) -> None:
    reltio.faults.append(Fault(method="POST", path="/export/", when="after", close=True))
    with pytest.raises(ReltioError) as lost:
        await client.submit(REQUEST)
    assert lost.value.ambiguous
    with pytest.raises(ReltioError, match=reltio.accepted[0].task_ids[0]):
        await client.submit(REQUEST)
    assert reltio.accepted_by_name == {"nightly": 1}


class Crash(BaseException):
    """The death of the caller."""


async def test_hooks_may_kill_the_caller_before_or_after_the_effect(
    reltio: InProcessReltio, client: ReltioClient
) -> None:
    def die(call: Call, _: object = None) -> Answer | None:
        if "/export/" in call.path:
            raise Crash
        return None

    reltio.before.append(die)
    with pytest.raises(Crash):
        await client.submit(REQUEST)
    assert reltio.accepted_by_name == {}
    reltio.before.clear()
    reltio.after.append(die)
    with pytest.raises(Crash):
        await client.submit(REQUEST)
    assert reltio.accepted_by_name == {"nightly": 1}


async def test_hooks_may_replace_the_answer(reltio: InProcessReltio, client: ReltioClient) -> None:
    reltio.after.append(lambda call, _: Answer(500, {"errorMessage": "odd"}) if "/export/" in call.path else None)
    with pytest.raises(ReltioError) as failed:
        await client.submit(REQUEST)
    assert failed.value.status == 500
    assert reltio.accepted_by_name == {"nightly": 1}


@pytest.mark.parametrize(
    ("fault", "met"),
    [
        (Fault(refuse=True), httpx.ConnectError),
        (Fault(close=True), httpx.RemoteProtocolError),
        (Fault(hang=5), httpx.ReadTimeout),
    ],
)
async def test_broken_connections_are_met_as_httpx_meets_them(
    reltio: InProcessReltio, fault: Fault, met: type[Exception]
) -> None:
    reltio.faults.append(fault)
    async with reltio.client() as http:
        with pytest.raises(met):
            await http.get(f"{reltio.export_service_url}/acme01/tasks")


async def test_an_export_may_be_odd(reltio: InProcessReltio, client: ReltioClient) -> None:
    reltio.behaviours.append(Behaviour(no_manifest=True))
    (task_id,) = (await client.submit(REQUEST)).task_ids
    reltio.advance(60)
    assert (await client.task(task_id)).status == "COMPLETED"
    assert sorted(reltio.objects) == [("b", "nightly/1/part-00000.gz")]
