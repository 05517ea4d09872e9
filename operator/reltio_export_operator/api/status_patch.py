"""The patch that writes a status, and that keeps all of the stored one that the writer does not know or understand."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from .meta import LIST_KEYS, Model, to_wire

Wire = dict[str, Any]


def status_patch(stored: object, before: Model, after: Model) -> Wire:
    """The JSON merge patch (RFC 7386) of a stored status for what differs between `before` and `after`.

    `before` is the stored status as it was decoded. What is the same in both is left as it is stored, also where a
    default stands in for a value that was not understood. A merge patch replaces lists as a whole: their items are
    taken from the stored list, each changed only where it differs. Empty when nothing differs.
    """
    return _patch(stored, to_wire(before), to_wire(after))


def _patch(stored: object, before: Wire, after: Wire) -> Wire:
    kept = stored if isinstance(stored, dict) else {}
    patch: Wire = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        earlier = before.get(name)
        if name in before and earlier == value:
            continue
        if isinstance(value, dict) and isinstance(earlier, dict):
            patch[name] = _patch(kept.get(name), earlier, value)
        elif isinstance(value, list | tuple) and _holds_objects(value, earlier):
            patch[name] = _merged_list(LIST_KEYS.get(name), kept.get(name), earlier or [], value)
        else:
            patch[name] = value
    return patch


def _holds_objects(*lists: Sequence[Any] | None) -> bool:
    return all(isinstance(item, dict) for one in lists for item in one or [])


def _merged_list(key: str | None, stored: object, before: Sequence[Wire], after: Sequence[Wire]) -> list[Any]:
    """The list to write: `after`, each item with its unknown fields, then the stored items that were not decoded."""
    decoded, rest = _paired(key, stored, before)
    merged = []
    for item in after:
        index = next((i for i, (_, old) in enumerate(decoded) if _same(key, old, item)), None)
        if index is None:
            merged.append(item)
        else:
            kept, old = decoded.pop(index)
            merged.append(_applied(kept, _patch(kept, old, item)))
    return [*merged, *rest]


def _paired(key: str | None, stored: object, before: Sequence[Wire]) -> tuple[list[tuple[Wire, Wire]], list[Any]]:
    """Stored items with what they were decoded as, and stored items that were not decoded.

    Items are decoded in order, and only those that are objects with a key of their own where the list has keys.
    """
    pairs, rest = [], []
    waiting = iter(before)
    seen: set[object] = set()
    for item in stored if isinstance(stored, list) else []:
        own = item.get(key) if isinstance(item, dict) and key is not None else None
        usable = isinstance(item, dict) and (key is None or (isinstance(own, str) and bool(own) and own not in seen))
        old = next(waiting, None) if usable else None
        if old is None:
            rest.append(copy.deepcopy(item))
        else:
            seen.add(own)
            pairs.append((item, old))
    return pairs, rest


def _same(key: str | None, old: Wire, new: Wire) -> bool:
    return old == new if key is None else old.get(key) == new.get(key)


def _applied(target: Wire, patch: Wire) -> Wire:
    """A merge patch, applied."""
    return dict(_merge(target, patch))


def _merge(target: Wire, patch: Wire) -> Iterator[tuple[str, Any]]:
    for name, value in target.items():
        if name not in patch:
            yield name, copy.deepcopy(value)
    for name, value in patch.items():
        if isinstance(value, dict):
            below = target.get(name)
            yield name, _applied(below if isinstance(below, dict) else {}, value)
        elif value is not None:
            yield name, value
