"""What users do, and what they see."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from kubernetes.aio.client.exceptions import ApiException

from reltio_export_operator.api.decoding import decode_target
from reltio_export_operator.targets.role_templates import design
from reltio_export_sandbox.environment import EXTERNAL_ID
from reltio_export_sandbox.reltio import Behaviour, Fault

if TYPE_CHECKING:
    from integration.conftest import World

Raw = dict[str, Any]


def reason(raw: Raw, type_: str) -> str | None:
    return next((c["reason"] for c in raw.get("status", {}).get("conditions", []) if c["type"] == type_), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def forwarder(port: int, host: str, to: int) -> AsyncIterator[None]:
    """Something that answers on the port, as long as this lasts."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while block := await reader.read(65536):
                writer.write(block)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, to)
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def test_an_export_arrives_and_its_status_says_what_and_where(world: World) -> None:
    await world.secret()
    await world.target()
    await world.job(export={"type": "Entities", "fileFormat": "JSON"})
    job = await world.finished()
    output = job["status"]["output"]
    assert reason(job, "Complete") == "Delivered"
    assert output["objects"] == 1000
    listed = await asyncio.to_thread(world.sandbox.cloud.list_objects, output["bucket"], output["prefix"])
    names = sorted(key.removeprefix(output["prefix"]) for key, _ in listed)
    assert names == ["manifest.json", *(f"part-{n:05d}.gz" for n in range(output["files"]))]
    events = await world.events("nightly", until="Completed")
    # The job may be seen before the verification of its target has ended.
    assert sorted(event for event in events if event != "TargetNotReady") == ["Completed", "Submitted"]


@pytest.mark.parametrize(
    ("type_", "endpoint"),
    [
        ("Relations", "relations"),
        ("Activities", "activities"),
        ("MergeTree", "entities/_crosswalksTree"),
        ("SegmentEntities", "entities/segments"),
        ("Hierarchies", "hierarchies"),
    ],
)
async def test_every_type_of_export_arrives_with_its_destination_in_headers(
    world: World, type_: str, endpoint: str
) -> None:
    await world.secret()
    await world.target(serverSideEncryption={"algorithm": "AES256"})
    needed: dict[str, Any] = {"SegmentEntities": {"segmentIDs": ["s-1"]}, "Hierarchies": {"hierarchyID": "0ABlc0A"}}
    more = needed.get(type_, {})
    await world.job(export={"type": type_, **more})
    job = await world.finished()
    assert reason(job, "Complete") == "Delivered"
    (run,) = world.sandbox.reltio.engine.runs
    assert run.order.endpoint == endpoint
    assert run.order.destination == {
        "s3Bucket": "acme-mdm-exports",
        "s3Path": job["status"]["submission"]["path"].rstrip("/"),
        "s3Region": "us-east-1",
        "s3Sse": "AES256",
        "roleArn": world.sandbox.role_arn,
        "externalId": "3f0c2b5e-8d1a-4c56-9a2f-0b7f7f6f1c11",
    }


async def test_an_operator_killed_while_a_job_runs_takes_it_up_again(world: World) -> None:
    await world.secret()
    await world.target()
    await world.job()
    await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("tasks"))
    await world.sandbox.kill_operator()
    await world.sandbox.start_operator()
    assert reason(await world.finished(), "Complete") == "Delivered"
    assert len(world.sandbox.reltio.engine.runs) == 1


async def test_an_accepted_submission_whose_answer_is_lost_is_adopted(world: World) -> None:
    world.sandbox.reltio.faults.append(Fault(path="/export/", method="POST", when="after", close=True))
    await world.secret()
    await world.target()
    await world.job()
    job = await world.finished()
    assert reason(job, "Complete") == "Delivered"
    assert job["status"]["submission"]["adopted"] is True
    assert len(world.sandbox.reltio.engine.runs) == 1


async def test_a_failed_attempt_is_tried_again_in_a_directory_of_its_own(world: World) -> None:
    world.sandbox.reltio.engine.behaviours.append(Behaviour(fail="disk full"))
    await world.secret()
    await world.target()
    await world.job()
    job = await world.finished()
    assert reason(job, "Complete") == "Delivered"
    assert [failure["reason"] for failure in job["status"]["failures"]] == ["TaskFailed"]
    first, second = (run.order.destination["s3Path"] for run in world.sandbox.reltio.engine.runs)
    assert first != second


async def test_a_suspended_job_is_paused_and_resumed(world: World) -> None:
    world.sandbox.reltio.config.objects_per_second = 5
    await world.secret()
    await world.target()
    await world.job()
    await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("phase") == "Running")
    await world.patch("ExportJob", "nightly", {"spec": {"suspend": True}})
    (run,) = world.sandbox.reltio.engine.runs
    await world.until("ExportJob", "nightly", lambda raw: raw["status"]["tasks"][0]["status"] == "PAUSED")
    world.sandbox.reltio.config.objects_per_second = 500
    await world.patch("ExportJob", "nightly", {"spec": {"suspend": False}})
    job = await world.finished()
    assert reason(job, "Complete") == "Delivered"
    assert run.tasks[0].status == "COMPLETED"


async def test_deletion_stops_the_export_and_leaves_nothing_behind(world: World) -> None:
    world.sandbox.reltio.config.objects_per_second = 1
    await world.secret()
    await world.target()
    await world.job()
    await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("tasks"))
    await world.delete("ExportJob", "nightly")
    with pytest.raises(ApiException):
        await world.until("ExportJob", "nightly", lambda _: False, within=30)
    assert [task.status for task in world.sandbox.reltio.engine.runs[0].tasks] == ["CANCELED"]


async def test_a_cancelled_job_fails_and_its_export_is_stopped(world: World) -> None:
    world.sandbox.reltio.config.objects_per_second = 1
    await world.secret()
    await world.target()
    await world.job()
    await world.until("ExportJob", "nightly", lambda raw: raw.get("status", {}).get("tasks"))
    await world.patch("ExportJob", "nightly", {"spec": {"cancel": True}})
    assert reason(await world.finished(), "Failed") == "Cancelled"


async def test_a_wrong_client_secret_is_reported_and_the_target_recovers_when_it_is_corrected(world: World) -> None:
    await world.secret(secret="wrong")
    await world.target()
    target = await world.ready(status="False")
    assert reason(target, "Ready") == "CredentialsRejected"
    await world.core.patch_namespaced_secret(
        "reltio-api",
        world.namespace,
        {"data": {"clientSecret": "c2FuZGJveC1zZWNyZXQ="}},
        _content_type="application/merge-patch+json",
    )
    await world.ready()


async def test_a_wrong_external_id_is_reported_and_the_target_recovers_when_it_is_corrected(world: World) -> None:
    await world.secret()
    await world.target(externalID="somebody-else")
    assert reason(await world.ready(status="False"), "Ready") == "AssumeRoleDenied"
    await asyncio.to_thread(world.sandbox.cloud.set_external_id, "reltio-exporter", "somebody-else")
    await world.ready()


async def test_a_missing_bucket_is_reported_and_the_target_recovers_when_it_is_created(world: World) -> None:
    await world.secret()
    await world.target(bucket="not-there-yet")
    assert reason(await world.ready(status="False"), "Ready") == "BucketNotFound"
    await asyncio.to_thread(world.sandbox.cloud.create_bucket, "not-there-yet")
    await world.ready()


async def test_a_role_that_may_not_put_fails_the_check_of_that_action(world: World) -> None:
    await asyncio.to_thread(
        world.sandbox.cloud.set_actions, "reltio-exporter", ["s3:ListBucket", "s3:GetObject", "s3:DeleteObject"]
    )
    await world.secret()
    await world.target()
    target = await world.ready(status="False")
    actions = ("ListBucket", "PutObject", "GetObject", "DeleteObject")
    checks = [check for check in target["status"]["checks"] if check["name"] in actions]
    failed = {check["name"]: check["reason"] for check in checks if check["status"] == "False"}
    assert failed == {"PutObject": "AccessDenied"}
    await asyncio.to_thread(world.sandbox.cloud.set_actions, "reltio-exporter", ["s3:*"])
    await world.ready()


async def test_an_unreachable_service_is_reported_and_the_target_recovers_when_it_answers(
    opener: Callable[..., AbstractAsyncContextManager[World]], tmp_path: Path
) -> None:
    hosts = {"RELTIO_EXPORT_RELTIO_HOSTS": "127.0.0.1:*", "RELTIO_EXPORT_INSECURE_HOSTS": "127.0.0.1:*"}
    async with opener(tmp_path, RELTIO_EXPORT_PRIVATE_NETWORKS="127.0.0.0/8", **hosts) as world:
        await world.secret()
        port = free_port()
        unreachable = {
            "reltio": {
                "exportServiceURL": f"http://127.0.0.1:{port}/jobs",
                "authURL": world.sandbox.reltio.auth_url,
                "tenant": "acme01",
                "credentialsSecretRef": {"name": "reltio-api"},
            }
        }
        await world.target(spec=unreachable)
        assert reason(await world.ready(status="False", within=60), "Ready") == "Unreachable"
        simulator = urlsplit(world.sandbox.reltio.auth_url)
        async with forwarder(port, str(simulator.hostname), int(simulator.port or 80)):
            await world.ready()


async def test_no_secret_reaches_status_events_or_logs(world: World) -> None:
    await world.secret()
    await world.target()
    await world.job()
    job = await world.finished()
    target = await world.get("ExportTarget", "lake")
    shown = json.dumps([job["status"], target["status"]]) + world.sandbox.operator_log.read_text()
    for secret in (
        "sandbox-secret",
        "3f0c2b5e-8d1a-4c56-9a2f-0b7f7f6f1c11",
        world.sandbox.cloud.operator_credentials.secret,
    ):
        assert secret not in shown


@pytest.mark.parametrize("missing", ["", "s3:PutObject", "s3:DeleteObject"])
async def test_the_role_that_is_written_out_is_the_least_that_works(world: World, missing: str) -> None:
    await world.secret()
    await world.target(roleARN="arn:aws:iam::123456789012:role/written-out")
    found = decode_target(await world.get("ExportTarget", "lake"))
    principals = [world.sandbox.cloud.operator_principal_arn, world.sandbox.cloud.reltio_principal_arn]
    role = design(found, principals, EXTERNAL_ID)
    permissions = json.loads(json.dumps(role.permissions))
    permissions["Statement"][1]["Action"] = [one for one in permissions["Statement"][1]["Action"] if one != missing]

    def create() -> None:
        iam = world.sandbox.cloud.client("iam")
        trust, policy = json.dumps(role.trust), json.dumps(permissions)
        iam.create_role(RoleName=role.name, AssumeRolePolicyDocument=trust, MaxSessionDuration=role.max_session_seconds)
        iam.put_role_policy(RoleName=role.name, PolicyName="export", PolicyDocument=policy)

    await asyncio.to_thread(create)
    if not missing:
        await world.ready()
        await world.job()
        assert reason(await world.finished(), "Complete") == "Delivered"
        return
    target = await world.until("ExportTarget", "lake", lambda raw: reason(raw, "Ready") == "AccessDenied")
    required = [check["name"] for check in target["status"]["checks"] if check["status"] == "False"]
    assert missing.removeprefix("s3:") in required
    assert "AssumeRole" not in required
