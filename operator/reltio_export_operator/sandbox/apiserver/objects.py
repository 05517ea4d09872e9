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

from . import errors, managers, names
from .managers import Owner
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


_OMITTED_WHEN_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields")


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
class Options:
    """How to write: `strict` refuses unknown fields, `force` takes fields from their owners in an apply."""

    manager: str = "unknown"
    dry_run: bool = False
    strict: bool = False
    force: bool = False


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

    def create(
        self, resource: Resource, namespace: str, given: Object, options: Options, *, applied: bool = False
    ) -> Object:
        """Admit and store a new object; `applied` ones bring their managers along. Raises ApiError."""
        new = copy.deepcopy(given)
        meta = new.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = names.generated(meta["generateName"])
        if causes := list(names.problems(meta.get("name"), plural=resource.plural)):
            raise errors.invalid(resource.kind, resource.group, meta.get("name", ""), causes)
        if resource.namespaced:
            meta["namespace"] = namespace
        key = (namespace, meta["name"])
        if key in resource.objects:
            raise errors.already_exists(resource.plural, resource.group, meta["name"])
        if namespace and ("", namespace) not in self.resources["", "namespaces"].objects:
            raise errors.not_found("namespaces", "", namespace)
        if namespace:
            self._refuse_when_terminating(resource, namespace, meta["name"])
        for name in (*_SERVER_OWNED, "resourceVersion"):
            meta.pop(name, None)
        new |= {"apiVersion": resource.api_version, "kind": resource.kind}
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
        if resource.has_status:
            new.pop("status", None)
        if not applied:
            meta.pop("managedFields", None)
        meta = new["metadata"] = _without_empty(meta)
        self._admit(resource, new, None, strict=options.strict)
        if not applied:
            own = Owner(options.manager, "Update", resource.api_version)
            managers.track_update(new, None, resource.schema, own, now())
        if not options.dry_run:
            self._commit(resource, key, "ADDED", new)
        return new

    def apply(self, resource: Resource, key: Key, given: Object, options: Options, *, status: bool) -> Object:
        """Server-side apply: merge a manager's whole intent in, or create what it says. Raises ApiError."""
        intent = copy.deepcopy(given)
        if intent.get("metadata", {}).get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        if resource.has_status:
            intent = {k: v for k, v in intent.items() if (k != "spec" if status else k != "status")}
        self._drop_unknown(resource, intent, strict=options.strict)
        live = self.get(resource, key) if status else resource.objects.get(key)
        own = Owner(options.manager, "Apply", resource.api_version, "status" if status else "")
        merged = managers.merge_applied(intent, live, resource.schema, own, force=options.force, now=now())
        if live is None:
            merged["metadata"].setdefault("name", key[1])
            return self.create(resource, key[0], merged, options, applied=True)
        return self.update(resource, key, merged, options, status=status, applied=True)

    def update(
        self, resource: Resource, key: Key, given: Object, options: Options, *, status: bool, applied: bool = False
    ) -> Object:
        """Admit and store the object anew; `status` tells which half may change. Raises ApiError."""
        old = self.get(resource, key)
        new = copy.deepcopy(given)
        meta = new.setdefault("metadata", {})
        _check_identity(resource, meta, old["metadata"])
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
        new["metadata"] = _without_empty(new["metadata"])
        if applied:
            new["metadata"]["managedFields"] = given["metadata"]["managedFields"]
        self._admit(resource, new, old, strict=options.strict)
        if not applied:
            own = Owner(options.manager, "Update", resource.api_version, "status" if status else "")
            managers.track_update(new, old, resource.schema, own, now())
        _refuse_new_finalizers(resource, new["metadata"], old["metadata"])
        if managers.unchanged(new, old):
            return old
        if options.dry_run:
            return new
        if new.get("spec") != old.get("spec"):
            new["metadata"] = {**new["metadata"], "generation": old["metadata"].get("generation", 1) + 1}
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            self._remove(resource, key, new)
        else:
            self._commit(resource, key, "MODIFIED", new)
        return new

    def delete(self, resource: Resource, key: Key, preconditions: dict[str, Any], *, orphan: bool = False) -> Object:
        """Delete the object, or mark it while it has finalizers or content. Raises ApiError."""
        old = self.get(resource, key)
        for name in ("uid", "resourceVersion"):
            if preconditions.get(name, old["metadata"][name]) != old["metadata"][name]:
                raise errors.conflict(resource.plural, resource.group, key[1], f"Precondition failed: {name}")
        if not (old["metadata"].get("finalizers") or self._has_content(resource, key)):
            return self._remove(resource, key, old, orphan=orphan)
        if "deletionTimestamp" not in old["metadata"]:
            marks = {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
            generation = old["metadata"].get("generation", 1) + 1
            old = {**old, "metadata": {**old["metadata"], **marks, "generation": generation}}
            self._commit(resource, key, "MODIFIED", old)
        self._marked(resource, key)
        return old

    def _has_content(self, resource: Resource, key: Key) -> bool:
        """Whether something in the object keeps it from going at once."""
        return False

    def _marked(self, resource: Resource, key: Key) -> None:
        """The object is to go once nothing holds it."""

    def _gone(self, key: Key, old: Object, *, orphan: bool) -> None:
        """The object has gone."""

    def _refuse_when_terminating(self, resource: Resource, namespace: str, name: str) -> None:
        if "deletionTimestamp" in self.resources["", "namespaces"].objects["", namespace]["metadata"]:
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise errors.forbidden(resource.plural, resource.group, name, text)

    async def wait(self) -> None:
        """Return after the next change."""
        await self._changed.wait()

    def _admit(self, resource: Resource, new: Object, old: Object | None, *, strict: bool) -> None:
        schema = resource.schema
        if schema is None:
            return
        self._drop_unknown(resource, new, strict=strict)
        with_defaults(new, schema)
        found = list(violations(new, schema, ""))
        if not found:
            found = list(broken_rules(new, old, schema, ""))
        if found:
            raise errors.invalid(resource.kind, resource.group, new["metadata"]["name"], found)

    def _drop_unknown(self, resource: Resource, new: Object, *, strict: bool) -> None:
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

    @staticmethod
    def _prune(new: Object, schema: Schema, name: str) -> list[str]:
        return list(pruned(new[name], schema["properties"].get(name, {}), name)) if name in new else []

    def _commit(self, resource: Resource, key: Key, type_: str, new: Object) -> None:
        self.version += 1
        new["metadata"] = {**new["metadata"], "resourceVersion": str(self.version)}
        resource.objects[key] = new
        self._tell(Change(self.version, resource, type_, new))

    def _remove(self, resource: Resource, key: Key, old: Object, *, orphan: bool = False) -> Object:
        self.version += 1
        del resource.objects[key]
        gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
        self._tell(Change(self.version, resource, "DELETED", gone))
        self._gone(key, gone, orphan=orphan)
        return gone

    def _tell(self, change: Change) -> None:
        self.history.append(change)
        self._changed.set()
        self._changed = asyncio.Event()


def _without_empty(meta: Object) -> Object:
    """Metadata as Kubernetes encodes it: an empty list or map is as good as none."""
    return {name: value for name, value in meta.items() if value or name not in _OMITTED_WHEN_EMPTY}


def _check_identity(resource: Resource, meta: Object, old: Object) -> None:
    """The version and uid that a write carries must be those of the object. Raises ApiError 409."""
    if meta.get("resourceVersion", old["resourceVersion"]) != old["resourceVersion"]:
        raise errors.conflict(resource.plural, resource.group, old["name"])
    if meta.get("uid", old["uid"]) != old["uid"]:
        text = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['uid']}"
        raise errors.conflict(resource.plural, resource.group, old["name"], text)


def _refuse_new_finalizers(resource: Resource, meta: Object, old: Object) -> None:
    if "deletionTimestamp" in old and set(meta.get("finalizers", ())) - set(old.get("finalizers", ())):
        text = "no new finalizers can be added if the object is being deleted"
        cause = errors.forbidden_field("metadata.finalizers", text)
        raise errors.invalid(resource.kind, resource.group, old["name"], [cause])


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
