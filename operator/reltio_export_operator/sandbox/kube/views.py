"""How one stored object is shown: the second version of Event, list items, metadata alone.

Events are stored as core/v1; events.k8s.io/v1 is the same object under other names (`pkg/apis/core` in Kubernetes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .resources import Resource
from .storage import Entry, Object, encode

_EVENT_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
}
_EVENT_CORE_NAMES = {new: core for core, new in _EVENT_NAMES.items()}


def _renamed(obj: Mapping[str, Any], names: Mapping[str, str], api_version: str) -> Object:
    return {names.get(key, key): value for key, value in obj.items()} | {"apiVersion": api_version}


def is_event_view(resource: Resource) -> bool:
    return resource.group == "events.k8s.io"


def to_stored(resource: Resource, body: Any) -> Any:
    """The body of a write in the form in which its kind is stored."""
    if is_event_view(resource) and isinstance(body, dict) and body.get("apiVersion") == resource.api_version:
        return _renamed(body, _EVENT_CORE_NAMES, "v1")
    return body


def shown(resource: Resource, obj: Object) -> Object:
    """A stored object as this resource serves it."""
    return _renamed(obj, _EVENT_NAMES, resource.api_version) if is_event_view(resource) else obj


def raw(resource: Resource, entry: Entry) -> bytes:
    """The JSON of an object as this resource serves it."""
    return encode(shown(resource, entry.obj)) if is_event_view(resource) else entry.raw


def list_item(resource: Resource, entry: Entry) -> bytes:
    """The JSON of an object inside a list: lists of built-in kinds name kind and version once, for all items."""
    if not resource.builtin:
        return entry.raw
    obj = shown(resource, entry.obj)
    return encode({key: value for key, value in obj.items() if key not in ("apiVersion", "kind")})


def partial(obj: Object) -> Object:
    """PartialObjectMetadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
