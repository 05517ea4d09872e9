"""The custom resource definitions as data, and strategies that draw the values which their schemas admit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

Schema = dict[str, Any]

CRDS = sorted((Path(__file__).parents[1] / "crds").glob("*.yaml"))
_ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_LARGEST = {"int32": 2**31 - 1, "int64": 2**63 - 1}


@cache
def definition(plural: str) -> dict[str, Any]:
    """The whole definition of a kind, by its plural."""
    (path,) = (path for path in CRDS if path.stem == plural)
    crd: dict[str, Any] = yaml.safe_load(path.read_text())
    return crd


def schema_of(plural: str) -> Schema:
    (version,) = definition(plural)["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every node of a schema with its path; that of the items of a list ends in ``[]``, that of a map in ``{}``."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}".removeprefix("."))
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """What a schema admits by its structure: types, required fields, bounds, enums and patterns. CEL rules are not read
    but for those that make a string a time.
    """
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "object":
        return _objects(schema)
    if schema["type"] == "array":
        unique = {"set": _whole, "map": lambda item: _keys(schema, item)}.get(schema.get("x-kubernetes-list-type", ""))
        most = min(schema.get("maxItems", 3), schema.get("minItems", 0) + 3)
        return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=most, unique_by=unique)
    if schema["type"] == "integer":
        largest = _LARGEST[schema["format"]]
        return st.integers(schema.get("minimum", -largest - 1), schema.get("maximum", largest))
    if schema["type"] == "boolean":
        return st.booleans()
    return _strings(schema)


def _objects(schema: Schema) -> st.SearchStrategy[Any]:
    fields = {name: values(child) for name, child in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: one for name, one in fields.items() if name in required},
        optional={name: one for name, one in fields.items() if name not in required},
    )


def _strings(schema: Schema) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return times()
    if any("timestamp(self)" in rule["rule"] for rule in schema.get("x-kubernetes-validations", ())):
        return times(datetime(1000, 1, 2))
    if "pattern" in schema:
        matching: st.SearchStrategy[str] = st.from_regex(str(schema["pattern"]), fullmatch=True)
        return matching.filter(lambda text: len(text) <= schema.get("maxLength", 256))
    characters = st.characters(exclude_categories=["Cs"])
    return st.text(characters, min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 64), 64))


def times(earliest: datetime = datetime(1, 1, 1)) -> st.SearchStrategy[str]:
    """Moments in RFC 3339 as an API server takes them: with any zone, with or without fractions of any length."""
    moments = st.datetimes(min_value=earliest, timezones=st.one_of(st.just(UTC), _ZONES))
    fractions = st.one_of(st.just(""), st.from_regex(r"\.[0-9]{1,12}", fullmatch=True))
    return st.builds(_spelled, moments, fractions)


def _spelled(moment: datetime, fraction: str) -> str:
    offset = moment.strftime("%z")
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
    return f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}{fraction}{zone}"


def _whole(item: Any) -> str:
    return repr(item)


def _keys(schema: Schema, item: Any) -> str:
    return repr([item.get(key) for key in schema["x-kubernetes-list-map-keys"]])
