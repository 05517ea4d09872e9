"""Runs in the process of an operator before it starts: counts its requests, and answers questions on a socket.

The source of this module is given to the process as text, so it imports nothing of this package. A question is a word
on a line, and the answer is a line of JSON. Requests are counted where they leave: aiohttp and httpx, and urllib3 under
boto3, requests and the synchronous client of Kubernetes.
"""

import asyncio
import asyncio.base_events
import gc
import json
import os
import re
import socket
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

SAMPLE_SECONDS = 0.01

counts: Counter = Counter()
flying = {"now": 0, "most": 0}
delays: list = []
state: dict = {"loop": None, "task": None}
KUBE = re.compile(
    r"^/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/(?P<plural>[a-z]+)(?P<name>/[^/]+)?(?:/status)?$"
)


def kind_of(method: str, url: str) -> str:
    """What a request is, such as `kube GET exportjobs`, `kube LIST exportjobs`, `reltio` or `aws`."""
    parts = urlsplit(url)
    if parts.path.startswith(("/jobs", "/oauth")):
        return "reltio"
    found = KUBE.match(parts.path)
    if found is None:
        return "discovery" if parts.path.startswith(("/api", "/apis", "/version")) else "aws"
    if "watch=" in parts.query:
        return "kube WATCH"
    verb = "LIST" if method == "GET" and not found["name"] else method
    return f"kube {verb} {found['plural']}"


def began(method: str, url: str) -> str:
    kind = kind_of(method, url)
    counts[kind] += 1
    if kind.startswith("kube") and kind != "kube WATCH":
        flying["now"] += 1
        flying["most"] = max(flying["most"], flying["now"])
    return kind


def ended(kind: str) -> None:
    if kind.startswith("kube") and kind != "kube WATCH":
        flying["now"] -= 1


def watch_aiohttp() -> None:
    import aiohttp

    inner = aiohttp.ClientSession._request

    async def request(self, method, url, **options):
        query = options.get("params") or {}
        text = str(url) + ("?watch=" if "watch" in query else "")
        kind = began(method.upper(), text)
        try:
            return await inner(self, method, url, **options)
        finally:
            ended(kind)

    aiohttp.ClientSession._request = request


def watch_httpx() -> None:
    from reltio_export_operator.runtime.imports import leave_out_unused

    leave_out_unused()  # as the operator does before it imports httpx
    import httpx

    inner = httpx.AsyncClient.send

    async def send(self, request, **options):
        kind = began(request.method, str(request.url))
        try:
            return await inner(self, request, **options)
        finally:
            ended(kind)

    httpx.AsyncClient.send = send


def watch_urllib3() -> None:
    from urllib3.connectionpool import HTTPConnectionPool

    inner = HTTPConnectionPool.urlopen

    def urlopen(self, method, url, *arguments, **options):
        kind = began(method, url)
        try:
            return inner(self, method, url, *arguments, **options)
        finally:
            ended(kind)

    HTTPConnectionPool.urlopen = urlopen


def watch_queue() -> None:
    """Count operations of the work queues: keys added, now or later, and reconciles."""
    from reltio_export_operator.kube.workqueue import WorkQueue

    def counted(name: str, what: str) -> None:
        inner = getattr(WorkQueue, name)

        def call(self, *arguments, **options):
            counts[f"queue {what}"] += 1
            return inner(self, *arguments, **options)

        setattr(WorkQueue, name, call)

    counted("add", "add")
    counted("add_after", "add later")
    counted("_reconcile", "reconcile")


def watch_loop() -> None:
    """Remember the event loop of the operator, and let garbage collections be counted."""
    inner = asyncio.base_events.BaseEventLoop.run_forever

    def run_forever(self):
        state["loop"] = self
        inner(self)

    asyncio.base_events.BaseEventLoop.run_forever = run_forever


async def sample() -> None:
    """Note how late a timer is, or the CPU time of the process meanwhile if that is less: then another one had it."""
    while True:
        used, due = time.process_time(), time.monotonic() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        delays.append(min(time.monotonic() - due, time.process_time() - used))


def in_loop(act) -> None:
    done = threading.Event()

    def run() -> None:
        act()
        done.set()

    if state["loop"] is not None:
        state["loop"].call_soon_threadsafe(run)
        done.wait(5)


def start_sampling() -> None:
    delays.clear()
    if state["task"] is None:
        state["task"] = state["loop"].create_task(sample())


def stop_sampling() -> None:
    if state["task"] is not None:
        state["task"].cancel()
        state["task"] = None


def answer(question: str) -> dict:
    if question == "reset":
        counts.clear()
        flying["most"] = flying["now"]
    elif question == "sample":
        in_loop(start_sampling)
    elif question == "stop":
        in_loop(stop_sampling)
    elif question == "blocks":
        in_loop(gc.collect)
        return {"blocks": sys.getallocatedblocks()}
    return {
        "counts": dict(counts),
        "most": flying["most"],
        "cpu": time.process_time(),
        "delays": sorted(delays) if question in ("stop", "delays") else [],
    }


def serve(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as lines:
                question = lines.readline().strip()
                lines.write(json.dumps(answer(question)) + "\n")


if path := os.environ.pop("BENCH_PROBE", ""):
    modules = os.environ.pop("BENCH_HOOKS", "aiohttp httpx urllib3 queue loop").split()
    for module in modules:
        globals()[f"watch_{module}"]()
    threading.Thread(target=serve, args=(path,), daemon=True).start()
