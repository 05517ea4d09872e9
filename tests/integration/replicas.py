"""Several replicas of the real operator on one sandbox, and the situations in which one of them is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from kubernetes.aio import client, config

from integration.conftest import World, condition, options
from reltio_export_sandbox.environment import Sandbox
from reltio_export_sandbox.reltio import Fault

LEASE_SECONDS = 15
_NEVER = 10**9
Raw = dict[str, Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Relay:
    """Stands before a server, and keeps requests from it whose first line holds a text.

    Those that hold `swallow` are never answered; those that hold a text in `refused` are answered with that status.
    """

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.swallow: bytes | None = None
        self.swallowed = asyncio.Event()
        self.refused: dict[bytes, int] = {}

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def stop(self) -> None:
        """Refuse connections, and end those that there are."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
            answering = asyncio.create_task(self._copy(there, writer))
            try:
                while data := await reader.read(65536):
                    line = data.split(b"\r\n", 1)[0]
                    if self.swallow is not None and self.swallow in line:
                        self.swallowed.set()
                        await asyncio.Event().wait()
                    status = next((status for text, status in self.refused.items() if text in line), None)
                    if status is not None:
                        writer.write(_refusal(status))
                        await writer.drain()
                        return
                    back.write(data)
                    await back.drain()
            finally:
                answering.cancel()
                writer.close()
                back.close()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()


def _refusal(status: int) -> bytes:
    body = json.dumps({"kind": "Status", "message": "the relay says no"}).encode()
    head = f"HTTP/1.1 {status} Refused\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


class Replicas(World):
    """A sandbox whose operator runs as replicas with names."""

    def __init__(self, sandbox: Sandbox, api: client.ApiClient, s3: Relay, namespace: str) -> None:
        super().__init__(sandbox, api, namespace)
        self._ports: dict[str, int] = {}
        self._logged: dict[str, int] = {}
        self.s3 = s3
        self.posts = Fault(path="/export/", method="POST", nth=_NEVER, status=500)  # it only counts
        sandbox.reltio.faults.append(self.posts)

    def kubeconfig_for(self, relay: Relay) -> str:
        """A kubeconfig that reaches the API server by way of the relay."""
        document = yaml.safe_load(self.sandbox.kubeconfig.read_text())
        document["clusters"][0]["cluster"]["server"] = relay.url
        path = self.sandbox.kubeconfig.with_name(f"kubeconfig-{self.namespace}")
        path.write_text(yaml.safe_dump(document))
        return str(path)

    async def start(self, name: str, *, python: str = sys.executable, **settings: str) -> None:
        port = self._ports[name] = free_port()
        log = self.sandbox.log_of(name)
        self._logged[name] = len(log.read_text()) if log.exists() else 0
        await self.sandbox.start_operator(
            name,
            python=python,
            AWS_ENDPOINT_URL=self.s3.url,
            **{
                "RELTIO_EXPORT_LEADER_ELECT": "true",
                "RELTIO_EXPORT_METRICS_PORT": str(port),
                "RELTIO_EXPORT_LEASE_DURATION_SECONDS": str(LEASE_SECONDS),
                "RELTIO_EXPORT_LEASE_NAMESPACE": self.namespace,
                "RELTIO_EXPORT_NAMESPACES": self.namespace,
                **settings,
            },
        )

    def log(self, name: str) -> str:
        """What the replica of this name has logged in this namespace."""
        return self.sandbox.log_of(name).read_text()[self._logged.get(name, 0) :]

    def send(self, name: str, number: signal.Signals) -> None:
        self.sandbox.replicas[name].send_signal(number)

    async def exit_code(self, name: str, within: float = 60) -> int:
        async with asyncio.timeout(within):
            return await self.sandbox.replicas[name].wait()

    async def readiness(self, name: str) -> tuple[int, str]:
        """What /readyz says; 0 while nobody answers."""
        return await self.probe(name, "/readyz")

    async def until_ready(self, name: str, text: str = "ok") -> None:
        """Return once /readyz holds this text."""
        await until(lambda: self.readiness(name), lambda answer: text in answer[1])

    async def probe(self, name: str, path: str) -> tuple[int, str]:
        async with httpx.AsyncClient() as http:
            try:
                response = await http.get(f"http://127.0.0.1:{self._ports[name]}{path}", timeout=5)
            except httpx.TransportError:
                return 0, ""
        return response.status_code, response.text

    @property
    def lease_path(self) -> tuple[str, ...]:
        return "coordination.k8s.io", "v1", self.namespace, "leases", "reltio-export-operator"

    async def lease(self) -> Raw:
        """The Lease's spec; empty before there is one."""
        try:
            found = await self.objects.get_namespaced_custom_object(*self.lease_path)
        except client.ApiException as error:
            if error.status == 404:
                return {}
            raise
        return dict(found["spec"])

    async def leader(self, other_than: str = "") -> str:
        """The identity of the leader, once there is one that is another one than this."""
        lease = await until(self.lease, lambda spec: spec.get("holderIdentity") not in (None, "", other_than))
        return str(lease["holderIdentity"])

    async def elect(self, first: str = "a", second: str = "b", **settings: str) -> str:
        """Start a leader and a standby. Answers with the leader's identity."""
        await self.start(first, **settings)
        identity = await self.leader()
        await self.start(second, **settings)
        for name in (first, second):
            await self.until_ready(name)
        return identity

    def runs_of(self, job: Raw) -> int:
        """Exports that ran for a job."""
        return sum(job["metadata"]["uid"] in run.order.name for run in self.sandbox.reltio.engine.runs)


async def until(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], within: float = 60) -> Any:
    """What is asked for, once this holds of it."""
    answer = None
    try:
        async with asyncio.timeout(within):
            while True:
                answer = await ask()
                if holds(answer):
                    return answer
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"it never held; the last answer was {answer!r}") from None


@asynccontextmanager
async def open_sandbox(directory: Path, *, crds: bool = True) -> AsyncIterator[Sandbox]:
    """A sandbox without any replica yet."""
    async with Sandbox(replace(options(directory), operator=False, crds=crds)) as sandbox:
        yield sandbox


@asynccontextmanager
async def open_replicas(sandbox: Sandbox) -> AsyncIterator[Replicas]:
    """A namespace of its own for replicas that watch nothing else; they are stopped at the end."""
    namespace = f"test-{secrets.token_hex(4)}"
    sandbox.reltio.faults.clear()
    s3 = Relay(sandbox.cloud.url)
    await s3.start()
    configuration = client.Configuration()
    await config.load_kube_config(str(sandbox.kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        world = Replicas(sandbox, api, s3, namespace)
        await world.core.create_namespace({"metadata": {"name": namespace}})
        await world.secret()
        try:
            yield world
        finally:
            for name in sandbox.replicas:
                await sandbox.stop_operator(name)
            await s3.stop()


async def idle(world: Replicas) -> None:
    """Nothing is under way."""


async def submitting(world: Replicas) -> None:
    """A submission has reached the service, which does not answer and does not run it."""
    world.sandbox.reltio.faults.append(hangs := Fault(path="/export/", method="POST", hang=60))
    await world.job("running")
    await until(_value(lambda: hangs.seen), lambda seen: seen == 1)


async def submitted(world: Replicas) -> None:
    """A submission has had its effect, and its answer does not come."""
    world.sandbox.reltio.faults.append(hangs := Fault(path="/export/", method="POST", hang=60, when="after"))
    await world.job("running")
    await until(_value(lambda: hangs.seen), lambda seen: seen == 1)


async def reading(world: Replicas) -> None:
    """The export has arrived, and S3 does not answer who reads it."""
    world.s3.swallow = b"manifest.json"
    await world.job("running", delivery={"verify": "Full"})
    async with asyncio.timeout(60):
        await world.s3.swallowed.wait()


SITUATIONS: dict[str, Callable[[Replicas], Awaitable[None]]] = {
    "idle": idle,
    "submitting": submitting,
    "submitted": submitted,
    "reading": reading,
}


def _value(get: Callable[[], Any]) -> Callable[[], Awaitable[Any]]:
    async def ask() -> Any:
        return get()

    return ask


def is_complete(job: Raw) -> bool:
    return condition(job, "Complete") is not None
