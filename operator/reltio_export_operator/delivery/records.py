"""Counts the records of a file and detects truncated content. Memory does not grow with the file."""

from __future__ import annotations

import codecs
from collections import Counter
from typing import Literal

from .json_text import JsonText
from .tables import MAX_LINE_BYTES, OTHER_SEPARATOR, FirstLine, Table

_BOM = b"\xef\xbb\xbf"
_WHITESPACE = b" \t\r\n"
_JSON = (b"{", b"[")
_ENCODINGS = (  # by byte order mark; that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATOR_LINE = b"sep="  # Excel's own first line, which names the separator
_PIECE_BYTES = 256 << 10  # searching in them holds the interpreter for some 20 ms at most
_SAMPLE_BYTES = 64 << 10  # in which binary content is recognized
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r\x0b\x0c\x1a\x1b") + b"\x7f"

# How far the end of a file is proved: by its own form, by the number of its records, or not even by that.
Proof = Literal["Own", "Count", "None"]


class RecordCounter:
    """Counts rows of CSV (see Table), or objects of JSON (see JsonText).

    `count` is None if the content does not show its records for certain; `notes` say why, and what else is odd.
    `first_lines` and `empty_lines` are those of Table. `problem` says how the content is damaged. `proof` says how far
    it shows that it was not cut.
    """

    def __init__(self) -> None:
        self._content: Table | JsonText | None = None
        self._problem: str | None = None
        self._pending = b""  # the first line of a part, as far as it was fed
        self._at_start = True  # whether the next line is the first one of a part
        self._sample: bytearray | None = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None
        self._undetected: bytes | None = b""  # the first bytes, until they show the encoding
        self._ended_within_character = False

    @property
    def count(self) -> int | None:
        return self._content.count if self._content else 0

    @property
    def problem(self) -> str | None:
        return self._problem or (self._content.problem if self._content else None)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._content.notes) if self._content else ()

    @property
    def first_lines(self) -> Counter[FirstLine]:
        return self._content.first_lines if isinstance(self._content, Table) else Counter()

    @property
    def empty_lines(self) -> int:
        return self._content.empty_lines if isinstance(self._content, Table) else 0

    @property
    def is_json(self) -> bool:
        return isinstance(self._content, JsonText)

    @property
    def proof(self) -> Proof:
        if isinstance(self._content, JsonText):
            return "Own" if self._content.is_whole else "Count"
        return "Count" if self._content is None or self._content.ends_with_line else "None"

    def feed(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE_BYTES):
            self._feed(data[start : start + _PIECE_BYTES])

    def _feed(self, data: bytes) -> None:
        if self._undetected is not None:
            data = self._undetected + data
            if len(data) < len(codecs.BOM_UTF32_LE):
                self._undetected = data
                return
            self._detect(data)
        if self._decoder is not None:
            data = self._decoded(data)
        self._feed_text(data)

    def _detect(self, data: bytes) -> None:
        self._undetected = None
        encoding = next((name for mark, name in _ENCODINGS if data.startswith(mark)), None) or _without_mark(data)
        if encoding is not None:
            self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")

    def _decoded(self, data: bytes, *, final: bool = False) -> bytes:
        assert self._decoder is not None
        return self._decoder.decode(data, final).encode(errors="replace")

    def _feed_text(self, data: bytes) -> None:
        if self._sample is not None:
            self._sample += data[: _SAMPLE_BYTES - len(self._sample)]
            if len(self._sample) == _SAMPLE_BYTES:
                self._judge_sample()
        self._count_in(data)

    def _judge_sample(self) -> None:
        """Whatever the pieces are in which the file comes, its beginning shows whether it is text."""
        if self._sample is not None and is_binary(bytes(self._sample)):
            self._problem = "is neither CSV nor JSON"
        self._sample = None

    def _count_in(self, data: bytes) -> None:
        if not self._at_start:
            assert self._content is not None
            self._content.feed(data)
            return
        data = self._pending = (self._pending + data).removeprefix(_BOM).lstrip(_WHITESPACE)
        if data.startswith(_JSON) or _first_line(data) is not None or len(data) >= MAX_LINE_BYTES:
            self._begin()

    def start_part(self) -> None:
        """A part of the file begins. If no record is open, its first line may be a header."""
        if self._pending:
            self._begin()
        if not isinstance(self._content, JsonText):
            self._at_start = self._at_start or (self._content is not None and self._content.is_between_rows)

    def finish(self) -> None:
        """The file has ended."""
        if self._undetected:
            rest, self._undetected = self._undetected, None
            self._feed_text(rest)
        elif self._decoder is not None:
            self._ended_within_character = bool(self._decoded(b"", final=True))
        self._judge_sample()
        if self._pending:
            self._begin()
        if self._content is not None and not self._problem:
            self._content.finish()
            if self._ended_within_character and not self._content.problem:
                self._problem = "is truncated: it ends within a character"

    def _begin(self) -> None:
        data, self._pending = self._pending, b""
        if self._content is None and data.startswith(_JSON):
            self._content = JsonText()
        elif not isinstance(self._content, JsonText):
            self._content = self._content or Table()
            line = _first_line(data)
            if line is not None and line.lower().startswith(_SEPARATOR_LINE) and len(line) <= len("sep=,\r"):
                if line[len(_SEPARATOR_LINE) :][:1] != b",":
                    self._content.give_up(OTHER_SEPARATOR)
                self._count_in(data[len(line) + 1 :])
                return
            self._content.begin((line if line is not None else data)[:MAX_LINE_BYTES])
        self._at_start = False
        self._content.feed(data)


def _without_mark(data: bytes) -> str | None:
    """UTF-16 without a byte order mark, which begins with two ASCII characters."""
    first, second = data[0:4:2], data[1:4:2]
    if second == b"\0\0" and 0 not in first:
        return "utf-16-le"
    return "utf-16-be" if first == b"\0\0" and 0 not in second else None


def _first_line(data: bytes) -> bytes | None:
    """The first line without its line feed; None if it does not end. Line feeds may be within quotes."""
    end = data.find(b"\n")
    while end >= 0 and data.count(b'"', 0, end) & 1:
        end = data.find(b"\n", end + 1)
    return data[:end] if end >= 0 else None


def is_binary(sample: bytes) -> bool:
    """Whether this is not text: many control characters, and not UTF-8; or nothing but few characters between them."""
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if 20 * controls <= len(sample):
        return False
    if 3 * controls > len(sample):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return True
    return False
