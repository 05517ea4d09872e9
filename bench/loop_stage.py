"""The operator behind gateways that a bench controls, and what measures the event loop in its process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "operator"), str(ROOT / "tests")]

from attack.gateway import Answer, Gateway, Request, Rule  # noqa: E402
from integration.conftest import World, condition, entered, options  # noqa: E402
from reltio_export_sandbox.environment import CLIENT, REPLICA, Sandbox  # noqa: E402

_SETTLE_SECONDS = 0.5  # after an answer, for what follows from it
WITHIN = 30.0  # seconds that a row may take

# Runs in the operator's process before it starts.
MEASURE = """
import asyncio, asyncio.base_events, asyncio.events, gc, json, os, threading, time

worst, seen = {}, {}

def reset():
    worst.update(delay=0.0, wall=0.0, cpu=0.0, gc=0.0, callback="")

def collected(phase, info):
    now = time.thread_time()
    if phase == "start":
        seen[threading.get_ident()] = now
    else:
        worst["gc"] = max(worst["gc"], now - seen.get(threading.get_ident(), now))

async def sample():
    reset()
    while True:
        before, due = time.process_time(), time.monotonic() + 0.005
        await asyncio.sleep(0.005)
        late, used = time.monotonic() - due, time.process_time() - before
        worst["wall"] = max(worst["wall"], late)
        worst["delay"] = max(worst["delay"], min(late, used))

def report(directory):
    request, out = os.path.join(directory, "reset"), os.path.join(directory, "loop.json")
    while True:
        if os.path.exists(request):
            reset()
            os.unlink(request)
        with open(out + ".new", "w") as file:
            json.dump(worst, file)
        os.replace(out + ".new", out)
        time.sleep(0.05)

run_handle, run_loop = asyncio.events.Handle._run, asyncio.base_events.BaseEventLoop.run_forever

def timed(self):
    before = time.thread_time()
    run_handle(self)
    used = time.thread_time() - before
    if used > worst["cpu"]:
        worst.update(cpu=used, callback=repr(self._callback)[:400])

def run(self):
    self.sampling = self.create_task(sample())
    run_loop(self)

reset()
gc.callbacks.append(collected)
asyncio.events.Handle._run, asyncio.base_events.BaseEventLoop.run_forever = timed, run
threading.Thread(target=report, args=(DIRECTORY,), daemon=True).start()
"""


class KubeGateway(Gateway):
    """A gateway whose open watches can be ended, so that the operator asks for them again."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._watches: set[asyncio.Task[None]] = set()

    async def _forward(self, request: Request, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if "watch=" in request.path and "exportjobs" in request.path:
            self._watches.add(task)
            task.add_done_callback(self._watches.discard)
        await super()._forward(request, writer)

    def on_list(self, answer: Answer, *, times: int) -> Rule:
        """Answer requests for the list of jobs."""

        def matches(request: Request) -> bool:
            path, _, query = request.path.partition("?")
            return request.method == "GET" and path.endswith("/exportjobs") and "watch=" not in query

        rule = Rule(matches, answer, times)
        self.rules.append(rule)
        return rule

    def end_watches(self) -> None:
        for task in list(self._watches):
            task.cancel()


@dataclass
class Stage:
    """A running operator whose every service is behind a gateway."""

    world: World
    kube: KubeGateway
    reltio: Gateway
    aws: Gateway
    directory: Path
    process: int
    was_asked: bool = True  # whether the last answer was asked for

    async def reset(self) -> None:
        """Measure from now on."""
        Path(f"/proc/{self.process}/clear_refs").write_text("5")  # noqa: ASYNC240 - VmHWM begins again
        request = self.directory / "reset"
        request.touch()
        while request.exists():  # noqa: ASYNC110 - another process is watched
            await asyncio.sleep(0.02)
        for gateway in (self.kube, self.reltio, self.aws):
            gateway.requests.clear()

    async def measured(self) -> tuple[float, int, str]:
        """The longest delay in seconds, the most memory in bytes, and what held the loop up."""
        await asyncio.sleep(0.2)
        found = json.loads((self.directory / "loop.json").read_text())
        lines = Path(f"/proc/{self.process}/status").read_text().splitlines()  # noqa: ASYNC240
        peak = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
        callback = found["callback"].partition("coro=<")[2].partition(" ")[0] or found["callback"]
        why = f"wall {found['wall'] * 1000:.0f}, gc {found['gc'] * 1000:.0f}, callback {found['cpu'] * 1000:.0f} ms"
        if not self.was_asked:
            asked = Counter(urlsplit(request.path).path for request in self._requests())
            why = f"NOT ASKED FOR, but {', '.join(f'{n} x {path}' for path, n in asked.most_common(4))}; {why}"
        return found["delay"], peak, f"{why} {callback[:60]}"

    async def used(self, *rules: Any) -> None:
        """Wait until each rule has answered."""
        self.was_asked = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN):
                while not all(rule.used for rule in rules):  # noqa: ASYNC110 - another process is watched
                    await asyncio.sleep(0.02)
                self.was_asked = True
        await asyncio.sleep(_SETTLE_SECONDS)

    async def manifest_used(self, job: str) -> None:
        """Wait until the manifest of a job was asked for, and its content checked.

        Then it is asked for again, as it may change, or the job is over.
        """

        def asked(request: Request) -> bool:
            path = urlsplit(request.path).path
            return f"/{job}/" in path and path.endswith("/manifest.json")

        self.was_asked = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN):
                while (times := sum(map(asked, self.aws.requests))) < 2:
                    raw = await self.world.get("ExportJob", job)
                    if times and (condition(raw, "Complete") or condition(raw, "Failed")):
                        break
                    await asyncio.sleep(0.1)
                self.was_asked = True

    def _requests(self) -> list[Request]:
        return [*self.kube.requests, *self.reltio.requests, *self.aws.requests]

    def clear(self) -> None:
        for gateway in (self.kube, self.reltio, self.aws):
            gateway.rules.clear()

    async def target(self, name: str, credentials: str = "reltio-api") -> None:
        service = {
            "exportServiceURL": self.reltio.url + "/jobs",
            "authURL": self.reltio.url + "/oauth/token",
            "tenant": "acme01",
            "credentialsSecretRef": {"name": credentials},
        }
        await self.world.target(name, spec={"reltio": service})

    async def remove(self, job: str) -> None:
        """Delete the job, as the next one waits for it: exports with the same credentials are limited."""
        await self.world.delete("ExportJob", job)
        async with asyncio.timeout(WITHIN):
            while any(item["metadata"]["name"] == job for item in await self._jobs()):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)

    async def _jobs(self) -> list[dict[str, Any]]:
        found = await self.world.objects.list_namespaced_custom_object(
            "export.reltio.com", "v1alpha1", "default", "exportjobs"
        )
        return list(found["items"])

    async def secret(self, name: str) -> None:
        body = {
            "metadata": {"name": name, "labels": {"export.reltio.com/allow": "true"}},
            "stringData": {"clientID": CLIENT.id if name == "reltio-api" else name, "clientSecret": CLIENT.secret},
        }
        await self.world.core.create_namespaced_secret("default", body)


@contextlib.asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        chosen = options(directory)
        chosen.operator = False
        chosen.prelude = MEASURE.replace("DIRECTORY", repr(name))
        sandbox = Sandbox(chosen)
        async with entered(sandbox) as world, contextlib.AsyncExitStack() as stack:
            assert sandbox.kube is not None
            kube = await stack.enter_async_context(KubeGateway(sandbox.kube.url))
            reltio = await stack.enter_async_context(Gateway(sandbox.reltio.url))
            aws = await stack.enter_async_context(Gateway(sandbox.cloud.url))
            kubeconfig = directory / "kubeconfig-of-the-operator"
            kubeconfig.write_text(sandbox.kubeconfig.read_text().replace(sandbox.kube.url, kube.url))
            host = reltio.url.rpartition("/")[2]
            await sandbox.start_operator(
                KUBECONFIG=str(kubeconfig),
                AWS_ENDPOINT_URL=aws.url,
                PYTHONDONTWRITEBYTECODE="",
                RELTIO_EXPORT_RELTIO_HOSTS=host,
                RELTIO_EXPORT_INSECURE_HOSTS=host,
                RELTIO_EXPORT_PRIVATE_NETWORKS="127.0.0.0/8",
            )
            stage = Stage(world, kube, reltio, aws, directory, sandbox.replicas[REPLICA].pid)
            await stage.secret("reltio-api")
            yield stage


@contextlib.asynccontextmanager
async def warm() -> AsyncIterator[Stage]:
    """With a target that is Ready, after which nothing is used for the first time."""
    async with staged() as stage:
        await stage.target("warm")
        await stage.world.ready("warm")
        await asyncio.sleep(1)
        yield stage
