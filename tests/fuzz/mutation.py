"""Changes valid input a little: what parsers get that random input does not reach, at some microseconds a case."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

_LONGEST = 4096  # bytes or characters of most inputs
_LONGEST_REPEATED = 1 << 16  # of the few that are long, which show a time that is not linear
_MOST_CHANGES = 4
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0, 1e308, "", " ", "0", "-1", "1e999"),
    *("NaN", "true", "null", "2026-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "0000-00-00", "*", "../..", "a/b", "\0"),
    *("\ud800", "\u202e", "é", "💥", "arn:aws:iam::111122223333:role/x", "arn:", ":::::", "s3://x", "x" * 300),
    *([], {}, [[]], [{}], {"": ""}, [None], {"name": 1}, ["x", "x"]),
)
_BYTES = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\r\n", b"\n", b'"', b"\\", b"\\u", b"\\ud800", b"{", b"}", b"[", b"]", b","),
    *(b":", b"<", b"</", b">", b"&", b"&#0;", b"]]>", b"<!DOCTYPE x [", b"- ", b"*a", b"&a ", b"!!", b"? ", b"%", b"="),
    *(b"-1", b"1e999", b"99999999999999999999", b"0x1", b"null", b"\x1f\x8b\x08\0", b"PK\x03\x04", b"PK\x05\x06"),
    *(b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xef\xbb\xbf"),
)


class Mutator:
    """Makes inputs of others. Those that it returns share parts with those that it was given."""

    def __init__(self, random: Random, seeds: Sequence[Any]) -> None:
        self._random = random
        self._seeds = seeds

    def next(self) -> Any:
        """One of the seeds, changed."""
        value = self._random.choice(self._seeds)
        for _ in range(self._random.randint(1, _MOST_CHANGES)):
            value = self._changed(value)
        return value

    def _changed(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return self._bytes(value)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, tuple):  # of a fixed form: only its elements change, and each keeps its type
            at = self._random.randrange(len(value))
            return (*value[:at], self._changed(value[at]), *value[at + 1 :])
        if isinstance(value, int) and not isinstance(value, bool):
            return self._random.choice((value + 1, value - 1, -value, value * 2, value // 2))
        return self._tree(value)

    def _bytes(self, data: bytes) -> bytes:
        random = self._random
        start = random.randint(0, len(data))
        end = min(len(data), start + random.choice((1, 1, 2, 4, 16, 64, 512)))
        match random.randrange(11):
            case 8 | 9:
                return self._without_parts(data, start)
            case 0 if data:
                at = random.randrange(len(data))
                return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]
            case 1:
                return data[:start] + data[end:]
            case 2:
                return data[:start]
            case 3:
                return (data[:end] + data[start:])[:_LONGEST]
            case 4:
                return data[:start] + random.choice(_BYTES) + data[end:]
            case 5:
                return data[:start] + random.randbytes(end - start) + data[end:]
            case 6:
                other = random.choice(self._seeds)
                return data[:start] + (other[start:] if isinstance(other, bytes) else data[end:])
            case 7 if random.randrange(50) == 0:
                return self._repeated(data, start, end)
            case _:
                return (data[:start] + random.choice(_BYTES) + data[start:])[:_LONGEST]

    def _without_parts(self, data: bytes, start: int) -> bytes:
        """Without what is between two of the characters that structure it, such as an element of XML."""
        mark = self._random.choice((b"<", b"<", b",", b"\n", b"{", b":"))
        first = data.find(mark, start)
        end = first
        for _ in range(self._random.choice((1, 2, 2, 4))):
            end = max(end, data.find(mark, end + 1))
        return data[:first] + data[end:] if first >= 0 else data[:start]

    def _repeated(self, data: bytes, start: int, end: int) -> bytes:
        part = data[start:end] or self._random.choice(_BYTES)
        return data[:start] + part * self._random.choice((10, 1000, _LONGEST_REPEATED // len(part))) + data[end:]

    def _text(self, text: str) -> str:
        random = self._random
        start = random.randint(0, len(text))
        end = min(len(text), start + random.choice((1, 1, 2, 4, 16)))
        new = random.choice((*_VALUES[15:40], chr(random.choice((random.randrange(128), random.randrange(0x110000))))))
        new = new if isinstance(new, str) else ""
        match random.randrange(5):
            case 0:
                return text[:start] + text[end:]
            case 1:
                return (text[:end] + text[start:])[:_LONGEST]
            case 2 if random.randrange(50) == 0:
                return text[:start] + (text[start:end] or new) * random.choice((10, 1000)) + text[end:]
            case 3:
                return text[:start] + new + text[end:]
            case _:
                return (text[:start] + new + text[start:])[:_LONGEST]

    def _tree(self, value: Any) -> Any:
        """JSON with one of its values replaced, removed, added, repeated, or given another name."""
        random = self._random
        if not value or not isinstance(value, dict | list) or random.randrange(8) == 0:
            return self._value(value)
        if isinstance(value, list):
            at = random.randrange(len(value))
            return [*value[:at], *self._in_place(value[at]), *value[at + 1 :]]
        name = random.choice(list(value))
        rest = {key: inner for key, inner in value.items() if key != name}
        match random.randrange(10):
            case 0:
                return rest
            case 1:
                return {**rest, self._text(name): value[name]}
            case 2:
                return {**value, random.choice(list(value)): value[name]}
            case _:
                return {**value, name: self._tree(value[name])}

    def _in_place(self, value: Any) -> list[Any]:
        match self._random.randrange(6):
            case 0:
                return []
            case 1:
                return [value, value]
            case 2:
                return [value, self._value(value)]
            case _:
                return [self._tree(value)]

    def _value(self, value: Any) -> Any:
        match self._random.randrange(6):
            case 0 if isinstance(value, str):
                return self._text(value)
            case 1:
                return [value]
            case 2:
                return {"x": value}
            case 3 if isinstance(value, int | float) and not isinstance(value, bool):
                return -value
            case 4:
                return str(value)[:_LONGEST]
            case _:
                return self._random.choice(_VALUES)
