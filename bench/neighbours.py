"""Measure how long a healthy target and a healthy job take alone, and among many whose tenants do not answer.

    .venv/bin/python bench/neighbours.py [--dead N]

The operator runs as a process on the sandbox, with its default limits. The dead targets are in another namespace. Half
of them are verified; the others are taken as Ready, and have a job each. Their hosts accept connections and never
answer ("silent"), refuse them ("refused"), or have no address ("nameless"). Each host has an address or a name of its
own. Or the tenants are well, and the region of AWS never answers ("region"). Measured from the creation of the
object: until the target is Ready, and until the tasks of the job are recorded; at once after the dead ones were
created, and again later.

The same is done with an operator as it was before: a reconcile keeps its worker while it waits for a call, and calls
are never paused. A measurement that takes longer than the bound is printed as ">".
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "operator"), str(ROOT / "tests")]

from attack.defences import PRELUDES  # noqa: E402
from attack.gateway import Gateway, silence  # noqa: E402
from integration.conftest import World, condition, entered, options  # noqa: E402
from reltio_export_sandbox.environment import Sandbox  # noqa: E402

BOUND_SECONDS = 120.0
LATER_SECONDS = 30.0
KINDS = ("silent", "refused", "nameless", "region")
DEAD_REGION = "eu-south-1"
AT_ONCE = 16  # requests of the bench to the API server

# As it was before.
BEFORE = PRELUDES["a call that waits holds no worker"] + PRELUDES["a region that hangs takes no threads from others"]


@dataclass
class Row:
    """Seconds of the target and of the job."""

    version: str
    hosts: str
    moment: str
    target: float | None
    job: float | None


async def seconds(call: Awaitable[Any]) -> float | None:
    began = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(BOUND_SECONDS):
            await call
            return time.monotonic() - began
    return None


async def healthy(world: World, name: str) -> tuple[float | None, float | None]:
    """Create a target and a job that can be served, and measure both; the job has a target that is Ready."""

    async def target() -> None:
        await world.target(f"target-{name}")
        await until(world, "ExportTarget", f"target-{name}", lambda raw: condition(raw, "Ready"))

    async def job() -> None:
        await world.job(f"job-{name}", target="ready")
        await until(world, "ExportJob", f"job-{name}", lambda raw: raw.get("status", {}).get("tasks"))

    return tuple(await asyncio.gather(seconds(target()), seconds(job())))  # type: ignore[return-value]


async def until(world: World, kind: str, name: str, holds: Callable[[dict[str, Any]], object]) -> None:
    while not holds(await world.get(kind, name)):  # noqa: ASYNC110 - the API server is asked
        await asyncio.sleep(0.05)


def hosts_of(kind: str, count: int, port: int) -> list[str]:
    if kind == "nameless":
        return [f"dead-{number}.invalid:{port}" for number in range(count)]
    return [f"127.{1 + number // 250}.1.{1 + number % 250}:{port}" for number in range(count)]


async def dead(beside: World, hosts: list[str], kind: str) -> None:
    """Create targets whose hosts or region do not answer, and jobs, in a namespace of their own."""
    world = World(beside.sandbox, beside.core.api_client, "dead")
    await world.core.create_namespace({"metadata": {"name": world.namespace}})
    await world.secret()
    several = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, host: str) -> None:
        base = f"{'https' if kind == 'nameless' else 'http'}://{host}"  # plain HTTP is for loopback addresses only
        reltio = {"exportServiceURL": f"{base}/jobs", "authURL": f"{base}/oauth/token", "tenant": f"dead{number}"}
        is_verified = number % 2 == 0 or kind == "region"
        spec: dict[str, Any] = {"reltio": {**reltio, "credentialsSecretRef": {"name": "reltio-api"}}}
        if kind == "region":
            async with several:
                await world.target(f"dead-{number}", region=DEAD_REGION)
            return
        if not is_verified:
            spec["verification"] = {"mode": "Disabled"}
        async with several:
            await world.target(f"dead-{number}", spec=spec)
            if not is_verified:
                await world.job(f"dead-{number}", target=f"dead-{number}")

    await asyncio.gather(*(one(number, host) for number, host in enumerate(hosts)))


async def measure(version: str, hosts: str, count: int, prelude: str) -> list[Row]:
    connections: set[asyncio.StreamWriter] = set()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)

    listener = await asyncio.start_server(accept, "0.0.0.0", 0, backlog=1024)  # noqa: S104 - any address of loopback
    port: int = listener.sockets[0].getsockname()[1]
    if hosts == "refused":
        listener.close()
        await listener.wait_closed()
    addresses = hosts_of(hosts, count, port)
    with tempfile.TemporaryDirectory() as directory:
        chosen = replace(options(Path(directory)), settings={}, prelude=prelude)
        sandbox = Sandbox(chosen)
        own = Sandbox.host_settings

        def with_dead_hosts(sandbox: Sandbox) -> dict[str, str]:
            values = own.fget(sandbox)  # type: ignore[attr-defined]
            more = ",".join(addresses)
            return {
                "RELTIO_EXPORT_RELTIO_HOSTS": f"{values['RELTIO_EXPORT_RELTIO_HOSTS']},{more}",
                "RELTIO_EXPORT_INSECURE_HOSTS": f"{values['RELTIO_EXPORT_INSECURE_HOSTS']},{more}",
                "RELTIO_EXPORT_PRIVATE_NETWORKS": "127.0.0.0/8",
            }

        Sandbox.host_settings = property(with_dead_hosts)  # type: ignore[method-assign, assignment]
        try:
            async with Gateway() as aws:
                aws.on("", silence(), signed_for=f"/{DEAD_REGION}/")
                chosen.settings = {"AWS_ENDPOINT_URL": aws.url} if hosts == "region" else {}
                async with entered(sandbox) as world:
                    aws.forward_to(world.sandbox.cloud.url)
                    rows = await rows_of(world, version, hosts, addresses)
        finally:
            Sandbox.host_settings = own  # type: ignore[method-assign]
    for writer in connections:
        writer.close()
    listener.close()
    return rows


async def rows_of(world: World, version: str, kind: str, hosts: list[str]) -> list[Row]:
    for tenant in world.sandbox.reltio.tenants.values():
        tenant.entities, tenant.max_tasks = 50, 1000
    await world.secret()
    await world.target("ready", spec={"maxConcurrentJobs": 100})
    await world.ready("ready", within=120)
    rows = [Row(version, kind, "alone", *await healthy(world, "alone"))]
    await dead(world, hosts, kind)
    rows.append(Row(version, kind, f"among {len(hosts)} new ones", *await healthy(world, "new")))
    await asyncio.sleep(LATER_SECONDS)
    rows.append(Row(version, kind, f"{LATER_SECONDS:.0f} s later", *await healthy(world, "later")))
    return rows


def shown(value: float | None) -> str:
    return f"{value:.1f} s" if value is not None else f"> {BOUND_SECONDS:.0f} s"


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dead", type=int, default=200)
    parser.add_argument("--versions", nargs="+", default=["now", "before"], choices=["now", "before"])
    parser.add_argument("--hosts", nargs="+", default=list(KINDS), choices=KINDS)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(
        "| operator | hosts of the dead targets | healthy ones | target Ready | job submitted |\n|---|---|---|---|---|"
    )
    for version in arguments.versions:
        for hosts in arguments.hosts:
            for row in await measure(version, hosts, arguments.dead, BEFORE if version == "before" else ""):
                cells = (row.version, row.hosts, row.moment, shown(row.target), shown(row.job))
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
