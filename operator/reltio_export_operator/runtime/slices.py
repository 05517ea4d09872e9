"""Parses large JSON of others in slices, between which the event loop and other threads have their turn.

A parser of a C library holds the interpreter until it returns, in a thread as well. So large lists and objects are
only split by it, which takes about a millisecond for each MiB, and their values are parsed one by one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from .answers import BYTE_ORDER_MARK, HALF_OR_ESCAPE, SLICE_BYTES, parse_json

T = TypeVar("T")
Steps = Generator[None, None, T]  # yields between two slices, and returns the value

_BYTES_OF_A_VALUE = 64  # that a value counts for at least: parsing small ones takes longer than their size suggests
_FIRST = re.compile(rb"[^ \t\r\n]")
_LIST, _OBJECT = msgspec.json.Decoder(list[Raw]), msgspec.json.Decoder(dict[str, Raw])
_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


async def parse_in_slices(content: bytes | None) -> Any:
    """The same value as `parse_json`, which is parsed while other callbacks run. Raises ValueError."""
    return await in_turns(json_steps(content or b""))


async def in_turns(steps: Steps[T]) -> T:
    """The result of the steps, between which other callbacks of the event loop run."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)


def json_steps(content: bytes) -> Steps[Any]:
    """Steps that parse JSON as `parse_json` does. Each takes no more than a slice, or splits the content once."""
    content = content.removeprefix(BYTE_ORDER_MARK)
    try:
        return (yield from _value(content))
    except _ERRORS as error:
        if b"\\ud" not in content and b"\\uD" not in content:
            raise ValueError(f"it is not JSON ({error})") from None
    whole = yield from _with_whole_characters(content)
    try:
        return (yield from _value(whole))
    except _ERRORS as error:
        raise ValueError(f"it is not JSON ({error})") from None


def _value(content: bytes) -> Steps[Any]:
    first = _FIRST.search(content) if len(content) > SLICE_BYTES else None
    if first is None or first[0] not in (b"[", b"{"):
        return parse_json(content)
    if first[0] == b"[":
        items = _LIST.decode(content)
        yield
        return (yield from _values(items))
    members = _OBJECT.decode(content)
    yield
    return dict(zip(members, (yield from _values(list(members.values()))), strict=True))


def _values(parts: list[Raw]) -> Steps[list[Any]]:
    values: list[Any] = []
    taken = 0
    for part in parts:
        content = bytes(part)
        values.append((yield from _value(content)) if len(content) > SLICE_BYTES else parse_json(content))
        taken += max(len(content), _BYTES_OF_A_VALUE)
        if taken > SLICE_BYTES:
            taken = 0
            yield
    return values


def _with_whole_characters(content: bytes) -> Steps[bytes]:
    """The content with a replacement character, which is as long, in place of each half of a character."""
    whole = bytearray(content)
    for number, match in enumerate(HALF_OR_ESCAPE.finditer(content), 1):
        if match[1]:
            whole[match.start() : match.end()] = rb"\ufffd"
        if number % 10_000 == 0:
            yield
    return bytes(whole)
