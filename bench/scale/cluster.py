"""An API server with the services beside it, and what the bench does to its objects."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec
import yaml

from . import paths  # first: it makes the packages of the project importable

from reltio_export_sandbox.environment import BUCKET, CLIENT, EXTERNAL_ID, crds  # isort: skip

GROUP = "export.reltio.com"
BASE = f"/apis/{GROUP}/v1alpha1/namespaces"
NAMESPACE = "default"
TENANTS = ("acme01", "acme02", "acme03")
Raw = dict[str, Any]


class Services:
    """The process of `scale.services`, and what may be asked of it."""

    def __init__(self, process: asyncio.subprocess.Process, info: Raw) -> None:
        self._process = process
        self._turn = asyncio.Lock()
        self.info = info

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, kubeconfig: Path | None) -> AsyncIterator[Self]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scale.services",
            str(kubeconfig or ""),
            cwd=paths.ROOT / "bench",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=2**26,
        )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), 60)
            yield cls(process, json.loads(line))
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 60)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            await self._process.stdin.drain()
            answer = json.loads(await self._process.stdout.readline())
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


class _Task(msgspec.Struct):
    id: str
    status: str = ""


class _Condition(msgspec.Struct):
    type: str
    status: str


class _Status(msgspec.Struct):
    phase: str = ""
    tasks: list[_Task] = []
    conditions: list[_Condition] = []


class _Meta(msgspec.Struct):
    name: str = ""


class _Seen(msgspec.Struct):
    metadata: _Meta
    status: _Status = msgspec.field(default_factory=_Status)


class _Event(msgspec.Struct):
    type: str
    object: _Seen


@dataclass
class Job:
    """Times are on the clock of `time.time`; 0 for what has not happened."""

    created: float = 0.0
    submitted: float = 0.0
    finished: float = 0.0
    tasks: dict[str, str] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)  # when the status of a task was last seen to change


class Cluster:
    """The driver's connection to the API server; it is not measured."""

    def __init__(self, session: aiohttp.ClientSession, url: str, services: Services, directory: Path) -> None:
        self._session = session
        self.url = url
        self.services = services
        self.directory = directory
        self.etcd = ""  # the URL of the etcd, where the API server is a real one

    async def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        content = msgspec.json.encode(body) if body is not None else None
        async with self._session.request(
            method, self.url + path, data=content, headers={"Content-Type": content_type}
        ) as answer:
            received = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {received[:300]!r}")
            return msgspec.json.decode(received)

    def read_lines(self, path: str) -> Any:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        return self._session.get(self.url + path, timeout=timeout)

    async def apply_crds(self) -> None:
        where = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for crd in crds():
            with contextlib.suppress(RuntimeError):  # it is there already
                await self.call("POST", where, crd)
            while True:
                found = await self.call("GET", f"{where}/{crd['metadata']['name']}")
                conditions = found.get("status", {}).get("conditions") or []
                if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                    break
                await asyncio.sleep(0.1)
        for crd in crds():  # served a little later than that
            plural = crd["spec"]["names"]["plural"]
            while True:
                with contextlib.suppress(RuntimeError):
                    await self.call("GET", f"{BASE}/{NAMESPACE}/{plural}?limit=1")
                    break
                await asyncio.sleep(0.1)

    async def namespace(self, name: str) -> None:
        with contextlib.suppress(RuntimeError):
            await self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        secret = {
            "metadata": {"name": "reltio-api", "labels": {f"{GROUP}/allow": "true"}},
            "stringData": {"clientID": CLIENT.id, "clientSecret": CLIENT.secret},
        }
        await self.call("POST", f"/api/v1/namespaces/{name}/secrets", secret)

    async def target(self, name: str, tenant: str, places: int, namespace: str = NAMESPACE) -> None:
        place = self.services.info["place"]
        reltio = {
            "exportServiceURL": place["export_service_url"],
            "authURL": place["auth_url"],
            "tenant": tenant,
            "credentialsSecretRef": {"name": "reltio-api"},
        }
        s3 = {"bucket": BUCKET, "path": f"/{namespace}/{name}/", "region": place["region"]}
        s3 |= {"roleARN": place["role_arn"], "externalID": EXTERNAL_ID}
        await self.create("ExportTarget", name, {"reltio": reltio, "s3": s3, "maxConcurrentJobs": places}, namespace)

    async def create(self, kind: str, name: str, spec: Raw, namespace: str = NAMESPACE) -> Raw:
        body = {"apiVersion": f"{GROUP}/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        created: Raw = await self.call("POST", f"{BASE}/{namespace}/{kind.lower()}s", body)
        return created

    async def get(self, kind: str, name: str, namespace: str = NAMESPACE) -> Raw:
        found: Raw = await self.call("GET", f"{BASE}/{namespace}/{kind.lower()}s/{name}")
        return found

    async def targets_ready(self, namespace: str = NAMESPACE) -> None:
        while True:
            items = (await self.call("GET", f"{BASE}/{namespace}/exporttargets"))["items"]
            if all(
                any(c["type"] == "Ready" and c["status"] == "True" for c in t.get("status", {}).get("conditions", []))
                for t in items
            ):
                return
            await asyncio.sleep(0.5)

    async def insert(self, objects: Iterable[tuple[str, Raw]]) -> None:
        """Store objects as they are, with their status: what would take long to live through."""
        if self.etcd:
            await self._insert_into_etcd(objects)
            return
        file = self.directory / "objects.jsonl"
        with file.open("w") as lines:
            for plural, raw in objects:
                lines.write(f"{plural}\t{json.dumps(raw)}\n")
        await self.services.ask("insert", file=str(file))

    async def _insert_into_etcd(self, objects: Iterable[tuple[str, Raw]]) -> None:
        async def put(puts: list[Raw]) -> None:
            async with self._session.post(f"{self.etcd}/v3/kv/txn", json={"success": puts}) as answer:
                if answer.status != 200:
                    raise RuntimeError(await answer.text())

        puts: list[Raw] = []
        for plural, raw in objects:
            meta = raw["metadata"]
            meta.pop("resourceVersion", None)
            key = f"/registry/{GROUP}/{plural}/{meta['namespace']}/{meta['name']}"
            encoded = [base64.b64encode(text).decode() for text in (key.encode(), json.dumps(raw).encode())]
            puts.append({"requestPut": {"key": encoded[0], "value": encoded[1]}})
            if len(puts) == 50:
                await put(puts)
                puts = []
        if puts:
            await put(puts)


@contextlib.asynccontextmanager
async def opened(server: str) -> AsyncIterator[Cluster]:
    """A new API server, "sandbox" or "real", with services of its own, and the CRDs and a Secret in it."""
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kubeconfig, etcd = None, ""
        if server == "real":
            kubeconfig, etcd = await _start_real(stack, directory)
        services = await stack.enter_async_context(Services.started(kubeconfig))
        loaded = _loaded(services.info["kubeconfig"])
        token = loaded["users"][0]["user"].get("token")
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=32, ssl=False),
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=aiohttp.ClientTimeout(total=120),
            )
        )
        cluster = Cluster(session, loaded["clusters"][0]["cluster"]["server"], services, directory)
        cluster.etcd = etcd
        await services.ask("configure", token_life=10_000_000.0)
        await cluster.apply_crds()
        await cluster.namespace(NAMESPACE)
        yield cluster


def _loaded(kubeconfig: str) -> Raw:
    found: Raw = yaml.safe_load(Path(kubeconfig).read_text())
    return found


async def _start_real(stack: contextlib.AsyncExitStack, directory: Path) -> tuple[Path, str]:
    from e2e.conftest import RealServer

    class WithoutControllers(RealServer):
        def _start_controllers(self) -> None:
            """Nothing here is owned or in a namespace that goes."""

    where = directory / "server"
    where.mkdir()
    real = WithoutControllers(Path(os.environ["KUBEBUILDER_ASSETS"]), where)
    stack.callback(real.stop)
    await asyncio.to_thread(real.start)
    return real.kubeconfig, real.etcd
