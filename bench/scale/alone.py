"""What the others can do alone: the API server, the simulator, and `zcat | wc -l`; and how fast files are read."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import random
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from . import paths  # noqa: F401 - first: it makes the packages of the project importable
from .cluster import BASE, CLIENT, NAMESPACE, TENANTS, Cluster
from .figures import Value, percentile
from .live import prepare

from reltio_export_operator.delivery.integrity import check_file  # isort: skip

Found = dict[str, Value]
CALLS, PAGES, SUBMITS = 1000, 50, 200
MIB = 48  # of each file, unpacked
SAMPLE_SECONDS = 0.01


async def api_server(cluster: Cluster) -> Found:
    """Writes and reads of one object each, 32 at once."""
    await prepare(cluster, NAMESPACE)
    names = [f"alone-{number:02d}" for number in range(32)]
    for name in names:
        await cluster.create("ExportJob", name, {"targetRef": {"name": "target-00"}, "export": {"type": "Entities"}})

    async def patch(number: int) -> None:
        path = f"{BASE}/{NAMESPACE}/exportjobs/{names[number % 32]}/status"
        await cluster.call("PATCH", path, {"status": {"message": f"Write {number}."}}, "application/merge-patch+json")

    async def get(number: int) -> None:
        await cluster.get("ExportJob", names[number % 32])

    return {"patches": await _rate(patch, CALLS, 32), "gets": await _rate(get, CALLS, 32)}


async def simulator(cluster: Cluster) -> Found:
    place = cluster.services.info["place"]
    async with aiohttp.ClientSession() as session:
        granted = await session.post(
            place["auth_url"], data={"grant_type": "client_credentials"}, auth=aiohttp.BasicAuth(*_client())
        )
        headers = {"Authorization": f"Bearer {(await granted.json())['access_token']}"}
        await cluster.services.ask("configure", time_scale=0.0)

        async def submit(number: int) -> None:
            query = {"name": f"alone-{number}", "s3Bucket": place["bucket"], "s3Path": f"alone/{number}"}
            query |= {"s3Region": place["region"], "roleArn": place["role_arn"]}
            url = f"{place['export_service_url']}/export/{TENANTS[0]}/entities"
            async with session.post(url, params=query, headers=headers, json={}) as answer:
                if answer.status != 200:
                    raise RuntimeError(await answer.text())

        async def page(_: int) -> None:
            url = f"{place['export_service_url']}/{TENANTS[0]}/tasks?max=100"
            async with session.get(url, headers=headers) as answer:
                await answer.read()

        return {"submits": await _rate(submit, SUBMITS, 4), "lists": await _rate(page, PAGES, 4)}


def _client() -> tuple[str, str]:
    return CLIENT.id, CLIENT.secret


async def _rate(call: Callable[[int], Awaitable[None]], count: int, at_once: int) -> float:
    waiting = iter(range(count))

    async def work() -> None:
        for number in waiting:
            await call(number)

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return count / (time.monotonic() - began)


async def delivery(directory: Path) -> tuple[Found, Found]:
    """Read files as the operator does, in a thread, and as `zcat | wc -l` does. MB of text per second of CPU."""
    ours: Found = {}
    theirs: Found = {}
    delays: list[float] = []
    for kind, line in (("json", _json_line), ("csv", _csv_line)):
        text = _lines(line)
        packed = gzip.compress(text, 6)
        name, size = f"part.{kind}.gz", len(text) / 1e6
        sampling = asyncio.create_task(_sample(delays))
        ours[kind] = size / await asyncio.to_thread(_cpu_of, name, packed)
        sampling.cancel()
        path = directory / name
        path.write_bytes(packed)
        theirs[kind] = size / await _zcat(path)
    ours["read delay"] = percentile(sorted(delays), 0.99) * 1000
    return ours, theirs


def _cpu_of(name: str, packed: bytes) -> float:
    before = time.thread_time()
    summary = check_file(name, io.BytesIO(packed))
    if summary.problem or not summary.records:
        raise RuntimeError(f"{name}: {summary}")
    return time.thread_time() - before


async def _zcat(path: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = await asyncio.create_subprocess_shell(f"zcat {path} | wc -l", stdout=asyncio.subprocess.DEVNULL)
    await process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _sample(delays: list[float]) -> None:
    """As in the probe."""
    while True:
        used, due = time.process_time(), time.monotonic() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        late = min(time.monotonic() - due, time.process_time() - used)
        delays.append(late)


def _lines(line: Callable[[random.Random, int], str]) -> bytes:
    chosen, taken, lines = random.Random(1), 0, []
    while taken < MIB << 20:
        lines.append(line(chosen, len(lines)))
        taken += len(lines[-1])
    return "".join(lines).encode()


def _json_line(chosen: random.Random, number: int) -> str:
    names = [{"value": f"Name {chosen.getrandbits(40):x}", "ov": True, "uri": f"entities/{number}"} for _ in range(4)]
    record = {"uri": f"entities/{number:07d}", "type": "configuration/entityTypes/HCP", "attributes": {"Name": names}}
    return json.dumps(record | {"createdTime": 1_600_000_000_000 + chosen.getrandbits(30)}) + "\n"


def _csv_line(chosen: random.Random, number: int) -> str:
    return f'entities/{number:07d},"Name, {chosen.getrandbits(60):x}",{chosen.getrandbits(30)},HCP,active,{number}\n'
