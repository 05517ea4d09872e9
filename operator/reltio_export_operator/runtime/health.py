"""Health and metrics over HTTP, for the kubelet and for Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .metrics import Metrics


@dataclass
class Health:
    """Whether this process is ready: it stands by, or watches. That it answers at all shows that its loop turns."""

    metrics: Metrics = field(default_factory=Metrics)
    ready: bool = False

    @asynccontextmanager
    async def served(self, port: int) -> AsyncIterator[None]:
        """Answer /healthz, /readyz and /metrics on this port of all interfaces; not at all when it is 0."""
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
        try:
            await web.TCPSite(runner, port=port).start()
            yield
        finally:
            await runner.cleanup()

    async def _alive(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="ok") if self.ready else web.Response(status=503, text="not watching yet")

    async def _metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
