"""An HTTP proxy on loopback that remembers what it was asked for. It can reach hosts that do not exist."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

Address = tuple[str, int]
KNOWN_AS = ("proxy.corp.example", 3128)


@dataclass
class RecordingProxy:
    """Runs in a thread of its own, from entry to exit.

    `upstreams` says where a host really is; a host that is not in it is answered with 502. With `certificate_for` the
    proxy ends TLS by itself, as an appliance that inspects it does, and speaks plain HTTP with the host.
    """

    upstreams: dict[Address, Address] = field(default_factory=dict)
    certificate_for: Callable[[str], ssl.SSLContext] | None = None
    credentials: str | None = None  # user:password; without them the answer is 407
    tls: ssl.SSLContext | None = None  # for the proxy's own port
    requests: list[tuple[str, str]] = field(default_factory=list)  # method and target
    port: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def hosts(self) -> set[str]:
        """All hosts that the proxy was asked for."""
        return {host for host, _ in self.targets()}

    def targets(self) -> list[Address]:
        return [_address(method, target) for method, target in self.requests]

    async def _start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await self._answer(head, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, OSError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *headers = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _version = line.split(" ")
        self.requests.append((method, target))
        sent = {name.lower(): value for name, _, value in (header.partition(": ") for header in headers)}
        if self.credentials and sent.get("proxy-authorization") != _basic(self.credentials):
            await _refuse(writer, "407 Proxy Authentication Required")
            return
        host, port = _address(method, target)
        upstream = self.upstreams.get((host, port))
        if upstream is None:
            await _refuse(writer, "502 Bad Gateway")
            return
        there, back = await asyncio.open_connection(*upstream)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            if self.certificate_for is not None:
                await writer.start_tls(self.certificate_for(host))
        else:
            parts = urlsplit(target)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            # One request for each connection, so that each one is seen here.
            kept = [header for header in headers if not header.lower().startswith(("proxy-", "connection:"))]
            lines = [f"{method} {path or '/'} HTTP/1.1", *kept, "Connection: close", "", ""]
            back.write("\r\n".join(lines).encode("latin-1"))
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer))


def _basic(credentials: str) -> str:
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"


def _address(method: str, target: str) -> Address:
    if method == "CONNECT":
        host, _, port = target.rpartition(":")
        return host.strip("[]"), int(port)
    parts = urlsplit(target)
    return parts.hostname or "", parts.port or 80


async def _refuse(writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


@dataclass
class Wire:
    """What went over the network: hosts that were connected to, and what the proxy was asked for."""

    proxy: RecordingProxy
    names: dict[str, str] = field(default_factory=dict)  # whose the made-up addresses are
    straight: list[tuple[str, int]] = field(default_factory=list)

    def seen(self) -> str:
        """Say how the last request went, and forget it."""
        straight, proxied = self.straight[:], self.proxy.targets()
        self.straight.clear()
        self.proxy.requests.clear()
        return ", ".join(
            [f"direct to {host}:{port}" for host, port in straight]
            + [f"proxied to {host}:{port}" for host, port in proxied]
        )

    def address_of(self, name: str) -> str:
        for address, owner in self.names.items():
            if owner == name:
                return address
        address = f"203.0.113.{len(self.names) + 1}"
        self.names[address] = name
        return address


@contextmanager
def wired(proxy: RecordingProxy | None = None) -> Iterator[Wire]:
    """Cut this process off from the network, but for the proxy, which is known as proxy.corp.example:3128.

    All names resolve. A connection to anything else is noted and refused.
    """
    with proxy or RecordingProxy() as proxy, pytest.MonkeyPatch.context() as patch:
        made = Wire(proxy)
        look_up, connect = socket.getaddrinfo, socket.socket.connect

        def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if name.rpartition(".")[2].isalpha():
                name = made.address_of(name)
            return look_up(name, port, *args, **kwargs)

        def connected(self: socket.socket, address: Any) -> None:
            if self.family not in (socket.AF_INET, socket.AF_INET6):
                connect(self, address)
                return
            host = made.names.get(address[0], address[0])
            if (host, address[1]) == KNOWN_AS:
                connect(self, ("127.0.0.1", proxy.port))
                return
            made.straight.append((host, address[1]))
            raise ConnectionRefusedError

        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        patch.setattr(socket.socket, "connect", connected, raising=False)
        yield made
