"""Requests for kinds that are built into the API server."""

from __future__ import annotations

from answers.asking import NAMESPACE, Case
from answers.objects import (
    ACCOUNTS,
    EVENTS,
    LEASES,
    MAPS,
    MERGE,
    NAMESPACES,
    REPORTS,
    SECRETS,
    STRATEGIC,
    core_object,
    event,
    lease,
    without,
)


def core_kinds() -> list[Case]:
    return [
        Case("POST", MAPS, core_object("ConfigMap", "c1", data={"a": "b"}), fields=True),
        Case("POST", MAPS, core_object("ConfigMap", "c1", data={"a": "b"})),
        Case("PUT", f"{MAPS}/c1", core_object("ConfigMap", "c1", data={"a": "c"})),
        Case("PUT", f"{MAPS}/c9", core_object("ConfigMap", "c9", data={"a": "c"})),
        Case("POST", MAPS, core_object("ConfigMap", "c2", data={"a": 1})),
        Case("POST", MAPS, core_object("ConfigMap", "c2", data={"a b": "1"})),
        Case("POST", MAPS, core_object("ConfigMap", "c2", data={"..": "1"})),
        Case("POST", MAPS, core_object("ConfigMap", "c2", dta={"a": "1"})),
        Case("POST", f"{MAPS}?fieldValidation=Strict", core_object("ConfigMap", "c3", dta={"a": "1"})),
        Case("POST", MAPS, core_object("ConfigMap", "c4", binaryData={"a": "!!"})),
        Case("POST", MAPS, core_object("ConfigMap", "c5", data={"a": "x"}, immutable=True)),
        Case("PATCH", f"{MAPS}/c5", {"data": {"a": "y"}}, content_type=MERGE),
        Case("PATCH", f"{MAPS}/c1", {"data": {"z": "y"}}, content_type=STRATEGIC),
        Case("PATCH", f"{MAPS}/c1", {"metadata": {"finalizers": ["x.io/a"]}}, content_type=STRATEGIC),
        Case("PATCH", f"{MAPS}/c1", {"metadata": {"finalizers": ["x.io/b"]}}, content_type=STRATEGIC, fields=True),
        Case(
            "PATCH",
            f"{MAPS}/c1",
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.io/a", "x.io/b"]}},
            content_type=STRATEGIC,
        ),
        Case("POST", MAPS, core_object("ConfigMap", "Upper")),
        Case("POST", MAPS, {**core_object("ConfigMap", "k"), "kind": "Secret"}, loose=True),
        Case("POST", MAPS, without(core_object("ConfigMap", "bare"), "apiVersion", "kind")),
        Case("POST", SECRETS, core_object("Secret", "s1", stringData={"a": "b"}), fields=True),
        Case("GET", f"{SECRETS}/s1"),
        Case("PATCH", f"{SECRETS}/s1", {"stringData": {"b": "c"}}, content_type=MERGE, fields=True),
        Case("POST", SECRETS, core_object("Secret", "s2", data={"a": "b"})),
        Case("POST", SECRETS, core_object("Secret", "s2", data={"a": "%%"})),
        Case("POST", SECRETS, core_object("Secret", "s3", type="kubernetes.io/tls", data={})),
        Case("POST", SECRETS, core_object("Secret", "s4", type="kubernetes.io/basic-auth")),
        Case("PATCH", f"{SECRETS}/s1", {"type": "x"}, content_type=MERGE),
        Case("GET", f"{SECRETS}?fieldSelector=type=Opaque,metadata.name=s1"),
        Case("DELETE", f"{SECRETS}/s1"),
        Case("POST", NAMESPACES, core_object("Namespace", "answers-n1"), fields=True),
        Case("POST", NAMESPACES, core_object("Namespace", "N1")),
        Case("POST", NAMESPACES, core_object("Namespace", "a.b")),
        Case(
            "PATCH",
            f"{NAMESPACES}/answers-n1",
            {
                "spec": {"finalizers": []},
                "status": {"phase": "Terminating"},
                "metadata": {"labels": {"x": "y", "kubernetes.io/metadata.name": "zz"}},
            },
            content_type=MERGE,
        ),
        *(Case("DELETE", f"{NAMESPACES}/{name}") for name in ("default", "kube-system", "kube-public")),
        Case("DELETE", NAMESPACES),
        Case("POST", EVENTS, event("e1"), fields=True),
        Case("POST", EVENTS, event("e2", involvedObject={"kind": "Report", "name": "x"})),
        Case("POST", EVENTS, event("e2", involvedObject={"kind": "X", "name": "x", "namespace": "kube-system"})),
        Case("POST", EVENTS, event("e3", eventTime="2026-01-01T00:00:00.000000Z")),
        Case("POST", EVENTS, event("e3", eventTime="2026-01-01T00:00:00Z"), loose=True),
        Case("POST", EVENTS, event("e3", firstTimestamp="2026-01-01T00:00:00.123456+00:00")),
        Case("POST", EVENTS, event("e4", firstTimestamp="yesterday"), loose=True),
        Case("POST", EVENTS, event("e5", type="Odd", reason="x" * 200, message="x" * 2000)),
        Case("GET", f"{EVENTS}?fieldSelector=involvedObject.name=a1,involvedObject.apiVersion=,reason=R,source=x"),
        Case("POST", LEASES, lease("l1", holderIdentity="a", leaseDurationSeconds=15), fields=True),
        Case("POST", LEASES, lease("l2", leaseDurationSeconds=0)),
        Case("POST", LEASES, lease("l2", leaseTransitions=-1)),
        Case("POST", LEASES, lease("l2", renewTime="2026-01-01T00:00:00.123456Z")),
        Case("POST", LEASES, lease("l3", renewTime="2026-01-01T00:00:00Z"), loose=True),
        Case("POST", LEASES, lease("l4", renewTime="2026-01-01T00:00:00.123456+00:00")),
        Case("PUT", f"{LEASES}/l1", lease("l1", holderIdentity="b")),
        Case("PUT", f"{LEASES}/l9", lease("l9", holderIdentity="b")),
        Case("POST", ACCOUNTS, core_object("ServiceAccount", "sa1")),
        Case("DELETE", f"{ACCOUNTS}/sa1"),
    ]


def last() -> list[Case]:
    """A namespace that waits for its last object takes nothing new."""
    inside = f"{NAMESPACES}/answers-n1/configmaps"
    return [
        Case("POST", inside, core_object("ConfigMap", "held", {"finalizers": ["x.io/y"]})),
        Case("DELETE", f"{NAMESPACES}/answers-n1", loose=True),
        Case("POST", inside, core_object("ConfigMap", "late")),
        Case("PATCH", f"{inside}/held", {"metadata": {"labels": {"x": "y"}}}, content_type=MERGE, loose=True),
        *(
            Case("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE, loose=True)
            for path in (f"{inside}/held", f"{REPORTS}/a2")
        ),
        Case("DELETE", f"{NAMESPACES}/{NAMESPACE}", loose=True),
    ]
