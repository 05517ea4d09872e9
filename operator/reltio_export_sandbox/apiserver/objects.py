"""Objects in memory, with the versions, history and life cycle that a kube-apiserver gives them."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import admission, errors, managers, metadata, names
from .managers import Owner
from .resources import Key, Object, Resource

_HISTORY = 20_000
_SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
_KEPT = (*_SERVER_OWNED, "generation", "resourceVersion", "name", "namespace")
_OMITTED_WHEN_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields")
_STALE_UID = (
    "StorageError: invalid object, Code: 4, Key: /registry/{key}, ResourceVersion: 0, AdditionalErrorMsg: "
    "Precondition failed: UID in precondition: {given}, UID in object meta: {found}"
)


@dataclass(frozen=True)
class Options:
    """How to write. `validation` is Ignore, Warn or Strict; `force` takes fields from their owners in an apply."""

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Deletion:
    """How to delete: the options of a DELETE. `policy` is Background, Foreground or Orphan."""

    policy: str = "Background"
    uid: str | None = None
    version: str | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Change:
    """One entry of the history: what a watch shows. `before` is the object as it was, for selectors."""

    version: int
    resource: Resource
    type: str
    object: Object
    before: Object | None


class Store:
    """All objects, one counter of versions, and the history from which watches resume."""

    def __init__(self) -> None:
        self.version = 1
        self.resources: dict[tuple[str, str], Resource] = {}
        self.history: deque[Change] = deque(maxlen=_HISTORY)
        self._changed = asyncio.Event()
        self._uids: set[str] = set()

    def add(self, resource: Resource) -> None:
        """Serve a kind of object, or serve it in a new form."""
        known = self.resources.get((resource.group, resource.plural))
        if known is not None:
            resource.objects = known.objects
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
        admission.check_identity(resource, given)
        new = admission.clean(resource, given, options)
        meta = new.setdefault("metadata", {})
        if namespace and meta.get("namespace") not in (None, "", namespace):
            raise errors.namespace_mismatch()
        version = meta.pop("resourceVersion", None)
        for name in (*_SERVER_OWNED, "generation"):
            meta.pop(name, None)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = names.generated(meta["generateName"])
        if resource.namespaced:
            meta["namespace"] = namespace
            self._check_namespace(resource, namespace, meta.get("name") or "")
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        if resource.counts_generations:
            meta["generation"] = 1
        if resource.has_status:
            new.pop("status", None)
        if not applied:
            meta.pop("managedFields", None)
            admission.set_defaults(resource, new)
            if resource.has_status:
                new.pop("status", None)  # what defaults set there belongs to nobody
            own = Owner(options.manager, "Update", resource.api_version)
            empty = resource.native.skeleton if resource.native is not None else {}
            managers.track_update(new, empty, resource.schema, own, now())
        new["metadata"] = _without_empty(meta)
        admission.admit(resource, new, None, options)
        if version and not applied:
            raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
        key = (namespace, meta["name"])
        if key in resource.objects:
            raise self._already_there(resource, key)
        if not options.dry_run:
            self._commit(resource, key, "ADDED", new)
        return new

    @staticmethod
    def _already_there(resource: Resource, key: Key) -> errors.ApiError:
        error = errors.already_exists(resource.plural, resource.group, key[1])
        if "deletionTimestamp" in resource.objects[key]["metadata"]:
            text = f"object is being deleted: {error.message}"
            return errors.ApiError(error.code, error.reason, text, error.details)
        return error

    def apply(self, resource: Resource, key: Key, given: Object, options: Options, *, status: bool) -> Object:
        """Server-side apply: merge a manager's whole intent in, or create what it says. Raises ApiError."""
        admission.check_applied_identity(resource, given)
        intent = admission.clean_applied(resource, given, options)
        if resource.has_status:
            intent = {k: v for k, v in intent.items() if (k != "spec" if status else k != "status")}
        live = self.get(resource, key) if status else resource.objects.get(key)
        own = Owner(options.manager, "Apply", resource.api_version, "status" if status else "")
        merged = managers.merge_applied(intent, live, resource.schema, own, force=options.force, now=now())
        if live is None:
            merged["metadata"].setdefault("name", key[1])
            return self.create(resource, key[0], merged, options, applied=True)
        return self.update(resource, key, merged, options, status=status, applied=True, patched=True)

    def update(
        self,
        resource: Resource,
        key: Key,
        given: Object,
        options: Options,
        *,
        status: bool,
        applied: bool = False,
        patched: bool = False,
    ) -> Object:
        """Admit and store a new version of the object; `status` decides which half may change. Raises ApiError."""
        old = self.get(resource, key)
        new = given if applied else admission.clean(resource, given, options, patched=patched)
        admission.set_defaults(resource, new)
        meta = new["metadata"] = dict(new.get("metadata") or {})
        _check_place(resource, meta, key)
        admission.check_identity(resource, new, patched=patched)
        _check_version(resource, meta, old["metadata"], key, patched=patched)
        changed = list(metadata.changed(meta, old["metadata"]))
        if changed and not status:
            raise errors.invalid(resource.kind, resource.group, key[1], changed)
        for owned in _KEPT:
            if owned in old["metadata"]:
                meta[owned] = old["metadata"][owned]
            else:
                meta.pop(owned, None)
        if resource.has_status:
            new = {**old, "status": new.get("status") or {}} if status else {**new, "status": old.get("status", {})}
            if not new["status"]:
                del new["status"]
        new |= {"apiVersion": resource.api_version, "kind": resource.kind}
        new["metadata"] = _without_empty(dict(new["metadata"]))
        if applied:
            new["metadata"]["managedFields"] = given["metadata"]["managedFields"]
        elif status and "managedFields" in meta:
            new["metadata"]["managedFields"] = meta["managedFields"]
        if resource.native is not None:
            resource.native.prepare(new, old)
        if not applied:
            own = Owner(options.manager, "Update", resource.api_version, "status" if status else "")
            managers.track_update(new, old, resource.schema, own, now())
        admission.admit(resource, new, old, options)
        return self._store(resource, key, new, old, dry_run=options.dry_run)

    def _store(self, resource: Resource, key: Key, new: Object, old: Object, *, dry_run: bool) -> Object:
        if managers.unchanged(new, old):
            return old
        if resource.counts_generations and _desired(resource, new) != _desired(resource, old):
            new["metadata"] = {**new["metadata"], "generation": old["metadata"].get("generation", 1) + 1}
        if dry_run:
            return new
        if "deletionTimestamp" in new["metadata"] and not self._is_held(resource, key, new):
            self._remove(resource, key, new)
        else:
            self._commit(resource, key, "MODIFIED", new)
        return new

    def delete(self, resource: Resource, key: Key, how: Deletion = Deletion()) -> tuple[Object, bool]:
        """Delete the object, or mark it while something holds it. Returns it and whether it has gone."""
        old = self.get(resource, key)
        _check_preconditions(resource, key, old["metadata"], how)
        if how.dry_run:
            return old, not self._is_held(resource, key, old)
        if self._is_held(resource, key, old) or how.policy == "Foreground":
            old = self._mark(resource, key, old, how)
        if key in resource.objects and not self._is_held(resource, key, old):
            return self._remove(resource, key, old, orphan=how.policy == "Orphan"), True
        return resource.objects.get(key, old), key not in resource.objects

    def _mark(self, resource: Resource, key: Key, old: Object, how: Deletion) -> Object:
        if "deletionTimestamp" in old["metadata"]:
            return old
        marks: Object = {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
        if resource.counts_generations:
            marks["generation"] = old["metadata"].get("generation", 1) + 1
        marked = self._marked(resource, key, {**old, "metadata": {**old["metadata"], **marks}})
        self._commit(resource, key, "MODIFIED", marked)
        self._begin_removal(resource, key, how)
        return resource.objects.get(key, marked)

    def _is_held(self, resource: Resource, key: Key, obj: Object) -> bool:
        """Whether something keeps the object from going at once."""
        return bool(obj["metadata"].get("finalizers"))

    def _marked(self, resource: Resource, key: Key, obj: Object) -> Object:
        """The object as it looks while it waits for its end."""
        return obj

    def _begin_removal(self, resource: Resource, key: Key, how: Deletion) -> None:
        """The object is to go once nothing holds it."""

    def _after(self, change: Change, *, orphan: bool) -> None:
        """Something has changed."""

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        found = self.resources["", "namespaces"].objects.get(("", namespace))
        if found is None:
            raise errors.not_found("namespaces", "", namespace)
        if "deletionTimestamp" in found["metadata"]:
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise errors.forbidden(resource.plural, resource.group, name, text, [cause])

    async def wait(self) -> None:
        """Return after the next change."""
        await self._changed.wait()

    def _commit(self, resource: Resource, key: Key, type_: str, new: Object) -> None:
        self.version += 1
        new["metadata"] = {**new["metadata"], "resourceVersion": str(self.version)}
        before = resource.objects.get(key)
        resource.objects[key] = new
        self._uids.add(new["metadata"]["uid"])
        self._notify(Change(self.version, resource, type_, new, before))

    def _remove(self, resource: Resource, key: Key, old: Object, *, orphan: bool = False) -> Object:
        self.version += 1
        before = resource.objects.pop(key)
        self._uids.discard(before["metadata"]["uid"])
        gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
        self._notify(Change(self.version, resource, "DELETED", gone, before), orphan=orphan)
        return gone

    def _notify(self, change: Change, *, orphan: bool = False) -> None:
        self.history.append(change)
        self._changed.set()
        self._changed = asyncio.Event()
        self._after(change, orphan=orphan)


def _desired(resource: Resource, obj: Object) -> Object:
    """What counts for the generation: all but metadata, and but status where it is a subresource."""
    left_out = (
        ("metadata", "status", "apiVersion", "kind") if resource.has_status else ("metadata", "apiVersion", "kind")
    )
    return {name: value for name, value in obj.items() if name not in left_out}


def _without_empty(meta: Object) -> Object:
    """Metadata as Kubernetes encodes it: an empty list or map is as good as none."""
    return {name: value for name, value in meta.items() if value or name not in _OMITTED_WHEN_EMPTY}


def _check_place(resource: Resource, meta: Mapping[str, Any], key: Key) -> None:
    """Name and namespace must be those of the URL. Raises ApiError 400."""
    name = meta.get("name")
    if not name:
        text = f"the name of the object ({key[1]} based on URL) was undeterminable: name must be provided"
        raise errors.bad_request(text)
    if name != key[1]:
        raise errors.bad_request(f"the name of the object ({name}) does not match the name on the URL ({key[1]})")
    if resource.namespaced and meta.get("namespace") not in (None, "", key[0]):
        raise errors.namespace_mismatch()


def _check_version(resource: Resource, meta: Object, old: Object, key: Key, *, patched: bool) -> None:
    """The version and uid that a write carries must be those of the object. Raises ApiError."""
    uid, version = meta.get("uid"), meta.get("resourceVersion")
    if uid and uid != old["uid"]:
        if patched:
            cause = errors.invalid_value("metadata.uid", uid, "field is immutable")
            raise errors.invalid(resource.kind, resource.group, key[1], [cause])
        place = "/".join(part for part in (resource.group, resource.plural, *key) if part)
        text = _STALE_UID.format(key=place, given=uid, found=old["uid"])
        raise errors.conflict(resource.plural, resource.group, key[1], text)
    if not version:
        if resource.native is not None and resource.native.unconditional_update:
            return
        cause = errors.invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise errors.invalid(resource.plural, resource.group, key[1], [cause])
    if not version.isdigit():
        raise errors.ApiError(500, "", f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if version != old["resourceVersion"]:
        raise errors.conflict(resource.plural, resource.group, key[1])


def _check_preconditions(resource: Resource, key: Key, meta: Object, how: Deletion) -> None:
    text = ""
    if how.uid is not None and how.uid != meta["uid"]:
        text = (
            f"the UID in the precondition ({how.uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated"
        )
    elif how.version is not None and how.version != meta["resourceVersion"]:
        text = (
            f"the ResourceVersion in the precondition ({how.version}) does not match the ResourceVersion in record "
            f"({meta['resourceVersion']}). The object might have been modified"
        )
    if text:
        raise errors.conflict(resource.kind, resource.group, key[1], text)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
