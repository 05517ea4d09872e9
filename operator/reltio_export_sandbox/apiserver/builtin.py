"""The built-in kinds: what the server sets, what it refuses, and the columns that it prints of each.

After pkg/registry, pkg/apis/core/validation and pkg/printers/internalversion in k8s.io/kubernetes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from . import definitions, errors, kinds, metadata
from .errors import Cause
from .resources import Native, Object, Resource
from .tables import age

IMMORTAL = ("default", "kube-system", "kube-public")  # namespaces that may not be deleted
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")  # that are there from the start
_SECRET_LIMIT = 1024 * 1024
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_SECRET_KEYS = {  # types of Secrets, with the keys that must be there
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_LONGEST_ACTION = 128
_LONGEST_NOTE = 1024


def _columns(*names: str) -> tuple[dict[str, Any], ...]:
    """A name that ends with `+` is shown with `-o wide` only."""
    return tuple(
        {
            "name": name.removesuffix("+"),
            "type": "string",
            "format": "name" if name.removesuffix("+") == "Name" else "",
            "description": name.removesuffix("+"),
            "priority": int(name.endswith("+")),
        }
        for name in names
    )


def _age(item: Object) -> str:
    return age(item["metadata"]["creationTimestamp"])


def _namespace_defaults(new: Object) -> None:
    meta = new["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta.get("name") or ""}


def _prepare_namespace(new: Object, old: Object | None) -> None:
    if old is None:
        finalizers = new.get("spec", {}).get("finalizers") or []
        new["spec"] = {"finalizers": [*finalizers, *({"kubernetes"} - set(finalizers))]}
        new["status"] = {"phase": "Active"}
    else:
        new["spec"], new["status"] = old["spec"], old["status"]


def _namespace_cells(item: Object) -> list[Any]:
    return [item["metadata"]["name"], item["status"]["phase"], _age(item)]


def _secret_defaults(new: Object) -> None:
    text = new.pop("stringData", None) or {}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in text.items()}
    if encoded or new.get("data"):
        new["data"] = {**(new.get("data") or {}), **encoded}
    new["type"] = new.get("type") or "Opaque"


def _config_key(key: str) -> Iterator[str]:
    if len(key) > 253:
        yield "must be no more than 253 characters"
    if not _KEY.fullmatch(key):
        yield _KEY_RULE
    if key in (".", ".."):
        yield f"must not be '{key}'"
    elif key.startswith(".."):
        yield "must not start with '..'"


def _key_causes(item: Object, name: str) -> Iterator[Cause]:
    for key in item.get(name) or {}:
        for problem in _config_key(key):
            yield errors.invalid_value(f"{name}[{key}]", key, problem)


def _immutable_causes(new: Object, old: Object | None, *names: str) -> Iterator[Cause]:
    if old is None or not old.get("immutable"):
        return
    text = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        yield errors.forbidden_field("immutable", text)
    for name in names:
        if (new.get(name) or {}) != (old.get(name) or {}):
            yield errors.forbidden_field(name, text)


def _check_secret(new: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and new["type"] != old["type"]:
        yield errors.invalid_value("type", new["type"], "field is immutable")
    yield from _immutable_causes(new, old, "data")
    yield from _key_causes(new, "data")
    data = new.get("data") or {}
    if sum(len(base64.b64decode(value)) for value in data.values()) > _SECRET_LIMIT:
        yield errors.too_long("data", _SECRET_LIMIT)
    if new["type"] == "kubernetes.io/basic-auth" and not ({"username", "password"} & set(data)):
        yield from (errors.required(f"data[{key}]") for key in ("username", "password"))
    for key in _SECRET_KEYS.get(new["type"], ()):
        if key not in data:
            yield errors.required(f"data[{key}]")
        elif key.startswith(".docker") and not _is_json_object(base64.b64decode(data[key])):
            yield errors.invalid_value(f"data[{key}]", "<secret contents redacted>", "invalid character")


def _is_json_object(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False


def _secret_cells(item: Object) -> list[Any]:
    return [item["metadata"]["name"], item["type"], len(item.get("data") or {}), _age(item)]


def _check_config_map(new: Object, old: Object | None) -> Iterator[Cause]:
    yield from _immutable_causes(new, old, "data", "binaryData")
    yield from _key_causes(new, "data")
    yield from _key_causes(new, "binaryData")
    text, binary = new.get("data") or {}, new.get("binaryData") or {}
    for key in sorted(set(text) & set(binary)):
        yield errors.invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    size = sum(len(value.encode()) for value in text.values())
    if size + sum(len(base64.b64decode(value)) for value in binary.values()) > _SECRET_LIMIT:
        yield errors.too_long("", _SECRET_LIMIT)


def _config_map_cells(item: Object) -> list[Any]:
    return [item["metadata"]["name"], len(item.get("data") or {}) + len(item.get("binaryData") or {}), _age(item)]


def _prepare_event(new: Object, old: Object | None) -> None:
    """Fields that a server writes even when they are empty."""
    for name in ("eventTime", "firstTimestamp", "lastTimestamp"):
        new.setdefault(name, None)
    for name in ("reportingComponent", "reportingInstance"):
        new.setdefault(name, "")
    new.setdefault("source", {})


def _check_event(new: Object, old: Object | None) -> Iterator[Cause]:
    namespace, about = new["metadata"]["namespace"], new.get("involvedObject", {}).get("namespace", "")
    if not new.get("eventTime"):
        matches = about == namespace if about else namespace == "default"
    else:
        matches = bool(about) or namespace in ("default", "kube-system")
    if not matches:
        yield errors.invalid_value("involvedObject.namespace", about, "does not match event.namespace")
    if new.get("eventTime"):
        yield from _check_new_event(new)


def _check_new_event(new: Object) -> Iterator[Cause]:
    """Rules for events with an eventTime, which only newer recorders write."""
    component = new.get("reportingComponent") or ""
    if not component:
        yield errors.required("reportingComponent")
    for problem in metadata.qualified_name(component):
        yield errors.invalid_value("reportingComponent", component, problem)
    for name, limit in (
        ("reportingInstance", _LONGEST_ACTION),
        ("action", _LONGEST_ACTION),
        ("reason", _LONGEST_ACTION),
    ):
        if not new.get(name):
            yield errors.required(name)
        elif len(new[name]) > limit:
            yield errors.invalid_value(name, "", f"can have at most {limit} characters")
    if len(new.get("message") or "") > _LONGEST_NOTE:
        yield errors.invalid_value("message", "", f"can have at most {_LONGEST_NOTE} characters")


def _since(stamp: str | None) -> str:
    return age(stamp) if stamp else "<unknown>"


def _event_cells(item: Object) -> list[Any]:
    about, series = item.get("involvedObject") or {}, item.get("series") or {}
    first = _since(item.get("firstTimestamp") or item.get("eventTime"))
    last = _since(series.get("lastObservedTime") or item.get("lastTimestamp"))
    last = first if last == "<unknown>" else last
    kind, name = str(about.get("kind", "")).lower(), about.get("name")
    source = item.get("source") or {}
    parts = [
        source.get("component") or item.get("reportingComponent") or "",
        source.get("host") or item.get("reportingInstance") or "",
    ]
    return [
        last,
        item.get("type", ""),
        item.get("reason", ""),
        f"{kind}/{name}" if name else kind,
        about.get("fieldPath", ""),
        ", ".join(parts) if parts[1] else parts[0],
        str(item.get("message", "")).strip(),
        first,
        series.get("count") or item.get("count") or 1,
        item["metadata"]["name"],
    ]


def _check_lease(new: Object, old: Object | None) -> Iterator[Cause]:
    spec = new.get("spec") or {}
    if spec.get("leaseDurationSeconds", 1) <= 0:
        yield errors.invalid_value("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")
    if spec.get("leaseTransitions", 0) < 0:
        text = "must be greater than or equal to 0"
        yield errors.invalid_value("spec.leaseTransitions", spec["leaseTransitions"], text)
    if spec.get("preferredHolder") and not spec.get("strategy"):
        text = "may only be specified if `strategy` is defined"
        yield errors.forbidden_field("spec.preferredHolder", text)


def _lease_defaults(new: Object) -> None:
    new.setdefault("spec", {})


def _lease_cells(item: Object) -> list[Any]:
    return [item["metadata"]["name"], item["spec"].get("holderIdentity", ""), _age(item)]


def _named_cells(item: Object) -> list[Any]:
    return [item["metadata"]["name"], _age(item)]


def _definition_cells(item: Object) -> list[Any]:
    return [item["metadata"]["name"], item["metadata"]["creationTimestamp"]]


_WORKLOADS = (("DaemonSet", "ds"), ("Deployment", "deploy"), ("ReplicaSet", "rs"), ("StatefulSet", "sts"))
_READ_ONLY = ("get", "list", "watch")
_EVENT_FIELDS = (
    *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")),
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
    "metadata.name",
    "metadata.namespace",
)
_EVENT_COLUMNS = (
    *("Last Seen", "Type", "Reason", "Object", "Subobject+", "Source+", "Message", "First Seen+", "Count+", "Name+"),
)


def _core(plural: str, kind: str, native: Native, *short: str, **more: Any) -> Resource:
    return Resource(
        "", "v1", plural, kind, kind.lower(), short_names=short, schema=kinds.schema(kind), native=native, **more
    )


def _listed(plural: str, kind: str, *short: str, group: str = "", **more: Any) -> Resource:
    """A kind of which there are no objects: it is served so that kubectl finds it, and cannot be written."""
    native = Native(columns=_columns("Name", "Age"), cells=_named_cells)
    return Resource(group, "v1", plural, kind, kind.lower(), short_names=short, native=native, verbs=_READ_ONLY, **more)


def resources() -> list[Resource]:
    """All built-in kinds, without objects."""
    namespace = Native(
        columns=_columns("Name", "Status", "Age"),
        cells=_namespace_cells,
        fields=("metadata.name", "status.phase"),
        defaults=_namespace_defaults,
        prepare=_prepare_namespace,
        returns_deleted=True,
    )
    secret = Native(
        columns=_columns("Name", "Type", "Data", "Age"),
        cells=_secret_cells,
        fields=("type", "metadata.name", "metadata.namespace"),
        defaults=_secret_defaults,
        check=_check_secret,
    )
    config_map = Native(columns=_columns("Name", "Data", "Age"), cells=_config_map_cells, check=_check_config_map)
    account = Native(columns=_columns("Name", "Age"), cells=_named_cells, returns_deleted=True)
    event = Native(
        columns=_columns(*_EVENT_COLUMNS),
        cells=_event_cells,
        fields=_EVENT_FIELDS,
        prepare=_prepare_event,
        check=_check_event,
        create_on_update=True,
    )
    lease = Native(
        columns=_columns("Name", "Holder", "Age"),
        cells=_lease_cells,
        defaults=_lease_defaults,
        check=_check_lease,
        skeleton={"spec": {}},
        unconditional_update=False,
        create_on_update=True,
    )
    definition = Native(
        columns=_columns("Name", "Created At"),
        cells=_definition_cells,
        fields=("metadata.name",),
        prepare=definitions.prepare,
        check=definitions.check,
        decoded=False,
        unconditional_update=False,
    )
    collected = tuple(verb for verb in Resource("", "", "", "").verbs if verb != "deletecollection")
    return [
        _core("namespaces", "Namespace", namespace, "ns", namespaced=False, has_status=True, verbs=collected),
        _core("secrets", "Secret", secret),
        _core("configmaps", "ConfigMap", config_map, "cm"),
        _core("serviceaccounts", "ServiceAccount", account, "sa"),
        _core("events", "Event", event, "ev"),
        _listed("limitranges", "LimitRange", "limits"),
        _listed("resourcequotas", "ResourceQuota", "quota"),
        _listed("nodes", "Node", "no", namespaced=False),
        _listed("endpoints", "Endpoints", "ep"),
        _listed("persistentvolumeclaims", "PersistentVolumeClaim", "pvc"),
        _listed("persistentvolumes", "PersistentVolume", "pv", namespaced=False),
        _listed("pods", "Pod", "po", categories=("all",)),
        _listed("replicationcontrollers", "ReplicationController", "rc", categories=("all",)),
        _listed("services", "Service", "svc", categories=("all",)),
        *(
            _listed(f"{kind.lower()}s", kind, short, group="apps", categories=("all",))
            for kind, short in (
                ("DaemonSet", "ds"),
                ("Deployment", "deploy"),
                ("ReplicaSet", "rs"),
                ("StatefulSet", "sts"),
            )
        ),
        _listed("jobs", "Job", group="batch", categories=("all",)),
        _listed("cronjobs", "CronJob", "cj", group="batch", categories=("all",)),
        _listed("ingresses", "Ingress", "ing", group="networking.k8s.io"),
        Resource(
            "coordination.k8s.io",
            "v1",
            "leases",
            "Lease",
            "lease",
            schema=kinds.schema("Lease"),
            native=lease,
        ),
        Resource(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            "customresourcedefinition",
            namespaced=False,
            short_names=("crd", "crds"),
            categories=("api-extensions",),
            has_status=True,
            native=definition,
        ),
    ]
