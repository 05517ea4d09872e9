"""Bodies of requests become objects: JSON, YAML or protobuf, then typed fields as Go's decoder reads them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import yaml

from . import errors, protobuf
from .kinds import MESSAGES, Field, Message

Object = dict[str, Any]
JSON, YAML, PROTOBUF = "application/json", "application/yaml", protobuf.CONTENT_TYPE
PRODUCED = (JSON, YAML, PROTOBUF)
_GO_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_GO_TYPES = {"bytes": "[]uint8", "Time": "v1.Time", "MicroTime": "v1.MicroTime", "FieldsV1": "v1.FieldsV1"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


class DecodeError(ValueError):
    """What Go's decoder says of a value of the wrong type."""


class _Pairs(dict[str, Any]):
    """A JSON object that remembers which of its keys came twice."""

    twice: tuple[str, ...] = ()


def pairs(items: list[tuple[str, Any]]) -> _Pairs:
    found = _Pairs(items)
    if len(found) != len(items):
        names = [name for name, _ in items]
        found.twice = tuple(dict.fromkeys(name for name in names if names.count(name) > 1))
    return found


def read(body: bytes, content_type: str, *, accepted: tuple[str, ...] = PRODUCED) -> Any:
    """The value that a body holds. Raises ApiError 415 or 400."""
    if content_type not in accepted:
        raise errors.unsupported_media_type(accepted)
    try:
        if content_type == protobuf.CONTENT_TYPE:
            return protobuf.decode(body)
        if content_type.endswith("yaml"):
            return yaml.load(body, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader without time stamps
        return json.loads(body, object_pairs_hook=pairs)
    except (ValueError, yaml.YAMLError) as error:
        raise errors.bad_request(f"couldn't get version/kind; json parse error: {error}") from None


class _PlainLoader(yaml.SafeLoader):
    """Reads what looks like a time as the string that it is in JSON."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def duplicates(value: Any, path: str = "") -> Iterator[str]:
    """Paths of keys that a JSON body gave twice."""
    if isinstance(value, dict):
        for name in getattr(value, "twice", ()):
            yield f"{path}.{name}" if path else name
        for name, item in value.items():
            yield from duplicates(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from duplicates(item, f"{path}[{index}]")


def plain(value: Any) -> Any:
    """A copy in plain dicts and lists."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def typed(value: Any, kind: str, unknown: list[str], path: str = "") -> Object:
    """An object of a built-in kind with only known fields, without nulls; adds unknown ones to the list.

    Raises DecodeError for values of the wrong type.
    """
    return _typed(value, MESSAGES[kind], kind, unknown, path, [])


def _typed(value: Any, message: Message, root: str, unknown: list[str], shown: str, path: list[str]) -> Object:
    if not isinstance(value, dict):
        raise _wrong(value, root, path, f"v1.{message.name}")
    found: Object = {}
    for name, item in value.items():
        if not path and name in ("apiVersion", "kind"):
            found[name] = item
            continue
        field = message.field(name)
        if field is None:
            unknown.append(f"{shown}.{name}" if shown else name)
        elif item is not None:
            where = f"{shown}.{name}" if shown else name
            found[name] = _field(item, field, root, unknown, where, [*path, name])
    return found


def _field(value: Any, field: Field, root: str, unknown: list[str], shown: str, path: list[str]) -> Any:
    if field.shape == "list":
        if not isinstance(value, list):
            raise _wrong(value, root, path, f"[]{_go_type(field)}")
        return [_one(item, field, root, unknown, f"{shown}[{at}]", path) for at, item in enumerate(value)]
    if field.shape == "map":
        if not isinstance(value, dict):
            raise _wrong(value, root, path, f"map[string]{_go_type(field)}")
        empty = {"string": "", "bytes": ""}.get(field.type)
        return {
            key: empty if item is None else _one(item, field, root, unknown, f"{shown}.{key}", path)
            for key, item in value.items()
        }
    return _one(value, field, root, unknown, shown, path)


def _one(value: Any, field: Field, root: str, unknown: list[str], shown: str, path: list[str]) -> Any:
    if field.is_message:
        return _typed(value, MESSAGES[field.type], root, unknown, shown, path)
    if field.type == "FieldsV1":
        return value
    wanted: tuple[type, ...] = {"bool": (bool,), "int32": (int,), "int64": (int,)}.get(field.type, (str,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise _wrong(value, root, path, _go_type(field))
    if field.type == "bytes":
        return _base64(str(value))
    if field.type in ("Time", "MicroTime"):
        return _moment(str(value), micro=field.type == "MicroTime")
    return value


def _go_type(field: Field) -> str:
    return f"v1.{field.type}" if field.is_message else _GO_TYPES.get(field.type, field.type)


def _wrong(value: Any, root: str, path: list[str], wanted: str) -> DecodeError:
    found = next((name for type_, name in _GO_NAMES.items() if isinstance(value, type_)), "value")
    found = "bool" if isinstance(value, bool) else found
    where = ".".join([root, *path]) if path else root
    return DecodeError(f"json: cannot unmarshal {found} into Go struct field {where} of type {wanted}")


def _base64(text: str) -> str:
    """Canonical base64 of what it holds; as in Go, line ends are ignored and nothing else is."""
    plain = text.replace("\n", "").replace("\r", "")
    try:
        return base64.b64encode(base64.b64decode(plain, validate=True)).decode()
    except binascii.Error:
        good = re.match(r"[A-Za-z0-9+/]*", plain)
        at = good.end() if good is not None else 0
        raise DecodeError(f"illegal base64 data at input byte {at - at % 4 if at == len(plain) else at}") from None


def _moment(text: str, *, micro: bool) -> str:
    """A time as the server writes it: UTC, in whole seconds or with six digits."""
    layout = "2006-01-02T15:04:05.000000Z07:00" if micro else "2006-01-02T15:04:05Z07:00"
    if not (_MICRO_TIME if micro else _TIME).fullmatch(text):
        raise DecodeError(f'parsing time "{text}" as "{layout}": cannot parse "{text}"')
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise DecodeError(f'parsing time "{text}": day out of range') from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")
