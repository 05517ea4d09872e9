"""Reads what other systems answer within limits. Knows no HTTP library: each client feeds what it receives."""

from __future__ import annotations

import math
import re
import zlib
from typing import Any

import msgspec

from .bounds import Answer, AnswerLimits, answer_limits

SLICE_BYTES = 64 << 10  # that are examined or parsed without a pause: some milliseconds
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_JSON_BEGINS = (b"{", b"[", BYTE_ORDER_MARK[:1])
_CODINGS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_ESCAPED = re.compile(rb"\\.", re.DOTALL)  # a character of a string after a backslash
_STRUCTURE = bytes.maketrans(b"{}", b"[]")
_NO_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))
# In group 1 an escape that stands for one half of a character without the other half.
HALF_OR_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


class BeyondLimitsError(Exception):
    """An answer was not read to its end. The text is a sentence that names the service and the limit."""

    def __init__(self, kind: Answer, limit: str, *, is_late: bool = False) -> None:
        self.is_late = is_late  # the limit is that of time
        self.limit = f"the answer of {kind.value} {limit}"
        super().__init__(f"T{self.limit[1:]}.")

    @classmethod
    def of_time(cls, kind: Answer) -> BeyondLimitsError:
        return cls(kind, f"was not complete within {answer_limits(kind).seconds:.0f} s", is_late=True)

    @classmethod
    def of_size(cls, kind: Answer) -> BeyondLimitsError:
        return cls(kind, f"is larger than {_size(answer_limits(kind).decoded_bytes)}")


class Body:
    """The decompressed body of one answer. Nested or numerous values of JSON are noticed as they arrive.

    `error`: the answer has an error status. Then it is cut instead of refused, as the status is what counts.
    """

    def __init__(self, kind: Answer, coding: str = "", *, error: bool = False) -> None:
        self._kind = kind
        self._limits = limits = answer_limits(kind)
        self._error = error
        self._most_encoded = min(limits.encoded_bytes, limits.error_bytes) if error else limits.encoded_bytes
        self._most_decoded = min(limits.decoded_bytes, limits.error_bytes) if error else limits.decoded_bytes
        self._encoded = self._decoded = 0
        self._inflater = _inflater(kind, coding)
        self._guard: JsonGuard | None = None
        self._content = bytearray()
        self.is_cut = False

    def add(self, chunk: bytes) -> bool:
        """Take what was received, and return whether more is wanted. Raises BeyondLimitsError, and zlib.error."""
        try:
            self._add(chunk)
        except BeyondLimitsError:
            if not self._error:
                raise
            self.is_cut = True
        return not self.is_cut

    def content(self) -> bytes:
        """All of the body, or what was read of it. Nothing of JSON that was cut, which cannot be parsed."""
        return b"" if self.is_cut and self._guard is not None else bytes(self._content)

    def _add(self, chunk: bytes) -> None:
        self._encoded += len(chunk)
        if self._encoded > self._most_encoded:
            raise BeyondLimitsError(self._kind, f"is larger than {_size(self._most_encoded)}")
        room = self._most_decoded - self._decoded
        data = self._inflater.inflate(chunk, 0 if room == math.inf else int(room) + 1) if self._inflater else chunk
        if len(data) > room:
            self._content += data[: int(room)]
            unpacked = " when it is decompressed" if self._inflater else ""
            raise BeyondLimitsError(self._kind, f"is larger than {_size(self._most_decoded)}{unpacked}")
        self._decoded += len(data)
        if not self._content:
            data = data.lstrip()
            if data[:1] in _JSON_BEGINS:
                self._guard = JsonGuard(self._kind)
        self._content += data
        if self._guard is not None:
            self._guard.add(data)


class JsonGuard:
    """Counts depth and entries of JSON without parsing it, in linear time; JSON may come in pieces."""

    def __init__(self, kind: Answer) -> None:
        self._kind = kind
        self._limits: AnswerLimits = answer_limits(kind)
        self._in_string = False  # whether the last piece ended within a string
        self._backslash = b""  # with which the last piece ended
        self._depth = 0
        self._entries = 0

    def add(self, data: bytes) -> None:
        """Raises BeyondLimitsError."""
        for start in range(0, len(data), SLICE_BYTES):
            self._add(data[start : start + SLICE_BYTES])

    def _add(self, data: bytes) -> None:
        data = _ESCAPED.sub(b"", self._backslash + data)
        self._backslash = data[-1:] if data.endswith(b"\\") else b""
        parts = data.split(b'"')
        marks = b"".join(parts[1 if self._in_string else 0 :: 2]).translate(_STRUCTURE, _NO_STRUCTURE)
        self._in_string ^= len(parts) % 2 == 0
        opened, commas = marks.count(b"["), marks.count(b",")
        # A key and its value share a comma, as two strings do. Strings without commas cannot be JSON, but take time.
        self._entries += max(opened + commas, len(parts) // 4)
        if self._entries > self._limits.entries:
            raise BeyondLimitsError(self._kind, f"has more than {self._limits.entries:,.0f} values")
        if self._limits.depth == math.inf:
            return
        if self._depth + opened <= self._limits.depth:
            self._depth = max(0, self._depth + opened - marks.count(b"]"))
            return
        for mark in marks:
            if mark == 0x5B:
                self._depth += 1
                if self._depth > self._limits.depth:
                    raise BeyondLimitsError(self._kind, f"is nested deeper than {self._limits.depth:.0f} levels")
            elif mark == 0x5D:
                self._depth = max(0, self._depth - 1)


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


# msgspec's own parser takes up to 7 microseconds for a number with many digits, which is 20 times as long.
_JSON = msgspec.json.Decoder(float_hook=_float)


def parse_json(content: bytes | str | None) -> Any:
    """The value of JSON that was read within limits. Raises ValueError when it is none.

    Half of a character, as remains of a text that was cut, becomes a replacement character. NaN and infinity are none.
    Answers of more than SLICE_BYTES are parsed with `slices.parse_in_slices`.
    """
    data = content.encode(errors="replace") if isinstance(content, str) else content or b""
    data = data.removeprefix(BYTE_ORDER_MARK)
    try:
        try:
            return _JSON.decode(data)
        except msgspec.DecodeError:
            if b"\\ud" not in data and b"\\uD" not in data:
                raise
            return _JSON.decode(HALF_OR_ESCAPE.sub(_whole, data))
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise ValueError(f"it is not JSON ({error})") from None


def check_json(kind: Answer, content: bytes | str) -> None:
    """Raise BeyondLimitsError if these values are nested too deeply or too many. It need not be JSON."""
    JsonGuard(kind).add(content.encode(errors="replace") if isinstance(content, str) else content)


def _whole(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match[1] else match[0]


class _Inflater:
    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream = zlib.decompressobj(_CODINGS[coding])
        self._begun = False

    def inflate(self, chunk: bytes, most: int) -> bytes:
        """At most this many bytes; all for 0. What comes after the end of the stream is left out."""
        if self._stream.eof or not chunk:
            return b""
        try:
            data = self._stream.decompress(chunk, most)
        except zlib.error:
            if self._begun or self._coding != "deflate":
                raise
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)  # some send it without its header
            data = self._stream.decompress(chunk, most)
        self._begun = True
        return data


def _inflater(kind: Answer, coding: str) -> _Inflater | None:
    codings = [each.strip().lower() for each in coding.split(",")]
    codings = [each for each in codings if each not in ("", "identity")]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in _CODINGS:
        raise BeyondLimitsError(kind, "is compressed in a way that was not asked for")
    return _Inflater(codings[0])


def _size(count: float) -> str:
    return f"{count / (1 << 20):g} MiB" if count >= 1 << 20 else f"{count / (1 << 10):g} KiB"
