"""A server whose every answer is an attack, on a real socket."""

from __future__ import annotations

import contextlib
import functools
import gzip
import socketserver
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_CHUNK = 64 << 10
_HUGE = 64 << 20  # bytes that a huge answer has, decoded
_NEXT_BYTE_SECONDS = 0.02


@dataclass(frozen=True)
class Format:
    """How an answer begins, what may follow without end, and what nests."""

    content_type: str
    head: bytes
    filler: bytes
    open: bytes
    many: bytes


JSON = Format("application/json", b'{"access_token":"t","items":[], "x":"', b"x" * 1024, b'{"a":[', b'{"a":1},')
XML = Format("application/xml", b'<?xml version="1.0"?>\n<Answer><X>', b"x" * 1024, b"<a>", b"<b/>")
LINE = Format("application/json", b'{"type":"ADDED","object":{"x":"', b"x" * 1024, b'{"a":[', b'{"a":1},')


@functools.cache
def bomb(format: Format, window: int) -> bytes:
    """A huge answer, compressed with this window of zlib."""
    packer = zlib.compressobj(wbits=window)
    parts = [packer.compress(format.head)]
    parts += [packer.compress(format.filler * 1024) for _ in range(_HUGE // len(format.filler) // 1024)]
    return b"".join([*parts, packer.flush()])


class Server(socketserver.ThreadingTCPServer):
    """`attack` is the name of a method of _Answer. `sent` counts bytes of bodies, `requests` the answers."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.attack = ""
        self.status = 200
        self.format = JSON
        self.parts: Iterable[bytes | Iterable[bytes]] = ()  # of the answer `lines`
        self.sent = 0
        self.requests = 0
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """The client has closed the connection, as it should."""


class _Answer(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        self._read_request()
        self.server.requests += 1
        with contextlib.suppress(OSError):
            getattr(self, self.server.attack)(self.server.format)

    def _read_request(self) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.request.recv(_CHUNK) or b"\r\n\r\n"
        head, _, body = received.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() == b"expect":
                self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < length and (more := self.request.recv(_CHUNK)):
            body += more

    def _head(self, format: Format, *more: str) -> bytes:
        lines = [f"HTTP/1.1 {self.server.status} Attack", f"Content-Type: {format.content_type}", *more]
        return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()

    def _send(self, data: bytes) -> None:
        self.request.sendall(data)
        self.server.sent += len(data)

    def endless(self, format: Format) -> None:
        self.request.sendall(self._head(format))
        self._send(format.head)
        while not self.server.ended.is_set():
            self._send(format.filler * 64)

    def huge(self, format: Format) -> None:
        self.request.sendall(self._head(format, f"Content-Length: {_HUGE}"))
        self._send(format.head)
        for _ in range(_HUGE // len(format.filler)):
            self._send(format.filler)

    def deep(self, format: Format) -> None:
        self._whole(format, format.open * 450)

    def many(self, format: Format) -> None:
        self._whole(format, (b"[" if format.open[:1] == b"{" else b"<a>") + format.many * 200_000)

    def lines(self, format: Format) -> None:
        """The parts, as the body of a watch."""
        self.request.sendall(self._head(format))
        for part in self.server.parts:
            for piece in (part,) if isinstance(part, bytes) else part:
                self._send(piece)

    def _whole(self, format: Format, body: bytes) -> None:
        self.request.sendall(self._head(format, f"Content-Length: {len(body)}"))
        self._send(body)

    def slow(self, format: Format) -> None:
        self.request.sendall(self._head(format))
        self._drip(format.head + format.filler)

    def slow_headers(self, format: Format) -> None:
        self._drip(self._head(format, "X-Filler: " + "x" * 4096))

    def _drip(self, data: bytes) -> None:
        for byte in data:
            if self.server.ended.wait(_NEXT_BYTE_SECONDS):
                return
            self.request.sendall(bytes([byte]))

    def compressed(self, format: Format) -> None:
        body = bomb(format, zlib.MAX_WBITS | 16)
        self.request.sendall(self._head(format, "Content-Encoding: gzip", f"Content-Length: {len(body)}"))
        self._send(body)

    def compressed_deflate(self, format: Format) -> None:
        body = bomb(format, zlib.MAX_WBITS)
        self.request.sendall(self._head(format, "Content-Encoding: deflate", f"Content-Length: {len(body)}"))
        self._send(body)

    def compressed_twice(self, format: Format) -> None:
        body = gzip.compress(bomb(format, zlib.MAX_WBITS | 16))
        self.request.sendall(self._head(format, "Content-Encoding: gzip, gzip", f"Content-Length: {len(body)}"))
        self._send(body)

    def compressed_to_nothing(self, format: Format) -> None:
        """Blocks of gzip that hold nothing, without end."""
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        self.request.sendall(self._head(format, "Content-Encoding: gzip"))
        self._send(packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH))
        while not self.server.ended.is_set():
            self._send(b"\x00\x00\x00\xff\xff" * 1024)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread: Any = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
