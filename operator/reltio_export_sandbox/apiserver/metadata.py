"""Checks of an object's metadata, as in k8s.io/apimachinery/pkg/api/validation and .../pkg/util/validation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import errors, names
from .errors import Cause

_ANNOTATIONS_LIMIT = 256 * 1024  # bytes, keys and values of all annotations together
_LONGEST_NAME = 63  # the name part of a label key, and a label value
_KEY_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY_NAME})?"
_KEY_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_KEY_NAME}')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_VALUE}')"
)
_SHARED_KEYS = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_IMMUTABLE = ("uid", "deletionTimestamp", "deletionGracePeriodSeconds")
_CASCADING = ("orphan", "foregroundDeletion")

Meta = Mapping[str, Any]


def qualified_name(text: str) -> Iterator[str]:
    """What is wrong with a label key, which annotations, finalizers and component names follow too."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        yield f"a valid label key {_KEY_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash:
        yield from (f"prefix part {problem}" for problem in names.subdomain(prefix))
    if not name:
        yield "name part must be non-empty"
    elif len(name) > _LONGEST_NAME:
        yield f"name part must be no more than {_LONGEST_NAME} bytes"
    if not re.fullmatch(_KEY_NAME, name):
        yield f"name part {_KEY_RULE}"


def label_value(text: str) -> Iterator[str]:
    """What is wrong with the value of a label."""
    if len(text) > _LONGEST_NAME:
        yield f"must be no more than {_LONGEST_NAME} bytes"
    if not re.fullmatch(_VALUE, text):
        yield _VALUE_RULE


def problems(meta: Meta, *, created: bool) -> Iterator[Cause]:
    """What is wrong with labels, annotations and owners, and with the finalizers of a new object."""
    for key, value in (meta.get("labels") or {}).items():
        yield from _invalid("metadata.labels", key, qualified_name(key))
        yield from _invalid("metadata.labels", value, label_value(value))
    annotations = meta.get("annotations") or {}
    for key in annotations:
        yield from _invalid("metadata.annotations", key, qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield errors.too_long("metadata.annotations", _ANNOTATIONS_LIMIT)
    yield from _owner_problems(meta.get("ownerReferences") or [])
    finalizers = meta.get("finalizers") or []
    if not created:
        return
    for finalizer in finalizers:
        yield from _invalid("metadata.finalizers", finalizer, qualified_name(finalizer))
    if all(name in finalizers for name in _CASCADING):
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        yield errors.invalid_value("metadata.finalizers", finalizers, text)


def changed(meta: Meta, old: Meta) -> Iterator[Cause]:
    """What a write changes and may not. Values that the server sets must be left out or equal."""
    if "deletionTimestamp" in old:
        added = sorted(set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            listed = ", ".join(errors.quote(name) for name in added)
            text = (
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                f"[]string{{{listed}}}"
            )
            yield errors.forbidden_field("metadata.finalizers", text)
    for name in _IMMUTABLE:
        if meta.get(name) is not None and meta[name] != old.get(name):
            yield errors.invalid_value(f"metadata.{name}", meta[name], "field is immutable")


def finalizer_warnings(meta: Meta, old: Meta | None) -> Iterator[str]:
    """Warnings on finalizers that a write to a custom resource adds."""
    for name in meta.get("finalizers") or ():
        if name in ((old or {}).get("finalizers") or ()) or name in _CASCADING:
            continue
        domain, slash, _ = name.partition("/")
        if not slash and "." not in domain:
            yield (
                f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name to avoid accidental '
                "conflicts with other finalizer writers"
            )
        elif not slash:
            yield (
                f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name including a path (/) to '
                "avoid accidental conflicts with other finalizer writers"
            )


def _owner_problems(owners: list[Meta]) -> Iterator[Cause]:
    first = ""
    for owner in owners:
        if not str(owner.get("apiVersion", "")).rpartition("/")[2]:
            yield errors.invalid_value("metadata.ownerReferences.apiVersion", "", "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                yield errors.invalid_value(f"metadata.ownerReferences.{name}", "", "must not be empty")
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            text = "/v1, Kind=Event is disallowed from being an owner"
            yield errors.invalid_value("metadata.ownerReferences", _ordered(owner), text)
        if not owner.get("controller"):
            continue
        this = f"{owner.get('kind')}/{owner.get('name')}"
        if first:
            text = (
                f'Only one reference can have Controller set to true. Found "true" in references for {first} and {this}'
            )
            yield errors.invalid_value("metadata.ownerReferences", [_ordered(one) for one in owners], text)
        first = first or this


def _ordered(owner: Meta) -> dict[str, Any]:
    return {key: owner[key] for key in _SHARED_KEYS if key in owner}


def _invalid(field: str, value: Any, problems: Iterable[str]) -> Iterator[Cause]:
    for problem in problems:
        yield errors.invalid_value(field, value, problem)
