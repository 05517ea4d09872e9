"""Manifests from files, read more strictly than the API server does: a field that nobody knows is a mistake."""

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
from .cluster import UsageProblem

Raw = dict[str, Any]
Kind = TypeVar("Kind", ExportJob, ExportTarget)

_DECODERS: dict[type[Any], Callable[[Raw], Any]] = {ExportJob: decode_job, ExportTarget: decode_target}

_ROLE = re.compile(r"arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:role/\S+")


def read(path: Path) -> list[Raw]:
    """All objects of a file, those of a List one by one; `-` is standard input. Raises UsageProblem."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        documents = [one for one in yaml.safe_load_all(text) if one]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageProblem(f"{path} cannot be read: {error}") from None
    objects = [one for document in documents for one in _items(document)]
    if not all(isinstance(one, dict) and isinstance(one.get("metadata", {}), dict) for one in objects):
        raise UsageProblem(f"{path} holds something that is no object.")
    return objects


def _items(document: Any) -> list[Any]:
    if isinstance(document, dict) and str(document.get("kind")).endswith("List") and "items" in document:
        items = document["items"]
        return items if isinstance(items, list) else [items]
    return [document]


def only(documents: list[Raw], kind: str) -> Raw | None:
    """The one document of this kind; None when there is none. Raises UsageProblem when there are several."""
    found = [one for one in documents if one.get("kind") == kind]
    if len(found) > 1:
        raise UsageProblem(f"There are {len(found)} documents of kind {kind}; give a file with one.")
    return found[0] if found else None


def namespace_of(raw: Raw, asked: str | None) -> str | None:
    """The namespace that the object names, or else that of the option; as with kubectl they must not differ."""
    own: str | None = raw.get("metadata", {}).get("namespace")
    if own and asked and own != asked:
        raise UsageProblem(
            f"{raw.get('kind')} {raw['metadata'].get('name', '')} is of namespace {own}, and -n says {asked}. "
            "Leave one of them out."
        )
    return own or asked


def as_model(raw: Raw, model: type[Kind], namespace: str | None = None) -> Kind:
    """The object, or a sentence that names the field which is wrong."""
    metadata = {"uid": "00000000-0000-0000-0000-000000000000", **raw.get("metadata", {})}
    metadata["namespace"] = namespace_of(raw, namespace) or "default"
    what = f"{raw.get('kind')} {metadata.get('name', '')}".rstrip()
    try:
        found: Kind = _DECODERS[model]({**raw, "metadata": metadata, "status": raw.get("status") or {}})
    except msgspec.ValidationError as error:
        raise UsageProblem(f"{what}: {error}") from None
    for problem in _unknown(raw.get("spec"), inspect.type_info(type(found.spec)), "spec"):
        raise UsageProblem(f"{what}: {problem}")
    if isinstance(found, ExportTarget) and not _ROLE.fullmatch(found.spec.s3.role_arn):
        raise UsageProblem(
            f"{what}: spec.s3.roleARN must be the full ARN of a role, such as "
            "arn:aws:iam::111122223333:role/reltio-exporter."
        )
    return found


def _unknown(value: object, type_: inspect.Type, path: str) -> Iterator[str]:
    """What the object says and the type does not know, as sentences."""
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
                yield f"{path}.{key} is no field" + (f"; did you mean {near[0]}?" if near else ".")
    elif isinstance(type_, inspect.VarTupleType | inspect.ListType) and isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unknown(inner, type_.item_type, f"{path}[{number}]")
