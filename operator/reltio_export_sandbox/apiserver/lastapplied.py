"""The annotation of client-side apply, which server-side apply by kubectl takes over without conflicts.

After lastappliedmanager.go and lastappliedupdater.go in k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

import json

from .fields import FieldSet, Object, compare, field_set, tracked
from .structural import Schema

_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
_MANAGER = "kubectl"


def allowed(live: Object | None, schema: Schema, manager: str) -> FieldSet:
    """Fields that kubectl may take from others: what it applied on the client and nobody has changed since."""
    text = ((live or {}).get("metadata", {}).get("annotations") or {}).get(_ANNOTATION)
    if manager != _MANAGER or live is None or not text:
        return set()
    try:
        applied = json.loads(text)
    except ValueError:
        return set()
    if not isinstance(applied, dict) or applied.get("apiVersion") != live.get("apiVersion"):
        return set()
    change = compare(tracked(applied), tracked(live), schema)
    return field_set(tracked(applied), schema) - change.modified - change.added - change.removed


def synchronize(obj: Object, intent: Object, live: Object | None, manager: str) -> None:
    """Write into the annotation, where there is one, what kubectl has applied on the server."""
    annotations = ((live or {}).get("metadata", {}).get("annotations") or {}) if live is not None else {}
    if manager != _MANAGER or not annotations.get(_ANNOTATION):
        return
    plain = {**intent, "metadata": dict(intent.get("metadata", {}))}
    others = {
        name: value for name, value in (plain["metadata"].get("annotations") or {}).items() if name != _ANNOTATION
    }
    plain["metadata"].pop("annotations", None)
    if others:
        plain["metadata"]["annotations"] = others
    text = json.dumps(plain, separators=(",", ":"), sort_keys=True)
    meta = obj["metadata"]
    obj["metadata"] = {**meta, "annotations": {**(meta.get("annotations") or {}), _ANNOTATION: text + "\n"}}
