"""Decompresses gzip files as they are found: with many members, padding or trailing bytes, or compressed twice."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from .limits import Meter
from .records import RecordCounter

_WINDOW_BITS = 31  # zlib's value for the gzip format
GZIP_MAGIC = b"\x1f\x8b\x08"
_MEMBER = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
_PADDING = b"\0"

TRAILING_BYTES = "has bytes after the end of its gzip data, which were ignored"
COMPRESSED_TWICE = "is compressed twice"


class Gzip:
    """Decompresses the members of a gzip file into a counter of records, until the meter is empty.

    What is compressed twice is decompressed twice, and no further. Raises zlib.error for damaged data.
    """

    def __init__(self, records: RecordCounter, meter: Meter, *, is_inner: bool = False) -> None:
        self._records, self._meter, self._is_inner = records, meter, is_inner
        self._unpacker = zlib.decompressobj(_WINDOW_BITS)
        self._head: bytes | None = b""  # the first bytes of the content, until they show whether it is gzip again
        self._inner: Gzip | None = None
        self._between = b""  # bytes after a member that do not show yet what they are
        self._trailing = False

    @property
    def problem(self) -> str | None:
        """A problem, once the file has ended."""
        if not self._unpacker.eof:
            return "is truncated: its gzip stream does not end"
        return self._inner.problem if self._inner else None

    @property
    def notes(self) -> list[str]:
        own = [TRAILING_BYTES] if self._trailing or self._between else []
        return [*own, COMPRESSED_TWICE, *self._inner.notes] if self._inner else own

    def feed(self, chunk: bytes) -> Iterator[None]:
        """Take the next bytes of the file. Yields after each slice of work."""
        while chunk and not self._trailing:
            if self._unpacker.eof:
                chunk = self._next_member(chunk)
                if not chunk:
                    return
            data = self._unpacker.decompress(chunk, _CHUNK_BYTES)
            self._meter.inflate(len(data))
            yield from self._pass_on(data)
            yield
            if self._meter.is_empty:
                return
            chunk = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail

    def _next_member(self, chunk: bytes) -> bytes:
        """The chunk from the beginning of the next member; nothing if it is not in the chunk."""
        chunk = (self._between + chunk).lstrip(_PADDING)
        if len(chunk) < len(_MEMBER) and _MEMBER.startswith(chunk):
            self._between = chunk
            return b""
        self._between = b""
        if not chunk.startswith(_MEMBER):
            self._trailing = True
            return b""
        self._unpacker = zlib.decompressobj(_WINDOW_BITS)
        if self._inner is None:
            self._records.start_part()
        return chunk

    def _pass_on(self, data: bytes) -> Iterator[None]:
        if self._head is not None and not self._is_inner:
            data = self._head + data
            if len(data) < len(GZIP_MAGIC) and not self._unpacker.eof:
                self._head = data
                return
            self._head = None
            if data.startswith(GZIP_MAGIC):
                self._inner = Gzip(self._records, self._meter, is_inner=True)
        if self._inner is not None:
            yield from self._inner.feed(data)
        else:
            self._records.feed(data)
