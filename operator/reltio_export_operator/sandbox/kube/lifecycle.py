"""The controllers without which an API server's objects would not behave: those of definitions, namespaces and owners.

On a cluster these run in kube-apiserver (definitions) and kube-controller-manager (namespaces, garbage collection).
They work in the background here too: a write returns, then its consequences follow, each as a write of its own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress

from . import crds
from .errors import ApiError
from .registry import DeleteOptions, Registry, WriteOptions
from .resources import Resource, custom_resource
from .storage import Entry, Object

CRD_STORAGE = "apiextensions.k8s.io/customresourcedefinitions"
NAMESPACE_STORAGE = "/namespaces"
Place = tuple[str, str, str]
"""Storage key, namespace and name of an object."""

_CONTROLLER = WriteOptions(manager="kube-controller-manager", validation="Ignore")
_SERVER = WriteOptions(manager="kube-apiserver", validation="Ignore")
_TOGETHER = 200
"""Steps taken before requests get their turn again."""


class Lifecycle:
    """Watches the writes of a registry and does what follows from them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._served: dict[str, list[Resource]] = {}
        self._live: set[str] = set()
        self._dependents: dict[str, set[Place]] = defaultdict(set)
        self._owners: dict[Place, frozenset[str]] = {}
        self._todo: deque[Callable[[], None]] = deque()
        self._scheduled = False

    # --- told by the registry ------------------------------------------------------------------------------------

    def written(self, resource: Resource, entry: Entry, old: Entry | None) -> None:
        meta = entry.obj["metadata"]
        place = (resource.storage_key, meta.get("namespace", ""), meta["name"])
        self._live.add(meta["uid"])
        self._note_owners(place, meta)
        deleting = bool(meta.get("deletionTimestamp"))
        if resource.storage_key == CRD_STORAGE:
            self._serve(entry.obj, old.obj if old else None)
            if deleting:
                self._later(lambda: self._finish_definition(meta["name"]))
        elif resource.storage_key == NAMESPACE_STORAGE and deleting:
            self._later(lambda: self._finish_namespace(meta["name"]))
        if deleting:
            self._later(lambda: self._release(place))

    def removed(self, resource: Resource, entry: Entry) -> None:
        meta = entry.obj["metadata"]
        namespace, uid = meta.get("namespace", ""), meta["uid"]
        place = (resource.storage_key, namespace, meta["name"])
        self._live.discard(uid)
        self._note_owners(place, {})
        for dependent in self._dependents.pop(uid, ()):
            self._later(lambda dependent=dependent: self._collect(dependent))  # type: ignore[misc]
        if resource.storage_key == CRD_STORAGE:
            self._stop_serving(meta["name"])
        elif namespace:
            self._later(lambda: self._finish_namespace(namespace))
        if not resource.builtin:
            self._later(lambda: self._finish_definition(f"{resource.plural}.{resource.group}"))

    # --- the queue -----------------------------------------------------------------------------------------------

    def _later(self, step: Callable[[], None]) -> None:
        self._todo.append(step)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        for _ in range(min(_TOGETHER, len(self._todo))):
            self._todo.popleft()()
        if self._todo and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    # --- definitions ---------------------------------------------------------------------------------------------

    def _serve(self, crd: Object, old: Object | None) -> None:
        name = crd["metadata"]["name"]
        if old is None or old["spec"] != crd["spec"]:
            self._stop_serving(name)
            versions = [version for version in crd["spec"]["versions"] if version.get("served")]
            self._served[name] = [custom_resource(crd, version) for version in versions]
            for resource in self._served[name]:
                self._registry.catalog.add(resource)
                self._registry.store.collection(resource.storage_key).end_watches()
        if old is None or old["spec"] != crd["spec"]:
            self._later(lambda: self._establish(name))

    def _establish(self, name: str) -> None:
        def change(crd: Object) -> Object:
            crds.establish(crd, self._registry.now())
            return crd

        self._patch((CRD_STORAGE, "", name), change, _SERVER, "status")

    def _stop_serving(self, name: str) -> None:
        for resource in self._served.pop(name, ()):
            self._registry.catalog.remove(resource)

    def _finish_definition(self, name: str) -> None:
        """Delete the objects of a definition that is being deleted, then the definition."""
        entry = self._registry.store.collection(CRD_STORAGE).get("", name)
        finalizers = entry.obj["metadata"].get("finalizers", []) if entry else []
        if entry is None or not entry.obj["metadata"].get("deletionTimestamp") or crds.CLEANUP not in finalizers:
            return
        served = self._served.get(name, [])
        if any([self._empty(one.storage_key, None) for one in served]):  # noqa: C419 - each is to be emptied, not only the first
            return
        for one in served:
            self._registry.store.drop(one.storage_key)
        self._drop_finalizer((CRD_STORAGE, "", name), crds.CLEANUP)

    # --- namespaces ----------------------------------------------------------------------------------------------

    def _finish_namespace(self, name: str) -> None:
        """Delete what is in a namespace that is being deleted, then the namespace."""
        entry = self._registry.store.collection(NAMESPACE_STORAGE).get("", name)
        if entry is None or not entry.obj["metadata"].get("deletionTimestamp"):
            return
        storages = {each.storage_key for each in self._registry.catalog if each.namespaced}
        if any([self._empty(key, name) for key in storages]):  # noqa: C419
            return

        def change(namespace: Object) -> Object:
            namespace["spec"] = {}
            return namespace

        self._patch((NAMESPACE_STORAGE, "", name), change, _CONTROLLER, "finalize")

    def _empty(self, key: str, namespace: str | None) -> bool:
        """Delete all objects of a storage key; True while finalizers hold some."""
        collection = self._registry.store.collection(key)
        for (place, name), entry in collection.items(namespace):
            if not entry.obj["metadata"].get("deletionTimestamp"):
                self._delete((key, place, name))
        return bool(collection.items(namespace))

    # --- owners --------------------------------------------------------------------------------------------------

    def _note_owners(self, place: Place, meta: Object) -> None:
        owners = frozenset(owner["uid"] for owner in meta.get("ownerReferences") or ())
        before = self._owners.pop(place, frozenset())
        if owners:
            self._owners[place] = owners
        for uid in before - owners:
            self._dependents[uid].discard(place)
        for uid in owners:
            self._dependents[uid].add(place)
        if owners and not owners & self._live:
            self._later(lambda: self._collect(place))

    def _collect(self, place: Place) -> None:
        """Delete a dependent whose owners are all gone."""
        owners = self._owners.get(place)
        if owners and not owners & self._live:
            self._delete(place)

    def _release(self, place: Place) -> None:
        """Do what the finalizers of the garbage collector wait for, and take them off."""
        key, namespace, name = place
        entry = self._registry.store.collection(key).get(namespace, name)
        if entry is None:
            return
        uid = entry.obj["metadata"]["uid"]
        finalizers = entry.obj["metadata"].get("finalizers") or ()
        if "orphan" in finalizers:
            for dependent in list(self._dependents.get(uid, ())):
                self._disown(dependent, uid)
            self._drop_finalizer(place, "orphan")
        elif "foregroundDeletion" in finalizers:
            for dependent in list(self._dependents.get(uid, ())):
                self._delete(dependent)
            if self._dependents.get(uid):
                self._later_when_changed(place)
            else:
                self._drop_finalizer(place, "foregroundDeletion")

    def _later_when_changed(self, place: Place) -> None:
        """Try again once a finalizer of a dependent may have gone."""
        asyncio.get_running_loop().call_later(0.05, self._later, lambda: self._release(place))

    def _disown(self, place: Place, uid: str) -> None:
        def change(obj: Object) -> Object:
            meta = obj["metadata"]
            meta["ownerReferences"] = [owner for owner in meta.get("ownerReferences", ()) if owner["uid"] != uid]
            return obj

        self._patch(place, change, _CONTROLLER)

    # --- writes --------------------------------------------------------------------------------------------------

    def _delete(self, place: Place) -> None:
        key, namespace, name = place
        resource = self._registry.catalog.stored_as(key)
        if resource is not None:
            with suppress(ApiError):
                self._registry.delete(resource, namespace, name, DeleteOptions())

    def _drop_finalizer(self, place: Place, finalizer: str) -> None:
        def change(obj: Object) -> Object:
            meta = obj["metadata"]
            meta["finalizers"] = [item for item in meta.get("finalizers", ()) if item != finalizer]
            return obj

        self._patch(place, change, _CONTROLLER)

    def _patch(
        self, place: Place, change: Callable[[Object], Object], options: WriteOptions, subresource: str = ""
    ) -> None:
        key, namespace, name = place
        resource = self._registry.catalog.stored_as(key)
        if resource is not None:
            # The object may have gone, or may have become invalid under a changed definition: it stays as it is.
            with suppress(ApiError):
                self._registry.patch(resource, namespace, name, change, options, subresource)
