"""The command line against the sandbox, in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import yaml

from integration.conftest import World, condition
from reltio_export_operator.api.opt_in import SECRET_TYPE
from reltio_export_sandbox.environment import CLIENT, EXTERNAL_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(opener: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with opener(tmp_path_factory.mktemp("sandbox")) as opened:
        await opened.secret()
        await opened.target()
        await opened.ready()
        yield opened


async def call(
    world: World, *arguments: str, owner: bool = False, variables: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Exit code and output of `kubectl reltio-export …`, with the AWS credentials of the operator or of the owner."""
    cloud = world.sandbox.cloud
    key = cloud.admin_credentials if owner else cloud.operator_credentials
    environment = {
        **os.environ,
        "KUBECONFIG": str(world.sandbox.kubeconfig),
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_REGION": "us-east-1",
        **(variables or {}),
    }
    entry = "from reltio_export_operator.cli.main import plugin; plugin()"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        entry,
        *arguments,
        "-n",
        world.namespace,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_run_waits_for_a_job_and_why_explains_it(world: World) -> None:
    code, output = await call(world, "run", "lake", "--type", "Relations", "--name", "followed")
    assert code == 0, output
    assert "Complete: Delivered" in output
    code, output = await call(world, "why", "followed")
    assert code == 0
    assert "Accepted by Reltio" in output
    code, output = await call(world, "why", "followed", "-o", "json")
    assert json.loads(output)["phase"] == "Complete"


async def test_cancel_stops_a_job_and_waits(world: World) -> None:
    world.sandbox.reltio.config.objects_per_second = 1
    await call(world, "run", "lake", "--name", "stopped", "--no-wait")
    await world.until("ExportJob", "stopped", lambda raw: raw.get("status", {}).get("tasks"))
    code, output = await call(world, "cancel", "stopped")
    assert code == 0, output
    assert "Failed: Cancelled" in output
    assert condition(await world.get("ExportJob", "stopped"), "Failed")
    code, output = await call(world, "cancel", "stopped")
    assert code == 1
    assert "has already finished. Failed: Cancelled" in output


async def test_rerun_creates_a_new_job_once_the_old_one_has_finished(world: World) -> None:
    await call(world, "run", "lake", "--name", "first")
    code, output = await call(world, "rerun", "first", "--name", "again")
    assert code == 0, output
    assert "exportjob.export.reltio.com/again created" in output
    again = await world.finished("again")
    assert condition(again, "Complete")
    first = await world.get("ExportJob", "first")
    assert first["status"]["submission"]["path"] != again["status"]["submission"]["path"]


async def test_an_external_id_is_written_into_a_secret_that_a_target_can_use(world: World) -> None:
    reltio = world.sandbox.reltio.auth_url.removesuffix("/oauth/token")
    options = ("--tools-url", reltio, "--allow-host", urlsplit(reltio).netloc)
    code, output = await call(world, "external-id", "lake", "--secret", "lake-id", *options)
    assert code == 0, output
    secret = await world.core.read_namespaced_secret("lake-id", world.namespace)
    value = base64.b64decode(secret.data["externalID"]).decode()
    assert secret.type == SECRET_TYPE
    assert value not in output
    code, output = await call(world, "external-id", "lake", *options)
    assert code == 0, output
    assert output.strip() not in ("", value)


async def test_verify_requests_a_verification_and_shows_every_check(world: World) -> None:
    before = (await world.get("ExportTarget", "lake"))["status"]["lastVerificationTime"]
    code, output = await call(world, "verify", "lake")
    assert code == 0, output
    assert "PutObject" in output
    assert "Ready=True" in output
    assert (await world.get("ExportTarget", "lake"))["status"]["lastVerificationTime"] >= before


async def test_a_missing_job_is_reported_in_one_line(world: World) -> None:
    code, output = await call(world, "why", "nobody")
    assert (code, output) == (
        2,
        f"Error: ExportJob {world.namespace}/nobody was not found. Check the name and the namespace (-n).\n",
    )


async def test_a_file_is_verified_before_it_is_applied(world: World, tmp_path: Path) -> None:
    target = await world.get("ExportTarget", "lake")
    target = {key: target[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "planned"}}
    values = {"clientID": CLIENT.id, "clientSecret": CLIENT.secret}
    secret = {"apiVersion": "v1", "kind": "Secret", "type": SECRET_TYPE, "metadata": {"name": "reltio-api"}}
    secret["stringData"] = values
    path, allowed = tmp_path / "target.yaml", ("--allow-host", world.sandbox.reltio_host)
    path.write_text(yaml.safe_dump_all([target, secret]))
    code, output = await call(world, "verify", "-f", str(path), *allowed)
    assert code == 0, output
    assert "Ready=True" in output
    path.write_text(yaml.safe_dump_all([target, secret]).replace(CLIENT.secret, "wrong"))
    code, output = await call(world, "verify", "-f", str(path), "-o", "json", *allowed)
    assert code == 1
    checks = {check["name"]: check for check in json.loads(output[output.index("{") :])["checks"]}
    assert checks["ReltioToken"]["reason"] == "CredentialsRejected"
    assert checks["PutObject"]["status"] == "True"
    assert EXTERNAL_ID not in output


async def test_a_file_with_a_secret_that_has_not_opted_in_is_not_ready(world: World, tmp_path: Path) -> None:
    target = await world.get("ExportTarget", "lake")
    target = {key: target[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "planned"}}
    values = {"clientID": CLIENT.id, "clientSecret": CLIENT.secret}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "reltio-api"}, "stringData": values}
    path, allowed = tmp_path / "target.yaml", ("--allow-host", world.sandbox.reltio_host)
    path.write_text(yaml.safe_dump_all([target, secret]))
    code, output = await call(world, "verify", "-f", str(path), *allowed)
    assert code == 1, output
    assert "SecretNotAllowed" in output
    command = f"kubectl label secret -n {world.namespace} reltio-api export.reltio.com/allow=true"
    assert f"Warning: The operator will not use Secret reltio-api. Run {command}" in output


async def test_a_file_with_a_host_that_is_not_allowed_is_not_ready(world: World, tmp_path: Path) -> None:
    target = await world.get("ExportTarget", "lake")
    target = {key: target[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": "planned"}}
    path = tmp_path / "target.yaml"
    path.write_text(yaml.safe_dump(target))
    code, output = await call(world, "verify", "-f", str(path))
    assert code == 1, output
    assert f"do not allow {world.sandbox.reltio_host} as a host of Reltio" in " ".join(output.split())


async def test_receipt_finds_a_changed_file(world: World) -> None:
    world.sandbox.reltio.config.objects_per_second = 500
    await world.job("with-receipt", delivery={"verify": "Full", "receipt": True})
    output = (await world.finished("with-receipt"))["status"]["output"]
    # The operator may only assume roles; the owner of the bucket may read it.
    code, output_text = await call(world, "receipt", "with-receipt", "--verify", owner=True)
    assert code == 0, output_text
    assert "Every file is unchanged since the delivery." in output_text
    await asyncio.to_thread(
        world.sandbox.cloud.put_object, output["bucket"], output["prefix"] + output["firstFiles"][0], b"tampered"
    )
    code, output_text = await call(world, "receipt", "with-receipt", "--verify", owner=True)
    assert code == 1
    assert f"{output['firstFiles'][0]} was changed" in output_text
    forged = json.dumps({"digest": "sha256:0", "files": []}).encode()
    for name, content, text in (
        ("uninvited.gz", b"x", "uninvited.gz is not listed in the receipt"),
        ("_export-receipt.json", forged, "its digest is not that of the job's status"),
        ("_export-receipt.json", b"[]", "_export-receipt.json is damaged"),
    ):
        await asyncio.to_thread(world.sandbox.cloud.put_object, output["bucket"], output["prefix"] + name, content)
        code, output_text = await call(world, "receipt", "with-receipt", "--verify", owner=True)
        assert (code, text in output_text) == (1, True), output_text


async def test_list_shows_one_namespace_or_all_of_them(world: World) -> None:
    await world.core.create_namespace({"metadata": {"name": "team"}})
    team = World(world.sandbox, world.objects.api_client, "team")
    await world.job("listed", suspend=True)
    await team.job("listed", suspend=True)
    await team.job("of-the-team", target="sea", suspend=True)

    async def listed(*arguments: str) -> list[list[str]]:
        code, output = await call(world, "list", *arguments)
        assert code == 0, output
        return [line.split()[:2] for line in output.splitlines() if not line.startswith("    ")]

    one = await listed()
    assert one[0] == ["NAME", "TARGET"]
    assert ["listed", "lake"] in one
    assert "of-the-team" not in [name for name, _ in one]
    everything = await listed("--all-namespaces")
    assert everything[0] == ["NAMESPACE", "NAME"]
    assert {(world.namespace, "listed"), ("team", "listed"), ("team", "of-the-team")} <= {*map(tuple, everything)}
    assert await listed("-A", "--target", "sea") == [["NAMESPACE", "NAME"], ["team", "of-the-team"]]
    code, output = await call(world, "list", "-A", "--target", "sea", "-o", "json")
    assert code == 0
    assert [raw["metadata"]["namespace"] for raw in json.loads(output)] == ["team"]
    assert await call(world, "list", "-A", "--target", "none") == (0, "There are no jobs.\n")
