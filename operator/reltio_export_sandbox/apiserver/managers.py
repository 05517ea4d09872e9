"""Who owns which fields: `metadata.managedFields`, kept by every write, and server-side apply, which rests on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import lastapplied
from .errors import ApiError
from .fields import (
    MISSING,
    FieldSet,
    Object,
    Path,
    compare,
    field_set,
    from_v1,
    merge,
    object_schema,
    shown,
    to_v1,
    tracked,
    without,
)
from .structural import Schema


@dataclass(frozen=True, slots=True)
class Owner:
    """One manager in one role: applying or updating, the object or a subresource."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        part = f' with subresource "{self.subresource}"' if self.subresource else ""
        version = f" using {self.api_version}" if self.operation == "Update" else ""
        return f'"{self.manager}"{part}{version}'


@dataclass(slots=True)
class _Holding:
    fields: FieldSet
    time: str


_ALWAYS_THERE: FieldSet = {("f:metadata",)}
_Ownership = dict[Owner, _Holding]


def _read(obj: Object | None) -> _Ownership:
    entries = (obj or {}).get("metadata", {}).get("managedFields") or ()
    return {
        Owner(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", "")): _Holding(
            from_v1(entry.get("fieldsV1") or {}), entry.get("time", "")
        )
        for entry in entries
        if entry.get("manager")
    }


def _written(ownership: _Ownership) -> list[Object]:
    def order(item: tuple[Owner, _Holding]) -> tuple[str, ...]:
        owner, holding = item
        return (owner.operation, holding.time, owner.manager, owner.api_version, owner.subresource)

    entries = []
    for owner, holding in sorted(ownership.items(), key=order):
        entry = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owner.api_version,
            "time": holding.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_v1(holding.fields),
        }
        if owner.subresource:
            entry["subresource"] = owner.subresource
        entries.append(entry)
    return entries


def track_update(obj: Object, old: Object | None, known: Schema | None, own: Owner, now: str) -> None:
    """Note in a new version of an object what its writer changed; others lose what was changed under them.

    A writer may also send managedFields, as kubectl does when it migrates what it once applied: they count then.
    """
    ownership = _read(obj) or _read(old)
    schema = object_schema(known)
    change = compare(tracked(old or {}), tracked(obj), schema)
    touched = (change.added | change.modified) - _ALWAYS_THERE
    if touched or change.removed:
        mine = ownership.pop(own, _Holding(set(), now))
        _release(ownership, touched | change.removed)
        mine = _Holding((mine.fields | touched) - change.removed, now)
        if mine.fields:
            ownership[own] = mine
    _put(obj, _written(ownership))


def _put(obj: Object, entries: list[Object]) -> None:
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def _release(ownership: _Ownership, fields: FieldSet) -> None:
    for owner in list(ownership):
        holding = ownership[owner]
        if holding.fields & fields:
            rest = holding.fields - fields
            if rest:
                ownership[owner] = _Holding(rest, holding.time)
            else:
                del ownership[owner]


def unchanged(obj: Object, old: Object) -> bool:
    """Whether a write would change nothing but the times at which managers last wrote."""
    if any(obj.get(key) != old.get(key) for key in obj.keys() | old.keys() if key != "metadata"):
        return False
    return _timeless(obj["metadata"]) == _timeless(old["metadata"])


def _timeless(meta: Object) -> Object:
    entries = [{**entry, "time": ""} for entry in meta.get("managedFields") or ()]
    return {
        **meta,
        "managedFields": sorted(entries, key=lambda entry: (entry["operation"], entry["manager"], str(entry))),
    }


def merge_applied(
    intent: Object, live: Object | None, known: Schema | None, own: Owner, *, force: bool, now: str
) -> Object:
    """The object with a manager's whole intent applied, its managedFields included.

    What the manager applied before and no longer does is removed, unless others own it too. A 409 names those who own
    what the intent would change, unless `force` takes it from them.
    """
    ownership = _read(live)
    schema = object_schema(known)
    before = ownership.pop(own, None)
    applied = field_set(tracked(intent), schema)
    merged: Any = merge(live if live is not None else MISSING, intent, schema)
    given_up = _given_up(merged, before, applied, ownership, schema) if before is not None else set()
    if given_up:
        merged = _without(merged, given_up, schema)
    change = compare(tracked(live or {}), tracked(merged), schema)
    _settle(
        ownership,
        (change.added | change.modified) & applied,
        allowed=applied if force else lastapplied.allowed(live, schema, own.manager),
    )
    _release(ownership, change.removed)
    moved = before is None or before.fields != applied or bool(change.added or change.modified or change.removed)
    ownership[own] = _Holding(applied, now if before is None or moved else before.time)
    result: Object = {**merged, "metadata": {**merged.get("metadata", {})}}
    _put(result, _written(ownership))
    lastapplied.synchronize(result, intent, live, own.manager)
    return result


def _given_up(merged: Object, before: _Holding, applied: FieldSet, others: _Ownership, schema: Schema) -> FieldSet:
    """The fields that a manager applied before and no longer does. What holds a field that stays, stays too."""
    staying = applied | (field_set(tracked(merged), schema) - before.fields)
    for holding in others.values():
        staying |= holding.fields
    holders = {path[:length] for path in staying for length in range(1, len(path) + 1)}
    return before.fields - holders


def _without(obj: Object, fields: FieldSet, schema: Schema) -> Object:
    """An object without some fields; what nobody owns stays."""
    kept: Object = without(tracked(obj), fields, schema)
    meta = obj["metadata"]
    untracked = {name: value for name, value in meta.items() if name not in tracked(obj).get("metadata", {})}
    header: Object = {name: obj[name] for name in ("apiVersion", "kind") if name in obj}
    return {**header, **kept, "metadata": {**untracked, **kept.get("metadata", {})}}


def _settle(ownership: _Ownership, changing: FieldSet, *, allowed: FieldSet) -> None:
    """Take fields from their owners, or refuse where one may not be taken."""
    conflicts = [(owner, sorted(holding.fields & changing - allowed)) for owner, holding in ownership.items()]
    conflicts = [(owner, paths) for owner, paths in conflicts if paths]
    if conflicts:
        raise _conflict(conflicts)
    _release(ownership, changing)


def _conflict(conflicts: list[tuple[Owner, list[Path]]]) -> ApiError:
    count = sum(len(paths) for _, paths in conflicts)
    parts, causes = [], []
    for owner, paths in sorted(conflicts, key=lambda item: str(item[0])):
        if len(paths) == 1:
            parts.append(f"conflict with {owner}: {shown(paths[0])}")
        else:
            parts.append(f"conflicts with {owner}:\n" + "\n".join(f"- {shown(path)}" for path in paths))
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": shown(path)}
            for path in paths
        ]
    noun = "conflict" if count == 1 else "conflicts"
    return ApiError(409, "Conflict", f"Apply failed with {count} {noun}: " + "\n".join(parts), {"causes": causes})
