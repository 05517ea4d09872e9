"""Validation of values against structural schemas, worded as the OpenAPI validation of a kube-apiserver."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from .cel import evaluate_rules
from .errors import (
    Cause,
    duplicate,
    invalid_value,
    not_supported,
    required,
    too_long,
    too_many,
    wrong_type,
)
from .schema import MISSING, Schema

_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
UNCHECKED = Cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)


def validate_object(value: Any, schema: Schema, old: Any = MISSING, earlier: list[Cause] | None = None) -> list[Cause]:
    """All causes against a whole object, those of `earlier` checks first.

    With `old`, what an update leaves unchanged is not held against it (ratcheting), and transition rules are
    evaluated. Rules are skipped, and the answer says so, while the object's shape is wrong.
    """
    causes = list(earlier or ())
    causes += validate_value(value, schema, "", old)
    causes += list_causes(value, schema, "", old)
    if schema.has_rules:
        if any(cause.reason in _BLOCKING for cause in causes):
            causes.append(UNCHECKED)
        else:
            causes += evaluate_rules(value, schema, old)
    return causes


def type_name(value: Any) -> str:
    """The JSON type of a value, as error messages name it."""
    if value is None:
        return "null"
    for types, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, types):
            return name
    return "object"


def _has_type(value: Any, wanted: str) -> bool:
    actual = type_name(value)
    if wanted == "number":
        return actual in ("integer", "number")
    if wanted == "integer":
        return actual == "integer" or (actual == "number" and float(value).is_integer())
    return actual == wanted


def validate_value(value: Any, schema: Schema, path: str = "", old: Any = MISSING) -> list[Cause]:
    """Causes against types, formats, bounds, enums, patterns and required fields of a value and all below it."""
    if old is not MISSING and _same(value, old):
        return []
    if value is None and schema.nullable:
        return []
    wanted = "integer,string" if schema.int_or_string else schema.type
    if wanted and not any(_has_type(value, each) for each in wanted.split(",")):
        name = type_name(value)
        return [wrong_type(path, name, f'{path} in body must be of type {wanted}: "{name}"')]
    causes = bound_causes(value, schema.raw, path)
    if isinstance(value, dict):
        for name in schema.raw.get("required", ()):
            if name not in value:
                causes.append(required(_join(path, name)))
        for name, item in value.items():
            child = schema.child(name)
            if child is not None:
                causes += validate_value(item, child, _join(path, name), _old_field(old, name))
    elif isinstance(value, list) and schema.items is not None:
        correlate = correlation(schema, old)
        for index, item in enumerate(value):
            causes += validate_value(item, schema.items, f"{path}[{index}]", correlate(item))
    return causes


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _same(value: Any, old: Any) -> bool:
    return value == old and type(value) is type(old)


def _old_field(old: Any, name: str) -> Any:
    return old.get(name, MISSING) if isinstance(old, dict) else MISSING


def correlation(schema: Schema, old: Any) -> Callable[[Any], Any]:
    """Finds, for an item of a list, the same item of the old list: only `map` lists have such a thing."""
    if schema.list_type != "map" or not isinstance(old, list):
        return lambda item: MISSING
    by_key = {list_key(item, schema): item for item in old if isinstance(item, dict)}
    return lambda item: by_key.get(list_key(item, schema), MISSING) if isinstance(item, dict) else MISSING


def list_key(item: Mapping[str, Any], schema: Schema) -> tuple[Any, ...]:
    """The values of an item's list-map keys, an absent one by its default."""
    return tuple(item.get(key, _key_default(schema, key)) for key in schema.list_keys)


def _key_default(schema: Schema, key: str) -> Any:
    node = schema.items.properties.get(key) if schema.items is not None else None
    return node.default if node is not None and node.default is not MISSING else None


# --- bounds of one value -------------------------------------------------------------------------------------------


def bound_causes(value: Any, raw: Mapping[str, Any], path: str) -> list[Cause]:
    """Causes from the keywords that bound one value, the combinators (`anyOf` and the like) included."""
    causes: list[Cause] = []
    if isinstance(value, str):
        causes += _string_causes(value, raw, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        causes += _number_causes(value, raw, path)
    elif isinstance(value, list):
        causes += _size_causes(len(value), raw, path, "Items", "items")
    elif isinstance(value, dict):
        causes += _size_causes(len(value), raw, path, "Properties", "properties")
    if "enum" in raw and value not in raw["enum"]:
        causes.append(not_supported(path, value, raw["enum"]))
    return causes + _combined_causes(value, raw, path)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    # RE2 reads `$` without flags as the very end of the text; Python's `$` would let a final newline pass.
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", text))


def _string_causes(value: str, raw: Mapping[str, Any], path: str) -> list[Cause]:
    if len(value) > raw.get("maxLength", math.inf):
        return [too_long(path, raw["maxLength"])]
    if len(value) < raw.get("minLength", 0):
        return [invalid_value(path, value, f"{path} in body should be at least {raw['minLength']} chars long")]
    if "pattern" in raw and not _pattern(raw["pattern"]).search(value):
        return [invalid_value(path, value, f"{path} in body should match '{raw['pattern']}'")]
    check = _FORMATS.get(raw.get("format", ""))
    if check is not None and not check(value):
        return [wrong_type(path, value, f'{path} in body must be of type {raw["format"]}: "{value}"')]
    return []


def _number_causes(value: float, raw: Mapping[str, Any], path: str) -> list[Cause]:
    causes = []
    low, high = raw.get("minimum", -math.inf), raw.get("maximum", math.inf)
    if value > high or (value == high and raw.get("exclusiveMaximum")):
        than = "less than" if raw.get("exclusiveMaximum") else "less than or equal to"
        causes.append(invalid_value(path, value, f"{path} in body should be {than} {high}"))
    if value < low or (value == low and raw.get("exclusiveMinimum")):
        than = "greater than" if raw.get("exclusiveMinimum") else "greater than or equal to"
        causes.append(invalid_value(path, value, f"{path} in body should be {than} {low}"))
    if "multipleOf" in raw and not float(value / raw["multipleOf"]).is_integer():
        causes.append(invalid_value(path, value, f"{path} in body should be a multiple of {raw['multipleOf']}"))
    width = _INTEGER_BITS.get(raw.get("format", ""))
    if width is not None and not -(2 ** (width - 1)) <= value < 2 ** (width - 1):
        causes.append(invalid_value(path, value, f'{path} in body must be of type {raw["format"]}: "{value}"'))
    return causes


def _size_causes(size: int, raw: Mapping[str, Any], path: str, keyword: str, noun: str) -> list[Cause]:
    if size > raw.get(f"max{keyword}", math.inf):
        return [too_many(path, size, raw[f"max{keyword}"])]
    if size < raw.get(f"min{keyword}", 0):
        least = raw[f"min{keyword}"]
        return [invalid_value(path, size, f"{path} in body should have at least {least} {noun}")]
    return []


def _matches(value: Any, raw: Mapping[str, Any], path: str) -> list[Cause]:
    """Causes against a schema inside a combinator: value validations only, applied without compilation."""
    wanted = raw.get("type")
    if wanted and not _has_type(value, wanted):
        name = type_name(value)
        return [wrong_type(path, name, f'{path} in body must be of type {wanted}: "{name}"')]
    causes = bound_causes(value, raw, path)
    if isinstance(value, dict):
        causes += [required(_join(path, name)) for name in raw.get("required", ()) if name not in value]
        for name, node in raw.get("properties", {}).items():
            if name in value:
                causes += _matches(value[name], node, _join(path, name))
    elif isinstance(value, list) and "items" in raw:
        for index, item in enumerate(value):
            causes += _matches(item, raw["items"], f"{path}[{index}]")
    return causes


def _combined_causes(value: Any, raw: Mapping[str, Any], path: str) -> list[Cause]:
    causes: list[Cause] = []
    for node in raw.get("allOf", ()):
        causes += _matches(value, node, path)
    if "anyOf" in raw and not raw.get("x-kubernetes-int-or-string"):
        tried = [_matches(value, node, path) for node in raw["anyOf"]]
        if all(tried):
            causes.append(invalid_value(path, value, f"{path} in body must validate at least one schema (anyOf)"))
            causes += tried[0]
    if "oneOf" in raw:
        tried = [_matches(value, node, path) for node in raw["oneOf"]]
        fitting = sum(1 for failed in tried if not failed)
        if fitting != 1:
            found = "none" if not fitting else f"{fitting}"
            text = f"{path} in body must validate one and only one schema (oneOf). Found {found} valid alternatives"
            causes.append(invalid_value(path, value, text))
    if "not" in raw and not _matches(value, raw["not"], path):
        causes.append(invalid_value(path, value, f"{path} in body must not validate the schema (not)"))
    return causes


# --- formats -------------------------------------------------------------------------------------------------------

_INTEGER_BITS = {"int32": 32, "int64": 64}
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")
_DURATION = re.compile(r"[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w))+)")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_HOSTNAME = re.compile(r"(?=.{1,255}$)[A-Za-z0-9]([-A-Za-z0-9]{0,62})(\.[A-Za-z0-9][-A-Za-z0-9]{0,62})*")


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _is_date_time(text: str) -> bool:
    return bool(_DATE_TIME.fullmatch(text)) and _parses(lambda t: datetime.fromisoformat(t[:19]))(text)


def _is_uri(text: str) -> bool:
    return bool(urlsplit(text).scheme) and " " not in text


_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "date": _parses(date.fromisoformat),
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
    "uuid": lambda text: bool(_UUID.fullmatch(text)),
    "uri": _is_uri,
    "email": lambda text: bool(_EMAIL.fullmatch(text)),
    "hostname": lambda text: bool(_HOSTNAME.fullmatch(text)),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(lambda text: ipaddress.ip_network(text, strict=False)),
}


# --- sets and maps in lists ----------------------------------------------------------------------------------------


def list_causes(value: Any, schema: Schema, path: str = "", old: Any = MISSING) -> list[Cause]:
    """Duplicates in lists of type `set` and `map`, at any depth."""
    if old is not MISSING and _same(value, old):
        return []
    causes: list[Cause] = []
    if isinstance(value, dict):
        for name, item in value.items():
            child = schema.child(name)
            if child is not None:
                causes += list_causes(item, child, _join(path, name), _old_field(old, name))
    elif isinstance(value, list) and schema.items is not None:
        causes += _duplicate_causes(value, schema, path)
        for index, item in enumerate(value):
            causes += list_causes(item, schema.items, f"{path}[{index}]")
    return causes


def _duplicate_causes(items: list[Any], schema: Schema, path: str) -> list[Cause]:
    if schema.list_type not in ("set", "map"):
        return []
    causes, seen = [], set()
    for index, item in enumerate(items):
        if schema.list_type == "map":
            if not isinstance(item, dict):
                continue
            shown: Any = dict(zip(schema.list_keys, list_key(item, schema), strict=True))
        else:
            shown = item
        identity = repr(shown)
        if identity in seen:
            causes.append(duplicate(f"{path}[{index}]", shown))
        seen.add(identity)
    return causes
