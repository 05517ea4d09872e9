"""Patches: RFC 7386 (merge), RFC 6902 (JSON), and Kubernetes' strategic merge for the built-in kinds."""

from __future__ import annotations

import copy
import json
from typing import Any

from . import errors

# Lists that a strategic merge combines: field names to the key of their elements (none: the value).
_MERGED_LISTS: dict[str, str] = {
    "finalizers": "",
    "ownerReferences": "uid",
    "secrets": "name",
    "imagePullSecrets": "name",
    "conditions": "type",
}
_DELETE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge_patch(target: Any, patch: Any) -> Any:
    """A merge patch in which some lists are combined, and `$patch: delete` or `replace` says what to do."""
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            merged[name] = [item for item in merged.get(name) or [] if item not in value]
        elif key.startswith("$"):
            continue  # an order that the server may keep or not
        elif value is None:
            merged.pop(key, None)
        elif isinstance(value, list) and key in _MERGED_LISTS:
            merged[key] = _merge_list(merged.get(key) or [], value, _MERGED_LISTS[key])
        else:
            merged[key] = strategic_merge_patch(merged.get(key), value)
    return merged


def _merge_list(target: list[Any], patch: list[Any], by: str) -> list[Any]:
    """New elements come first, as the server puts them where no order is given."""
    if not by:
        return [item for item in patch if item not in target] + target
    merged = {item.get(by): item for item in target}
    new: list[Any] = []
    for item in patch:
        key = item.get(by)
        if item.get("$patch") == "delete":
            merged.pop(key, None)
        elif key in merged:
            merged[key] = strategic_merge_patch(merged[key], item)
        else:
            new.append(item)
    return new + list(merged.values())


def json_patch(target: Any, patch: Any) -> Any:
    """RFC 6902. Raises ApiError 400 for an invalid patch, and 422 when it does not apply."""
    if not isinstance(patch, list) or not all(isinstance(step, dict) for step in patch):
        raise errors.bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    result = copy.deepcopy(target)
    for step in patch:
        try:
            result = _step(result, step)
        except (KeyError, IndexError, ValueError, TypeError):
            text = "the server rejected our request due to an error in our request"
            raise errors.ApiError(422, "Invalid", text, {}) from None
    return result


def _parts(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(pointer)
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _at(value: Any, parts: list[str]) -> Any:
    for part in parts:
        value = value[_place(value, part)]
    return value


def _step(document: Any, step: dict[str, Any]) -> Any:
    *parents, last = _parts(step["path"])
    holder = _at(document, parents)
    match step["op"]:
        case "test":
            _test(holder, last, step.get("value"))
        case "remove":
            del holder[_place(holder, last)]
        case "replace":
            holder[_place(holder, last)] = step["value"]
        case "add":
            _add(holder, last, step["value"])
        case "copy":
            _add(holder, last, copy.deepcopy(_at(document, _parts(step["from"]))))
        case "move":
            *source, name = _parts(step["from"])
            origin = _at(document, source)
            moved = origin[_place(origin, name)]
            del origin[_place(origin, name)]
            _add(_at(document, parents), last, moved)
        case _:
            raise ValueError(step["op"])
    return document


def _place(holder: Any, last: str) -> Any:
    if not isinstance(holder, list):
        return last
    if not last.isdigit():
        raise IndexError(last)
    return int(last)


def _add(holder: Any, last: str, value: Any) -> None:
    if isinstance(holder, list):
        place = len(holder) if last == "-" else _place(holder, last)
        if place > len(holder):
            raise IndexError(last)
        holder.insert(place, value)
    elif isinstance(holder, dict):
        holder[last] = value
    else:
        raise TypeError(last)


def _test(holder: Any, last: str, wanted: Any) -> None:
    """A value that is not there equals null."""
    found = holder.get(last) if isinstance(holder, dict) else holder[_place(holder, last)]
    if json.dumps(found, sort_keys=True) != json.dumps(wanted, sort_keys=True):  # 1, 1.0 and true are three values
        raise ValueError(last)
