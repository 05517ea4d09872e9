"""Leaves out of botocore's descriptions of services what is never called: 14 MiB of dictionaries otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import msgspec
from botocore import xform_name
from botocore.loaders import JSONFileLoader, Loader
from msgspec import Raw

from .lean import OPERATIONS, SERVICES

Data = dict[str, Any]
# Those that have endpoints here: what the operator calls, and what botocore asks for credentials.
_WITH_ENDPOINTS = frozenset({*SERVICES, "oidc", "portal.sso", "signin", "sso", "sso-oidc"})


def keep_called(loader: Loader) -> None:
    """Let this loader leave out what is not called of each file that it reads."""
    loader.file_loader = _Files()


class _Files(JSONFileLoader):
    """Parses only what is kept: what is parsed and dropped would leave its pages behind."""

    def _load_file(self, full_path: str, open_method: Callable[..., Any]) -> Any:
        path = PurePath(full_path.removesuffix(".gz"))
        if not Path(full_path).is_file():
            return None
        with open_method(full_path, "rb") as file:
            content: bytes = file.read()
        if path.name == "service-2.json" and path.parent.parent.name in SERVICES:
            return only_called_operations(content)
        if path.name == "endpoints.json":
            return only_called_endpoints(content)
        return msgspec.json.decode(content)


def only_called_operations(content: bytes) -> Data:
    """The model of a service without other operations, the shapes that only they use, and texts."""
    parts = msgspec.json.decode(content, type=dict[str, Raw])
    listed = msgspec.json.decode(parts["operations"], type=dict[str, Raw])
    described = msgspec.json.decode(parts["shapes"], type=dict[str, Raw])
    operations = {name: _parsed(one) for name, one in listed.items() if xform_name(name) in OPERATIONS}
    shapes: Data = {}
    waiting: list[Any] = [operations]
    while waiting:
        for name in _shapes_of(waiting.pop()):
            if name not in shapes:
                shapes[name] = _parsed(described[name])
                waiting.append(shapes[name])
    others = {name: _parsed(one) for name, one in parts.items() if name not in ("operations", "shapes")}
    return {**others, "operations": operations, "shapes": shapes}


def only_called_endpoints(content: bytes) -> Data:
    """The endpoints without those of other services."""
    parts = msgspec.json.decode(content, type=dict[str, Raw])
    partitions = []
    for partition in msgspec.json.decode(parts["partitions"], type=list[dict[str, Raw]]):
        services = msgspec.json.decode(partition.pop("services"), type=dict[str, Raw])
        kept = {name: msgspec.json.decode(one) for name, one in services.items() if name in _WITH_ENDPOINTS}
        partitions.append({**{name: msgspec.json.decode(one) for name, one in partition.items()}, "services": kept})
    return {**{name: msgspec.json.decode(one) for name, one in parts.items()}, "partitions": partitions}


def _shapes_of(part: Any) -> set[str]:
    """The names of the shapes to which this part of a model refers."""
    if isinstance(part, list):
        return {name for one in part for name in _shapes_of(one)}
    if not isinstance(part, dict):
        return set()
    own = {part["shape"]} if isinstance(part.get("shape"), str) else set()
    return own | {name for one in part.values() for name in _shapes_of(one)}


def _parsed(content: Raw) -> Any:
    return _undocumented(msgspec.json.decode(content))


def _undocumented(part: Any) -> Any:
    if isinstance(part, list):
        return [_undocumented(one) for one in part]
    if not isinstance(part, dict):
        return part
    # botocore takes it to be there. A member may have this name too: what describes it is then no text.
    return {
        name: "" if name == "documentation" and isinstance(one, str) else _undocumented(one)
        for name, one in part.items()
    }
