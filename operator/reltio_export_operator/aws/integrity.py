"""Whether a file is whole: its compression read to the end, its records counted, its bytes summed up.

Works on any readable binary stream, a chunk at a time; memory does not grow with the file.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from typing import BinaryIO, Protocol

_CHUNK = 1 << 20
_GZIP = 31  # zlib's window bits for a gzip member
GZIP_MAGIC = b"\x1f\x8b\x08"
_FIRST = 4096  # bytes of a file's first line that are looked at
_COLUMNS = frozenset(
    [
        "ID",
        "Type",
        "uri",
        "id",
        "activityId",
        "eventId",
        "timestamp",
        "updatedBy",
        "createdBy",
        "updatedDate",
        "updateDate",
        "createdDate",
        "createDate",
    ]
)
_COLUMN_GROUPS = ("Attributes.", "AnalyticsAttributes.", "Crosswalks.")
_ZIP_END = b"PK\x05\x06"
ZIP_TAIL = 22 + 65535  # bytes within which a ZIP's end record lies
_ZIP_END_SIZE = 22


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Records:
    """Counts the records of CSV or of JSON lines. An array of JSON is not counted."""

    def __init__(self) -> None:
        self._first = b""
        self._quoted = False
        self._newlines = 0
        self._open = False  # whether something stands after the last newline

    def feed(self, data: bytes) -> None:
        if len(self._first) < _FIRST:
            self._first = (self._first + data[:_FIRST]).lstrip()[:_FIRST]
        csv = not self.is_json
        # Newlines within quotes belong to a value; JSON escapes its own, so there every newline counts.
        parts = data.split(b'"') if csv else [data]
        for number, part in enumerate(parts):
            if number:
                self._quoted = not self._quoted
                self._open = True
            if part and not self._quoted:
                self._newlines += part.count(b"\n")
                self._open = not part.endswith(b"\n")

    @property
    def is_json(self) -> bool:
        return self._first[:1] in (b"{", b"[")

    @property
    def has_header(self) -> bool | None:
        """Whether the first line is a header, told by names that the documentation gives; None where none is due."""
        if self.is_json:
            return None
        cells = self._first.partition(b"\n")[0].decode(errors="replace").split(",")
        names = {cell.strip().strip('"') for cell in cells}
        return bool(names & _COLUMNS) or any(name.startswith(_COLUMN_GROUPS) for name in names)

    @property
    def count(self) -> int | None:
        if self._first[:1] == b"[":
            return None
        return self._newlines + self._open


class Summary:
    """What reading a file to its end told."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.records: int | None = None
        self.has_header: bool | None = None
        self.sha256 = ""


def read_through(name: str, body: Readable) -> Summary:
    """Read a plain or gzip file to its end, told by its first bytes. `name` tells only a wrong extension."""
    summary, sums, records = Summary(), hashlib.sha256(), Records()
    head = body.read(_CHUNK)
    gzipped = head.startswith(GZIP_MAGIC)
    if not gzipped and name.endswith(".gz"):
        summary.problem = "is not a gzip file" if head else "is empty, not a gzip file"
    unpacker = zlib.decompressobj(_GZIP) if gzipped else None
    chunk = head
    while chunk:
        sums.update(chunk)
        if summary.problem is None:
            try:
                unpacker = _unpack(chunk, unpacker, records)
            except zlib.error as error:
                summary.problem = f"is damaged ({error})"
        chunk = body.read(_CHUNK)
    if summary.problem is None and unpacker is not None and not unpacker.eof:
        summary.problem = "is truncated: its gzip stream does not end"
    summary.sha256 = sums.hexdigest()
    if summary.problem is None:
        summary.records, summary.has_header = records.count, records.has_header
    return summary


def _unpack(chunk: bytes, unpacker: zlib._Decompress | None, records: Records) -> zlib._Decompress | None:
    if unpacker is None:
        records.feed(chunk)
        return None
    while chunk:
        if unpacker.eof:  # members may follow one another in one file
            unpacker = zlib.decompressobj(_GZIP)
        records.feed(unpacker.decompress(chunk, _CHUNK))
        chunk = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    return unpacker


def read_zip(body: BinaryIO) -> Summary:
    """Read each member of a ZIP to its end, its CRC with it, and then all its bytes. `body` must be seekable."""
    summary, sums, records = Summary(), hashlib.sha256(), Records()
    try:
        with zipfile.ZipFile(body) as archive:
            for member in archive.infolist():
                with archive.open(member) as content:
                    while data := content.read(_CHUNK):
                        records.feed(data)
        summary.records, summary.has_header = records.count, records.has_header
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        summary.problem = f"is damaged or truncated ({error})"
    body.seek(0)
    while chunk := body.read(_CHUNK):
        sums.update(chunk)
    summary.sha256 = sums.hexdigest()
    return summary


def glance(name: str, size: int, head: bytes, tail: bytes) -> str | None:
    """A problem that the first and last bytes of a file tell. For gzip only the head can tell anything."""
    if name.endswith(".gz"):
        return None if head.startswith(GZIP_MAGIC) else "is not a gzip file"
    if name.endswith(".zip"):
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
