"""What the API says of itself: discovery, OpenAPI and tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from .objects import Object, Resource

_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.0-sandbox", "platform": "linux/amd64"}


def api_groups(resources: Iterable[Resource]) -> dict[str, Any]:
    groups = {r.group: r.version for r in resources if r.group}
    listed = [
        {
            "name": group,
            "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
            "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version},
        }
        for group, version in groups.items()
    ]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def resource_list(group_version: str, resources: Iterable[Resource]) -> dict[str, Any]:
    listed: list[dict[str, Any]] = []
    for r in resources:
        entry = {
            "name": r.plural,
            "singularName": r.singular,
            "namespaced": r.namespaced,
            "kind": r.kind,
            "verbs": _VERBS,
        }
        if r.short_names:
            entry["shortNames"] = list(r.short_names)
        if r.categories:
            entry["categories"] = list(r.categories)
        listed.append(entry)
        if r.has_status:
            verbs = ["get", "patch", "update"]
            listed.append(
                {
                    "name": f"{r.plural}/status",
                    "singularName": "",
                    "namespaced": r.namespaced,
                    "kind": r.kind,
                    "verbs": verbs,
                }
            )
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def openapi(resources: Iterable[Resource]) -> dict[str, Any]:
    """OpenAPI v3 of one group version: enough for kubectl's explain and validation on the server."""
    schemas, paths = {}, {}
    query = [
        {"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation", "force")
    ]
    for r in resources:
        kind = {"group": r.group, "version": r.version, "kind": r.kind}
        name = ".".join([*reversed((r.group or "core").split(".")), r.version, r.kind])
        schemas[name] = {**(r.schema or {"type": "object"}), "x-kubernetes-group-version-kind": [kind]}
        base = f"/apis/{r.api_version}" if r.group else f"/api/{r.version}"
        scope = "/namespaces/{namespace}" if r.namespaced else ""
        operation = {"parameters": query, "x-kubernetes-group-version-kind": kind, "responses": {}}
        one = {verb: {**operation, "x-kubernetes-action": verb} for verb in ("get", "put", "patch", "delete")}
        paths[f"{base}{scope}/{r.plural}/{{name}}"] = one
        paths[f"{base}{scope}/{r.plural}"] = {"post": {**operation, "x-kubernetes-action": "post"}}
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def table(resource: Resource, objects: Iterable[Object], version: str, include: str) -> dict[str, Any]:
    """A Table, as kubectl asks for: the printer columns of the resource, or name and age."""
    columns: list[dict[str, Any]] = [{"name": "Name", "type": "string", "format": "name", "priority": 0}]
    extra = list(resource.columns) or [{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
    columns += [{"name": c["name"], "type": c["type"], "format": "", "priority": c.get("priority", 0)} for c in extra]
    for column in columns:
        column["description"] = column["name"]
    rows = []
    for item in objects:
        cells = [item["metadata"]["name"], *(_cell(item, column) for column in extra)]
        shown: Object | None = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": item["metadata"],
        }
        if include == "Object":
            shown = item
        rows.append({"cells": cells, "object": None if include == "None" else shown})
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": columns,
        "rows": rows,
    }


def _cell(item: Object, column: dict[str, Any]) -> Any:
    value = lookup(item, column["jsonPath"])
    if value is None:
        return "<none>" if column["name"] == "Age" else None
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
    """Time since then, in two units at most, as kubectl prints it."""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds % 60 else f"{seconds // 60}m"
    if seconds < 3 * 3600:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 48 * 3600 else f"{seconds // 86400}d"
