"""A store with what kube-controller-manager does on a cluster.

Namespaces that are deleted are emptied first, and what gone objects owned goes with its last owner.
"""

from __future__ import annotations

from collections.abc import Iterator

from .errors import ApiError
from .objects import Key, Object, Resource, Store


class Cluster(Store):
    """Objects, and what follows from their deletion."""

    def _has_content(self, resource: Resource, key: Key) -> bool:
        return _is_namespace(resource) and next(self._contents(key[1]), None) is not None

    def _marked(self, resource: Resource, key: Key) -> None:
        if not _is_namespace(resource):
            return
        resource.objects[key]["status"] = {"phase": "Terminating"}
        for kind, place, _ in list(self._contents(key[1])):
            self._delete_if_there(kind, place)

    def _gone(self, key: Key, old: Object, *, orphan: bool) -> None:
        self._collect_dependents(old["metadata"]["uid"], orphan=orphan)
        namespaces, home = self.resources["", "namespaces"], ("", key[0])
        found = namespaces.objects.get(home)
        if found and "deletionTimestamp" in found["metadata"] and not self._has_content(namespaces, home):
            self._remove(namespaces, home, found)

    def _collect_dependents(self, uid: str, *, orphan: bool) -> None:
        for resource, key, obj in list(self._all()):
            owners = obj["metadata"].get("ownerReferences") or []
            left = [owner for owner in owners if owner.get("uid") != uid]
            if len(left) == len(owners):
                continue
            if orphan:
                changed = {**obj, "metadata": {**obj["metadata"], "ownerReferences": left}}
                self._commit(resource, key, "MODIFIED", changed)
            elif not any(self._lives(owner.get("uid")) for owner in left):
                self._delete_if_there(resource, key)

    def _delete_if_there(self, resource: Resource, key: Key) -> None:
        try:
            self.delete(resource, key, {})
        except ApiError as error:
            if error.code != 404:  # gone with another one
                raise

    def _lives(self, uid: object) -> bool:
        return any(obj["metadata"]["uid"] == uid for _, _, obj in self._all())

    def _contents(self, namespace: str) -> Iterator[tuple[Resource, Key, Object]]:
        return (entry for entry in self._all() if entry[1][0] == namespace)

    def _all(self) -> Iterator[tuple[Resource, Key, Object]]:
        for resource in list(self.resources.values()):
            for key, obj in list(resource.objects.items()):
                yield resource, key, obj


def _is_namespace(resource: Resource) -> bool:
    return resource.group == "" and resource.plural == "namespaces"
