"""Objects in memory, with the versions, history and life cycle that a kube-apiserver gives them."""

from __future__ import annotations

import asyncio
import copy
import json
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import errors
from .structural import Schema, broken_rules, pruned, violations, with_defaults

Object = dict[str, Any]
Key = tuple[str, str]  # namespace (empty for cluster scope) and name
_HISTORY = 20_000
_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
)


@dataclass
class Resource:
    """One kind of object and everything of it."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str = ""
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    schema: Schema | None = None
    has_status: bool = False
    columns: tuple[dict[str, Any], ...] = ()
    objects: dict[Key, Object] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True)
class Change:
    """One entry of the history: what a watch shows."""

    version: int
    resource: Resource
    type: str
    object: Object


class Store:
    """All objects, one counter of versions, and the history from which watches resume."""

    def __init__(self) -> None:
        self.version = 1
        self.resources: dict[tuple[str, str], Resource] = {}
        self.history: deque[Change] = deque(maxlen=_HISTORY)
        self._changed = asyncio.Event()

    def add(self, resource: Resource) -> None:
        self.resources[resource.group, resource.plural] = resource

    def get(self, resource: Resource, key: Key) -> Object:
        """The object. Raises ApiError 404."""
        try:
            return resource.objects[key]
        except KeyError:
            raise errors.not_found(resource.plural, resource.group, key[1]) from None

    def create(self, resource: Resource, namespace: str, given: Object, *, dry_run: bool, strict: bool) -> Object:
        """Admit and store a new object. Raises ApiError."""
        new = copy.deepcopy(given)
        meta = new.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
        if not meta.get("name"):
            raise errors.invalid(resource.kind, resource.group, "", [errors.required("metadata.name")])
        if resource.namespaced:
            meta["namespace"] = namespace
        key = (namespace, meta["name"])
        if key in resource.objects:
            raise errors.already_exists(resource.plural, resource.group, meta["name"])
        if namespace and ("", namespace) not in self.resources["", "namespaces"].objects:
            raise errors.not_found("namespaces", "", namespace)
        for name in (*_SERVER_OWNED, "resourceVersion"):
            meta.pop(name, None)
        new |= {"apiVersion": resource.api_version, "kind": resource.kind}
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
        if resource.has_status:
            new.pop("status", None)
        self._admit(resource, new, None, strict)
        if not dry_run:
            self._commit(resource, key, "ADDED", new)
        return new

    def update(
        self, resource: Resource, key: Key, given: Object, *, status: bool, dry_run: bool, strict: bool
    ) -> Object:
        """Admit and store the object anew; `status` tells which half may change. Raises ApiError."""
        old = self.get(resource, key)
        new = copy.deepcopy(given)
        meta = new.setdefault("metadata", {})
        name = key[1]
        if meta.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise errors.conflict(resource.plural, resource.group, name)
        if meta.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            text = (
                f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['metadata']['uid']}"
            )
            raise errors.conflict(resource.plural, resource.group, name, text)
        for owned in (*_SERVER_OWNED, "resourceVersion", "name", "namespace"):
            if owned in old["metadata"]:
                meta[owned] = old["metadata"][owned]
            else:
                meta.pop(owned, None)
        if resource.has_status:
            new = {**old, "status": new.get("status", {})} if status else {**new, "status": old.get("status", {})}
            if not new["status"]:
                del new["status"]
        new |= {"apiVersion": resource.api_version, "kind": resource.kind}
        self._admit(resource, new, old, strict)
        if "deletionTimestamp" in old["metadata"]:
            added = set(new["metadata"].get("finalizers", ())) - set(old["metadata"].get("finalizers", ()))
            if added:
                cause = errors.forbidden_field(
                    "metadata.finalizers", "no new finalizers can be added if the object is being deleted"
                )
                raise errors.invalid(resource.kind, resource.group, name, [cause])
        if new == old or dry_run:
            return new
        if new.get("spec") != old.get("spec"):
            new["metadata"] = {**new["metadata"], "generation": old["metadata"].get("generation", 1) + 1}
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            self._remove(resource, key, new)
        else:
            self._commit(resource, key, "MODIFIED", new)
        return new

    def delete(self, resource: Resource, key: Key, preconditions: dict[str, Any]) -> Object:
        """Delete the object, or mark it while it has finalizers. Raises ApiError."""
        old = self.get(resource, key)
        for name in ("uid", "resourceVersion"):
            if preconditions.get(name, old["metadata"][name]) != old["metadata"][name]:
                raise errors.conflict(resource.plural, resource.group, key[1], f"Precondition failed: {name}")
        if not old["metadata"].get("finalizers"):
            return self._remove(resource, key, old)
        if "deletionTimestamp" not in old["metadata"]:
            marks = {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
            generation = old["metadata"].get("generation", 1) + 1
            old = {**old, "metadata": {**old["metadata"], **marks, "generation": generation}}
            self._commit(resource, key, "MODIFIED", old)
        return old

    async def wait(self) -> None:
        """Return after the next change."""
        await self._changed.wait()

    def _admit(self, resource: Resource, new: Object, old: Object | None, strict: bool) -> None:
        schema = resource.schema
        if schema is None:
            return
        unknown = [path for name in ("spec", "status") for path in self._prune(new, schema, name)]
        if strict and unknown:
            listed = ", ".join(f'unknown field "{path}"' for path in unknown)
            raise errors.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                f"strict decoding error: {listed}"
            )
        with_defaults(new, schema)
        found = list(violations(new, schema, ""))
        if not found:
            found = list(broken_rules(new, old, schema, ""))
        if found:
            raise errors.invalid(resource.kind, resource.group, new["metadata"]["name"], found)

    @staticmethod
    def _prune(new: Object, schema: Schema, name: str) -> list[str]:
        return list(pruned(new[name], schema["properties"].get(name, {}), name)) if name in new else []

    def _commit(self, resource: Resource, key: Key, type_: str, new: Object) -> None:
        self.version += 1
        new["metadata"] = {**new["metadata"], "resourceVersion": str(self.version)}
        resource.objects[key] = new
        self._tell(Change(self.version, resource, type_, new))

    def _remove(self, resource: Resource, key: Key, old: Object) -> Object:
        self.version += 1
        del resource.objects[key]
        gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
        self._tell(Change(self.version, resource, "DELETED", gone))
        return gone

    def _tell(self, change: Change) -> None:
        self.history.append(change)
        self._changed.set()
        self._changed = asyncio.Event()


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


def json_patch(target: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902: add, remove, replace and test. Raises ApiError 422 when it does not apply."""
    result = copy.deepcopy(target)
    for step in patch:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        try:
            holder = result
            for part in parents:
                holder = holder[int(part)] if isinstance(holder, list) else holder[part]
            _apply_step(holder, last, step)
        except (KeyError, IndexError, ValueError, TypeError):
            raise errors.ApiError(
                422, "Invalid", f"the server rejected our request due to an error in our request: {json.dumps(step)}"
            ) from None
    return result


def _apply_step(holder: Any, last: str, step: dict[str, Any]) -> None:
    place: Any = last
    if isinstance(holder, list):
        place = len(holder) if last == "-" else int(last)
    match step["op"]:
        case "test":
            if holder[place] != step.get("value"):
                raise ValueError(last)
        case "remove":
            del holder[place]
        case "add" if isinstance(holder, list):
            holder.insert(place, step["value"])
        case "add" | "replace":
            holder[place] = step["value"]
        case _:
            raise ValueError(step["op"])
