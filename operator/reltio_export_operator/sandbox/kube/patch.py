"""The patch formats of a kube-apiserver: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386), strategic merge patch.

All change the document they are given in place or return a new one; hand them a copy.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .errors import ApiError, bad_request
from .schema import Schema

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def merge_patch(document: Any, patch: Any) -> Any:
    """Apply a JSON Merge Patch: null removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = document if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


# --- JSON Patch ----------------------------------------------------------------------------------------------------


def _unprocessable() -> ApiError:
    # The real server says no more than this about a patch that cannot be applied, a failed `test` included.
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def json_patch(document: Any, operations: Any) -> Any:
    """Apply a JSON Patch; an operation that fails, a `test` included, is a 422."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        found = "object" if isinstance(operations, dict) else "value"
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {found} into Go value of type []handlers.jsonPatchOp"
        )
    for operation in operations:
        try:
            document = _apply_operation(document, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise _unprocessable() from None
    return document


def _apply_operation(document: Any, operation: Mapping[str, Any]) -> Any:
    kind, path = operation["op"], operation["path"]
    if kind == "test":
        if not _equal(_find(document, path, absent=None), operation.get("value")):
            raise ValueError(path)
        return document
    if kind == "add":
        return _add(document, path, operation["value"])
    if kind == "replace":
        # Fields of objects may be absent: the library of the real server replaces them all the same.
        return _add(document, path, operation["value"], replace=True)
    if kind == "remove":
        _remove(document, path)
        return document
    if kind in ("move", "copy"):
        value = copy.deepcopy(_find(document, operation["from"]))
        if kind == "move":
            _remove(document, operation["from"])
        return _add(document, path, value)
    raise ValueError(kind)


_REQUIRED: Any = object()


def _pointer(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise ValueError(path)
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _index(items: list[Any], token: str, *, end: bool = False) -> int:
    if token == "-" and end:
        return len(items)
    index = int(token)
    if not 0 <= index < len(items) + (1 if end else 0):
        raise IndexError(token)
    return index


def _step(container: Any, token: str) -> Any:
    return container[_index(container, token)] if isinstance(container, list) else container[token]


def _find(document: Any, path: str, absent: Any = _REQUIRED) -> Any:
    *parents, last = _pointer(path) or [""]
    if not path:
        return document
    for token in parents:
        document = _step(document, token)
    if isinstance(document, dict) and last not in document and absent is not _REQUIRED:
        return absent
    return _step(document, last)


def _add(document: Any, path: str, value: Any, *, replace: bool = False) -> Any:
    if not path:
        return value
    *parents, last = _pointer(path)
    container = document
    for token in parents:
        container = _step(container, token)
    if not isinstance(container, list):
        container[last] = value
    elif replace:
        container[_index(container, last)] = value
    else:
        container.insert(_index(container, last, end=True), value)
    return document


def _remove(document: Any, path: str) -> None:
    *parents, last = _pointer(path)
    for token in parents:
        document = _step(document, token)
    if isinstance(document, list):
        del document[_index(document, last)]
    else:
        del document[last]


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON values, where true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


# --- strategic merge patch -----------------------------------------------------------------------------------------


def strategic_merge_patch(document: Any, patch: Any, schema: Schema | None) -> Any:
    """Apply a strategic merge patch: lists whose schema names a merge key, and lists of scalars to merge, are merged."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = document if isinstance(document, dict) else {}
    for key, value in patch.items():
        if key.startswith(("$setElementOrder/", "$retainKeys")):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            result[field] = [item for item in result.get(field) or () if item not in value]
            continue
        child = schema.child(key) if schema is not None else None
        if value is None:
            result.pop(key, None)
        elif isinstance(value, list):
            result[key] = _merge_list(result.get(key), value, child)
        else:
            result[key] = strategic_merge_patch(result.get(key), value, child)
    return result


def _merge_list(current: Any, patch: list[Any], schema: Schema | None) -> list[Any]:
    raw = schema.raw if schema is not None else {}
    if raw.get("x-kubernetes-patch-strategy") != "merge":
        return patch
    result = list(current or ())
    key = raw.get("x-kubernetes-patch-merge-key")
    if key is None:
        return result + [item for item in patch if item not in result]
    for item in patch:
        if item.get("$patch") == "replace":
            return [other for other in patch if "$patch" not in other]
        at = next((index for index, other in enumerate(result) if other.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(item)
        else:
            result[at] = strategic_merge_patch(result[at], item, schema.items if schema else None)
    return result
