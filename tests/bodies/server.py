"""An S3 endpoint on a socket that cuts, stalls, breaks and mislabels the bodies of its answers."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from botocore.config import Config

from reltio_export_operator.aws.transport import session_factory
from reltio_export_operator.runtime.network import Network

# What happens to a body at a position.
CUTTING = ("close", "reset", "stall", "broken chunk", "chunks end early", "short chunks", "short length", "no length")
# What is said wrongly about a whole body, or is wrong in it.
LYING = ("long length", "wrong checksum", "unreadable checksum", "changed byte", "length that is not a number",
         "longer body", "page of a proxy", "other ETag", "garbage")  # fmt: skip
OF_PARTS = ("other part", "whole instead of a part")
OF_LISTINGS = ("longer body", "page of a proxy", "garbage")  # one that has its closing tag is whole
LISTING = "the listing"


@dataclass(frozen=True)
class Fault:
    """`position`: the number of bytes of the body that arrive. `times`: the answers that have the fault."""

    kind: str
    position: int
    times: int


class Server:
    """Serves `objects` of one bucket. `fault` strikes answers to GET of `struck`."""

    def __init__(self, objects: dict[str, bytes], tls: ssl.SSLContext | None = None) -> None:
        self.objects = objects
        self.struck = ""
        self.fault: Fault | None = None
        self.hits = 0
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"

    @contextmanager
    def running(self) -> Iterator[Server]:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join(5)

    def client(self, network: Network, *, read_timeout: float) -> Any:
        """A client of this endpoint as the operator makes them, without retries of its own."""
        return session_factory(network)().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(
                connect_timeout=5,
                read_timeout=read_timeout,
                retries={"max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    def strike(self, key: str, fault: Fault | None) -> None:
        self.struck, self.fault, self.hits = key, fault, 0

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as requests:
                self._answer(connection, requests.readline().decode(), _headers(requests))
        except OSError:
            pass  # the client gave up

    def _answer(self, connection: socket.socket, first: str, headers: dict[str, str]) -> None:
        _, target, _ = first.split(" ", 2)
        url = urlsplit(target)
        _, _, key = unquote(url.path).lstrip("/").partition("/")
        if "list-type=2" in url.query:
            self._send(connection, LISTING, 200, ["Content-Type: application/xml"], self._listing())
            return
        if key not in self.objects:
            connection.sendall(_head(404, "Content-Type: application/xml") + b"<Error><Code>NoSuchKey</Code></Error>")
            return
        whole = self.objects[key]
        etag = hashlib.md5(whole, usedforsecurity=False).hexdigest()
        if headers.get("if-match", f'"{etag}"') != f'"{etag}"':
            error = b"<Error><Code>PreconditionFailed</Code></Error>"
            connection.sendall(_head(412, "Content-Type: application/xml") + error)
            return
        body, lines, status = whole, [f'ETag: "{etag}"'], 200
        if "range" in headers:
            start, end = headers["range"].removeprefix("bytes=").split("-")
            body, status = whole[int(start) : int(end) + 1], 206
            lines.append(f"Content-Range: bytes {start}-{int(start) + len(body) - 1}/{len(whole)}")
        self._send(connection, key, status, lines, body)

    def _send(self, connection: socket.socket, what: str, status: int, lines: list[str], body: bytes) -> None:
        fault = self.fault if what == self.struck and self.fault and self.hits < self.fault.times else None
        if fault is None:
            connection.sendall(_head(status, *lines, f"Content-Length: {len(body)}") + body)
            return
        self.hits += 1
        self._strike(connection, fault, status, lines, body)

    def _strike(self, connection: socket.socket, fault: Fault, status: int, lines: list[str], body: bytes) -> None:
        cut = body[: min(fault.position, max(0, len(body) - 1))]
        sized = f"Content-Length: {len(body)}"
        chunked = "Transfer-Encoding: chunked"
        chunk = b"%x\r\n%b\r\n" % (len(cut), cut) if cut else b""
        answers = {
            "close": _head(status, *lines, sized) + cut,
            "reset": _head(status, *lines, sized) + cut,
            "stall": _head(status, *lines, sized) + cut,
            "broken chunk": _head(status, *lines, chunked) + chunk + b"no size\r\n" + body,
            "chunks end early": _head(status, *lines, chunked) + chunk,
            "short chunks": _head(status, *lines, chunked) + chunk + b"0\r\n\r\n",
            "short length": _head(status, *lines, f"Content-Length: {len(cut)}") + cut,
            "long length": _head(status, *lines, f"Content-Length: {len(body) + 10}") + body,
            "wrong checksum": _head(status, *lines, _checksum(body + b"x"), sized) + body,
            "unreadable checksum": _head(status, *lines, "x-amz-checksum-crc32: ?", sized) + body,
            "no length": _head(status, *lines) + cut,
            "length that is not a number": _head(status, *lines, "Content-Length: all") + body,
            "longer body": _head(status, *lines, f"Content-Length: {len(body) + 10}") + body + b"x" * 10,
            "page of a proxy": _head(status, "Content-Length: 13") + b"<p>Log in</p>",
            "other ETag": _head(status, *lines[1:], 'ETag: "0"', sized) + body,
            "other part": _head(status, lines[0], f"Content-Range: bytes 1-{len(body)}/9999", sized) + body,
            "whole instead of a part": _head(200, lines[0], sized) + body,
            "garbage": _head(status, *lines, sized) + body[: len(body) // 2],
            "changed byte": _head(status, *lines, _checksum(body), sized) + bytes([body[0] ^ 1]) + body[1:],
        }
        connection.sendall(answers[fault.kind])
        if fault.kind == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if isinstance(connection, ssl.SSLSocket):
                socket.socket(fileno=connection.detach()).close()  # without the closing message of TLS
        elif fault.kind == "garbage":  # below TLS, where there is TLS
            os.write(connection.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))
        elif fault.kind == "stall":
            connection.settimeout(20)
            connection.recv(1)  # until the client gives up

    def _listing(self) -> bytes:
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size>"
            f'<ETag>"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"</ETag>'
            "<LastModified>2031-01-15T03:00:00.000Z</LastModified></Contents>"
            for key, content in sorted(self.objects.items())
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode()


def _headers(requests: Iterator[bytes]) -> dict[str, str]:
    found = {}
    for line in requests:
        name, _, value = line.decode("latin-1").partition(":")
        if not name.strip():
            break
        found[name.lower()] = value.strip()
    return found


def _checksum(body: bytes) -> str:
    return f"x-amz-checksum-crc32: {base64.b64encode(zlib.crc32(body).to_bytes(4, 'big')).decode()}"


def _head(status: int, *lines: str) -> bytes:
    said = [f"HTTP/1.1 {status} Answer", f"Date: {formatdate(usegmt=True)}", "Connection: close", *lines, "", ""]
    return "\r\n".join(said).encode()
