"""Counts the objects of JSON text: in lines, in an array or one after the other. Memory does not grow with the file."""

from __future__ import annotations

import re

_STRING = re.compile(rb'"[^"]*"')
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")
_CLOSED_BY = {0x7D: 0x7B, 0x5D: 0x5B}
_MOST_NESTED = 1000
_OPEN_OBJECT, _OPEN_ARRAY = b"{["

NOT_MATCHING = "has brackets that do not match, so its objects were not counted"
TOO_NESTED = "is nested too deeply, so its objects were not counted"
NO_OBJECTS = "is a JSON array of something else than objects, so they were not counted"


class JsonText:
    """Counts objects at the top, or in the array at the top. `count` is None if the brackets do not match."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.notes: list[str] = []
        self._count = 0
        self._open = bytearray()  # brackets
        self._in_string = False
        self._held = b""  # a backslash, whose character may follow
        self._is_array = False
        self._content = 0  # bytes, at least
        self._given_up = False

    @property
    def count(self) -> int | None:
        return None if self._given_up else self._count

    @property
    def is_whole(self) -> bool:
        """Whether its form shows that nothing follows: an array has ended."""
        return self._is_array and not self._open and not self._given_up

    def feed(self, data: bytes) -> None:
        if self._given_up or not data:
            return
        data = self._held + data
        if b"\\" in data:
            slashes = len(data) - len(data.rstrip(b"\\"))
            self._held = data[-1:] if slashes & 1 else b""
            data = data[: len(data) - len(self._held)].replace(b"\\\\", b"").replace(b'\\"', b"")
        else:
            self._held = b""
        self._content += len(data)
        self._take(self._outside_strings(data).translate(None, _NO_BRACKETS))

    def _outside_strings(self, data: bytes) -> bytes:
        if self._in_string:
            end = data.find(b'"')
            if end < 0:
                return b""
            self._in_string, data = False, data[end + 1 :]
        if data.count(b'"') & 1:
            self._in_string, data = True, data[: data.rfind(b'"')]
        return _STRING.sub(b"", data)

    def _take(self, brackets: bytes) -> None:
        opened = self._open
        for bracket in brackets:
            if bracket in b"{[":
                if not opened:
                    self._is_array = bracket == _OPEN_ARRAY
                if bracket == _OPEN_OBJECT and (not opened or (self._is_array and len(opened) == 1)):
                    self._count += 1
                opened.append(bracket)
                if len(opened) > _MOST_NESTED:
                    self._give_up(TOO_NESTED)
                    return
            elif not opened or opened.pop() != _CLOSED_BY[bracket]:
                self._give_up(NOT_MATCHING)
                return

    def _give_up(self, why: str) -> None:
        self._given_up = True
        self.notes.append(why)

    def finish(self) -> None:
        """The text has ended."""
        if self._given_up:
            return
        if self._open or self._in_string:
            self.problem = "is truncated: its JSON does not end"
        elif self._is_array and not self._count and self._content > len(b" [ ] \r\n"):
            self._give_up(NO_OBJECTS)
