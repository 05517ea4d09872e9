"""Health and metrics over HTTP, for the kubelet and for Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .bounds import LOOP_SAMPLE_SECONDS
from .metrics import Metrics
from .settings import ConfigurationError

Problem = Callable[[], str | None]  # what is wrong, or None

_BEAT_SECONDS = 1.0
_LATE_SECONDS = 10.0  # a beat that is later than this shows a loop that is blocked or starved
_BEATS = 30  # that are remembered, so that a probe between two stalls sees the first one


class Heartbeat:
    """Notices an event loop that is blocked, or has more to do than it can."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._delays: deque[float] = deque(maxlen=_BEATS)

    def problem(self) -> str | None:
        delay = max((self._clock() - self._last - _BEAT_SECONDS, *self._delays))
        return f"The event loop was blocked for {delay:.0f} s." if delay > _LATE_SECONDS else None

    def beat(self) -> None:
        now = self._clock()
        self._delays.append(now - self._last - _BEAT_SECONDS)
        self._last = now

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            self.beat()


async def measure_loop(report: Callable[[float], None]) -> None:
    """Report the delay of each sample in seconds, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOP_SAMPLE_SECONDS
        await asyncio.sleep(LOOP_SAMPLE_SECONDS)
        report(max(0.0, loop.time() - due))


class Health:
    """Answers /healthz, /readyz and /metrics.

    `unready` and `stuck` are set by what knows; each returns what is wrong, as a sentence.
    """

    def __init__(self, metrics: Metrics | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.metrics = metrics or Metrics()
        self.unready: Problem = lambda: "The operator is starting."
        self.stuck: Problem = lambda: None
        self.heartbeat = Heartbeat(clock)

    @asynccontextmanager
    async def served(self, port: int) -> AsyncIterator[None]:
        """Answer on this port of all interfaces, IPv4 and IPv6; not at all when it is 0.

        Raises ConfigurationError when the port cannot be had.
        """
        if port == 0:
            yield
            return
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._alive),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._metrics),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        beating = asyncio.create_task(self.heartbeat.run())
        measuring = asyncio.create_task(measure_loop(self.metrics.loop_delayed))
        try:
            try:
                listening = listening_socket(port)
            except OSError as error:
                raise ConfigurationError(
                    f"Cannot listen on port {port} for health and metrics: {os.strerror(error.errno or 0)}. "
                    "Free the port, or set metricsPort (RELTIO_EXPORT_METRICS_PORT) to another one, or to 0 for none."
                ) from None
            await web.SockSite(runner, listening).start()
            yield
        finally:
            beating.cancel()
            measuring.cancel()
            await runner.cleanup()

    async def _alive(self, _: web.Request) -> web.Response:
        return _answer(self.heartbeat.problem() or self.stuck())

    async def _ready(self, _: web.Request) -> web.Response:
        return _answer(self.unready())

    async def _metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answer(problem: str | None) -> web.Response:
    return web.Response(text="ok\n") if problem is None else web.Response(status=503, text=problem + "\n")


def listening_socket(port: int) -> socket.socket:
    """A socket for all addresses of the host: IPv6 and IPv4, or IPv4 alone where there is no IPv6. Raises OSError."""
    with contextlib.suppress(_NoIPv6Error):
        return _bound(socket.AF_INET6, "::", port)
    return _bound(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 - the kubelet and Prometheus ask from outside


class _NoIPv6Error(Exception):
    """The host has no IPv6, or it is switched off."""


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    try:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            made.bind((address, port))
        except BaseException:
            made.close()
            raise
    except OSError as error:
        if family == socket.AF_INET6 and error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise _NoIPv6Error from error
        raise
    return made
