"""What the server has to offer, in both forms in which clients ask: group by group, or aggregated."""

from __future__ import annotations

from typing import Any

from .resources import Catalog, Resource
from .storage import Object

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "any/any",
}
_SUBRESOURCE_VERBS = {"status": ["get", "patch", "update"], "finalize": ["update"]}
_REVIEW = {
    "name": "selfsubjectaccessreviews",
    "singularName": "selfsubjectaccessreview",
    "namespaced": False,
    "kind": "SelfSubjectAccessReview",
    "verbs": ["create"],
}
AUTHORIZATION = ("authorization.k8s.io", "v1")


def api_versions(address: str) -> Object:
    """/api"""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _groups(catalog: Catalog) -> dict[str, list[str]]:
    groups = {name: list(versions) for name, versions in catalog.groups().items() if name}
    return {AUTHORIZATION[0]: [AUTHORIZATION[1]], **groups}


def group_list(catalog: Catalog) -> Object:
    """/apis"""
    groups = [_group(name, versions) for name, versions in _groups(catalog).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(catalog: Catalog, name: str) -> Object | None:
    """/apis/GROUP, or None if there is no such group."""
    versions = _groups(catalog).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def resource_list(catalog: Catalog, name: str, version: str) -> Object | None:
    """/api/v1 or /apis/GROUP/VERSION, or None if there is no such version."""
    resources = catalog.groups().get(name, {}).get(version)
    if (name, version) == AUTHORIZATION:
        rows: list[Object] = [_REVIEW]
    elif resources is None:
        return None
    else:
        rows = [row for resource in resources for row in _rows(resource)]
    group_version = f"{name}/{version}" if name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": rows}


def _rows(resource: Resource) -> list[Object]:
    row: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        **_names(resource),
    }
    return [row] + [
        {
            "name": f"{resource.plural}/{subresource}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": _SUBRESOURCE_VERBS[subresource],
        }
        for subresource in sorted(resource.subresources)
    ]


def _names(resource: Resource) -> Object:
    names = {"shortNames": list(resource.short_names), "categories": list(resource.categories)}
    return {key: value for key, value in names.items() if value}


def aggregated(catalog: Catalog, *, core: bool) -> Object:
    """APIGroupDiscoveryList of the core group (/api) or of all others (/apis)."""
    groups = catalog.groups()
    items = [_aggregated_group(name, versions) for name, versions in groups.items() if bool(name) != core]
    if not core:
        items.append(_aggregated_reviews())
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_group(name: str, versions: dict[str, list[Resource]]) -> Object:
    listed = [
        {"version": version, "resources": [_aggregated(each) for each in resources], "freshness": "Current"}
        for version, resources in versions.items()
    ]
    return {"metadata": {"name": name} if name else {}, "versions": listed}


def _aggregated_reviews() -> Object:
    kind = {"group": AUTHORIZATION[0], "version": AUTHORIZATION[1], "kind": _REVIEW["kind"]}
    resource = {
        "resource": _REVIEW["name"],
        "responseKind": kind,
        "scope": "Cluster",
        "singularResource": _REVIEW["singularName"],
        "verbs": _REVIEW["verbs"],
    }
    versions = [{"version": AUTHORIZATION[1], "resources": [resource], "freshness": "Current"}]
    return {"metadata": {"name": AUTHORIZATION[0]}, "versions": versions}


def _aggregated(resource: Resource) -> Object:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    row: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **_names(resource),
    }
    if resource.subresources:
        row["subresources"] = [
            {"subresource": name, "responseKind": kind, "verbs": _SUBRESOURCE_VERBS[name]}
            for name in sorted(resource.subresources)
        ]
    return row
