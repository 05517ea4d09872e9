"""The processes that are measured: the operator, and the baseline."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import paths
from .cluster import Cluster

PROBE = (paths.HERE / "probe.py").read_text()
# As in the image (Dockerfile).
IMAGE_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}


@dataclass
class Snapshot:
    """What a process has done since the last reset. CPU in seconds since its start, delays in seconds."""

    counts: Counter[str]
    most: int
    cpu: float
    delays: list[float] = field(default_factory=list)

    def of(self, *kinds: str) -> int:
        return sum(self.counts[kind] for kind in kinds)

    def starting(self, prefix: str) -> int:
        return sum(count for kind, count in self.counts.items() if kind.startswith(prefix))

    def writes(self, plural: str) -> int:
        return self.of(*(f"kube {verb} {plural}" for verb in ("POST", "PUT", "PATCH", "DELETE")))


@dataclass
class Process:
    """A process with a probe."""

    pid: int
    probe: Path
    began: float
    log: Path
    port: int = 0

    async def ask(self, question: str) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(str(self.probe), limit=2**24)
        writer.write(question.encode() + b"\n")
        await writer.drain()
        answer: dict[str, Any] = json.loads(await reader.readline())
        writer.close()
        return answer

    async def snapshot(self, question: str = "show") -> Snapshot:
        answer = await self.ask(question)
        return Snapshot(Counter(answer["counts"]), answer["most"], answer["cpu"], answer["delays"])

    def memory(self, what: str = "VmRSS") -> float:
        """MiB; VmHWM is the peak."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(what):
                return int(line.split()[1]) / 1024
        raise ValueError(what)

    async def until_ready(self) -> None:
        """Until /readyz answers 200: the jobs were listed, and both kinds are watched."""
        url = f"http://127.0.0.1:{self.port}/readyz"

        def ready() -> bool:
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
            return False

        while not await asyncio.to_thread(ready):  # noqa: ASYNC110 - another process is watched
            await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def operator(cluster: Cluster, **settings: str) -> AsyncIterator[Process]:
    """The operator with its default settings, but for those given."""
    probe, port = cluster.directory / f"probe-{time.monotonic_ns()}", free_port()
    chosen = {
        "RELTIO_EXPORT_POLL_INTERVAL_SECONDS": "15",
        "RELTIO_EXPORT_PROGRESS_INTERVAL_SECONDS": "30",
        "RELTIO_EXPORT_TARGET_RETRY_INTERVAL_SECONDS": "30",
        "RELTIO_EXPORT_METRICS_PORT": str(port),
        "BENCH_PROBE": str(probe),
        **IMAGE_ENVIRONMENT,
        **settings,
    }
    began = time.time()
    answer = await cluster.services.ask("start_operator", settings=chosen, prelude=PROBE)
    process = Process(answer["pid"], probe, began, Path(answer["log"]), port)
    try:
        while not probe.exists():  # noqa: ASYNC110 - another process is watched
            await asyncio.sleep(0.05)
        yield process
    finally:
        await cluster.services.ask("stop_operator")


@contextlib.asynccontextmanager
async def baseline(cluster: Cluster, namespace: str) -> AsyncIterator[Process]:
    probe = cluster.directory / f"probe-{time.monotonic_ns()}"
    log = cluster.directory / "baseline.log"
    environment = {
        **os.environ,
        "KUBECONFIG": cluster.services.info["kubeconfig"],
        "BENCH_PROBE": str(probe),
        "BENCH_HOOKS": "aiohttp urllib3 loop",
    }
    code = f"exec({PROBE!r}, globals())\nfrom kopf.cli import main\nmain()"
    began = time.time()
    with log.open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            "run",
            "--quiet",
            "--namespace",
            namespace,
            str(paths.BASELINE),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cluster.directory,
        )
    try:
        while not probe.exists():
            if started.returncode is not None:
                raise RuntimeError(log.read_text()[-2000:])
            await asyncio.sleep(0.05)
        yield Process(started.pid, probe, began, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.terminate()
        try:
            await asyncio.wait_for(started.wait(), 20)
        except TimeoutError:
            started.kill()
            await started.wait()
