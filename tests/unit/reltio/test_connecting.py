"""The client connects only to addresses that were checked, and sends nothing to another host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from reltio_export_operator.reltio.auth import TokenSource
from reltio_export_operator.reltio.errors import HostNotAllowed, ReltioError, Unreachable
from reltio_export_operator.reltio.hosts import ReltioHosts
from reltio_export_operator.reltio.transport import http_client
from reltio_export_operator.runtime.network import Network
from reltio_export_operator.runtime.proxies import ProxyPolicy

LOOPBACK = ["127.0.0.0/8"]


class Listener:
    """A service on loopback that counts what it gets, and answers with `status` and `headers`."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.answer = b"HTTP/1.1 500 No\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nroot:x"
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names resolve to these addresses, one list for each time. Returns the names that were asked for."""
    asked: list[str] = []
    left = list(answers)

    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


def hosts(listener: Listener, networks: list[str]) -> ReltioHosts:
    host = f"auth.reltio.com:{listener.port}"
    return ReltioHosts([host], [host], networks)


async def ask(allowed: ReltioHosts, url: str) -> ReltioError:
    """How a request for a token fails. It carries the credentials of a client."""
    async with http_client(Network(), hosts=allowed) as http:
        with pytest.raises(ReltioError) as failed:
            await TokenSource(url, "client", "s3cret", http=http).token()
    return failed.value


async def test_a_name_with_a_private_address_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["127.0.0.1"])
    async with listening() as listener:
        url = f"http://auth.reltio.com:{listener.port}/oauth/token"
        error = await ask(hosts(listener, []), url)
        assert isinstance(error, HostNotAllowed)
        assert (error.transient, error.ambiguous, listener.connections) == (False, False, 0)
        assert "127.0.0.1" not in str(error), "the message does not show how names resolve inside"
        await ask(hosts(listener, LOOPBACK), url)
        assert listener.connections == 1, "the control"


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that has a public address first and a private one afterwards gains nothing: it is resolved once."""
    asked = resolve(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
    async with listening() as listener:
        error = await ask(hosts(listener, ["127.0.0.2/32"]), f"http://auth.reltio.com:{listener.port}/token")
        assert isinstance(error, Unreachable)
        assert (asked, listener.connections) == (["auth.reltio.com"], 0)


async def test_of_several_addresses_only_the_permitted_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["10.0.0.1", "127.0.0.2", "127.0.0.1"])
    async with listening() as listener:
        await ask(hosts(listener, LOOPBACK), f"http://auth.reltio.com:{listener.port}/token")
        assert listener.connections == 1, "127.0.0.2 refuses, and the next one answers"


@pytest.mark.parametrize("target", ["attacker.example", "127.0.0.1", "auth.reltio.com.attacker.example"])
async def test_the_client_sends_nothing_to_a_host_that_is_not_allowed(
    monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Whatever code makes the request: the transport has the last word."""
    resolve(monkeypatch, ["127.0.0.1"])
    async with listening() as listener, http_client(Network(), hosts=hosts(listener, LOOPBACK)) as http:
        with pytest.raises(HostNotAllowed):
            await http.post(f"http://{target}:{listener.port}/", auth=("client", "s3cret"))
        assert listener.connections == 0
        with pytest.raises(HostNotAllowed):
            await http.get(f"http://{target}:{listener.port}/", headers={"host": "auth.reltio.com"})
        assert listener.connections == 0
        await http.get(f"http://auth.reltio.com:{listener.port}/")
        assert listener.connections == 1, "the control"


async def test_redirects_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["127.0.0.1"])
    async with listening() as listener, listening() as elsewhere:
        location = f"http://auth.reltio.com:{elsewhere.port}/taken".encode()
        listener.answer = b"HTTP/1.1 307 Moved\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n"
        both = [f"auth.reltio.com:{one.port}" for one in (listener, elsewhere)]
        allowed = ReltioHosts(both, both, LOOPBACK)
        await ask(allowed, f"http://{both[0]}/token")
        async with http_client(Network(), hosts=allowed) as http:
            assert (await http.get(f"http://{both[0]}/token")).status_code == 307
        assert (listener.connections, elsewhere.connections) == (2, 0)


async def test_a_redirect_that_is_followed_reaches_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["127.0.0.1"])
    async with listening() as listener, listening() as elsewhere:
        location = f"http://attacker.example:{elsewhere.port}/taken".encode()
        listener.answer = b"HTTP/1.1 307 Moved\r\ncontent-length: 0\r\nlocation: " + location + b"\r\n\r\n"
        async with http_client(Network(), hosts=hosts(listener, LOOPBACK)) as http:
            with pytest.raises(HostNotAllowed):
                await http.get(f"http://auth.reltio.com:{listener.port}/token", follow_redirects=True)
        assert elsewhere.connections == 0


async def test_through_a_proxy_the_name_is_checked_and_the_proxy_resolves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["127.0.0.1"])
    async with listening() as proxy:
        network = Network(ProxyPolicy.from_environment({"HTTPS_PROXY": f"http://proxy.corp.example:{proxy.port}"}))
        async with http_client(network) as http:
            with pytest.raises(HostNotAllowed):
                await http.get("https://attacker.example/")
            assert proxy.connections == 0
            with pytest.raises(httpx.ProxyError):
                await http.get("https://auth.reltio.com/")
            assert proxy.connections == 1
            assert proxy.requests[0].startswith(b"CONNECT auth.reltio.com:443 ")


async def test_text_of_an_internal_service_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["127.0.0.1"])
    async with listening() as listener:
        error = await ask(hosts(listener, LOOPBACK), f"http://auth.reltio.com:{listener.port}/token")
        assert "500 (text/plain, 6 bytes)" in str(error)
        assert "root" not in str(error)
