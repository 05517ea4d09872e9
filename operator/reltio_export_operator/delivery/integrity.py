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
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Protocol, cast

from . import limits
from .gzip_members import GZIP_MAGIC, Gzip
from .limits import Meter
from .names import is_hidden
from .records import Proof, RecordCounter

CHUNK_BYTES = 1 << 20
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_END = b"PK\x05\x06"
ZIP_TAIL_BYTES = 22 + 65535  # the end record of a ZIP is within its last bytes
_ZIP_END_SIZE = 22
_IN_ZIP64 = 0xFFFFFFFF  # the number is in another record
_FORMATS = {".gz": "gzip", ".gzip": "gzip", ".zip": "ZIP"}
_NOT_COMPRESSED = "is not compressed, although its name ends as if it were"


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Summary:
    """The result of reading a file to its end. `records` is None if they cannot be counted; see RecordCounter."""

    sha256: str
    problem: str | None = None
    records: int | None = None
    empty_lines: int = 0
    first_lines: Mapping[str, int] = field(default_factory=dict)
    partial: bool = False  # whether a bound ended its examination; the checksum is of the whole file
    notes: tuple[str, ...] = ()  # what is odd about it, and does not damage it
    proof: Proof = "Own"


def is_zip(name: str, head: bytes) -> bool:
    """Whether a file is a ZIP by its first bytes, or by its name where they are not known."""
    return head.startswith(_ZIP_MAGICS) if head else name.lower().endswith(".zip")


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
    """Read a plain or gzip file to its end. The first bytes decide which it is.

    Once the meter is empty, the rest is read for the checksum alone.
    """
    problem, sums, records, partial = None, hashlib.sha256(), RecordCounter(), False
    head = body.read(CHUNK_BYTES)
    notes = [_NOT_COMPRESSED] if head and _contradicts(name, head) else []
    unpacker = Gzip(records, meter) if head.startswith(GZIP_MAGIC) else None
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
    if unpacker is not None and not partial:
        problem = problem or unpacker.problem
        notes += unpacker.notes
    summary = _summary(sums.hexdigest(), problem, [records], partial=partial)
    if notes and head and unpacker is None and (summary.problem or not looks_like_an_export(head)):
        return Summary(summary.sha256, f"is not a {_format_of(name)} file", partial=partial)
    proof = "Own" if unpacker is not None else summary.proof
    return replace(summary, notes=(*notes, *summary.notes), proof=proof)


def is_compressed(head: bytes) -> bool:
    """Whether a file is gzip or ZIP, whose own checksums prove its end once it is read."""
    return head.startswith((GZIP_MAGIC, *_ZIP_MAGICS))


def _contradicts(name: str, head: bytes) -> bool:
    """Whether a name says that the file is compressed, and its first bytes say that it is not."""
    return _format_of(name) is not None and not is_compressed(head)


def _format_of(name: str) -> str | None:
    return next((format_ for suffix, format_ in _FORMATS.items() if name.lower().endswith(suffix)), None)


def looks_like_an_export(head: bytes) -> bool:
    """Whether text begins as JSON, or with a line of documented columns."""
    records = RecordCounter()
    records.feed(head)
    records.finish()
    return records.is_json or records.first_lines["Header"] > 0


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
                counter = RecordCounter()
                if not is_hidden(member.filename):
                    contents.append(counter)
                with archive.open(member) as content:
                    while not meter.is_empty and (data := content.read(CHUNK_BYTES)):
                        counter.feed(data)
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
    return replace(_summary(sums.hexdigest(), problem, contents, partial=partial), proof="Own")


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
    notes = dict.fromkeys(note for records in contents for note in records.notes)
    empty_lines = sum(records.empty_lines for records in contents)
    proof: Proof = contents[0].proof if contents else "Own"
    return Summary(sha256, problem, total, empty_lines, first_lines, notes=tuple(notes), proof=proof)


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


def check_ends(name: str, size: int, head: bytes, tail: bytes) -> tuple[str | None, tuple[str, ...]]:
    """A problem that the first and last bytes of a file show, and what is odd. For gzip, only the first are used."""
    if is_zip(name, head):
        return _zip_problem(size, tail), ()
    if not head or not _contradicts(name, head):
        return None, ()
    if looks_like_an_export(head):
        return None, (_NOT_COMPRESSED,)
    return f"is not a {_format_of(name)} file", ()


def _zip_problem(size: int, tail: bytes) -> str | None:
    at = tail.rfind(_ZIP_END)
    if at < 0 or len(tail) - at < _ZIP_END_SIZE:
        return "is truncated or not a ZIP file: it has no end record"
    directory, offset = (int.from_bytes(tail[at + n : at + n + 4], "little") for n in (12, 16))
    if _IN_ZIP64 not in (directory, offset) and offset + directory > size - (len(tail) - at):
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
