"""Structural schemas as a kube-apiserver applies them: defaulting, pruning, validation, and CEL rules."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import cel

from .errors import Cause, duplicate, invalid_value, not_supported, required, too_long, too_many, wrong_type

Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_INTEGERS = {"int32": 2**31, "int64": 2**63}
_SUFFIXES = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50}


_KNOWN = frozenset(
    {
        *("type", "format", "description", "title", "default", "example", "nullable", "enum", "properties", "items"),
        *(
            "additionalProperties",
            "required",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
        ),
        *("pattern", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
        *("x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"),
    }
)
_KNOWN_IN_RULES = frozenset({"rule", "message", "fieldPath"})


def unknown_keywords(schema: Schema) -> set[str]:
    """Keywords of a schema that this module would ignore; a definition that has any cannot be served honestly."""
    found = set(schema) - _KNOWN
    for rule in schema.get("x-kubernetes-validations", ()):
        found |= set(rule) - _KNOWN_IN_RULES
    children = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return found.union(*(unknown_keywords(child) for child in children if isinstance(child, dict)))


def with_defaults(value: Any, schema: Schema) -> Any:
    """Fill in defaults, in place. Returns the value."""
    if isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if "default" in child and name not in value:
                value[name] = copy.deepcopy(child["default"])
            if name in value:
                with_defaults(value[name], child)
    elif isinstance(value, list):
        for item in value:
            with_defaults(item, schema.get("items", {}))
    return value


def pruned(value: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """Remove fields that the schema does not know, in place; yields their paths.

    Also removes nulls where the schema allows none, and takes whole numbers such as 3.0 for integers.
    """
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, dict) and ("properties" in schema or "additionalProperties" in schema):
        known, free = schema.get("properties", {}), schema.get("additionalProperties")
        for name in list(value):
            where = f"{path}.{name}" if path else name
            child = known.get(name, free if isinstance(free, dict) else None)
            if child is None:
                del value[name]
                yield where
            elif value[name] is None and not child.get("nullable"):
                del value[name]
            else:
                value[name] = _whole(value[name], child)
                yield from pruned(value[name], child, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from pruned(item, schema.get("items", {}), f"{path}[{index}]")


def _whole(value: Any, schema: Schema) -> Any:
    return int(value) if schema.get("type") == "integer" and isinstance(value, float) and value.is_integer() else value


_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)


def blocking(causes: Iterable[Cause]) -> bool:
    """Whether the rules are not asked because of what is wrong already."""
    return any(cause.reason in _BLOCKING for cause in causes)


def violations(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """What is wrong with the value by structure alone."""
    kind = schema.get("type")
    if value is None and schema.get("nullable"):
        return
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield from _wrong_type(value, kind, schema.get("format", ""), path)
        return
    if "enum" in schema and value not in schema["enum"]:
        yield not_supported(path, value, schema["enum"])
    if isinstance(value, str):
        yield from _string(value, schema, path)
    elif isinstance(value, dict):
        yield from _object(value, schema, path)
    elif isinstance(value, list):
        yield from _list(value, schema, path)
    elif isinstance(value, int | float):
        yield from _number(value, schema, path)


def _wrong_type(value: Any, kind: str, format_: str, path: str) -> Iterator[Cause]:
    if kind == "integer" and isinstance(value, float) and format_ in _INTEGERS:
        yield wrong_type(path, "float64", f'{path} in body must be of type {format_}: "float64"')
        yield _out_of_range(format_, path)
        return
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null", int: "integer"}
    found = next((name for type_, name in names.items() if isinstance(value, type_)), "number")
    yield wrong_type(path, found, f'{path} in body must be of type {kind}: "{found}"')


def _out_of_range(format_: str, path: str) -> Cause:
    text = f'Invalid value: "": Checked value must be of type integer with format {format_} in {path}'
    return Cause("<nil>", "FieldValueInvalid", text)


def _object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    for name in schema.get("required", ()):
        if name not in value:
            yield required(f"{path}.{name}" if path else name)
    if len(value) > schema.get("maxProperties", 2**31):
        yield too_many(path, len(value), schema["maxProperties"])
    if len(value) < schema.get("minProperties", 0):
        text = f"{path} in body should have at least {schema['minProperties']} properties"
        yield invalid_value(path, len(value), text)
    known, free = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        child = known.get(name, free if isinstance(free, dict) else None)
        if child is not None:
            yield from violations(item, child, f"{path}.{name}" if path else name)


def _number(value: float, schema: Schema, path: str) -> Iterator[Cause]:
    limit = _INTEGERS.get(schema.get("format", ""))
    if limit is not None and not -limit <= value < limit:
        yield _out_of_range(schema["format"], path)
    if value < schema.get("minimum", value):
        yield invalid_value(path, value, f"{path} in body should be greater than or equal to {schema['minimum']}")
    if value > schema.get("maximum", value):
        yield invalid_value(path, value, f"{path} in body should be less than or equal to {schema['maximum']}")


def _string(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxLength", 2**31):
        yield too_long(path, schema["maxLength"])
    elif len(value) < schema.get("minLength", 0):
        yield invalid_value(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    elif "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield invalid_value(path, value, f"{path} in body should match '{schema['pattern']}'")
    if schema.get("format") == "date-time" and not _is_date_time(value):
        name = path.rpartition(".")[2]
        yield wrong_type(path, value, f'{name} in body must be of type date-time: "{value}"')


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    """As Go reads it: `$` is the end of the text, not a place before a last line feed."""
    return re.compile(re.sub(r"(\\.|\[(?:\\.|[^\]])*\])|\$", lambda match: match[1] or r"\Z", text))


def _is_date_time(text: str) -> bool:
    """As `strfmt.IsDateTime` in k8s.io/kube-openapi has it."""
    date, _, time = text.lower().partition("t")
    match = re.match(r"(\d\d):(\d\d):(\d\d)(.\d+)?(z|[+-]\d\d:\d\d)\Z", time)
    if match is None or not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        return False
    try:
        datetime.fromisoformat(date)
    except ValueError:
        return False
    return match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def _list(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxItems", 2**31):
        yield too_many(path, len(value), schema["maxItems"])
    if len(value) < schema.get("minItems", 0):
        yield invalid_value(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    seen: list[Any] = []
    twice: list[Any] = []
    for index, item in enumerate(value):
        identity = item
        if schema.get("x-kubernetes-list-type") == "map" and isinstance(item, dict):
            identity = [item.get(key) for key in schema["x-kubernetes-list-map-keys"]]
        if schema.get("x-kubernetes-list-type") in ("map", "set"):
            if identity in seen and identity not in twice:
                yield duplicate(f"{path}[{index}]", item)
                twice.append(identity)
            seen.append(identity)
        yield from violations(item, schema.get("items", {}), f"{path}[{index}]")


def broken_rules(value: Any, old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """The CEL rules that do not hold. Transition rules are asked only where there is an old value."""
    yield from _broken(_seen_by_rules(value, schema), _seen_by_rules(old, schema), schema, path)


def _seen_by_rules(value: Any, schema: Schema) -> Any:
    """The value as CEL has it: what has the format date-time is a timestamp, and no string."""
    if isinstance(value, dict):
        known, free = schema.get("properties", {}), schema.get("additionalProperties") or {}
        return {name: _seen_by_rules(item, known.get(name, free)) for name, item in value.items()}
    if isinstance(value, list):
        return [_seen_by_rules(item, schema.get("items", {})) for item in value]
    if isinstance(value, str) and schema.get("format") == "date-time" and _is_date_time(value):
        return datetime.fromisoformat(value.upper())
    return value


def _broken(value: Any, old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    for rule in schema.get("x-kubernetes-validations", ()):
        transition = re.search(r"\boldSelf\b", rule["rule"]) is not None
        if transition and old is None:
            continue
        if not _holds(rule["rule"], value, old if transition else None):
            where = path + rule.get("fieldPath", "")
            if rule.get("fieldPath") or not isinstance(value, str | int | float):
                yield Cause(where, "FieldValueInvalid", f"Invalid value: {rule['message']}")
            else:
                yield invalid_value(where, value, rule["message"])
    if isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if name in value:
                before = old.get(name) if isinstance(old, dict) else None
                yield from _broken(value[name], before, child, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _broken(item, None, schema.get("items", {}), f"{path}[{index}]")


@lru_cache(maxsize=512)
def _program(rule: str) -> Any:
    return cel.compile(rule)


def compile_problem(rule: str) -> str:
    """What is wrong with a rule, or nothing."""
    try:
        _program(rule)
    except ValueError as error:
        return f"compilation failed: {error}"
    return ""


def _holds(rule: str, value: Any, old: Any) -> bool:
    context = cel.Context({"self": value} if old is None else {"self": value, "oldSelf": old})
    functions: dict[str, Callable[..., Any]] = {
        "isQuantity": lambda text: _quantity(text) is not None,
        "quantity": lambda text: float(_quantity(text) or 0),
        "compareTo": lambda one, other: (one > other) - (one < other),
    }
    for name, function in functions.items():
        context.add_function(name, function)
    try:
        return _program(rule).execute(context) is True
    except (ValueError, RuntimeError, TypeError, KeyError):
        return False  # an error in a rule refuses the object, as in a real server


def _quantity(text: str) -> Decimal | None:
    match = re.fullmatch(r"([+-]?[0-9.]+)([a-zA-Z]*)", text)
    if not match:
        return None
    number, suffix = match.groups()
    try:
        if suffix in _BINARY:
            return Decimal(number) * Decimal(2) ** _BINARY[suffix]
        return Decimal(number) * Decimal(10) ** _SUFFIXES[suffix]
    except (KeyError, InvalidOperation):
        return None
