"""Whether a file is whole: its compression read to the end, its content read and counted, its bytes summed up.

Works on any readable binary stream, a chunk at a time; memory does not grow with the file.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from .records import Records

CHUNK = 1 << 20
_GZIP = 31  # zlib's window bits for a gzip member
GZIP_MAGIC = b"\x1f\x8b\x08"
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_END = b"PK\x05\x06"
ZIP_TAIL = 22 + 65535  # bytes within which a ZIP's end record lies
_ZIP_END_SIZE = 22


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Summary:
    """What reading a file to its end told. `records` is None where they cannot be counted."""

    sha256: str
    problem: str | None = None
    records: int | None = None
    blanks: int = 0
    heads: Mapping[str, int] = field(default_factory=dict)  # as Records tells them


def is_zip(name: str, head: bytes) -> bool:
    """Whether a file is a ZIP, or was to be one."""
    return name.lower().endswith(".zip") or head.startswith(_ZIP_MAGICS)


def read_through(name: str, body: Readable) -> Summary:
    """Read a plain or gzip file to its end, told by its first bytes. `name` tells only a wrong extension."""
    problem, sums, records = None, hashlib.sha256(), Records()
    head = body.read(CHUNK)
    gzipped = head.startswith(GZIP_MAGIC)
    if head and not gzipped and name.lower().endswith(".gz"):
        problem = "is not a gzip file"
    unpacker = zlib.decompressobj(_GZIP) if gzipped else None
    chunk = head
    while chunk:
        sums.update(chunk)
        if problem is None:
            try:
                unpacker = _unpack(chunk, unpacker, records)
            except zlib.error as error:
                problem = f"is damaged ({error})"
        chunk = body.read(CHUNK)
    if problem is None and unpacker is not None and not unpacker.eof:
        problem = "is truncated: its gzip stream does not end"
    return _summary(sums.hexdigest(), problem, [records])


def _summary(sha256: str, problem: str | None, contents: Sequence[Records]) -> Summary:
    if problem:
        return Summary(sha256, problem)
    heads: Counter[str] = Counter()
    counts: list[int | None] = []
    for records in contents:
        records.finish()
        heads += records.heads
        counts.append(records.count)
    problem = next((records.problem for records in contents if records.problem), None)
    told = [count for count in counts if count is not None]
    total = sum(told) if len(told) == len(counts) else None
    return Summary(sha256, problem, total, sum(records.blanks for records in contents), heads)


def _unpack(chunk: bytes, unpacker: zlib._Decompress | None, records: Records) -> zlib._Decompress | None:
    if unpacker is None:
        records.feed(chunk)
        return None
    while chunk:
        if unpacker.eof:  # members may follow one another in one file, and zeros fill it up
            chunk = chunk.lstrip(b"\0")
            if not chunk:
                break
            records.part()
            unpacker = zlib.decompressobj(_GZIP)
        records.feed(unpacker.decompress(chunk, CHUNK))
        chunk = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    return unpacker


def read_zip(body: BinaryIO) -> Summary:
    """Read each member of a ZIP to its end, its CRC with it, and then all its bytes. `body` must be seekable."""
    problem, sums, contents = None, hashlib.sha256(), list[Records]()
    try:
        with zipfile.ZipFile(body) as archive:
            for member in archive.infolist():
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise zipfile.BadZipFile(f"compression method {member.compress_type} is none of Reltio's")
                contents.append(Records())
                with archive.open(member) as content:
                    while data := content.read(CHUNK):
                        contents[-1].feed(data)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError) as error:
        problem = f"is damaged or truncated ({error})"  # also what is encrypted
    body.seek(0)
    while chunk := body.read(CHUNK):
        sums.update(chunk)
    return _summary(sums.hexdigest(), problem, contents)


def glance(name: str, size: int, head: bytes, tail: bytes) -> str | None:
    """A problem that the first and last bytes of a file tell. For gzip only the head can tell anything."""
    if name.lower().endswith(".gz"):
        return None if head.startswith(GZIP_MAGIC) or not size else "is not a gzip file"
    if is_zip(name, head):
        at = tail.rfind(_ZIP_END)
        if at < 0 or len(tail) - at < _ZIP_END_SIZE:
            return "is truncated or no ZIP file: it has no end record"
        directory, offset = (int.from_bytes(tail[at + n : at + n + 4], "little") for n in (12, 16))
        if offset != 0xFFFFFFFF and offset + directory > size - (len(tail) - at):
            return "is damaged: its directory lies beyond its end"
    return None


class Ranged(io.RawIOBase):
    """A seekable stream over something that can be read by ranges: `read_range(start, end)`, end not included."""

    def __init__(self, size: int, read_range: RangeReader) -> None:
        super().__init__()
        self._size, self._at, self._read_range = size, 0, read_range

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        end = min(self._size, self._at + len(buffer))
        if end <= self._at:
            return 0
        data = self._read_range(self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class RangeReader(Protocol):
    def __call__(self, start: int, end: int, /) -> bytes: ...
