"""What the API says of itself: discovery, OpenAPI and health."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import errors, kinds, reviews
from .resources import Resource
from .reviews import GROUPS

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
_CHECKS = ("ping", "log", "etcd", "informer-sync")


def document(parts: list[str], resources: list[Resource], *, verbose: bool) -> dict[str, Any] | str | None:
    """What the server says of itself at a path, cut at its slashes. None: there is nothing. Raises ApiError 404."""
    match parts:
        case []:
            return {"paths": paths(resources)}
        case ["version"]:
            return VERSION
        case ["healthz" | "readyz" | "livez" as what]:
            return health(what, verbose=verbose)
        case ["openapi", "v3", *rest]:
            return _openapi_document(rest, resources)
        case ["api", *_] if len(parts) > 2:
            raise errors.resource_not_found()
        case ["api" | "apis", *_]:
            return _discovery(parts, resources)
    return None


def _discovery(parts: list[str], resources: list[Resource]) -> dict[str, Any] | None:
    match parts:
        case ["api"]:
            return {"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"]}
        case ["api", version]:
            return resource_list(version, _of(resources, "", version))
        case ["apis"]:
            return api_groups(resources)
        case ["apis", group]:
            return api_group(group, resources)
        case ["apis", group, "v1"] if group in GROUPS:
            return reviews.resource_list(group)
        case ["apis", group, version]:
            return resource_list(f"{group}/{version}", _of(resources, group, version))
    return None


def _openapi_document(rest: list[str], resources: list[Resource]) -> dict[str, Any] | None:
    match rest:
        case []:
            return {"paths": openapi_paths(resources)}
        case ["api", version]:
            return openapi(_of(resources, "", version))
        case ["apis", group, version]:
            return openapi(_of(resources, group, version))
    return None


def _of(resources: list[Resource], group: str, version: str) -> list[Resource]:
    return [r for r in resources if (r.group, r.version) == (group, version)]


def health(what: str, *, verbose: bool) -> str:
    """The answer of /healthz, /livez or /readyz."""
    if not verbose:
        return "ok"
    return "".join(f"[+]{check} ok\n" for check in _CHECKS) + f"{what} check passed\n"


def paths(resources: Iterable[Resource]) -> list[str]:
    """The paths that `/` lists."""
    groups = _groups(resources)
    named = [path for group, version in groups.items() for path in (f"/apis/{group}", f"/apis/{group}/{version}")]
    health_paths = ["/healthz", "/livez", "/readyz"]
    return sorted(["/api", "/api/v1", "/apis", *named, *health_paths, "/openapi/v3", "/version"])


def _groups(resources: Iterable[Resource]) -> dict[str, str]:
    return {**dict.fromkeys(GROUPS, "v1"), **{r.group: r.version for r in resources if r.group}}


def _group(name: str, version: str) -> dict[str, Any]:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def api_groups(resources: Iterable[Resource]) -> dict[str, Any]:
    listed = [_group(name, version) for name, version in _groups(resources).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def api_group(name: str, resources: Iterable[Resource]) -> dict[str, Any] | None:
    """One group, or None when it is not served."""
    groups = _groups(resources)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, groups[name])} if name in groups else None


def openapi_paths(resources: Iterable[Resource]) -> dict[str, Any]:
    """The index of the OpenAPI documents."""
    names = {f"apis/{r.api_version}" if r.group else f"api/{r.version}" for r in resources}
    return {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in sorted(names)}


def resource_list(group_version: str, resources: list[Resource]) -> dict[str, Any] | None:
    """Discovery of one group version, or None when it is not served."""
    if not resources:
        return None
    listed: list[dict[str, Any]] = []
    for r in resources:
        entry = {
            "name": r.plural,
            "singularName": r.singular,
            "namespaced": r.namespaced,
            "kind": r.kind,
            "verbs": list(r.verbs),
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


def openapi(resources: list[Resource]) -> dict[str, Any] | None:
    """OpenAPI v3 of one group version: enough for kubectl's explain and validation on the server."""
    if not resources:
        return None
    schemas: dict[str, Any] = kinds.components()
    paths = {}
    query = [
        {"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation", "force")
    ]
    for r in resources:
        kind = {"group": r.group, "version": r.version, "kind": r.kind}
        name = ".".join([*reversed((r.group or "core").split(".")), r.version, r.kind])
        schemas[name] = {**_whole(r), "x-kubernetes-group-version-kind": [kind]}
        base = f"/apis/{r.api_version}" if r.group else f"/api/{r.version}"
        scope = "/namespaces/{namespace}" if r.namespaced else ""
        operation = {"parameters": query, "x-kubernetes-group-version-kind": kind, "responses": {}}
        one = {verb: {**operation, "x-kubernetes-action": verb} for verb in ("get", "put", "patch", "delete")}
        paths[f"{base}{scope}/{r.plural}/{{name}}"] = one
        paths[f"{base}{scope}/{r.plural}"] = {"post": {**operation, "x-kubernetes-action": "post"}}
    info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _whole(resource: Resource) -> dict[str, Any]:
    """The schema of a kind, with what every object has, which definitions of custom resources leave to the server."""
    if resource.native is not None and resource.schema is not None:
        return kinds.described(resource.kind)
    known = resource.schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {**known, "properties": {**known.get("properties", {}), **kinds.common()}}
