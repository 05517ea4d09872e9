"""Objects, namespaces and services of one tenant that hold up the jobs of others."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

from kubernetes.aio import client

from integration.conftest import condition
from reltio_export_sandbox.environment import crds

from .gateway import Answer, endless, silence, text
from .rows import Attack, Row
from .stage import MIB, Setup, Stage

_FROZEN = "text is cut and patterns are linear"
_WITHIN = 40.0  # seconds in which the job of a neighbour ends
_ROTATIONS = 25
_MOST_CLIENTS = 16
Raw = dict[str, Any]


def rows() -> Iterator[Row]:
    yield Row("error text of 6,000 spaces at the Export Service", _FROZEN, _spaces("/tasks/_total"))
    yield Row("error text of 6,000 spaces at the token endpoint", _FROZEN, _spaces("/oauth/token"))
    isolated = "unreadable objects are isolated"
    yield Row("target that cannot be read, after a restart", isolated, _neighbour, Setup(before=_unreadable_target))
    yield Row("job that cannot be read, after a restart", isolated, _neighbour, Setup(before=_unreadable_job))
    listed = "namespaces are listed one by one"
    for status in (403, 404, 500):
        yield Row(f"one of the watched namespaces answers {status}", listed, _neighbour, _refused_namespace(status))
    yield Row("Secret that is changed many times", "what a changed Secret made is dropped", _rotated, _COUNTED)
    yield Row("job whose writes are refused", "a refused job lets others go first", _refused_writes, _RELAYED)
    yield Row("files of a job that never arrive", "small calls have threads of their own", _slow_files, _FEW_THREADS)
    yield Row("dead tenants among healthy jobs", "a call that waits holds no worker", _dead_tenants, _FEW_WORKERS)
    regional = "a region that hangs takes no threads from others"
    for service in ("sts", "s3"):
        yield Row(
            f"region whose {service.upper()} hangs, while targets are verified", regional, _hanging_region(service)
        )
    yield Row("region whose S3 hangs, while deliveries are read", regional, _hanging_deliveries)


async def _neighbour(stage: Stage) -> str:
    """An honest target and an honest job."""
    await stage.secret()
    await stage.target("warm")
    await stage.world.job(target="warm")
    job = await stage.outcome("ExportJob", "nightly", within=_WITHIN)
    return "" if condition(job, "Complete") else "no job of others runs"


def _spaces(path: str) -> Attack:
    said = {"errorMessage": "x" + " " * 6_000 + "y", "errorCode": 1}

    async def attack(stage: Stage) -> str:
        await stage.warm_up()
        stage.reltio.on(path, text(409, json.dumps(said)))
        await stage.secret("other", clientID="other", clientSecret="other-secret")
        name = "other" if path == "/oauth/token" else "reltio-api"  # its token is not known yet
        await stage.target(reltio={"credentialsSecretRef": {"name": name}})
        await stage.outcome("ExportTarget", "lake", within=20)
        return ""

    return attack


async def _loosen(stage: Stage) -> None:
    """The definitions of another release, whose schema allows any spec."""
    extensions = client.ApiextensionsV1Api(stage.world.objects.api_client)
    for crd in crds():
        loose = copy.deepcopy(crd)
        for version in loose["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            schema["properties"]["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            schema.pop("x-kubernetes-validations", None)
        name = loose["metadata"]["name"]
        stored = await extensions.read_custom_resource_definition(name)
        loose["metadata"]["resourceVersion"] = stored.metadata.resource_version
        await extensions.replace_custom_resource_definition(name, loose)


async def _unreadable_target(stage: Stage) -> None:
    await _loosen(stage)
    await stage.target("bad")
    await stage.world.patch("ExportTarget", "bad", {"spec": {"maxConcurrentJobs": "many"}})


async def _unreadable_job(stage: Stage) -> None:
    await _loosen(stage)
    await stage.world.create("ExportJob", "bad", {"targetRef": {"name": "warm"}, "export": {"type": 7}})


def _refused_namespace(status: int) -> Setup:
    async def refuse(stage: Stage) -> None:
        body = json.dumps({"kind": "Status", "status": "Failure", "code": status, "message": "no"})
        stage.kube.on("/namespaces/other/export", text(status, body))

    return Setup(settings={"RELTIO_EXPORT_NAMESPACES": "other,default"}, before=refuse, is_kube_relayed=True)


_COUNTED = Setup(
    prelude="""
import weakref
from reltio_export_operator.controllers import access
from reltio_export_operator.reltio.client import ReltioClient
access._SECRET_CACHE_SECONDS = 0.0
_clients, _made = weakref.WeakSet(), ReltioClient.__init__
def _counted(self, *args, **options):
    _made(self, *args, **options)
    _clients.add(self)
    with open("COUNT", "w") as file:
        file.write(str(len(_clients)))
ReltioClient.__init__ = _counted
"""
)


async def _rotated(stage: Stage) -> str:
    await stage.warm_up()
    await stage.secret("rotated", clientID="other", clientSecret="secret-0")
    await stage.target(reltio={"credentialsSecretRef": {"name": "rotated"}})
    await stage.outcome("ExportTarget", "lake")
    asked = 0
    for number in range(1, _ROTATIONS + 1):
        body = {"stringData": {"clientSecret": f"secret-{number}"}}
        await stage.world.core.patch_namespaced_secret("rotated", stage.world.namespace, body)
        known = len(stage.reltio.requests)
        asked += await stage.until(lambda known=known: len(stage.reltio.requests) > known, within=4)  # type: ignore[misc]
    if asked < _ROTATIONS // 2:
        raise RuntimeError(f"the Secret was read after {asked} changes only")
    count = int((stage.directory / "clients").read_text())
    return f"{count} clients" if count > _MOST_CLIENTS else ""


_RELAYED = Setup(is_kube_relayed=True, settings={"RELTIO_EXPORT_RETRY_CAP_SECONDS": "1"})


async def _refused_writes(stage: Stage) -> str:
    await stage.warm_up()
    body = json.dumps({"kind": "Status", "status": "Failure", "code": 422, "message": "no"})
    stage.kube.on("/exportjobs/first", text(422, body), method="PATCH")
    await stage.world.patch("ExportTarget", "warm", {"spec": {"maxConcurrentJobs": 1}})
    await stage.world.ready("warm")
    await stage.world.job("first", target="warm")
    await asyncio.sleep(2)
    await stage.world.job(target="warm")
    job = await stage.outcome("ExportJob", "nightly", within=_WITHIN)
    return "" if condition(job, "Complete") else "the place of another job"


_FEW_THREADS = Setup(settings={"RELTIO_EXPORT_AWS_THREADS": "2", "RELTIO_EXPORT_BULK_THREADS": "2"})


async def _slow_files(stage: Stage) -> str:
    await stage.warm_up()
    stage.aws.on("/slow/", _held(), method="GET", query="part-")
    await stage.world.job("slow", target="warm", delivery={"verify": "Full"})
    if not await stage.until(
        lambda: sum("part-" in one.path and "/slow/" in one.path for one in stage.aws.requests) > 1
    ):
        raise RuntimeError("no file was read")
    await stage.world.job(target="warm", delivery={"verify": "Manifest"})
    job = await stage.outcome("ExportJob", "nightly", within=_WITHIN)
    return "" if condition(job, "Complete") else "threads that others wait for"


_FEW_WORKERS = Setup(settings={"RELTIO_EXPORT_WORKERS": "4"})
_DEAD, _DEAD_REGION, _DEAD_BUCKET = 12, "eu-south-1", "acme-exports-south"
_SOON = 12.0  # seconds; a request to AWS that is not answered ends after 15, and one to Reltio later


async def _dead_tenants(stage: Stage) -> str:
    """Each has a job of its own, and takes its submission without an answer."""
    await stage.warm_up()
    stage.reltio.on("/dead", silence())
    for number in range(_DEAD):
        spec = {**stage.spec(reltio={"tenant": f"dead{number}"}), "verification": {"mode": "Disabled"}}
        await stage.world.target(f"dead-{number}", spec=spec)
        await stage.world.job(f"dead-{number}", target=f"dead-{number}")
    if not await stage.until(lambda: sum("/dead" in one.path for one in stage.reltio.requests) >= _SILENT):
        raise RuntimeError("the dead tenants were not called")
    await stage.world.job(target="warm")
    job = await stage.outcome("ExportJob", "nightly", within=_SOON)
    return "" if condition(job, "Complete") else "workers that others wait for"


_SILENT = 4  # calls without an answer, which are all that the operator would make at once without its defence


def _hanging_region(service: str) -> Attack:
    async def attack(stage: Stage) -> str:
        await stage.warm_up()
        await asyncio.to_thread(stage.world.sandbox.cloud.create_bucket, _DEAD_BUCKET, region=_DEAD_REGION)
        signed_for = f"/{_DEAD_REGION}/{service}/"
        stage.aws.on("", silence(), signed_for=signed_for)
        for number in range(_DEAD):
            await stage.target(f"dead-{number}", bucket=_DEAD_BUCKET, region=_DEAD_REGION)
        if not await stage.until(
            lambda: any(signed_for in one.headers.get("authorization", "") for one in stage.aws.requests)
        ):
            raise RuntimeError("the region was not called")
        await asyncio.sleep(1)  # the others are under way
        await stage.target()
        target = await stage.outcome("ExportTarget", "lake", within=_SOON)
        return "" if condition(target, "Ready") else "threads that other regions wait for"

    return attack


async def _hanging_deliveries(stage: Stage) -> str:
    await stage.warm_up()
    await asyncio.to_thread(stage.world.sandbox.cloud.create_bucket, _DEAD_BUCKET, region=_DEAD_REGION)
    spec = {**stage.spec(), "maxConcurrentJobs": _DEAD}
    await stage.world.target("dead", spec=spec, bucket=_DEAD_BUCKET, region=_DEAD_REGION)
    await stage.world.ready("dead")
    signed_for = f"/{_DEAD_REGION}/s3/"
    before = len(stage.aws.requests)
    stage.aws.on("", silence(), signed_for=signed_for)
    for number in range(_DEAD):
        await stage.world.job(f"dead-{number}", target="dead")
    for number in range(_DEAD):
        await stage.seen("ExportJob", f"dead-{number}", _is_verifying)
    if not any(signed_for in one.headers.get("authorization", "") for one in stage.aws.requests[before:]):
        raise RuntimeError("no delivery was read")
    await stage.world.job(target="warm")
    job = await stage.outcome("ExportJob", "nightly", within=_SOON)
    return "" if condition(job, "Complete") else "deliveries that other regions wait for"


def _is_verifying(raw: Raw) -> bool:
    return bool(raw.get("status", {}).get("phase") == "Verifying")


def _held() -> Answer:
    return endless(b"", 16 * MIB // 1024, content_type="application/octet-stream")
