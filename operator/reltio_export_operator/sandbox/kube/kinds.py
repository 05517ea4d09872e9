"""What is special about the writes of some kinds, on top of what `registry` does for all."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from . import crds
from .errors import Cause, forbidden, forbidden_field, invalid_value, required
from .resources import Resource
from .storage import Object


class Strategy:
    """The hooks of a kind; these defaults fit custom resources."""

    has_generation = True
    name_is_label = False

    def prepare_create(self, obj: Object) -> None:
        """Complete a new object."""

    def prepare_update(self, obj: Object, old: Object) -> None:
        """Complete an object that replaces another."""

    def prepare_delete(self, obj: Object, now: str) -> None:
        """Mark an object that is about to be deleted."""

    def check_delete(self, obj: Object) -> None:
        """Raise a 403 for an object that may not be deleted."""

    def holds(self, obj: Object) -> bool:
        """Whether a deleted object must stay, although it has no finalizers."""
        return False

    def validate(self, obj: Object, old: Object | None) -> list[Cause]:
        """Causes beyond metadata and schema."""
        return []


class BuiltIn(Strategy):
    """A built-in kind without a generation."""

    has_generation = False


class Namespaces(BuiltIn):
    name_is_label = True
    _permanent = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})

    def prepare_create(self, obj: Object) -> None:
        labels = obj["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}

    def prepare_update(self, obj: Object, old: Object) -> None:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
        obj.setdefault("spec", old.get("spec", {}))
        obj.setdefault("status", old.get("status", {}))

    def prepare_delete(self, obj: Object, now: str) -> None:
        obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}

    def check_delete(self, obj: Object) -> None:
        name = obj["metadata"]["name"]
        if name in self._permanent:
            raise forbidden("namespaces", "", name, "this namespace may not be deleted")

    def holds(self, obj: Object) -> bool:
        return bool(obj.get("spec", {}).get("finalizers"))


_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_MOST_BYTES = 1024 * 1024


def _data_causes(data: Object, field: str, size: int) -> list[Cause]:
    causes = [invalid_value(f"{field}[{key}]", key, _KEY_TEXT) for key in data if not _CONFIG_KEY.fullmatch(key)]
    if size > _MOST_BYTES:
        causes.append(Cause(field, "FieldValueTooLong", f"Too long: may not be more than {_MOST_BYTES} bytes"))
    return causes


def _frozen_causes(obj: Object, old: Object | None, fields: tuple[str, ...]) -> list[Cause]:
    """Changes to a Secret or ConfigMap that was marked immutable."""
    if old is None or not old.get("immutable"):
        return []
    causes = []
    if not obj.get("immutable"):
        causes.append(forbidden_field("immutable", "field is immutable when `immutable` is set"))
    for field in fields:
        if (obj.get(field) or {}) != (old.get(field) or {}):
            causes.append(forbidden_field(field, "field is immutable when `immutable` is set"))
    return causes


class Secrets(BuiltIn):
    _required_keys = {
        "kubernetes.io/tls": ("tls.crt", "tls.key"),
        "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    }

    def prepare_create(self, obj: Object) -> None:
        texts = obj.pop("stringData", None) or {}
        if texts:
            encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
            obj["data"] = {**(obj.get("data") or {}), **encoded}
        if not obj.get("data"):
            obj.pop("data", None)

    def prepare_update(self, obj: Object, old: Object) -> None:
        self.prepare_create(obj)

    def validate(self, obj: Object, old: Object | None) -> list[Cause]:
        data = obj.get("data") or {}
        causes = _data_causes(data, "data", sum(_decoded_size(value) for value in data.values()))
        causes += [required(f"data[{key}]") for key in self._required_keys.get(obj["type"], ()) if key not in data]
        if old is not None and obj["type"] != old["type"]:
            causes.append(invalid_value("type", obj["type"], "field is immutable"))
        return causes + _frozen_causes(obj, old, ("data",))


def _decoded_size(value: str) -> int:
    try:
        return len(base64.b64decode(value))
    except (ValueError, binascii.Error):
        return 0


class ConfigMaps(BuiltIn):
    def validate(self, obj: Object, old: Object | None) -> list[Cause]:
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        causes = _data_causes(data, "data", sum(len(value.encode()) for value in data.values()))
        causes += _data_causes(binary, "binaryData", sum(_decoded_size(value) for value in binary.values()))
        for key in data.keys() & binary.keys():
            causes.append(invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData"))
        return causes + _frozen_causes(obj, old, ("data", "binaryData"))


class Leases(BuiltIn):
    def validate(self, obj: Object, old: Object | None) -> list[Cause]:
        spec = obj.get("spec") or {}
        duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        causes = []
        if duration is not None and duration <= 0:
            causes.append(invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0"))
        if transitions is not None and transitions < 0:
            causes.append(invalid_value("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
        return causes


class Events(BuiltIn):
    def validate(self, obj: Object, old: Object | None) -> list[Cause]:
        namespace = obj["metadata"]["namespace"]
        involved = (obj.get("involvedObject") or {}).get("namespace", "")
        if involved not in (namespace, "") or (not involved and namespace not in ("default", "kube-system")):
            return [invalid_value("involvedObject.namespace", involved, "does not match event.namespace")]
        return []


class CustomResourceDefinitions(Strategy):
    def prepare_create(self, obj: Object) -> None:
        crds.complete(obj)
        obj["status"] = {"storedVersions": crds.storage_versions(obj)}

    def prepare_update(self, obj: Object, old: Object) -> None:
        crds.complete(obj)

    def prepare_delete(self, obj: Object, now: str) -> None:
        crds.mark_terminating(obj, now)

    def validate(self, obj: Object, old: Object | None) -> list[Cause]:
        if old is not None and obj["spec"] == old["spec"]:
            return []
        return crds.validate(obj, old)


_CUSTOM = Strategy()
_PLAIN = BuiltIn()
_STRATEGIES: dict[str, Strategy] = {
    "/namespaces": Namespaces(),
    "/secrets": Secrets(),
    "/configmaps": ConfigMaps(),
    "coordination.k8s.io/leases": Leases(),
    "events": Events(),
    "apiextensions.k8s.io/customresourcedefinitions": CustomResourceDefinitions(),
}


def strategy_for(resource: Resource) -> Any:
    """The strategy of a resource's kind."""
    return _STRATEGIES.get(resource.storage_key, _PLAIN if resource.builtin else _CUSTOM)
