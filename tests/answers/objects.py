"""The URLs and objects of the requests."""

from __future__ import annotations

from typing import Any

from answers.asking import NAMESPACE

API = "answers.example.com/v1alpha1"
GROUP = f"/apis/{API}"
REPORTS = f"{GROUP}/namespaces/{NAMESPACE}/reports"
NAMESPACES = "/api/v1/namespaces"
MAPS, SECRETS, EVENTS, ACCOUNTS = (
    f"{NAMESPACES}/{NAMESPACE}/{plural}" for plural in ("configmaps", "secrets", "events", "serviceaccounts")
)
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "11111111-1111-1111-1111-111111111111"}
Object = dict[str, Any]


def report(name: str, meta: Object | None = None, top: Object | None = None, **spec: Any) -> Object:
    required = {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}, "suspend": True}
    return {
        "apiVersion": API,
        "kind": "Report",
        "metadata": {"name": name, **(meta or {})},
        "spec": {**required, **spec},
        **(top or {}),
    }


def core_object(kind: str, name: str, meta: Object | None = None, **top: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **(meta or {})}, **top}


def event(name: str, **top: Any) -> Object:
    about = {"kind": "Report", "namespace": NAMESPACE, "name": "a1"}
    return core_object(
        "Event", name, **{"involvedObject": about, "reason": "R", "message": "m", "type": "Normal", **top}
    )


def lease(name: str, **spec: Any) -> Object:
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}


def without(obj: Object, *names: str) -> Object:
    return {name: value for name, value in obj.items() if name not in names}
