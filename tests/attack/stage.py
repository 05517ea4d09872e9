"""Where an attack takes place: the real operator on the sandbox, with services that the attacker holds.

The operator reaches AWS and Reltio through gateways, which pass on what no rule of the attack answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.conftest import World, condition, entered, options
from reltio_export_sandbox.environment import CLIENT, EXTERNAL_ID, REPLICA, Sandbox

from .defences import PRELUDES
from .gateway import Gateway
from .probe import MEASURE

MIB = 2**20
LARGEST_PEAK = 256 * MIB  # what the process may take
LONGEST_DELAY = 0.1  # seconds that one callback may keep the event loop


@dataclass
class Stage:
    """A sandbox with a running operator, and what an attacker holds beside it."""

    world: World
    reltio: Gateway  # in front of the simulator
    aws: Gateway  # in front of the cloud
    listener: Gateway  # a service of the attacker's own
    kube: Gateway  # in front of the API server, for the setups that ask for it
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)  # of the operator
    is_measured: bool = False

    async def secret(self, name: str = "reltio-api", *, labels: Mapping[str, str] | None = None, **data: str) -> None:
        """A Secret that the operator may use, unless its labels say otherwise."""
        if labels is None:
            labels = {"export.reltio.com/allow": "true"}
        data = data or {"clientID": CLIENT.id, "clientSecret": CLIENT.secret}
        body = {"metadata": {"name": name, "labels": dict(labels)}, "stringData": data}
        await self.world.core.create_namespaced_secret(self.world.namespace, body)

    async def target(self, name: str = "lake", *, reltio: Mapping[str, Any] | None = None, **s3: Any) -> None:
        """A target that reaches Reltio through the gateway, but for what is given."""
        await self.world.target(name, spec=self.spec(reltio=reltio), **s3)

    def spec(self, *, reltio: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The part of a target that is about Reltio."""
        return {
            "reltio": {
                "exportServiceURL": self.reltio.url + "/jobs",
                "authURL": self.reltio.url + "/oauth/token",
                "tenant": "acme01",
                "credentialsSecretRef": {"name": "reltio-api"},
                **(reltio or {}),
            }
        }

    @property
    def process(self) -> int:
        return self.world.sandbox.replicas[REPLICA].pid

    async def start(self) -> None:
        """Start the operator, for the first time or again. Its event loop is measured from `reset_delay` on."""
        self.is_measured = False
        measured = self.directory / "loop.json"
        measured.unlink(missing_ok=True)
        await self.world.sandbox.start_operator(**self.environment)
        if not await self.until(measured.exists):
            raise RuntimeError(self.world.sandbox.operator_log.read_text()[-3000:])

    async def seen(self, kind: str, name: str, holds: Callable[[dict[str, Any]], Any], within: float = 30) -> Any:
        """The object once this holds of it. Raises RuntimeError if it never does: then the attack was not made."""
        raw: dict[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while True:
                    raw = await self.world.get(kind, name)
                    if holds(raw):
                        return raw
                    await asyncio.sleep(0.1)
        raise RuntimeError(
            f"{kind} {name} is {raw.get('status')}: {self.world.sandbox.operator_log.read_text()[-2000:]}"
        )

    async def warm_up(self) -> None:
        """Verify an honest target, after which nothing is loaded for the first time; then measure."""
        await self.secret()
        await self.target("warm")
        await self.world.ready("warm")
        await self.reset_delay()

    async def outcome(self, kind: str, name: str, within: float = 20) -> dict[str, Any]:
        """The object once its status says how it ended, or as it is after this time."""

        def is_over(raw: dict[str, Any]) -> bool:
            if kind == "ExportJob":
                return bool(condition(raw, "Complete") or condition(raw, "Failed") or condition(raw, "Stalled"))
            found = [each for each in raw.get("status", {}).get("conditions", []) if each["type"] == "Ready"]
            return bool(found and found[0]["status"] != "Unknown" and found[0]["reason"] != "Verifying")

        raw: dict[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not is_over(raw):
                    raw = await self.world.get(kind, name)
                    await asyncio.sleep(0.1)
        return raw

    async def published(self) -> str:
        """Everything that a user of the cluster can read of what the operator wrote: status, events, log."""
        parts = [self.world.sandbox.operator_log.read_text(errors="replace")]
        for kind, plural in (("ExportTarget", "exporttargets"), ("ExportJob", "exportjobs")):
            listed = await self.world.objects.list_namespaced_custom_object(
                "export.reltio.com", "v1alpha1", self.world.namespace, plural
            )
            parts += [json.dumps({kind: each.get("status", {})}, ensure_ascii=False) for each in listed["items"]]
        events = await self.world.core.list_namespaced_event(self.world.namespace)
        parts += [f"{event.reason} {event.message}" for event in events.items]
        return "\n".join(parts)

    async def until(self, holds: Callable[[], Any], within: float = 20) -> bool:
        """Whether this came to hold."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not holds():  # noqa: ASYNC110 a process is watched
                    await asyncio.sleep(0.05)
                return True
        return False

    def cpu_seconds(self) -> float:
        """The CPU time that the operator's process has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> int:
        """The most memory that the operator's process had, in bytes; 0 once it has ended."""
        try:
            status = Path(f"/proc/{self.process}/status").read_text()
        except OSError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)

    def delay(self) -> tuple[float, str]:
        """The longest that one callback kept the event loop, in seconds of its own CPU, and which one."""
        if not self.is_measured:
            return 0.0, ""
        measured = json.loads((self.directory / "loop.json").read_text())
        return float(measured["cpu"]), str(measured["callback"])

    async def reset_delay(self) -> None:
        """Measure from now on, without what starting up took."""
        self.is_measured = True
        request = self.directory / "reset"
        request.touch()
        await self.until(lambda: not request.exists())

    def has_ended(self) -> bool:
        return self.world.sandbox.operator_has_ended()


@dataclass
class Setup:
    """How a stage differs from the usual one."""

    settings: Mapping[str, str] = field(default_factory=dict)
    is_allowed: bool = True  # whether the settings allow the gateway as a host of Reltio
    prelude: str = ""  # what the operator's process runs first, with the defence and without
    before: Callable[[Stage], Awaitable[None]] | None = None  # what happens before the operator starts
    is_kube_relayed: bool = False  # whether the operator reaches the API server through a gateway


@contextlib.asynccontextmanager
async def staged(directory: Path, setup: Setup, defence_off: str = "") -> AsyncIterator[Stage]:
    """A stage with the operator ready to take objects. `defence_off` is a name in PRELUDES."""
    prelude = MEASURE.replace("DIRECTORY", repr(str(directory))) + setup.prelude.replace(
        "COUNT", f"{directory}/clients"
    )
    if defence_off:
        prelude += PRELUDES[defence_off]
    chosen = options(directory)
    chosen.operator = False
    chosen.prelude = prelude
    sandbox = Sandbox(chosen)
    async with entered(sandbox) as world, contextlib.AsyncExitStack() as stack:
        reltio = await stack.enter_async_context(Gateway(sandbox.reltio.url))
        aws = await stack.enter_async_context(Gateway(sandbox.cloud.url))
        listener = await stack.enter_async_context(Gateway())
        host = reltio.url.rpartition("/")[2] if setup.is_allowed else ""
        hosts = {
            "RELTIO_EXPORT_RELTIO_HOSTS": ",".join(["*.reltio.com", *[one for one in (host,) if one]]),
            "RELTIO_EXPORT_INSECURE_HOSTS": host,
            "RELTIO_EXPORT_PRIVATE_NETWORKS": "127.0.0.0/8" if host else "",
        }
        assert sandbox.kube is not None
        kube = await stack.enter_async_context(Gateway(sandbox.kube.url))
        environment = {"AWS_ENDPOINT_URL": aws.url, "PYTHONDONTWRITEBYTECODE": "", **hosts, **setup.settings}
        if setup.is_kube_relayed:
            relayed = directory / "relayed"
            relayed.write_text(sandbox.kubeconfig.read_text().replace(sandbox.kube.url, kube.url))
            environment["KUBECONFIG"] = str(relayed)
        stage = Stage(world, reltio, aws, listener, kube, directory, environment)
        if setup.before is not None:
            await setup.before(stage)
        await stage.start()
        yield stage


__all__ = ["CLIENT", "EXTERNAL_ID", "LARGEST_PEAK", "LONGEST_DELAY", "MIB", "Setup", "Stage", "staged"]
