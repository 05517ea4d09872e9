"""The simulator as an HTTP server on loopback, in real time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

from .admin import add_admin_routes
from .config import Client, SimulatorConfig, Tenant
from .data import selected
from .destinations import S3Sink
from .messages import Answer, Call, Disruption
from .service import ReltioService
from .submit import Order

_TICK = 0.05  # real seconds
_WRITERS = 4


class ReltioSimulator(ReltioService):
    """The service behind a socket, with an admin API under ``/_sim/``."""

    def __init__(
        self,
        config: SimulatorConfig,
        *,
        aws_endpoint: str,
        aws_key: tuple[str, str],
        tenants: Sequence[Tenant],
        clients: Sequence[Client],
        port: int = 0,
    ) -> None:
        self._threads = ThreadPoolExecutor(_WRITERS, thread_name_prefix="reltio-writer")
        sink = S3Sink(config, aws_endpoint, *aws_key)
        super().__init__(config, tenants=tenants, clients=clients, sink=sink, executor=self._threads, now=time.time())
        self._port = port
        self._runner: web.AppRunner | None = None
        self._clock: asyncio.Task[None] | None = None
        self.url = ""

    @property
    def auth_url(self) -> str:
        return f"{self.url}/oauth/token"

    @property
    def export_service_url(self) -> str:
        return f"{self.url}/jobs"

    async def start(self) -> None:
        # The service refuses large bodies itself; the server only must not do so earlier.
        app = web.Application(client_max_size=64 * 2**20)
        add_admin_routes(app, self)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._clock = asyncio.create_task(self._run_clock())

    async def stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clock
        if self._runner is not None:
            await self._runner.cleanup()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def expected(self, order: Order) -> list[dict[str, Any]]:
        """The records that the order's export must deliver."""
        return selected(self.tenants[order.tenant], order.export_type, order.parameters)

    async def _run_clock(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            self.engine.advance((now - before) * self.config.time_scale)
            before = now

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = Call(
            request.method,
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        outcome = self.exchange(call)
        if isinstance(outcome, Disruption):
            return await _disrupted(request, outcome)
        return _response(outcome)


async def _disrupted(request: web.Request, disruption: Disruption) -> web.StreamResponse:
    """End the connection. A listening socket cannot refuse one request: to refuse is to close, here."""
    await asyncio.sleep(disruption.seconds)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.content, content_type=answer.content_type, headers=dict(answer.headers)
    )
