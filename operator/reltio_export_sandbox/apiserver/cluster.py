"""A store with what a cluster's controllers do: namespaces, definitions of custom resources, and garbage collection.

A namespace or a definition that is deleted is emptied first. What gone objects owned goes with its last owner, and so
does what names only owners that are not there.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import builtin, definitions
from .errors import ApiError, forbidden
from .objects import Change, Deletion, Options, Store
from .resources import Key, Object, Resource

_FOREGROUND = "foregroundDeletion"


class Cluster(Store):
    """Objects, and what follows from changes to them."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[str, tuple[Resource, Key]] = {}  # by uid, what is deleted once its dependents are gone
        for resource in builtin.resources():
            self.add(resource)
        for name in builtin.NAMESPACES:
            self.create(self.resources["", "namespaces"], "", {"metadata": {"name": name}}, Options(manager="sandbox"))

    def delete(self, resource: Resource, key: Key, how: Deletion = Deletion()) -> tuple[Object, bool]:  # noqa: B008
        if _is_namespace(resource) and key[1] in builtin.IMMORTAL:
            raise forbidden(resource.plural, resource.group, key[1], "this namespace may not be deleted")
        return super().delete(resource, key, how)

    def _is_held(self, resource: Resource, key: Key, obj: Object) -> bool:
        if super()._is_held(resource, key, obj):
            return True
        if "deletionTimestamp" not in obj["metadata"]:
            return _is_namespace(resource) or next(self._contents(resource, key), None) is not None
        return next(self._contents(resource, key), None) is not None

    def _marked(self, resource: Resource, key: Key, obj: Object) -> Object:
        return {**obj, "status": {**obj["status"], "phase": "Terminating"}} if _is_namespace(resource) else obj

    def _begin_removal(self, resource: Resource, key: Key, how: Deletion) -> None:
        for kind, place, _ in list(self._contents(resource, key)):
            self._delete_if_there(kind, place)
        if how.policy == "Foreground":
            self._delete_dependents_first(resource, key)

    def _delete_dependents_first(self, resource: Resource, key: Key) -> None:
        """Hold the object with a finalizer until the dependents that block it are gone."""
        obj = resource.objects[key]
        uid = obj["metadata"]["uid"]
        finalizers = [*(obj["metadata"].get("finalizers") or ()), _FOREGROUND]
        self._commit(resource, key, "MODIFIED", _with_finalizers(obj, finalizers))
        self._waiting[uid] = resource, key
        for kind, place, dependent in list(self._all()):
            owners = dependent["metadata"].get("ownerReferences") or ()
            if any(owner.get("uid") == uid for owner in owners):
                self._delete_if_there(kind, place)
        self._release_foreground()

    def _release_foreground(self) -> None:
        """Take the finalizer of a foreground deletion off what no dependent blocks any more."""
        for uid, (resource, key) in list(self._waiting.items()):
            obj = resource.objects.get(key)
            if obj is None or obj["metadata"]["uid"] != uid:
                self._waiting.pop(uid, None)
            elif not self._blocks(uid):
                del self._waiting[uid]
                left = [name for name in obj["metadata"].get("finalizers") or () if name != _FOREGROUND]
                freed = _with_finalizers(obj, left)
                if left:
                    self._commit(resource, key, "MODIFIED", freed)
                else:
                    self._remove(resource, key, freed)

    def _blocks(self, uid: str) -> bool:
        return any(
            owner.get("uid") == uid and owner.get("blockOwnerDeletion")
            for _, _, obj in self._all()
            for owner in obj["metadata"].get("ownerReferences") or ()
        )

    def _after(self, change: Change, *, orphan: bool) -> None:
        resource, obj = change.resource, change.object
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if change.type == "DELETED":
            self._collect_dependents(obj["metadata"]["uid"], orphan=orphan)
            if _is_definition(resource):
                self._stop_serving(obj)
            self._finish(self.resources["", "namespaces"], ("", key[0]))
            self._finish(
                self.resources["apiextensions.k8s.io", "customresourcedefinitions"],
                ("", f"{resource.plural}.{resource.group}"),
            )
            self._release_foreground()
            return
        if _is_definition(resource):
            self.add(definitions.resource(obj))
        elif change.type == "ADDED" and _is_namespace(resource):
            account = {"metadata": {"name": "default"}}
            self.create(self.resources["", "serviceaccounts"], key[1], account, Options(manager="sandbox"))
        if obj["metadata"].get("ownerReferences") and self._is_orphaned(obj):
            self._delete_if_there(resource, key)

    def _finish(self, resource: Resource, key: Key) -> None:
        """Remove a namespace or a definition that waited for the last of its contents."""
        found = resource.objects.get(key)
        if found and "deletionTimestamp" in found["metadata"] and not self._is_held(resource, key, found):
            self._remove(resource, key, found)

    def _stop_serving(self, definition: Object) -> None:
        spec = definition["spec"]
        self.resources.pop((spec["group"], spec["names"]["plural"]), None)

    def _collect_dependents(self, uid: str, *, orphan: bool) -> None:
        for resource, key, obj in list(self._all()):
            owners = obj["metadata"].get("ownerReferences") or []
            left = [owner for owner in owners if owner.get("uid") != uid]
            if len(left) == len(owners):
                continue
            if orphan:
                meta = {**obj["metadata"], "ownerReferences": left}
                if not left:
                    del meta["ownerReferences"]
                self._commit(resource, key, "MODIFIED", {**obj, "metadata": meta})
            elif not any(self._lives(owner.get("uid")) for owner in left):
                self._delete_if_there(resource, key)

    def _is_orphaned(self, obj: Object) -> bool:
        """Whether none of its owners is there, as far as their kinds are served."""
        kinds = {(resource.api_version, resource.kind) for resource in self.resources.values()}
        owners = obj["metadata"]["ownerReferences"]
        if any((owner.get("apiVersion"), owner.get("kind")) not in kinds for owner in owners):
            return False
        return not any(self._lives(owner.get("uid")) for owner in owners)

    def _delete_if_there(self, resource: Resource, key: Key) -> None:
        try:
            self.delete(resource, key)
        except ApiError as error:
            if error.code != 404:  # gone with another one
                raise

    def _lives(self, uid: object) -> bool:
        return uid in self._uids

    def _contents(self, resource: Resource, key: Key) -> Iterator[tuple[Resource, Key, Object]]:
        """What is in a namespace, or what there is of the kind that is defined."""
        if _is_namespace(resource):
            yield from (entry for entry in self._all() if entry[1][0] == key[1])
        elif _is_definition(resource):
            plural, _, group = key[1].partition(".")
            defined = self.resources.get((group, plural))
            if defined is not None:
                yield from ((defined, place, obj) for place, obj in list(defined.objects.items()))

    def _all(self) -> Iterator[tuple[Resource, Key, Object]]:
        for resource in list(self.resources.values()):
            for key, obj in list(resource.objects.items()):
                yield resource, key, obj


def _is_namespace(resource: Resource) -> bool:
    return resource.group == "" and resource.plural == "namespaces"


def _is_definition(resource: Resource) -> bool:
    return resource.plural == "customresourcedefinitions"


def _with_finalizers(obj: Object, finalizers: list[str]) -> Object:
    meta = {name: value for name, value in obj["metadata"].items() if name != "finalizers"}
    return {**obj, "metadata": {**meta, "finalizers": finalizers} if finalizers else meta}
