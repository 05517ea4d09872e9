"""The requests, in the order in which they are sent: later ones meet what earlier ones left."""

from __future__ import annotations

from typing import Any

from answers.asking import NAMESPACE, Case
from answers.core_cases import core_kinds, last
from answers.objects import (
    API,
    APPLY,
    GROUP,
    JSON_PATCH,
    MERGE,
    NAMESPACES,
    OWNER,
    REPORTS,
    STRATEGIC,
    Object,
    core_object,
    report,
    without,
)


def _created() -> list[Case]:
    """Custom resources that are created, or refused."""
    doubled = (
        b'{"apiVersion":"answers.example.com/v1alpha1","kind":"Report","metadata":{"name":"%s"},"spec":'
        b'{"targetRef":{"name":"l"},"suspend":true,"suspend":true,"export":{"type":"Entities"}}}'
    )
    as_yaml = b"apiVersion: %s\nkind: Report\nmetadata: {name: y1}\n" % API.encode()
    as_yaml += b"spec: {targetRef: {name: l}, export: {type: Entities}}\n"
    unknown = report("a4", {"foo": "x"}, {"specc": 1}, bar=2)
    metadata: list[Object] = [
        {"resourceVersion": "5"},
        {"labels": {"a": 1}},
        {"labels": []},
        {"finalizers": "x"},
        {"labels": {"bad/key/x": "1"}},
        {"labels": {"/x": "1"}},
        {"labels": {"Exa.com/x": "1"}},
        {"labels": {"k": "a b"}},
        {"labels": {"k": "a" * 64}},
        {"labels": {"k" * 64: "a"}},
        {"annotations": {"bad key": "1"}},
        {"annotations": {"a": "x" * 270000}},
        {"finalizers": ["bad finalizer"]},
        {"finalizers": ["foregroundDeletion", "orphan"]},
        {"ownerReferences": [{"name": "x"}]},
        {"namespace": "kube-system"},
    ]
    return [
        Case("POST", REPORTS, report("a1"), fields=True),
        Case("POST", REPORTS, report("a1")),
        Case("GET", f"{REPORTS}/a1", fields=True),
        *(Case("POST", REPORTS, report("a3", meta)) for meta in metadata),
        Case(
            "POST",
            REPORTS,
            report(
                "a3", {"ownerReferences": [{**OWNER, "controller": True}, {**OWNER, "uid": "2", "controller": True}]}
            ),
            loose=True,
        ),
        Case("POST", REPORTS, report("a3", {"ownerReferences": [{**OWNER, "kind": "Event"}]})),
        Case("POST", REPORTS, report("a2", {"finalizers": ["nodomain"]}), fields=True),
        Case("POST", REPORTS, unknown, fields=True),
        Case("POST", f"{REPORTS}?fieldValidation=Strict", unknown),
        Case("POST", f"{REPORTS}?fieldValidation=Nope", report("a5")),
        Case("POST", f"{REPORTS}?fieldValidation=Ignore", report("a6", {"foo": "x"}, {"specc": 1}, bar=2)),
        Case("POST", REPORTS, {**report("a7"), "kind": "Other"}),
        Case("POST", REPORTS, without({**report("a7"), "apiVersion": "answers.example.com/v1beta1"}, "spec")),
        Case("POST", REPORTS, without(report("a7"), "apiVersion")),
        Case("POST", REPORTS, without(report("a7"), "kind"), loose=True),
        Case("POST", REPORTS, without(report("a7"), "metadata")),
        Case("POST", REPORTS, b"{nope", loose=True),
        Case("POST", REPORTS, b"[]", loose=True),
        Case("POST", REPORTS, as_yaml, content_type="application/yaml"),
        Case("POST", REPORTS, b"x", content_type="text/plain"),
        Case("POST", f"{REPORTS}?dryRun=All", report("dry")),
        Case("GET", f"{REPORTS}/dry"),
        Case("POST", f"{REPORTS}?dryRun=Nope", report("dry")),
        Case("POST", REPORTS, report("a9", {"generateName": "x"}), fields=True),
        Case("POST", REPORTS, report("")),
        Case("POST", REPORTS, report("Upper")),
        Case("POST", REPORTS, report("x/y")),
        Case("POST", REPORTS, {**report("a10"), "spec": None}),
        Case("POST", REPORTS, {**report("a10"), "spec": []}),
        Case(
            "POST",
            REPORTS,
            report(
                "a11",
                {
                    "uid": OWNER["uid"],
                    "creationTimestamp": "2001-01-01T00:00:00Z",
                    "generation": 7,
                    "selfLink": "/x",
                    "deletionTimestamp": "2001-01-01T00:00:00Z",
                },
                {"status": {"phase": "Running"}},
            ),
        ),
        Case("POST", REPORTS, doubled % b"dup1"),
        Case("POST", f"{REPORTS}?fieldValidation=Strict", doubled % b"dup2"),
        Case("POST", f"{NAMESPACES}/nons/configmaps", core_object("ConfigMap", "x")),
        Case("POST", f"{GROUP}/namespaces/nons/reports", report("x")),
        Case("POST", f"{GROUP}/reports", report("x")),
    ]


def _validated() -> list[Case]:
    """Values that the schema or its rules refuse, or take."""
    specs: list[Object] = [
        {"path": 5},
        {"path": 1.5},
        {"path": True},
        {"path": {}},
        {"path": []},
        {"path": None},
        {"path": "a" * 300},
        {"path": "x\n"},
        {"suspend": 1},
        {"suspend": "x"},
        {"limit": "3"},
        {"limit": 3.0},
        {"limit": 101},
        {"deadline": 1.5},
        {"deadline": "x"},
        {"deadline": 0},
        {"deadline": 99999999999},
        {"lifetime": 99999999999},
        {"policy": "X"},
        {"export": {"type": None}},
        {"export": {"type": "Entities", "types": "x"}},
        {"export": {"type": "Entities", "types": [None]}},
        {"export": {"type": "Entities", "types": []}},
        {"export": {"type": "Entities", "types": ["a"] * 1000}},
        {"export": None},
        {"export": {"type": "Relations", "fileFormat": "CSV"}},
        {"delivery": None},
        {"delivery": {"receipt": True}},
        {"targetRef": {"name": ""}},
        {"targetRef": {"name": "lake\n"}},
        {"labels": {"a": "long one"}},
        {"labels": {"a": 1}},
        {"labels": {"a": "1", "b": "2", "c": "3"}},
        {"labels": {}},
    ]
    return [Case("POST", f"{REPORTS}?dryRun=All", report("t1", **spec)) for spec in specs]


def _put() -> list[Case]:
    return [
        Case("PUT", f"{REPORTS}/a1", report("a1")),
        Case("PUT", f"{REPORTS}/a1", report("b1", {"resourceVersion": "1"})),
        Case("PUT", f"{REPORTS}/zz", report("zz")),
        Case("PUT", f"{REPORTS}/zz", report("zz", {"resourceVersion": "1"})),
        Case("PUT", f"{REPORTS}/a1", report("a1", {"resourceVersion": "1"})),
        Case("PUT", f"{REPORTS}/a1", report("a1", {"resourceVersion": "abc"})),
        Case("PUT", f"{REPORTS}/a1", report("a1", {"resourceVersion": "1", "uid": "nope"})),
    ]


def _patched() -> list[Case]:
    merges: list[tuple[str, Any]] = [
        *(
            ("/a1", {"metadata": {name: value}})
            for name, value in {
                "uid": "x",
                "name": "x",
                "namespace": "x",
                "resourceVersion": "1",
                "creationTimestamp": None,
                "generation": 99,
                "deletionTimestamp": "2020-01-01T00:00:00Z",
            }.items()
        ),
        ("/a1", {"metadata": {"resourceVersion": None}}),
        ("/a1", {"kind": "Other"}),
        ("/a1", {"status": {"phase": "Running"}}),
        (
            "/a1/status",
            {"status": {"phase": "Running"}, "spec": {"suspend": False}, "metadata": {"labels": {"a": "b"}}},
        ),
        ("/a1/status", {"status": None}),
        ("/a1", []),
        ("/a1", {}),
        ("/zz", {"spec": {"suspend": False}}),
        ("/zz/status", {"spec": {"suspend": False}}),
        ("/a1", {"spec": {"bar": 1}}),
        ("/a1?fieldValidation=Strict", {"spec": {"suspend": "yes"}}),
        ("/a1?force=true", {"spec": {"suspend": True}}),
        ("/a1", {"spec": {"export": {"type": "Relations"}}}),
        ("/a1/status", {"status": {"startTime": "2026-11-25"}}),
        ("/a1/status", {"status": {"startTime": "2026-11-25T00:00:00"}}),
        ("/a1/status", {"status": {"startTime": "2026-11-25 00:00:00Z"}}),
        ("/a1/status", {"status": {"startTime": "2026-11-25T00:00:00.123+01:00"}}),
        ("/a1", {"metadata": {"labels": {"a b": "1"}}}),
        ("/a1", {"metadata": {"labels": None, "annotations": None}}),
    ]
    steps: list[Any] = [
        [{"op": "test", "path": "/metadata/name", "value": "z"}],
        [{"op": "test", "path": "/metadata/nope", "value": None}],
        [{"op": "test", "path": "/metadata/nope", "value": 1}],
        [{"op": "test", "path": "/spec/limit", "value": 2.0}],
        [{"op": "remove", "path": "/spec/nope"}],
        [{"op": "replace", "path": "/spec/nope", "value": 1}],
        [{"op": "add", "path": "/nope/x", "value": 1}],
        [{"op": "frob", "path": "/nope", "value": 1}],
        [
            {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}},
            {"op": "copy", "from": "/metadata/annotations/a", "path": "/metadata/annotations/c"},
            {"op": "move", "from": "/metadata/annotations/a", "path": "/metadata/annotations/d"},
        ],
        {"op": "x"},
    ]
    annotated = [{"op": "copy", "from": "/metadata/name", "path": "/metadata/annotations"}]
    return [
        *(Case("PATCH", REPORTS + path, body, content_type=MERGE) for path, body in merges),
        *(Case("PATCH", f"{REPORTS}/a1", body, content_type=JSON_PATCH) for body in steps),
        Case("PATCH", f"{REPORTS}/a1", annotated, content_type=JSON_PATCH, loose=True),
        Case("PATCH", f"{REPORTS}/a1", b"{x", content_type=MERGE, loose=True),
        Case("PATCH", f"{REPORTS}/a1?fieldValidation=Strict", {"spec": {"bar": 1}}, content_type=MERGE, loose=True),
        Case("PATCH", f"{REPORTS}/a1", {"metadata": {"labels": {"a": 1}}}, content_type=MERGE, loose=True),
        Case("PATCH", f"{REPORTS}/a1", {"spec": {"suspend": False}}),
        Case("PATCH", f"{REPORTS}/a1", {"spec": {"suspend": False}}, content_type=STRATEGIC),
        Case("PATCH", f"{REPORTS}/a1", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE, fields=True),
        Case("PATCH", f"{REPORTS}/a11", {"metadata": {"managedFields": []}}, content_type=MERGE, fields=True),
    ]


def _applied() -> list[Case]:
    """Server-side apply."""
    condition = {"type": "A", "status": "True", "reason": "R", "message": ""}
    status = {"phase": "Running", "conditions": [{**condition, "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    rows: list[tuple[str, Object]] = [
        ("/s1", report("s1")),
        ("/s1?fieldManager=m", report("s1")),
        ("/s1?fieldManager=m", report("s1")),
        ("/s1?fieldManager=n", report("s1", suspend=False)),
        ("/s1?fieldManager=n&force=true", report("s1", suspend=False)),
        ("/s1?fieldManager=m", report("other")),
        ("/s1?fieldManager=m", {**report("s1"), "kind": "X"}),
        ("/s1?fieldManager=m", without(report("s1"), "kind")),
        ("/s1?fieldManager=m", report("s1", {"managedFields": [{"manager": "x"}]})),
        ("/s1?fieldManager=m&force=true", report("s1", {"resourceVersion": "1"})),
        ("/s2?fieldManager=m", report("s2", {"resourceVersion": "1"})),
        ("/s2?fieldManager=m", report("s2", {"uid": "x"})),
        ("/s1?fieldManager=m&force=true", report("s1", bar=1)),
        ("/s1?fieldManager=m&fieldValidation=Strict&force=true", report("s1", bar=1)),
        ("/s1/status?fieldManager=m&force=true", {**without(report("s1"), "spec"), "status": status}),
        ("/s9/status?fieldManager=m&force=true", {**without(report("s9"), "spec"), "status": status}),
    ]
    return [
        *(Case("PATCH", REPORTS + path, body, content_type=APPLY, fields=True) for path, body in rows),
        Case("GET", f"{REPORTS}/s1", fields=True),
    ]


def _deleted() -> list[Case]:
    held = {"finalizers": ["x.io/y"]}
    return [
        Case("DELETE", f"{REPORTS}/a1?dryRun=All"),
        Case("GET", f"{REPORTS}/a1"),
        Case("DELETE", f"{REPORTS}/a1", {"preconditions": {"uid": "x"}}),
        Case("DELETE", f"{REPORTS}/a1", {"preconditions": {"resourceVersion": "x"}}, loose=True),
        Case("DELETE", f"{REPORTS}/a1", {"propagationPolicy": "Nope"}),
        Case("DELETE", f"{REPORTS}/a1", {"propagationPolicy": "Background", "orphanDependents": True}),
        Case(
            "DELETE", f"{REPORTS}/a1", {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        ),
        Case("DELETE", f"{REPORTS}/a1"),
        Case("POST", REPORTS, report("f1", held)),
        Case("DELETE", f"{REPORTS}/f1"),
        Case("DELETE", f"{REPORTS}/f1"),
        Case("PATCH", f"{REPORTS}/f1", {"metadata": {"finalizers": ["x.io/y", "x.io/z"]}}, content_type=MERGE),
        Case("PATCH", f"{REPORTS}/f1", {"metadata": {"labels": {"x": "y"}}}, content_type=MERGE),
        Case("PATCH", f"{REPORTS}/f1", {"metadata": {"deletionTimestamp": None}}, content_type=MERGE),
        Case("PATCH", f"{REPORTS}/f1", {"spec": {"suspend": False}}, content_type=MERGE),
        Case("POST", REPORTS, report("f1")),
        Case("PATCH", f"{REPORTS}/f1", {"metadata": {"finalizers": None}}, content_type=MERGE),
        Case("GET", f"{REPORTS}/f1"),
        Case("DELETE", f"{REPORTS}?labelSelector=zz=y"),
        Case("GET", f"{REPORTS}/s1"),
    ]


def _read() -> list[Case]:
    queries = (
        "resourceVersion=abc",
        "limit=abc",
        "labelSelector=a%20b%20c",
        "labelSelector=a/b/c=d",
        "labelSelector=a%20in%20(b",
        "labelSelector=a=%20b%20c",
        "labelSelector=a=b%20b",
        "labelSelector=a=*",
        "labelSelector=!a,b%20notin%20(c,d)",
        "fieldSelector=spec.x=1",
        "fieldSelector=spec.policy=Orphan",
        "fieldSelector=metadata.uid=1",
        "fieldSelector=x",
        "watch=true&resourceVersion=abc",
    )
    return [
        *(Case("GET", f"{REPORTS}?{query}") for query in queries),
        Case("GET", f"{REPORTS}?continue=abc", loose=True),
        Case("GET", f"{REPORTS}?resourceVersion=999999999", loose=True),
        Case("GET", f"{REPORTS}/s1?resourceVersion=abc"),
        Case("GET", REPORTS, accept="text/html"),
        Case("GET", REPORTS, accept="application/vnd.kubernetes.protobuf"),
        Case("GET", f"{REPORTS}/nope"),
        Case("GET", f"{REPORTS}/s1/scale"),
        Case("GET", f"{REPORTS}/s1/status"),
        Case("GET", "/apis/nope/v1"),
        Case("GET", "/apis/answers.example.com/v2"),
        Case("GET", "/apis/answers.example.com"),
        Case("GET", GROUP, loose=True),
        Case("GET", "/nope"),
        Case("GET", "/api/v2/x"),
        Case("GET", f"{NAMESPACES}/{NAMESPACE}/nopes"),
        Case("GET", "/readyz"),
    ]


CASES = [
    *_created(),
    *_validated(),
    *_put(),
    *_patched(),
    *_applied(),
    *_deleted(),
    *_read(),
    *core_kinds(),
    *last(),
]
