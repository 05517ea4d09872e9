"""Manifests from files, read as strictly as the models allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from ..api.job import ExportJob
from ..api.target import ExportTarget
from .cluster import UsageProblem

Raw = dict[str, Any]
Kind = TypeVar("Kind", ExportJob, ExportTarget)


def read(path: Path) -> list[Raw]:
    """All documents of a file. Raises UsageProblem."""
    try:
        documents = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]
    except (OSError, yaml.YAMLError) as error:
        raise UsageProblem(f"{path} cannot be read: {error}") from None
    if not all(isinstance(one, dict) for one in documents):
        raise UsageProblem(f"{path} holds something that is no object.")
    return documents


def only(documents: list[Raw], kind: str) -> Raw | None:
    """The one document of this kind; None when there is none. Raises UsageProblem when there are several."""
    found = [one for one in documents if one.get("kind") == kind]
    if len(found) > 1:
        raise UsageProblem(f"There are {len(found)} documents of kind {kind}; give a file with one.")
    return found[0] if found else None


def as_model(raw: Raw, model: type[Kind]) -> Kind:
    """The object, or a sentence that names the field which is wrong."""
    metadata = {"namespace": "default", "uid": "00000000-0000-0000-0000-000000000000", **raw.get("metadata", {})}
    try:
        return msgspec.convert({**raw, "metadata": metadata, "status": raw.get("status", {})}, model)
    except msgspec.ValidationError as error:
        raise UsageProblem(f"{raw.get('kind')} {metadata.get('name', '')}: {error}") from None
