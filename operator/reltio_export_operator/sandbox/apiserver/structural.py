"""Structural schemas as a kube-apiserver applies them: defaulting, pruning, validation, and CEL rules."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
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
_SUFFIXES = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50}


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
    """Remove fields that the schema does not know, in place; yields their paths."""
    if isinstance(value, dict) and "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        for name in list(value):
            where = f"{path}.{name}" if path else name
            if name not in schema["properties"]:
                del value[name]
                yield where
            else:
                yield from pruned(value[name], schema["properties"][name], where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from pruned(item, schema.get("items", {}), f"{path}[{index}]")


def violations(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """What is wrong with the value by structure alone."""
    kind = schema.get("type")
    if value is None and schema.get("nullable"):
        return
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        found = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}.get(
            type(value), "number"
        )
        yield wrong_type(path, found, f'{path} in body must be of type {kind}: "{found}"')
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


def _object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Cause]:
    for name in schema.get("required", ()):
        if name not in value:
            yield required(f"{path}.{name}" if path else name)
    for name, child in schema.get("properties", {}).items():
        if name in value:
            yield from violations(value[name], child, f"{path}.{name}" if path else name)


def _number(value: float, schema: Schema, path: str) -> Iterator[Cause]:
    if value < schema.get("minimum", value):
        yield invalid_value(path, value, f"{path} in body should be greater than or equal to {schema['minimum']}")
    if value > schema.get("maximum", value):
        yield invalid_value(path, value, f"{path} in body should be less than or equal to {schema['maximum']}")


def _string(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxLength", 2**31):
        yield too_long(path, schema["maxLength"])
    if len(value) < schema.get("minLength", 0):
        yield invalid_value(path, value, f"{path} in body should be at least {schema['minLength']} chars long")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield invalid_value(path, value, f"{path} in body should match '{schema['pattern']}'")
    if schema.get("format") == "date-time":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            yield invalid_value(path, value, f'{path} in body must be of type date-time: "{value}"')


def _list(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxItems", 2**31):
        yield too_many(path, len(value), schema["maxItems"])
    if len(value) < schema.get("minItems", 0):
        yield invalid_value(path, len(value), f"{path} in body should have at least {schema['minItems']} items")
    seen: list[Any] = []
    for index, item in enumerate(value):
        identity = item
        if schema.get("x-kubernetes-list-type") == "map" and isinstance(item, dict):
            identity = [item.get(key) for key in schema["x-kubernetes-list-map-keys"]]
        if schema.get("x-kubernetes-list-type") in ("map", "set"):
            if identity in seen:
                yield duplicate(f"{path}[{index}]", item)
            seen.append(identity)
        yield from violations(item, schema.get("items", {}), f"{path}[{index}]")


def broken_rules(value: Any, old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    """The CEL rules that do not hold. Transition rules are asked only where there is an old value."""
    for rule in schema.get("x-kubernetes-validations", ()):
        transition = re.search(r"\boldSelf\b", rule["rule"]) is not None
        if transition and old is None:
            continue
        if not _holds(rule["rule"], value, old if transition else None):
            where = path + rule.get("fieldPath", "")
            shown = (
                value if isinstance(value, str | int | float | bool) else type(value).__name__.replace("dict", "object")
            )
            yield invalid_value(where, shown, rule["message"])
    if isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if name in value:
                before = old.get(name) if isinstance(old, dict) else None
                yield from broken_rules(value[name], before, child, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from broken_rules(item, None, schema.get("items", {}), f"{path}[{index}]")


@lru_cache(maxsize=512)
def _program(rule: str) -> Any:
    return cel.compile(rule)


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
