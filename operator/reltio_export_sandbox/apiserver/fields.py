"""Sets of fields, as server-side apply tracks them, and their FieldsV1 form (structured-merge-diff in Kubernetes).

A path is a tuple of FieldsV1 elements: `f:name` for a field, `k:{"type":"Ready"}` for an element of a list-map, `v:"x"`
for an element of a set. What the schema does not say is deduced: objects are merged field by field, lists are atomic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .structural import Schema

Object = dict[str, Any]
Path = tuple[str, ...]
FieldSet = set[Path]

MISSING: Any = object()
_STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_META: Schema = {
    "type": "object",
    "properties": {
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {"type": "object", "x-kubernetes-map-type": "atomic"},
        },
    },
}
_UNTRACKED_META = frozenset(
    {
        "name",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "managedFields",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    }
)


def tracked(obj: Object) -> Object:
    """An object without what nobody owns: its kind, and the metadata that the server sets."""
    kept = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
    meta = {name: value for name, value in obj.get("metadata", {}).items() if name not in _UNTRACKED_META}
    return {**kept, "metadata": meta} if meta else kept


def object_schema(schema: Schema | None) -> Schema:
    """The schema of a kind with that of its metadata in place."""
    known = schema or {}
    return {**known, "properties": {**known.get("properties", {}), "metadata": _META}}


def _encoded(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _atomic(value: Any, schema: Schema) -> bool:
    if isinstance(value, dict):
        return bool(schema.get("x-kubernetes-map-type") == "atomic")
    return not isinstance(value, list) or schema.get("x-kubernetes-list-type", "atomic") == "atomic"


def _element(item: Any, schema: Schema) -> str:
    """The element of a path that leads to an item of a list."""
    if schema.get("x-kubernetes-list-type") == "set" or not isinstance(item, dict):
        return f"v:{_encoded(item)}"
    known = schema.get("items", {}).get("properties", {})
    keys = schema.get("x-kubernetes-list-map-keys", ())
    return "k:" + _encoded({key: item.get(key, known.get(key, {}).get("default")) for key in keys})


def _child(schema: Schema, name: str) -> Schema:
    found: Schema = schema.get("properties", {}).get(name) or schema.get("additionalProperties") or {}
    return found if isinstance(found, dict) else {}


def _children(value: Any, schema: Schema) -> Iterator[tuple[str, Any, Schema]]:
    """The parts of an object or a merged list, each with its path element and schema."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"f:{name}", item, _child(schema, name)
    else:
        for item in value:
            yield _element(item, schema), item, schema.get("items", {})


def field_set(value: Any, schema: Schema, path: Path = ()) -> FieldSet:
    """The fields that a value sets: its leaves, empty objects, keys of free maps, and elements of merged lists."""
    if _atomic(value, schema):
        return {path}
    found: FieldSet = set()
    for element, item, child in _children(value, schema):
        below = (*path, element)
        found |= field_set(item, child, below)
        free_key = isinstance(value, dict) and element[2:] not in schema.get("properties", {})
        if isinstance(value, list) or free_key or item in ({}, []):
            found.add(below)
    return found


@dataclass(slots=True)
class Difference:
    """The fields by which one object differs from another."""

    added: FieldSet = field(default_factory=set)
    modified: FieldSet = field(default_factory=set)
    removed: FieldSet = field(default_factory=set)


def compare(old: Any, new: Any, schema: Schema, path: Path = (), into: Difference | None = None) -> Difference:
    """What an update from `old` to `new` adds, modifies and removes; either may be MISSING."""
    result = into if into is not None else Difference()
    if old is not MISSING and new is not MISSING and old == new and type(old) is type(new):
        return result
    present = new if new is not MISSING else old
    mixed = old is not MISSING and new is not MISSING and type(old) is not type(new)
    if mixed or _atomic(present, schema):
        _leaf(old, new, path, result)
        return result
    befores = {} if old is MISSING else {element: (item, child) for element, item, child in _children(old, schema)}
    afters = {} if new is MISSING else {element: (item, child) for element, item, child in _children(new, schema)}
    for element in [*befores, *(each for each in afters if each not in befores)]:
        before, child = befores.get(element, (MISSING, {}))
        after, child = afters.get(element, (MISSING, child))
        compare(before, after, child, (*path, element), result)
    if path and (old is MISSING or new is MISSING):
        _leaf(old, new, path, result)
    return result


def _leaf(old: Any, new: Any, path: Path, result: Difference) -> None:
    if old is MISSING:
        result.added.add(path)
    elif new is MISSING:
        result.removed.add(path)
    else:
        result.modified.add(path)


def merge(live: Any, intent: Any, schema: Schema) -> Any:
    """The live value with an intent applied: what the intent sets is as it says, all else stays."""
    if live is MISSING or type(live) is not type(intent) or _atomic(intent, schema):
        return intent
    if isinstance(intent, dict):
        merged = dict(live)
        for name, item in intent.items():
            merged[name] = merge(live.get(name, MISSING), item, _child(schema, name))
        return merged
    wanted = {_element(item, schema): item for item in intent}
    result = []
    for item in live:
        element = _element(item, schema)
        result.append(merge(item, wanted.pop(element), schema.get("items", {})) if element in wanted else item)
    return result + list(wanted.values())


def without(value: Any, doomed: FieldSet, schema: Schema, path: Path = ()) -> Any:
    """A value without the fields of a set; what was not empty before and is then goes too."""
    if _atomic(value, schema):
        return value
    kept: list[tuple[str, Any]] = []
    for element, item, child in _children(value, schema):
        below = (*path, element)
        rest = without(item, doomed, child, below)
        emptied = below in doomed or (rest in ({}, []) and item not in ({}, []))
        if not emptied or (below not in doomed and _atomic(item, child)):
            kept.append((element, rest))
    if isinstance(value, dict):
        return {element[2:]: item for element, item in kept}
    return [item for _, item in kept]


def to_v1(paths: FieldSet) -> Object:
    """The nested form that managedFields carry."""
    tree: Object = {}
    for path in sorted(paths):
        node = tree
        for element in path:
            node = node.setdefault(element, {})
    for path in paths:
        node = tree
        for element in path:
            node = node[element]
        if node:
            node["."] = {}
    return _sorted(tree)


def _sorted(tree: Object) -> Object:
    return {key: _sorted(tree[key]) for key in sorted(tree)}


def from_v1(tree: Object, path: Path = ()) -> FieldSet:
    """The set that a nested form stands for."""
    found: FieldSet = set()
    for element, below in tree.items():
        if element == ".":
            found.add(path)
        elif below:
            found |= from_v1(below, (*path, element))
        else:
            found.add((*path, element))
    return found


def shown(path: Path) -> str:
    """A path as conflicts name it, such as `.status.conditions[type="Ready"].status`."""
    parts = []
    for element in path:
        kind, _, text = element.partition(":")
        if kind == "f":
            parts.append(f".{text}")
        elif kind == "v":
            parts.append(f"[={text}]")
        else:
            parts.append("[" + ",".join(f"{key}={_encoded(value)}" for key, value in json.loads(text).items()) + "]")
    return "".join(parts)
