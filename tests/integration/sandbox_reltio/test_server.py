"""The simulator on a socket, writing to the sandbox's AWS. One of each serves all tests; each has roles of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from reltio_export_sandbox.cloud import Cloud
from reltio_export_sandbox.cloud.cloud import EXPORT_ACTIONS
from reltio_export_sandbox.reltio import Behaviour, Client, ReltioSimulator, SimulatorConfig, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")
BUCKET, EXTERNAL_ID = "lake-of-tests", "3f0c2b5e"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
_numbers = itertools.count()


class World:
    """A simulator, its AWS, and a caller with a token."""

    def __init__(self, cloud: Cloud, reltio: ReltioSimulator, http: httpx.AsyncClient, token: str) -> None:
        self.cloud = cloud
        self.reltio = reltio
        self.http = http
        self._token = token

    async def export(self, role: str, **headers: str) -> dict[str, Any]:
        """The task of an export once it has ended; `path` is added to it."""
        path = f"exports/{next(_numbers)}"
        answer = await self.submit(path, role, **headers)
        (task_id,) = answer.raise_for_status().json()["taskIds"]
        async with asyncio.timeout(30):
            while True:
                task = (await self.call("GET", f"/acme01/tasks/{task_id}")).json()
                if task["status"] in ("COMPLETED", "FAILED", "CANCELED"):
                    return {**task, "path": path}
                await asyncio.sleep(0.02)

    async def until(self, status: str) -> str:
        """The id of the task that is in this state."""
        async with asyncio.timeout(30):
            while True:
                for task in (await self.call("GET", "/acme01/tasks")).json():
                    if task["status"] == status:
                        return str(task["id"])
                await asyncio.sleep(0.02)

    async def submit(self, path: str, role: str, **headers: str) -> httpx.Response:
        to = {"s3Bucket": BUCKET, "s3Path": path, "roleArn": role, "externalId": EXTERNAL_ID} | headers
        return await self.call("POST", "/export/acme01/entities", headers=to, params={"fileFormat": "json"})

    async def call(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        given = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        return await self.http.request(method, self.reltio.export_service_url + path, headers=given, **more)

    async def admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.http.request(method, f"{self.reltio.url}/_sim/{path}", json=body)

    async def role(self, **more: Any) -> str:
        return await asyncio.to_thread(
            self.cloud.put_role, f"exporter-{next(_numbers)}", external_id=EXTERNAL_ID, **more
        )

    async def names(self, task: dict[str, Any]) -> list[str]:
        listed = await asyncio.to_thread(self.cloud.list_objects, BUCKET, task["path"] + "/")
        return [key.rpartition("/")[2] for key, _ in listed]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[World]:
    cloud = Cloud()
    await cloud.start()
    try:
        await asyncio.to_thread(cloud.create_bucket, BUCKET)
        key = cloud.reltio_credentials
        reltio = ReltioSimulator(
            SimulatorConfig(time_scale=100, objects_per_file=4),
            aws_endpoint=cloud.url,
            aws_key=(key.id, key.secret),
            tenants=[Tenant("acme01", entities=10)],
            clients=[Client("client", "secret")],
        )
        await reltio.start()
        async with httpx.AsyncClient(timeout=5) as http:
            grant = {"grant_type": "client_credentials"}
            token = (await http.post(reltio.auth_url, data=grant, auth=("client", "secret"))).json()["access_token"]
            yield World(cloud, reltio, http, token)
        await reltio.stop()
    finally:
        await cloud.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: World) -> World:
    shared.reltio.faults.clear()
    shared.reltio.engine.behaviours.clear()
    for name, value in {"session_seconds": None, "renew_sessions": False, "objects_per_second": 100.0}.items():
        setattr(shared.reltio.config, name, value)
    return shared


async def test_an_export_arrives_in_the_bucket(world: World) -> None:
    task = await world.export(await world.role())
    assert task["status"] == "COMPLETED"
    assert await world.names(task) == ["manifest.json", "part-00000.gz", "part-00001.gz", "part-00002.gz"]


async def test_without_the_role_the_task_fails_and_nothing_is_written(world: World) -> None:
    role = await world.role()
    for headers in ({"externalId": "somebody-else"}, {"roleArn": role + "-not-there"}):
        task = await world.export(role, **headers)
        assert task["status"] == "FAILED"
        assert "is not authorized to perform: sts:AssumeRole" in task["error"]
        assert await world.names(task) == []


@pytest.mark.parametrize("missing", EXPORT_ACTIONS)
async def test_each_action_that_the_role_lacks_fails_the_task_by_its_name(world: World, missing: str) -> None:
    task = await world.export(await world.role(actions=[action for action in EXPORT_ACTIONS if action != missing]))
    assert task["status"] == "FAILED"
    assert f"is not authorized to perform: {missing} on resource" in task["error"]
    assert "manifest.json" not in await world.names(task)


async def test_a_bucket_that_is_not_there_fails_the_task(world: World) -> None:
    task = await world.export(await world.role(), s3Bucket="not-there-at-all")
    assert task["status"] == "FAILED"
    assert "NoSuchBucket" in task["error"]


async def test_objects_are_encrypted_as_asked(world: World) -> None:
    role = await world.role(actions=[*EXPORT_ACTIONS, "kms:GenerateDataKey", "kms:Decrypt"])
    for headers in ({"s3Sse": "AES256"}, {"s3Sse": "aws:kms", "s3SseKmsKey": KEY}):
        task = await world.export(role, **headers)
        head = await asyncio.to_thread(
            world.cloud.client("s3").head_object, Bucket=BUCKET, Key=f"{task['path']}/part-00000.gz"
        )
        assert head["ServerSideEncryption"] == headers["s3Sse"]
        assert head.get("SSEKMSKeyId") == headers.get("s3SseKmsKey")


@pytest.mark.parametrize(("asked", "chained", "status"), [(43200, False, "COMPLETED"), (43200, True, "FAILED")])
async def test_sessions_of_twelve_hours_are_refused_for_a_chain_of_roles(
    world: World, asked: int, chained: bool, status: str
) -> None:
    world.reltio.config.session_seconds = asked
    principals = [world.cloud.reltio_principal_arn] if chained else []
    await asyncio.to_thread(world.cloud.configure, chained=principals)
    task = await world.export(await world.role())
    await asyncio.to_thread(world.cloud.configure)
    assert task["status"] == status
    assert ("1 hour session limit" in task.get("error", "")) is chained


@pytest.mark.parametrize(("renew", "status"), [(False, "FAILED"), (True, "COMPLETED")])
async def test_a_session_that_ends_in_mid_job_fails_it_unless_it_is_renewed(
    world: World, renew: bool, status: str
) -> None:
    world.reltio.config.renew_sessions = renew
    world.reltio.engine.behaviours.append(Behaviour(paused_after=12))
    world.reltio.config.objects_per_second = 1
    running = asyncio.create_task(world.export(await world.role()))
    paused = await world.until("PAUSED")
    await asyncio.to_thread(world.cloud.end_sessions)
    await world.call("PUT", f"/acme01/tasks/{paused}/_resume")
    task = await running
    assert task["status"] == status
    assert ("ExpiredToken" in task.get("error", "")) is not renew


async def test_an_error_of_s3_fails_the_task(world: World) -> None:
    fault = {"action": "PutObject", "path": "part-00001", "times": 2, "status": 503, "code": "SlowDown"}
    await asyncio.to_thread(lambda: world.cloud.add_fault(**fault))
    task = await world.export(await world.role())
    await asyncio.to_thread(world.cloud.clear_faults)
    assert task["status"] == "FAILED"
    assert "SlowDown" in task["error"]


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_faults_come_over_http_and_break_real_connections(world: World, when: str, accepted: int) -> None:
    path, role = f"broken/{when}", await world.role()
    await world.admin("POST", "faults", {"method": "POST", "path": "/export/", "when": when, "close": True})
    with pytest.raises(httpx.RemoteProtocolError):
        await world.submit(path, role)
    exports = (await world.admin("GET", "exports")).json()
    assert sum(export["destination"]["s3Path"] == path for export in exports) == accepted


async def test_a_hang_is_silence_until_the_caller_gives_up(world: World) -> None:
    await world.admin("POST", "faults", {"path": "/tasks$", "hang": 1})
    with pytest.raises(httpx.ReadTimeout):
        await world.call("GET", "/acme01/tasks", timeout=0.2)
    assert (await world.call("GET", "/acme01/tasks")).status_code == 200


async def test_an_odd_export_is_asked_for_over_http(world: World) -> None:
    assert (await world.admin("POST", "behaviours", {"noManifest": True})).status_code == 200
    assert "manifest.json" not in await world.names(await world.export(await world.role()))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "faults", {"often": 1}, 400),
        ("POST", "behaviours", {"odd": True}, 400),
        ("PATCH", "config", {"speed": 3}, 400),
        ("PATCH", "tasks/unknown", {"status": "FAILED"}, 404),
    ],
)
async def test_the_admin_api_says_what_it_does_not_take(
    world: World, method: str, path: str, body: Any, status: int
) -> None:
    assert (await world.admin(method, path, body)).status_code == status


async def test_a_task_may_be_put_into_any_state(world: World) -> None:
    world.reltio.config.objects_per_second = 0.01
    (task_id,) = (await world.submit("forced", await world.role())).json()["taskIds"]
    await world.admin("PATCH", f"tasks/{task_id}", {"status": "FAILED", "error": "a node died"})
    task = (await world.call("GET", f"/acme01/tasks/{task_id}")).json()
    assert (task["status"], task["error"]) == ("FAILED", "a node died")
