"""Object metadata: its schema, the rules for names, labels and the like, and what an update may not change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import Cause, forbidden_field, invalid_value, quote, required

Object = dict[str, Any]

_TIME = {"type": "string", "format": "date-time"}
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}

OBJECT_META: Mapping[str, Any] = {
    "type": "object",
    "description": "Standard object's metadata.",
    "properties": {
        "name": {"type": "string", "description": "Name, unique within a namespace; cannot be updated."},
        "generateName": {"type": "string", "description": "Prefix of a name that the server makes unique."},
        "namespace": {"type": "string", "description": "Namespace of the object; cannot be updated."},
        "selfLink": {"type": "string", "description": "Deprecated; not filled in any more."},
        "uid": {"type": "string", "description": "Identity of the object in time and space; set by the server."},
        "resourceVersion": {"type": "string", "description": "Opaque version of the object; set by the server."},
        "generation": {"type": "integer", "format": "int64", "description": "Version of the desired state."},
        "creationTimestamp": {**_TIME, "nullable": True, "description": "When the object was created."},
        "deletionTimestamp": {**_TIME, "nullable": True, "description": "When deletion was asked for."},
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64", "description": "Grace period."},
        "labels": {**_STRINGS, "description": "Keys and values to organise and select objects by."},
        "annotations": {**_STRINGS, "description": "Keys and values for tools."},
        "ownerReferences": {
            "type": "array",
            "description": "Objects that this one depends on; it is deleted when all of them are gone.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "uid",
            "items": {
                "type": "object",
                "x-kubernetes-map-type": "atomic",
                "required": ["apiVersion", "kind", "name", "uid"],
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "name": {"type": "string"},
                    "uid": {"type": "string"},
                    "controller": {"type": "boolean"},
                    "blockOwnerDeletion": {"type": "boolean"},
                },
            },
        },
        "finalizers": {
            "type": "array",
            "description": "Must be empty before the object is removed.",
            "items": {"type": "string"},
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "managedFields": {
            "type": "array",
            "description": "Which manager owns which fields.",
            "items": {
                "type": "object",
                "properties": {
                    "manager": {"type": "string"},
                    "operation": {"type": "string"},
                    "apiVersion": {"type": "string"},
                    "time": {**_TIME, "nullable": True},
                    "fieldsType": {"type": "string"},
                    "fieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "subresource": {"type": "string"},
                },
            },
        },
    },
}

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME_PART = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_IS_LABEL = re.compile(_LABEL)
_IS_SUBDOMAIN = re.compile(_SUBDOMAIN)
_IS_NAME_PART = re.compile(_NAME_PART)
_ANNOTATION_BYTES = 256 * 1024

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_NAME_PART_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def label_problems(name: str) -> list[str]:
    """What keeps a name from being an RFC 1123 label."""
    problems = ["must be no more than 63 bytes"] if len(name) > 63 else []
    return problems if _IS_LABEL.fullmatch(name) else [*problems, _LABEL_TEXT]


def subdomain_problems(name: str) -> list[str]:
    """What keeps a name from being an RFC 1123 subdomain."""
    problems = ["must be no more than 253 bytes"] if len(name) > 253 else []
    return problems if _IS_SUBDOMAIN.fullmatch(name) else [*problems, _SUBDOMAIN_TEXT]


def qualified_name_problems(key: str) -> list[str]:
    """What keeps a text from being a qualified name, such as `example.com/name`."""
    prefix, slash, name = key.rpartition("/")
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {problem}" for problem in subdomain_problems(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    if len(name) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not _IS_NAME_PART.fullmatch(name):
        problems.append(_NAME_PART_TEXT)
    return problems


def _value_problems(value: str) -> list[str]:
    problems = ["must be no more than 63 bytes"] if len(value) > 63 else []
    return problems if not value or _IS_NAME_PART.fullmatch(value) else [*problems, _VALUE_TEXT]


def validate_meta(meta: Object, *, name_is_label: bool = False) -> list[Cause]:
    """Problems of names, labels, annotations, finalizers and owner references."""
    causes = _name_causes(meta, label_problems if name_is_label else subdomain_problems)
    for key, value in (meta.get("labels") or {}).items():
        causes += [invalid_value("metadata.labels", key, problem) for problem in qualified_name_problems(key)]
        causes += [invalid_value("metadata.labels", value, problem) for problem in _value_problems(value)]
    annotations = meta.get("annotations") or {}
    for key in annotations:
        problems = qualified_name_problems(key.lower())
        causes += [invalid_value("metadata.annotations", key, problem) for problem in problems]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATION_BYTES:
        text = f"Too long: may not be more than {_ANNOTATION_BYTES} bytes"
        causes.append(Cause("metadata.annotations", "FieldValueTooLong", text))
    for finalizer in meta.get("finalizers") or ():
        problems = qualified_name_problems(finalizer)
        causes += [invalid_value("metadata.finalizers", finalizer, problem) for problem in problems]
    return causes + _owner_causes(meta.get("ownerReferences") or ())


def _name_causes(meta: Object, problems_of: Any) -> list[Cause]:
    name = meta.get("name")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    return [invalid_value("metadata.name", name, problem) for problem in problems_of(name)]


def _owner_causes(owners: Any) -> list[Cause]:
    causes = []
    for index, owner in enumerate(owners):
        at = f"metadata.ownerReferences[{index}]"
        causes += [
            invalid_value(f"{at}.{field}", "", "must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    if sum(1 for owner in owners if owner.get("controller")) > 1:
        text = "Only one reference can have Controller set to true."
        causes.append(invalid_value("metadata.ownerReferences", list(owners), text))
    return causes


def validate_meta_update(meta: Object, old: Object) -> list[Cause]:
    """Fields of metadata that an update tried to change and may not."""
    causes = [
        invalid_value(f"metadata.{field}", meta.get(field), "field is immutable")
        for field in ("name", "namespace", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
        if meta.get(field) != old.get(field)
    ]
    if old.get("deletionTimestamp"):
        added = [item for item in meta.get("finalizers") or () if item not in (old.get("finalizers") or ())]
        if added:
            listed = ", ".join(quote(item) for item in sorted(added))
            text = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
            causes.append(forbidden_field("metadata.finalizers", text))
    return causes


_QUALIFIED = {"foregroundDeletion", "orphan", "kubernetes"}


def finalizer_warnings(meta: Object) -> list[str]:
    """The advice that a server gives on finalizers without a domain."""
    return [
        f'metadata.finalizers: "{item}": prefer a domain-qualified finalizer name to avoid accidental conflicts with '
        "other finalizer writers"
        for item in meta.get("finalizers") or ()
        if "/" not in item and item not in _QUALIFIED
    ]
