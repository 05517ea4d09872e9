"""Tables, as kubectl asks for them: the printer columns of a resource, or those of a built-in kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from .resources import Object, Resource

_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def table(resource: Resource, objects: Iterable[Object], metadata: Object, include: str) -> dict[str, Any]:
    """A Table of objects. `include` says what of each object goes along: None, Metadata or Object."""
    columns = _columns(resource)
    rows = [{"cells": _cells(resource, item), "object": _included(item, include)} for item in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    }


def _included(item: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return item
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}


def _columns(resource: Resource) -> list[dict[str, Any]]:
    if resource.native is not None:
        return list(resource.native.columns)
    name = {"name": "Name", "type": "string", "format": "name", "description": "Name", "priority": 0}
    return [
        name,
        *(
            {
                "name": column["name"],
                "type": column["type"],
                "format": column.get("format", ""),
                "description": column.get("description", ""),
                "priority": column.get("priority", 0),
            }
            for column in resource.columns or (_AGE,)
        ),
    ]


def _cells(resource: Resource, item: Object) -> list[Any]:
    if resource.native is not None and resource.native.cells is not None:
        return resource.native.cells(item)
    return [item["metadata"]["name"], *(_cell(item, column) for column in resource.columns or (_AGE,))]


def _cell(item: Object, column: dict[str, Any]) -> Any:
    value = lookup(item, column["jsonPath"])
    if value is None:
        return None
    if column["type"] == "date":
        return age(str(value))
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def lookup(item: Any, path: str) -> Any:
    """The first value under a JSON path of names, indices and filters such as ``[?(@.type=="Ready")]``."""
    for name, key, wanted in re.findall(r'\.(\w+)|\[\?\(@\.(\w+)=="([^"]*)"\)\]', path):
        if name:
            item = item.get(name) if isinstance(item, dict) else None
        else:
            item = next((entry for entry in item or () if entry.get(key) == wanted), None)
        if item is None:
            return None
    return item


def age(stamp: str) -> str:
    """Time since then, in two units at most, as kubectl prints it (k8s.io/apimachinery/pkg/util/duration)."""
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds())
    except (ValueError, TypeError):
        return "<unknown>"
    if seconds < -1:
        return "<invalid>"
    return _human(max(0, seconds))


def _human(seconds: int) -> str:
    minutes, hours, days, years = seconds // 60, seconds // 3600, seconds // 86400, seconds // (86400 * 365)
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(major: int, unit: str, minor: int, below: str) -> str:
    return f"{major}{unit}{minor}{below}" if minor else f"{major}{unit}"
