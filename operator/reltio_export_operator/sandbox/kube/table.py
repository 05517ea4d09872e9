"""The Table form of objects, which kubectl prints: one row an object, one cell a column."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from . import views
from .jsonpath import find
from .meta import OBJECT_META
from .resources import Column, Resource
from .storage import Entry, Object, encode

_NAME = Column("Name", "string", format="name", description=OBJECT_META["properties"]["name"]["description"])


def render_list(resource: Resource, include: str, entries: Iterable[Entry], meta: Object) -> bytes:
    """A Table of entries; `include` is what rows carry along: None, Metadata or Object."""
    return encode(_table(resource, include, entries, meta))


def render_one(resource: Resource, include: str, entry: Entry) -> bytes:
    """A Table of one row, for a GET or an event of a watch."""
    meta = {"resourceVersion": entry.obj["metadata"].get("resourceVersion", "")}
    return encode(_table(resource, include, [entry], meta))


def render_bookmark(meta: Object) -> bytes:
    """A bookmark in a watch of Tables: no rows, but the metadata of an object that is none."""
    row = {"cells": [], "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}}
    table = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": [], "rows": [row]}
    return encode(table)


def _table(resource: Resource, include: str, entries: Iterable[Entry], meta: Object) -> Object:
    columns = resource.columns if resource.builtin else (_NAME, *resource.columns)
    now = datetime.now(UTC)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(resource, include, entry, now) for entry in entries],
    }


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(resource: Resource, include: str, entry: Entry, now: datetime) -> Object:
    obj = entry.obj
    if resource.builtin:
        cells = _BUILTIN_CELLS[resource.plural](obj, now)
    else:
        cells = [obj["metadata"]["name"], *(_cell(column, obj, now) for column in resource.columns)]
    if include == "None":
        carried: Any = None
    else:
        carried = views.shown(resource, obj) if include == "Object" else views.partial(obj)
    return {"cells": cells, "object": carried}


# --- custom columns ------------------------------------------------------------------------------------------------


def _cell(column: Column, obj: Object, now: datetime) -> Any:
    values = find(column.path, obj)
    if not values:
        return None
    value = values[0]
    if column.type == "date":
        return age(value, now) if isinstance(value, str) else "<invalid>"
    if column.type == "string":
        return value if isinstance(value, str) else _text(value)
    wanted: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
    fits = isinstance(value, wanted[column.type]) and (column.type == "boolean" or not isinstance(value, bool))
    return value if fits else None


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- built-in columns ----------------------------------------------------------------------------------------------


def _age_of(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _event_cells(obj: Object, now: datetime) -> list[Any]:
    involved = obj.get("involvedObject") or {}
    source = obj.get("source") or {}
    series = obj.get("series") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    component = source.get("component") or obj.get("reportingComponent", "")
    host = source.get("host") or obj.get("reportingInstance", "")
    return [
        age(last, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{involved.get('kind', '').lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        f"{component}, {host}" if host else component,
        obj.get("message", "").strip(),
        age(first, now),
        series.get("count") or obj.get("count") or 1,
        obj["metadata"]["name"],
    ]


def _count(obj: Object, *fields: str) -> int:
    return sum(len(obj.get(field) or {}) for field in fields)


_BUILTIN_CELLS: dict[str, Callable[[Object, datetime], list[Any]]] = {
    "namespaces": lambda o, now: [o["metadata"]["name"], o["status"].get("phase"), _age_of(o, now)],
    "secrets": lambda o, now: [o["metadata"]["name"], o.get("type"), _count(o, "data"), _age_of(o, now)],
    "configmaps": lambda o, now: [o["metadata"]["name"], _count(o, "data", "binaryData"), _age_of(o, now)],
    "serviceaccounts": lambda o, now: [o["metadata"]["name"], _age_of(o, now)],
    "pods": lambda o, now: [
        o["metadata"]["name"], "0/0", (o.get("status") or {}).get("phase", "Pending"), "0", _age_of(o, now)
    ],
    "events": _event_cells,
    "leases": lambda o, now: [
        o["metadata"]["name"], (o.get("spec") or {}).get("holderIdentity", ""), _age_of(o, now)
    ],
    "customresourcedefinitions": lambda o, now: [o["metadata"]["name"], o["metadata"]["creationTimestamp"]],
}  # fmt: skip


# --- ages ----------------------------------------------------------------------------------------------------------


def age(timestamp: str | None, now: datetime) -> str:
    """How long ago a time was, as `duration.HumanDuration` in apimachinery puts it: 45s, 5m10s, 3h, 2d4h."""
    if not timestamp:
        return "<unknown>"
    try:
        seconds = int((now - _time(timestamp)).total_seconds())
    except ValueError:
        return "<invalid>"
    return human_duration(seconds)


_FRACTION = re.compile(r"\.\d+")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00"))


def human_duration(seconds: int) -> str:
    """A duration in at most two units, the smaller one dropped where it no longer matters."""
    if seconds < -1:
        return "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    years = days // 365
    steps = (
        (seconds < 0, "0s"),
        (seconds < 120, f"{seconds}s"),
        (minutes < 10, _two(minutes, "m", seconds % 60, "s")),
        (minutes < 180, f"{minutes}m"),
        (hours < 8, _two(hours, "h", minutes % 60, "m")),
        (hours < 48, f"{hours}h"),
        (hours < 192, _two(days, "d", hours % 24, "h")),
        (days < 730, f"{days}d"),
        (days < 2920, _two(years, "y", days % 365, "d")),
    )
    return next((text for fits, text in steps if fits), f"{years}y")


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"
