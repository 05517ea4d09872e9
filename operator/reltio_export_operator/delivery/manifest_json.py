"""Parses the JSON of a manifest value by value, so that other threads have their turn in between.

The parser of json holds the interpreter until it has parsed everything. Its older form in Python, which it is tested
against, does not, and gives the same values and errors.
"""

from __future__ import annotations

import json
import re
from json import decoder, scanner
from typing import Any

SLICE_BYTES = 64 << 10

_MARKS = re.compile(rb"[,\[{]")
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_BREAKS = re.compile(rb'[",\[\]{}:]')  # what every value and every space ends with


class _ByValue(json.JSONDecoder):
    def __init__(self) -> None:
        super().__init__()
        self.parse_object = decoder.JSONObject  # type: ignore[attr-defined]
        self.parse_array = decoder.JSONArray  # type: ignore[attr-defined]
        self.scan_once = scanner.py_make_scanner(self)  # type: ignore[attr-defined]


_DECODER = _ByValue()


class TooLongError(Exception):
    """A text, a number or a space is too long."""


def values_in(content: bytes, most: int) -> int:
    """About how many values the JSON has; more than `most` when it has more, without counting all."""
    count = 0
    for start in range(0, len(content), SLICE_BYTES):
        if count <= most:
            count += len(_MARKS.findall(content, start, start + SLICE_BYTES))
    return count


def parse_by_value(content: bytes, longest: int = SLICE_BYTES) -> Any:
    """What json.loads returns. Raises ValueError and RecursionError as it does, and TooLongError.

    No text, number or space may be twice as long as `longest` bytes; one that is no longer is always taken.
    """
    if len(content) <= SLICE_BYTES:
        return json.loads(content)
    for start in range(0, len(content) - longest, longest):
        part = content[start : start + longest]
        # It may begin after a backslash, so it is read in both ways.
        if any(_BREAKS.search(_ESCAPED.sub(b"", part[skipped:])) is None for skipped in (0, 1)):
            raise TooLongError
    text = content.decode(json.detect_encoding(content), "surrogatepass")
    return _DECODER.decode(text)
