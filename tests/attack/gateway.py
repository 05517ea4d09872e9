"""A service that an attacker holds: it forwards to a real one, but answers what its rules say.

It speaks HTTP/1.1 on a socket by itself, so that no library repairs a hostile answer on its way out.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CHUNK = 64 * 1024


@dataclass(frozen=True)
class Request:
    """One request as it came. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    raw: bytes = field(repr=False, default=b"")

    def __contains__(self, text: str) -> bool:
        """Whether the text stands anywhere in the request."""
        return text.encode() in self.raw


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Rule:
    """What to answer to requests that match."""

    matches: Callable[[Request], bool]
    answer: Answer
    times: int = 1_000_000
    used: int = 0


class Gateway:
    """Listens on loopback. Without an upstream every request that no rule matches is answered 404."""

    def __init__(self, upstream: str = "") -> None:
        self._upstream = urlsplit(upstream)
        self.rules: list[Rule] = []
        self.requests: list[Request] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    def forward_to(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(
        self,
        path: str,
        answer: Answer,
        *,
        method: str | None = None,
        body: str = "",
        query: str = "",
        signed_for: str = "",
        times: int = 1_000_000,
    ) -> Rule:
        """Answer requests whose path holds these texts (and whose body, and whose signature, hold those)."""

        def matches(request: Request) -> bool:
            in_path = path in request.path and query in request.path
            in_rest = body.encode() in request.body and signed_for in request.headers.get("authorization", "")
            return in_path and method in (None, request.method) and in_rest

        rule = Rule(matches, answer, times)
        self.rules.append(rule)
        return rule

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader, writer)
        self.requests.append(request)
        for rule in self.rules:
            if rule.used < rule.times and rule.matches(request):
                rule.used += 1
                await rule.answer(writer)
                return
        if not self._upstream.netloc:
            await text(404, "not found")(writer)
            return
        await self._forward(request, writer)

    async def _forward(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Pass the request on unchanged, so that its signature still holds; one request for a connection."""
        assert self._upstream.hostname is not None
        upstream, sender = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        try:
            head, _, rest = request.raw.partition(b"\r\n")
            sender.write(head + b"\r\nConnection: close\r\n" + rest)
            while data := await upstream.read(CHUNK):
                writer.write(data)
                await writer.drain()
        finally:
            sender.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    kept = b"\r\n".join(
        line for line in head.split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))
    )
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
    body = b""
    if "chunked" in headers.get("transfer-encoding", ""):
        while True:
            size = await reader.readline()
            part = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
            body += size + part
            if int(size.split(b";")[0], 16) == 0:
                break
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0") or 0))
    method, path, _ = first.split(" ", 2)
    return Request(method, path, headers, body, kept + body)


def _head(status: int, content_type: str, *lines: str) -> bytes:
    return "\r\n".join(
        [f"HTTP/1.1 {status} Answer", f"Content-Type: {content_type}", "Connection: close", *lines, "", ""]
    ).encode("latin-1")


def text(status: int, body: str, content_type: str = "application/json", *lines: str) -> Answer:
    """A whole answer with more header lines."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        content = body.encode()
        writer.write(_head(status, content_type, f"Content-Length: {len(content)}", *lines) + content)
        await writer.drain()

    return answer


def silence() -> Answer:
    """Accept the request, and never answer it."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return answer


def redirect(location: str, status: int = 307) -> Answer:
    return text(status, "", "text/plain", f"Location: {location}")


def stream(
    prefix: bytes,
    filler: bytes,
    size: int | None,
    suffix: bytes = b"",
    *,
    status: int = 200,
    content_type: str = "application/json",
    pause: float = 0.0,
    lines: tuple[str, ...] = (),
) -> Answer:
    """A body of this many bytes of filler, or without end; `pause` seconds between two writes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, content_type, *lines) + prefix)
        block = filler if pause else filler * max(1, CHUNK // len(filler))
        sent = 0
        while size is None or sent < size:
            writer.write(block)
            await writer.drain()
            sent += len(block)
            if pause:
                await asyncio.sleep(pause)
        writer.write(suffix)
        await writer.drain()

    return answer


def endless(prefix: bytes, size: int, *, status: int = 200, content_type: str = "application/json") -> Answer:
    """A body that does not end: this many bytes at once, which bounds the memory of a control, then one by one."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await stream(prefix, b" " * 1024, size, status=status, content_type=content_type)(writer)
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.5)

    return answer


def bomb(
    prefix: bytes,
    suffix: bytes,
    size: int,
    *,
    filler: bytes = b" ",
    status: int = 200,
    content_type: str = "application/json",
) -> Answer:
    """An answer that is small on the wire (gzip) and this many bytes when decoded."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * 2**20
    parts = [packer.compress(prefix)]
    parts += [packer.compress(block) for _ in range(max(1, size // 2**20))]
    parts += [packer.compress(suffix), packer.flush()]
    packed = b"".join(parts)

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = _head(status, "application/json", "Content-Encoding: gzip", f"Content-Length: {len(packed)}")
        writer.write(head + packed)
        await writer.drain()

    return answer


def packed_lines(size: int, line: bytes = b"0" * 1023 + b"\n") -> bytes:
    """A gzip file of this many bytes when decoded."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = line * max(1, 2**20 // len(line))
    return b"".join([packer.compress(block) for _ in range(max(1, size // len(block)))] + [packer.flush()])


__all__ = ["Answer", "Gateway", "Request", "bomb", "endless", "packed_lines", "redirect", "silence", "stream", "text"]
