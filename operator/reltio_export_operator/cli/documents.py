"""Reads manifests from files. Unknown fields are errors, which the API server would prune."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import inspect

from ..api.decoding import decode_job, decode_target
from ..api.job import ExportJob
from ..api.target import ExportTarget
from .cluster import CommandError

Raw = dict[str, Any]
Kind = TypeVar("Kind", ExportJob, ExportTarget)

_DECODERS: dict[type[Any], Callable[[Raw], Any]] = {ExportJob: decode_job, ExportTarget: decode_target}

_ROLE = re.compile(r"arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:role/\S+")


def read(path: Path) -> list[Raw]:
    """All objects of a file and the items of a List; `-` is standard input. Raises CommandError."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        documents = [one for one in yaml.safe_load_all(text) if one]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CommandError(f"Cannot read {shown(path)}: {error}") from None
    objects = [one for document in documents for one in _items(document)]
    if not all(isinstance(one, dict) and isinstance(one.get("metadata", {}), dict) for one in objects):
        raise CommandError(f"A document in {shown(path)} is not a Kubernetes object.")
    return objects


def shown(path: Path) -> str:
    """The name of the file in messages."""
    return "standard input" if str(path) == "-" else str(path)


def _items(document: Any) -> list[Any]:
    if isinstance(document, dict) and str(document.get("kind")).endswith("List") and "items" in document:
        items = document["items"]
        return items if isinstance(items, list) else [items]
    return [document]


def only(documents: list[Raw], kind: str) -> Raw | None:
    """The document of this kind, or None. Raises CommandError if there are several."""
    found = [one for one in documents if one.get("kind") == kind]
    if len(found) > 1:
        raise CommandError(f"The file has {len(found)} documents of kind {kind}. Use a file with one.")
    return found[0] if found else None


def namespace_of(raw: Raw, option: str | None) -> str | None:
    """The namespace of the object, or else of the option. Raises CommandError if they differ, as kubectl does."""
    own: str | None = raw.get("metadata", {}).get("namespace")
    if own and option and own != option:
        raise CommandError(
            f"{raw.get('kind')} {raw['metadata'].get('name', '')} has namespace {own}, but -n is {option}. "
            "Use the same, or remove one of them."
        )
    return own or option


def as_model(raw: Raw, model: type[Kind], namespace: str | None = None) -> Kind:
    """The object as a struct. Raises CommandError, which names the wrong field."""
    metadata = {"uid": "00000000-0000-0000-0000-000000000000", **raw.get("metadata", {})}
    metadata["namespace"] = namespace_of(raw, namespace) or "default"
    what = f"{raw.get('kind')} {metadata.get('name', '')}".rstrip()
    try:
        found: Kind = _DECODERS[model]({**raw, "metadata": metadata, "status": raw.get("status") or {}})
    except msgspec.ValidationError as error:
        raise CommandError(f"{what}: {error}") from None
    for problem in _unknown(raw.get("spec"), inspect.type_info(type(found.spec)), "spec"):
        raise CommandError(f"{what}: {problem}")
    if isinstance(found, ExportTarget) and not _ROLE.fullmatch(found.spec.s3.role_arn):
        raise CommandError(
            f"{what}: spec.s3.roleARN must be the full ARN of a role, such as "
            "arn:aws:iam::111122223333:role/reltio-exporter."
        )
    return found


def _unknown(value: object, type_: inspect.Type, path: str) -> Iterator[str]:
    """A message for each field that the type does not have."""
    if isinstance(type_, inspect.UnionType):
        for one in type_.types:
            yield from _unknown(value, one, path)
    elif isinstance(type_, inspect.StructType) and isinstance(value, Mapping):
        fields = {field.encode_name: field.type for field in type_.fields}
        for key, inner in value.items():
            if key in fields:
                yield from _unknown(inner, fields[key], f"{path}.{key}")
            else:
                near = difflib.get_close_matches(str(key), fields, n=1)
                yield f"Unknown field {path}.{key}." + (f" Did you mean {near[0]}?" if near else "")
    elif isinstance(type_, inspect.VarTupleType | inspect.ListType) and isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unknown(inner, type_.item_type, f"{path}[{number}]")
