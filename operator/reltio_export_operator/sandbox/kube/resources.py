"""What the server serves: one `Resource` a kind, built in or defined by a CustomResourceDefinition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from .schema import Schema, compile_schema
from .selectors import Getter, path_getter

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Column:
    """A printer column: `path` is the JSONPath of a custom resource's column, empty for the built-in kinds."""

    name: str
    type: str = "string"
    path: str = ""
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, eq=False)
class Resource:
    """One served resource of one group and version, with everything that handling its objects needs."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    list_kind: str
    namespaced: bool
    schema: Schema
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = ()
    selectable: Mapping[str, Getter] = field(default_factory=dict)
    builtin: bool = False
    storage: str = ""
    """Where objects are kept: shared by resources that are two views of one thing, as both kinds of Event are."""

    @cached_property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def storage_key(self) -> str:
        return self.storage or f"{self.group}/{self.plural}"

    @cached_property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @cached_property
    def fields(self) -> Mapping[str, Getter]:
        """The fields that a field selector may name."""
        common = {"metadata.name": path_getter("metadata.name")}
        if self.namespaced:
            common["metadata.namespace"] = path_getter("metadata.namespace")
        return {**common, **self.selectable}


class Catalog:
    """All resources served, found by group, version and plural in one step. `revision` grows with each change."""

    def __init__(self) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self.revision = 0

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_path.values())

    def add(self, resource: Resource) -> None:
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self.revision += 1

    def remove(self, resource: Resource) -> None:
        del self._by_path[resource.group, resource.version, resource.plural]
        self.revision += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_path.get((group, version, plural))

    def stored_as(self, key: str) -> Resource | None:
        """A resource that serves the objects of a storage key."""
        return next((resource for resource in self._by_path.values() if resource.storage_key == key), None)

    def groups(self) -> dict[str, dict[str, list[Resource]]]:
        """Resources by group and then version, in the order of registration."""
        tree: dict[str, dict[str, list[Resource]]] = {}
        for resource in self._by_path.values():
            tree.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
        return tree


def _event_fields(prefix: str) -> dict[str, Getter]:
    reference = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    fields = {f"{prefix}.{name}": path_getter(f"involvedObject.{name}") for name in reference}
    return {**fields, "reason": path_getter("reason"), "type": path_getter("type")}


_SELECTABLE: dict[tuple[str, str], Mapping[str, Getter]] = {
    ("", "namespaces"): {"status.phase": path_getter("status.phase"), "name": path_getter("metadata.name")},
    ("", "secrets"): {"type": path_getter("type")},
    ("", "pods"): {name: path_getter(name) for name in ("spec.nodeName", "status.phase", "status.podIP")},
    ("", "events"): {**_event_fields("involvedObject"), "source": path_getter("source.component")},
    ("events.k8s.io", "events"): _event_fields("regarding"),
}


def _builtin(definition: dict[str, Any]) -> Resource:
    group, version, plural = definition["group"], definition["version"], definition["plural"]
    kind = definition["kind"]
    return Resource(
        group=group,
        version=version,
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        list_kind=f"{kind}List",
        namespaced=definition.get("namespaced", True),
        schema=compile_schema(definition["schema"]),
        short_names=tuple(definition.get("shortNames", ())),
        categories=tuple(definition.get("categories", ())),
        verbs=tuple(definition.get("verbs", ALL_VERBS)),
        subresources=frozenset(definition.get("subresources", ())),
        columns=tuple(Column(**column) for column in definition["columns"]),
        selectable=_SELECTABLE.get((group, plural), {}),
        builtin=True,
        storage=definition.get("storage", ""),
    )


def builtin_resources() -> list[Resource]:
    """The kinds that every server has, as `builtins.yaml` next to this module defines them."""
    text = Path(__file__).with_name("builtins.yaml").read_text(encoding="utf-8")
    return [
        _builtin(definition) for definition in yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    ]


def custom_resource(crd: Mapping[str, Any], version: Mapping[str, Any]) -> Resource:
    """The resource that one version of an accepted CustomResourceDefinition serves."""
    spec, names = crd["spec"], crd["spec"]["names"]
    columns = tuple(
        Column(
            name=column["name"],
            type=column["type"],
            path=column["jsonPath"],
            format=column.get("format", ""),
            description=column.get("description")
            or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}",
            priority=column.get("priority", 0),
        )
        for column in version.get("additionalPrinterColumns", ())
    )
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names["singular"],
        kind=names["kind"],
        list_kind=names["listKind"],
        namespaced=spec["scope"] == "Namespaced",
        schema=compile_schema(version["schema"]["openAPIV3Schema"], root=True),
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        verbs=("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"),
        subresources=frozenset(version.get("subresources") or {}) & {"status"},
        columns=columns or (Column("Age", "date", ".metadata.creationTimestamp"),),
        selectable={
            item["jsonPath"].lstrip("."): path_getter(item["jsonPath"]) for item in version.get("selectableFields", ())
        },
    )
