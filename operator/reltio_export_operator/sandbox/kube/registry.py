"""Create, update, patch and delete: the path of every write, as the generic registry of a kube-apiserver walks it.

A write decodes its body against the schema (pruning, defaults), stamps the metadata, notes who owns which fields,
validates, and stores. All of it is synchronous: between two awaits of the server a write happens whole or not at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from . import managedfields
from .decoding import decode_object, recognise
from .errors import (
    ApiError,
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    invalid_value,
    not_found,
)
from .kinds import Strategy, strategy_for
from .meta import finalizer_warnings, validate_meta, validate_meta_update
from .resources import Catalog, Resource
from .schema import MISSING
from .storage import Entry, Object, Store, decode, encode
from .validation import validate_object


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The query parameters that shape a write. `manager` is who the written fields belong to."""

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The body of a DELETE, and its query parameters."""

    uid: str | None = None
    resource_version: str | None = None
    propagation: str = "Background"
    dry_run: bool = False


class Result(NamedTuple):
    """What a write left: the object's entry (of version 0 when nothing was stored), and warnings for the client."""

    entry: Entry
    warnings: tuple[str, ...] = ()
    created: bool = False
    removed: bool = False


class Observer(Protocol):
    """Told of each write once it is stored."""

    def written(self, resource: Resource, entry: Entry, old: Entry | None) -> None: ...

    def removed(self, resource: Resource, entry: Entry) -> None: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


class Registry:
    """The objects of all resources of a catalog, kept in a store."""

    def __init__(self, store: Store, catalog: Catalog, clock: Callable[[], datetime] = utc_now) -> None:
        self.store = store
        self.catalog = catalog
        self.observers: list[Observer] = []
        self._clock = clock

    def now(self) -> str:
        """The time in the form of `metav1.Time`: UTC, whole seconds."""
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def get(self, resource: Resource, namespace: str, name: str) -> Entry:
        entry = self.store.collection(resource.storage_key).get(namespace, name)
        if entry is None:
            raise not_found(resource.plural, resource.group, name)
        return entry

    # --- create ------------------------------------------------------------------------------------------------

    def create(self, resource: Resource, namespace: str, body: Any, options: WriteOptions) -> Result:
        obj, warnings = decode_object(resource, body, options.validation)
        meta = obj["metadata"]
        _place(resource, meta, namespace)
        self._admit(resource, meta, namespace)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:58] + uuid.uuid4().hex[:5]
        strategy = strategy_for(resource)
        self._stamp_new(resource, strategy, obj)
        strategy.prepare_create(obj)
        managedfields.track_update(resource, obj, None, options.manager, self.now())
        self._validate(resource, strategy, obj)
        collection = self.store.collection(resource.storage_key)
        if collection.get(namespace, meta["name"]) is not None:
            raise already_exists(resource.plural, resource.group, meta["name"])
        warnings += tuple(finalizer_warnings(meta))
        if options.dry_run:
            return Result(_unstored(obj), warnings, created=True)
        entry = collection.put(namespace, meta["name"], obj)
        self._tell_written(resource, entry, None)
        return Result(entry, warnings, created=True)

    def _admit(self, resource: Resource, meta: Object, namespace: str) -> None:
        """The NamespaceLifecycle admission, and no new objects of a definition that is going away."""
        if not resource.namespaced:
            return
        found = self.store.collection("/namespaces").get("", namespace)
        if found is None:
            raise not_found("namespaces", "", namespace)
        if found.obj["metadata"].get("deletionTimestamp"):
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise forbidden(resource.plural, resource.group, meta.get("name", ""), text, [cause])

    def _stamp_new(self, resource: Resource, strategy: Strategy, obj: Object) -> None:
        meta = obj["metadata"]
        for field in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            meta.pop(field, None)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = self.now()
        meta.pop("generation", None)
        if strategy.has_generation:
            meta["generation"] = 1
        if resource.has_status and not resource.builtin:
            obj.pop("status", None)

    # --- update ------------------------------------------------------------------------------------------------

    def update(
        self, resource: Resource, namespace: str, name: str, body: Any, options: WriteOptions, subresource: str = ""
    ) -> Result:
        """PUT: replace the object, or its status. Stale resourceVersions are refused."""
        obj, warnings = decode_object(resource, body, options.validation)
        meta = obj["metadata"]
        if meta.setdefault("name", name) != name:
            raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
        _place(resource, meta, namespace)
        old = self.get(resource, namespace, name)
        if not meta.get("resourceVersion") and not resource.builtin:
            cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(resource.plural, resource.group, name, [cause])
        return self._replace(resource, old, obj, options, subresource, warnings)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Object], Any],
        options: WriteOptions,
        subresource: str = "",
    ) -> Result:
        """PATCH of any kind but apply: `change` gets a copy of the object and returns the patched one."""
        old = self.get(resource, namespace, name)
        patched = change(decode(old.raw))
        if not isinstance(patched, dict):
            raise bad_request("the patched document is not an object")
        obj, warnings = decode_object(resource, patched, options.validation)
        if obj["metadata"].get("name") != name:
            text = f"the name of the object ({obj['metadata'].get('name')}) does not match the name on the URL ({name})"
            raise bad_request(text)
        _place(resource, obj["metadata"], namespace)
        return self._replace(resource, old, obj, options, subresource, warnings)

    def apply(
        self, resource: Resource, namespace: str, name: str, body: Any, options: WriteOptions, subresource: str = ""
    ) -> Result:
        """Server-side apply: merge the manager's intent in, creating the object if there is none."""
        recognise(resource, body)
        meta = body.setdefault("metadata", {})
        if meta.get("name") != name:
            text = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
            if meta.get("name"):
                text = f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
            raise bad_request(text)
        _place(resource, meta, namespace)
        if meta.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        old = self.store.collection(resource.storage_key).get(namespace, name)
        intent, warnings = decode_object(resource, body, options.validation, defaults=False)
        live = decode(old.raw) if old is not None else None
        merged, managers = managedfields.merge_applied(
            resource, intent, live, options.manager, force=options.force, subresource=subresource, now=self.now()
        )
        if old is None:
            if subresource:
                raise not_found(resource.plural, resource.group, name)
            return self._create_applied(resource, namespace, merged, managers, options, warnings)
        obj, _ = decode_object(resource, merged, "Ignore")
        obj["metadata"]["managedFields"] = managers
        return self._replace(resource, old, obj, options, subresource, warnings, tracked=True)

    def _create_applied(
        self,
        resource: Resource,
        namespace: str,
        obj: Object,
        managers: list[Object],
        options: WriteOptions,
        warnings: tuple[str, ...],
    ) -> Result:
        obj["metadata"]["managedFields"] = managers
        created = self.create(resource, namespace, obj, replace(options, validation="Ignore"))
        return created._replace(warnings=warnings + created.warnings)

    def _replace(
        self,
        resource: Resource,
        old: Entry,
        obj: Object,
        options: WriteOptions,
        subresource: str,
        warnings: tuple[str, ...],
        *,
        tracked: bool = False,
    ) -> Result:
        meta, old_meta = obj["metadata"], old.obj["metadata"]
        self._check_identity(resource, meta, old)
        strategy = strategy_for(resource)
        meta["resourceVersion"] = old_meta["resourceVersion"]
        for field in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
            if not meta.get(field) and field in old_meta:
                meta[field] = old_meta[field]
        _carry(meta, old_meta, "generation")
        _isolate(resource, obj, old.obj, subresource)
        strategy.prepare_update(obj, old.obj)
        if strategy.has_generation and _desired(obj) != _desired(old.obj) and subresource != "status":
            meta["generation"] = old_meta.get("generation", 0) + 1
        if not tracked:
            managedfields.track_update(resource, obj, old.obj, options.manager, self.now(), subresource)
        self._validate(resource, strategy, obj, old.obj)
        if meta.get("finalizers") != old_meta.get("finalizers"):
            warnings += tuple(finalizer_warnings(meta))
        return self._store_update(resource, strategy, old, obj, options, warnings)

    def _check_identity(self, resource: Resource, meta: Object, old: Entry) -> None:
        name, uid = meta["name"], old.obj["metadata"]["uid"]
        if meta.get("uid") and meta["uid"] != uid:
            text = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {uid}"
            raise conflict(resource.plural, resource.group, name, text)
        asked = meta.get("resourceVersion")
        if asked and not asked.isdecimal():
            raise ApiError(500, "", f'strconv.ParseUint: parsing "{asked}": invalid syntax')
        if asked and int(asked) not in (0, old.version):
            raise conflict(resource.plural, resource.group, name)

    def _store_update(
        self,
        resource: Resource,
        strategy: Strategy,
        old: Entry,
        obj: Object,
        options: WriteOptions,
        warnings: tuple[str, ...],
    ) -> Result:
        meta = obj["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        released = bool(meta.get("deletionTimestamp")) and not meta.get("finalizers") and not strategy.holds(obj)
        if not released and managedfields.unchanged(obj, old.obj):
            return Result(old, warnings)
        if options.dry_run:
            return Result(Entry(obj, encode(obj), old.version), warnings)
        collection = self.store.collection(resource.storage_key)
        if released:
            entry = collection.remove(namespace, name, obj)
            self._tell_removed(resource, entry)
            return Result(Entry(obj, encode(obj), entry.version), warnings, removed=True)
        entry = collection.put(namespace, name, obj)
        self._tell_written(resource, entry, old)
        return Result(entry, warnings)

    # --- delete ------------------------------------------------------------------------------------------------

    def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> Result:
        """Remove the object, or mark it when finalizers hold it (`removed` tells which)."""
        entry = self.get(resource, namespace, name)
        self._check_preconditions(resource, entry, options)
        strategy = strategy_for(resource)
        strategy.check_delete(entry.obj)
        if entry.obj["metadata"].get("deletionTimestamp"):
            return Result(entry)
        obj: Object = decode(entry.raw)
        meta = obj["metadata"]
        finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(options.propagation)
        if finalizer:
            meta["finalizers"] = [*(meta.get("finalizers") or ()), finalizer]
        strategy.prepare_delete(obj, self.now())
        collection = self.store.collection(resource.storage_key)
        if not meta.get("finalizers") and not strategy.holds(obj):
            if not options.dry_run:
                entry = collection.remove(namespace, name, obj)
                self._tell_removed(resource, entry)
            return Result(entry, removed=True)
        meta["deletionTimestamp"] = self.now()
        meta["deletionGracePeriodSeconds"] = 0
        if "generation" in meta:
            meta["generation"] += 1
        if options.dry_run:
            return Result(_unstored(obj))
        stored = collection.put(namespace, name, obj)
        self._tell_written(resource, stored, entry)
        return Result(stored)

    def _check_preconditions(self, resource: Resource, entry: Entry, options: DeleteOptions) -> None:
        meta = entry.obj["metadata"]
        name = meta["name"]
        kind = resource.plural if resource.builtin else resource.kind
        if options.uid and options.uid != meta["uid"]:
            text = (
                f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). "
                "The object might have been deleted and then recreated"
            )
            raise conflict(kind, resource.group, name, text)
        if options.resource_version and options.resource_version != meta["resourceVersion"]:
            text = (
                f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
                f"ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
            )
            raise conflict(kind, resource.group, name, text)

    # --- common ------------------------------------------------------------------------------------------------

    def _validate(self, resource: Resource, strategy: Strategy, obj: Object, old: Object | None = None) -> None:
        meta = obj["metadata"]
        causes: list[Cause] = []
        if old is None or meta != old["metadata"]:
            causes += validate_meta(meta, name_is_label=strategy.name_is_label)
        if old is not None:
            causes += validate_meta_update(meta, old["metadata"])
        causes += strategy.validate(obj, old)
        if not resource.builtin:
            causes = validate_object(obj, resource.schema, MISSING if old is None else old, causes)
        if causes:
            raise invalid(resource.kind, resource.group, meta.get("name", ""), causes)

    def _tell_written(self, resource: Resource, entry: Entry, old: Entry | None) -> None:
        for observer in self.observers:
            observer.written(resource, entry, old)

    def _tell_removed(self, resource: Resource, entry: Entry) -> None:
        for observer in self.observers:
            observer.removed(resource, entry)


def _place(resource: Resource, meta: Object, namespace: str) -> None:
    """Put the namespace of the request into the object; 400 if the object names another."""
    if not resource.namespaced:
        if meta.get("namespace"):
            raise bad_request("namespace must not be set on a cluster-scoped object")
        meta.pop("namespace", None)
    elif meta.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _isolate(resource: Resource, obj: Object, old: Object, subresource: str) -> None:
    """Keep status out of writes to the object, and all but status out of writes to its status."""
    if not resource.has_status:
        return
    if subresource == "status":
        status, managers = obj.get("status", MISSING), obj["metadata"].get("managedFields")
        version = obj["metadata"]["resourceVersion"]
        obj.clear()
        obj.update({key: value for key, value in old.items() if key != "status"})
        obj["metadata"] = {**old["metadata"], "resourceVersion": version}
        if managers is not None:
            obj["metadata"]["managedFields"] = managers
        if status is not MISSING:
            obj["status"] = status
    else:
        _carry(obj, old, "status")


def _carry(target: Object, source: Object, field: str) -> None:
    """Set a field as the source has it, absent if it is absent there."""
    if field in source:
        target[field] = source[field]
    else:
        target.pop(field, None)


def _desired(obj: Object) -> Iterable[Any]:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _unstored(obj: Object) -> Entry:
    return Entry(obj, encode(obj), 0)
