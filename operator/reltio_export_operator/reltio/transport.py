"""An httpx client that follows the process's network policy."""

from __future__ import annotations

import importlib

import httpx

from ..runtime.network import Network
from .answers import answer_within_limits
from .connecting import CheckedBackend
from .errors import PROXY
from .hosts import ReltioHosts


def http_client(
    network: Network, limits: httpx.Limits | None = None, *, hosts: ReltioHosts | None = None
) -> httpx.AsyncClient:
    """A client that takes nothing from the environment by itself. `limits` hold for each proxy, and without one.

    It sends requests to the allowed hosts only, whatever sends them, and follows no redirects. HostNotAllowed passes
    through httpx as it is.
    """
    transport = _RoutedTransport(network, limits or httpx.Limits(), hosts or ReltioHosts())
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False)


def preload() -> None:
    """Load what httpx loads at its first request."""
    for name in ("anyio._backends._asyncio", "anyio.streams.tls", "anyio.to_thread"):
        importlib.import_module(name)


class _RoutedTransport(httpx.AsyncBaseTransport):
    """Sends each request through the proxy of its URL, or straight."""

    def __init__(self, network: Network, limits: httpx.Limits, hosts: ReltioHosts) -> None:
        self._network = network
        self._hosts = hosts
        self._limits = limits
        self._transports: dict[str | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._hosts.check_request(request.url)
        proxy = self._network.proxies.proxy_for(str(request.url))
        if proxy is not None:
            request.extensions[PROXY] = str(proxy)
        url = proxy.url if proxy else None
        if url not in self._transports:
            self._transports[url] = self._transport(url)
        return await answer_within_limits(self._transports[url].handle_async_request, request)

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    def _transport(self, proxy: str | None) -> httpx.AsyncHTTPTransport:
        context = self._network.trust.outside
        made = httpx.AsyncHTTPTransport(
            verify=context,
            limits=self._limits,
            proxy=httpx.Proxy(proxy, ssl_context=context if proxy.startswith("https:") else None) if proxy else None,
            trust_env=False,
        )
        if proxy is None:  # a proxy resolves the name itself, and its own address is the administrator's choice
            made._pool._network_backend = CheckedBackend(self._hosts)  # no option sets it
        return made
