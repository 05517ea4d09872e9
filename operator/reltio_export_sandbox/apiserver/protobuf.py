"""Request bodies in Kubernetes' protobuf encoding, which kubectl uses for the built-in kinds.

Layout: the magic `k8s\\0`, then a `runtime.Unknown` (1 typeMeta, 2 raw), whose raw bytes are the message of the kind.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from .kinds import MESSAGES, Field, Message

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def decode(body: bytes) -> dict[str, Any]:
    """The object as JSON would give it. Raises ValueError for what is not such a body or not a known kind."""
    if not body.startswith(_MAGIC):
        raise ValueError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    api_version = kind = ""
    raw = b""
    for number, value in _fields(body[len(_MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            header = {at: _text(given) for at, given in _fields(value)}
            api_version, kind = header.get(1, ""), header.get(2, "")
        elif number == 2 and isinstance(value, bytes):
            raw = value
    if kind not in MESSAGES:
        raise ValueError(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"apiVersion": api_version, "kind": kind, **_message(raw, MESSAGES[kind])}


def _message(data: bytes, message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(data):
        field = message.fields.get(number)
        if field is None:
            continue  # newer than the table of kinds
        if field.shape == "list":
            found.setdefault(field.name, []).append(_value(value, field))
        elif field.shape == "map":
            entry = dict(_fields(_bytes(value)))
            found.setdefault(field.name, {})[_text(entry.get(1, b""))] = _value(entry.get(2, b""), field)
        else:
            read = _value(value, field)
            if field.keeps_zero or read not in (None, "", 0, False, {}):
                found[field.name] = read
    return found


def _value(value: int | bytes, field: Field) -> Any:
    match field.type:
        case "bool":
            return bool(value)
        case "int32" | "int64":
            number = value if isinstance(value, int) else 0
            return number - 2**64 if number >= 2**63 else number
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "Time" | "MicroTime":
            return _time(_bytes(value), micro=field.type == "MicroTime")
        case "FieldsV1":
            return json.loads(_bytes(dict(_fields(_bytes(value))).get(1, b"{}")))
        case "string":
            return _text(value)
    return _message(_bytes(value), MESSAGES[field.type])


def _time(data: bytes, *, micro: bool) -> str | None:
    parts = {number: value for number, value in _fields(data) if isinstance(value, int)}
    if not parts:
        return None
    moment = datetime.fromtimestamp(parts.get(1, 0), UTC).replace(microsecond=parts.get(2, 0) // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("wrong wire type")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode()


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message. Raises ValueError for one that is cut short."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} is not known")
        if at + length > len(data):
            raise ValueError("unexpected EOF")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("unexpected EOF")
        byte = data[at]
        result |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return result, at
