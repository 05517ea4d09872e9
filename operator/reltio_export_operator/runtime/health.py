"""Health and metrics over HTTP, for the kubelet and for Prometheus."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .metrics import Metrics
from .settings import ConfigurationError


@dataclass
class Health:
    """Whether this process is ready: it stands by, or watches. That it answers at all shows that its loop turns."""

    metrics: Metrics = field(default_factory=Metrics)
    ready: bool = False

    @asynccontextmanager
    async def served(self, port: int) -> AsyncIterator[None]:
        """Answer /healthz, /readyz and /metrics on this port of all interfaces; not at all when it is 0.

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
        try:
            try:
                await web.TCPSite(runner, port=port).start()
            except OSError as error:
                raise ConfigurationError(
                    f"Cannot listen on port {port} for health and metrics: {os.strerror(error.errno or 0)}. "
                    "Free the port, or set metricsPort (RELTIO_EXPORT_METRICS_PORT) to another one, or to 0 for none."
                ) from None
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
