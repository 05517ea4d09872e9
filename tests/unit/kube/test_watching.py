"""The session that kopf watches with: what is measured at it, and what is waited out below kopf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio import client

from reltio_export_operator.kube.watching import WatchMonitor, watch_session

BASE = "/apis/export.reltio.com/v1alpha1"
PLURALS = ("exportjobs", "exporttargets")


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Answers:
    """An API server that gives the next of these answers to each request."""

    def __init__(self) -> None:
        self.answers: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = []
        self.tokens: list[str | None] = []

    def status(self, *codes: int) -> None:
        for code in codes:

            async def answer(_: web.Request, code: int = code) -> web.StreamResponse:
                return web.json_response({"kind": "Status", "message": f"answer {code}"}, status=code)

            self.answers.append(answer)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization"))
        return await self.answers.pop(0)(request)


class World:
    def __init__(self, answers: Answers, session: aiohttp.ClientSession, monitor: WatchMonitor, url: str) -> None:
        self.answers = answers
        self.session = session
        self.monitor = monitor
        self.url = url
        self.slept: list[float] = []
        self.configuration = client.Configuration()

    async def get(self, path: str) -> int:
        async with self.session.get(self.url + path) as response:
            await response.read()
            return response.status


@asynccontextmanager
async def opened(time: Time) -> AsyncIterator[World]:
    answers, monitor = Answers(), WatchMonitor(PLURALS, time)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    try:
        async with (
            client.ApiClient(client.Configuration(host=url)) as api,
            watch_session(api, monitor, sleep) as session,
        ):
            monitor.begin()
            world = World(answers, session, monitor, url)
            world.slept = slept
            world.configuration = api.configuration
            yield world
    finally:
        await runner.cleanup()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def world(time: Time) -> AsyncIterator[World]:
    async with opened(time) as made:
        yield made


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503])
async def test_a_refused_list_is_asked_for_again_below_kopf(world: World, code: int) -> None:
    world.answers.status(code, code, 200)
    assert await world.get(f"{BASE}/namespaces/sales/exportjobs") == 200
    assert world.slept == [1.0, 2.0]


async def test_a_version_that_is_too_old_is_left_to_kopf_which_lists_again(world: World) -> None:
    world.answers.status(410)
    assert await world.get(f"{BASE}/exportjobs?watch=true") == 410
    assert world.slept == []


async def test_what_is_not_a_list_of_ours_is_answered_as_it_is_except_for_401(world: World) -> None:
    world.answers.status(404, 401, 200)
    assert await world.get("/apis/apps/v1") == 404
    assert await world.get("/apis") == 200
    assert world.slept == [1.0]


async def test_pauses_between_tries_grow_up_to_a_bound(world: World) -> None:
    world.answers.status(*[403] * 8, 200)
    assert await world.get(f"{BASE}/exportjobs") == 200
    assert world.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


async def test_each_request_carries_the_token_of_its_time(world: World) -> None:
    for token in ("one", "two"):
        world.configuration.api_key["BearerToken"] = f"Bearer {token}"
        world.answers.status(200)
        await world.get("/apis")
    assert world.answers.tokens == ["Bearer one", "Bearer two"]


async def test_only_a_missing_kind_asks_to_check_the_crds(world: World) -> None:
    world.answers.status(403, 200)
    await world.get(f"{BASE}/exportjobs")
    assert not world.monitor.not_found.is_set()
    world.answers.status(404, 200)
    await world.get(f"{BASE}/exportjobs")
    assert world.monitor.not_found.is_set()


class OpenWatch:
    """A watch that is read as kopf reads it."""

    def __init__(self) -> None:
        self._sent: asyncio.Queue[bytes] = asyncio.Queue()
        self._read = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while chunk := await self._sent.get():
            await response.write(chunk)
        return response

    def follow(self, response: aiohttp.ClientResponse) -> None:
        async def read() -> None:
            async for _ in response.content.iter_chunked(1024):
                self._read.set()

        self._reading = asyncio.create_task(read())

    async def send(self, chunk: bytes) -> None:
        """Send, and wait until it was read."""
        self._read.clear()
        self._sent.put_nowait(chunk)
        await self._read.wait()

    async def end(self) -> None:
        self._sent.put_nowait(b"")
        assert self._reading is not None
        await self._reading


async def watch(world: World, path: str) -> OpenWatch:
    opened = OpenWatch()
    world.answers.answers.append(opened.stream)
    opened.follow(await world.session.get(world.url + path, params={"watch": "true"}))
    return opened


async def test_a_kind_counts_as_watched_once_its_list_is_read_and_while_its_stream_delivers(
    world: World, time: Time
) -> None:
    monitor = world.monitor
    assert monitor.unready() == "The watch of exportjobs has not begun."
    streams = []
    for plural in PLURALS:
        world.answers.status(200)
        await world.get(f"{BASE}/{plural}")
        assert monitor.unready() is not None
        streams.append(await watch(world, f"{BASE}/{plural}"))
    assert monitor.unready() is None
    time.now += 80
    await streams[0].send(b'{"type": "BOOKMARK"}\n')  # kopf would not show it
    time.now += 80
    assert monitor.unready() == "exporttargets are not watched: nothing was received for 160 s."
    await streams[1].send(b"\n")
    assert monitor.unready() is None
    for stream in streams:
        await stream.end()


async def test_one_namespace_that_refuses_does_not_make_it_unready(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for plural in PLURALS:
        await (await watch(world, f"{BASE}/namespaces/sales/{plural}")).end()
        world.monitor.asked((plural, "care"))
        for _ in range(3):
            world.monitor.failed((plural, "care"), "HTTP 403 Forbidden", 403)
    assert world.monitor.unready() is None
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("exportjobs in namespace care cannot be watched: HTTP 403 Forbidden. Retrying.") == 1


async def test_a_short_failure_is_not_logged_and_a_long_one_once(
    world: World, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monitor, key = world.monitor, ("exportjobs", None)
    for seconds in (2, 20):
        monitor.asked(key)
        for _ in range(seconds):
            monitor.failed(key, "HTTP 503 Service Unavailable", 503)
            time.now += 1
        monitor.answered(key, watch=True)
    assert [record.getMessage() for record in caplog.records] == [
        "exportjobs in all namespaces cannot be watched: HTTP 503 Service Unavailable. Retrying.",
        "exportjobs in all namespaces can be watched again.",
    ]


async def test_a_kind_that_no_namespace_serves_makes_it_unready_and_says_why(world: World) -> None:
    for plural in PLURALS:
        for namespace in ("sales", "care"):
            world.monitor.asked((plural, namespace))
            world.monitor.failed((plural, namespace), "HTTP 403 Forbidden: exportjobs is forbidden", 403)
    assert world.monitor.unready() == "exportjobs are not watched: HTTP 403 Forbidden: exportjobs is forbidden."


async def test_a_server_that_is_unavailable_makes_it_unready_but_not_stuck(world: World, time: Time) -> None:
    for plural in PLURALS:
        await (await watch(world, f"{BASE}/{plural}")).end()
    for _ in range(100):
        time.now += 30
        for plural in PLURALS:
            world.monitor.asked((plural, None))
            world.monitor.failed((plural, None), "connection refused")
    assert world.monitor.stuck() is None
    assert "connection refused" in (world.monitor.unready() or "")


async def test_a_stream_that_neither_delivers_nor_ends_is_stuck(world: World, time: Time) -> None:
    for plural in PLURALS:
        await (await watch(world, f"{BASE}/{plural}")).end()
    assert world.monitor.stuck() is None
    time.now += 401
    assert world.monitor.stuck() == "The watch of exportjobs in all namespaces has hung for 401 s."


async def test_a_watch_that_never_begins_is_stuck_but_none_that_is_not_wanted(world: World, time: Time) -> None:
    time.now += 401
    assert world.monitor.stuck() == "The watch of exportjobs has hung for 401 s."
    world.monitor.end("The watch ended: HTTP 410.")
    assert world.monitor.stuck() is None
    assert world.monitor.unready() == "The watch ended: HTTP 410."
