"""Checks the integrity of a file: decompresses it to its end, counts its records, computes its SHA-256.

Works on any binary stream, a chunk at a time; memory does not grow with the file.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, cast

from . import limits
from .limits import Meter
from .records import RecordCounter

CHUNK_BYTES = 1 << 20
_GZIP_WINDOW_BITS = 31  # zlib's value for the gzip format
GZIP_MAGIC = b"\x1f\x8b\x08"
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_END = b"PK\x05\x06"
ZIP_TAIL_BYTES = 22 + 65535  # the end record of a ZIP is within its last bytes
_ZIP_END_SIZE = 22


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Summary:
    """The result of reading a file to its end. `records` is None if they cannot be counted."""

    sha256: str
    problem: str | None = None
    records: int | None = None
    empty_lines: int = 0
    first_lines: Mapping[str, int] = field(default_factory=dict)  # see RecordCounter
    partial: bool = False  # whether a bound ended its examination; the checksum is of the whole file


def is_zip(name: str, head: bytes) -> bool:
    """Whether a file is a ZIP by its name or its first bytes."""
    return name.lower().endswith(".zip") or head.startswith(_ZIP_MAGICS)


def check_file(name: str, body: Readable) -> Summary:
    """As read_file, in one go."""
    return _run(read_file(name, body, Meter(math.inf)))


def check_zip(body: BinaryIO) -> Summary:
    """As read_zip, in one go."""
    return _run(read_zip(body, Meter(math.inf)))


Reading = Generator[None, None, Summary]  # yields after each slice of work, so that other files advance


def _run(reading: Reading) -> Summary:
    while True:
        try:
            next(reading)
        except StopIteration as end:
            summary: Summary = end.value
            return summary


def read_file(name: str, body: Readable, meter: Meter) -> Reading:
    """Read a plain or gzip file to its end. The first bytes decide which it is; `.gz` without gzip is a problem.

    Once the meter is empty, the rest is read for the checksum alone.
    """
    problem, sums, records, partial = None, hashlib.sha256(), RecordCounter(), False
    head = body.read(CHUNK_BYTES)
    gzipped = head.startswith(GZIP_MAGIC)
    if head and not gzipped and name.lower().endswith(".gz"):
        problem = "is not a gzip file"
    unpacker = _Gzip(records, meter) if gzipped else None
    chunk = head
    while chunk:
        sums.update(chunk)
        if problem is None and not partial:
            try:
                if unpacker is None:
                    records.feed(chunk)
                else:
                    yield from unpacker.feed(chunk)
            except zlib.error as error:
                problem = f"is damaged ({error})"
        yield
        partial = partial or meter.is_empty
        chunk = body.read(CHUNK_BYTES)
    if problem is None and not partial and unpacker is not None and not unpacker.at_end:
        problem = "is truncated: its gzip stream does not end"
    return _summary(sums.hexdigest(), problem, [records], partial=partial)


class _Gzip:
    """Decompresses the members of a gzip file into a counter of records, until the meter is empty."""

    def __init__(self, records: RecordCounter, meter: Meter) -> None:
        self._records, self._meter = records, meter
        self._unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)

    @property
    def at_end(self) -> bool:
        return self._unpacker.eof

    def feed(self, chunk: bytes) -> Iterator[None]:
        while chunk:
            if self._unpacker.eof:  # a gzip file may have several members, and zeros after them
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    break
                self._records.start_part()
                self._unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
            data = self._unpacker.decompress(chunk, CHUNK_BYTES)
            self._records.feed(data)
            self._meter.inflate(len(data))
            yield
            if self._meter.is_empty:
                return
            chunk = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail


def _summary(sha256: str, problem: str | None, contents: Sequence[RecordCounter], *, partial: bool) -> Summary:
    if problem or partial:
        return Summary(sha256, problem, partial=partial)
    first_lines: Counter[str] = Counter()
    counts: list[int | None] = []
    for records in contents:
        records.finish()
        first_lines += records.first_lines
        counts.append(records.count)
    problem = next((records.problem for records in contents if records.problem), None)
    known = [count for count in counts if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    return Summary(sha256, problem, total, sum(records.empty_lines for records in contents), first_lines)


def read_zip(body: BinaryIO, meter: Meter) -> Reading:
    """Read each member of a ZIP to its end, which checks its CRC, then all bytes. `body` must be seekable.

    Once the meter is empty, the members are not read any further.
    """
    problem, sums, contents, partial = None, hashlib.sha256(), list[RecordCounter](), False
    try:
        with zipfile.ZipFile(cast(BinaryIO, _Bounded(body))) as archive:
            for member in archive.infolist():
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise zipfile.BadZipFile(f"compression method {member.compress_type} is not supported")
                contents.append(RecordCounter())
                with archive.open(member) as content:
                    while not meter.is_empty and (data := content.read(CHUNK_BYTES)):
                        contents[-1].feed(data)
                        meter.inflate(len(data))
                        yield
                if meter.is_empty:
                    raise _BeyondBoundError
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError) as error:
        problem = f"is damaged or truncated ({error})"  # or encrypted
    except _BeyondBoundError:
        partial = True
    body.seek(0)
    while chunk := body.read(CHUNK_BYTES):
        sums.update(chunk)
        yield
    return _summary(sums.hexdigest(), problem, contents, partial=partial)


class _BeyondBoundError(Exception):
    """The rest of a ZIP is not examined."""


class _Bounded:
    """A stream without large reads: zipfile reads a directory at once, and keeps an object for each member."""

    def __init__(self, body: BinaryIO) -> None:
        self._body = body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def read(self, size: int = -1) -> bytes:
        if size > max(limits.LIMITS.zip_directory_bytes, CHUNK_BYTES):
            raise _BeyondBoundError
        return self._body.read(size)


def check_ends(name: str, size: int, head: bytes, tail: bytes) -> str | None:
    """A problem that the first and last bytes of a file show. For gzip, only the first bytes are used."""
    if name.lower().endswith(".gz"):
        return None if head.startswith(GZIP_MAGIC) or not size else "is not a gzip file"
    if is_zip(name, head):
        at = tail.rfind(_ZIP_END)
        if at < 0 or len(tail) - at < _ZIP_END_SIZE:
            return "is truncated or not a ZIP file: it has no end record"
        directory, offset = (int.from_bytes(tail[at + n : at + n + 4], "little") for n in (12, 16))
        if offset != 0xFFFFFFFF and offset + directory > size - (len(tail) - at):
            return "is damaged: its central directory is beyond its end"
    return None


class RangeStream(io.RawIOBase):
    """A seekable stream that is read with `read_range(start, end)`; the end is not included."""

    def __init__(self, size: int, read_range: RangeReader) -> None:
        super().__init__()
        self._size, self._position, self._read_range = size, 0, read_range

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        end = min(self._size, self._position + len(buffer))
        if end <= self._position:
            return 0
        data = self._read_range(self._position, end)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class RangeReader(Protocol):
    def __call__(self, start: int, end: int, /) -> bytes: ...
