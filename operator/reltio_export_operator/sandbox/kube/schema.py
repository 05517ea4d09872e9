"""Structural schemas: compiled once a definition, then used to prune, default and (in `validation`) validate.

The keywords and their effects are those of `apiextensions.k8s.io/v1` structural schemas.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .cel import Rule, compile_rules

Object = dict[str, Any]


class _Missing:
    """Stands for "no value", where None is a value (JSON null)."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()


@dataclass(slots=True)
class Schema:
    """One node of a structural schema. `raw` is the node as written, for OpenAPI and value validation."""

    raw: Mapping[str, Any]
    type: str = ""
    properties: dict[str, Schema] = field(default_factory=dict)
    additional: Schema | None = None
    items: Schema | None = None
    default: Any = MISSING
    nullable: bool = False
    int_or_string: bool = False
    preserve_unknown: bool = False
    embedded: bool = False
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    atomic_map: bool = False
    rules: tuple[Rule, ...] = ()
    has_rules: bool = False
    """Whether this node or any below it carries rules."""
    has_transition_rules: bool = False

    @property
    def prunes(self) -> bool:
        """Whether unknown fields of an object here are dropped."""
        return not self.preserve_unknown and self.additional is None

    def children(self) -> Iterator[Schema]:
        yield from self.properties.values()
        if self.additional is not None:
            yield self.additional
        if self.items is not None:
            yield self.items

    def child(self, name: str) -> Schema | None:
        """The schema of an object's field, if one is declared."""
        return self.properties.get(name) or self.additional


def compile_schema(raw: Mapping[str, Any], *, root: bool = False) -> Schema:
    """Compile an `openAPIV3Schema` that has passed `structural.check` (rules that do not compile raise `CelError`)."""
    additional = raw.get("additionalProperties")
    schema = Schema(
        raw=raw,
        type=raw.get("type", ""),
        properties={name: compile_schema(node) for name, node in raw.get("properties", {}).items()},
        additional=_additional(additional),
        items=compile_schema(raw["items"]) if "items" in raw else None,
        default=raw.get("default", MISSING),
        nullable=raw.get("nullable", False),
        int_or_string=raw.get("x-kubernetes-int-or-string", False),
        preserve_unknown=raw.get("x-kubernetes-preserve-unknown-fields", False),
        embedded=raw.get("x-kubernetes-embedded-resource", False),
        list_type=raw.get("x-kubernetes-list-type", "atomic"),
        list_keys=tuple(raw.get("x-kubernetes-list-map-keys", ())),
        atomic_map=raw.get("x-kubernetes-map-type") == "atomic",
        rules=compile_rules(raw, root=root),
    )
    below = list(schema.children())
    schema.has_rules = bool(schema.rules) or any(node.has_rules for node in below)
    schema.has_transition_rules = any(rule.is_transition for rule in schema.rules) or any(
        node.has_transition_rules for node in below
    )
    return schema


def _additional(raw: Any) -> Schema | None:
    if isinstance(raw, Mapping):
        return compile_schema(raw)
    return Schema(raw={}, preserve_unknown=True) if raw is True else None


_ALWAYS_KEPT = frozenset({"apiVersion", "kind", "metadata"})


def prune(value: Any, schema: Schema, path: str = "", *, root: bool = False) -> list[str]:
    """Drop fields that the schema does not know, in place; returns their paths, such as `spec.ports[0].foo`."""
    unknown: list[str] = []
    if isinstance(value, dict):
        unknown += _prune_object(value, schema, path, root=root)
    elif isinstance(value, list) and schema.items is not None:
        for index, item in enumerate(value):
            unknown += prune(item, schema.items, f"{path}[{index}]")
    return unknown


def _prune_object(value: Object, schema: Schema, path: str, *, root: bool) -> list[str]:
    unknown: list[str] = []
    kept = _ALWAYS_KEPT if root or schema.embedded else frozenset()
    for name in sorted(value):
        at = f"{path}.{name}" if path else name
        node = schema.child(name)
        if name in kept:
            continue
        if node is not None:
            unknown += prune(value[name], node, at)
        elif schema.prunes:
            del value[name]
            unknown.append(at)
    return unknown


def apply_defaults(value: Any, schema: Schema) -> None:
    """Fill defaults in, in place. A null where null is not allowed counts as absent, as in the real server."""
    if isinstance(value, dict):
        for name, node in schema.properties.items():
            if value.get(name) is not None or (name in value and node.nullable):
                continue
            if node.default is not MISSING:
                value[name] = copy.deepcopy(node.default)
            else:
                value.pop(name, None)
        for name in list(value):
            child = schema.child(name)
            if child is not None and value[name] is None and not child.nullable:
                del value[name]
            elif child is not None:
                apply_defaults(value[name], child)
    elif isinstance(value, list) and schema.items is not None:
        for item in value:
            apply_defaults(item, schema.items)
