"""What kube-controller-manager does on a cluster: empties namespaces that go away, deletes what gone objects owned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .errors import ApiError

if TYPE_CHECKING:
    from .objects import Key, Object, Resource, Store


def empty_namespace(store: Store, name: str) -> None:
    """Delete everything in a namespace; what finalizers hold is marked."""
    for resource, key, _ in list(_contents(store, name)):
        _delete(store, resource, key)


def is_empty(store: Store, name: str) -> bool:
    """Whether nothing is in the namespace any more."""
    return next(_contents(store, name), None) is None


def collect_dependents(store: Store, uid: str, *, orphan: bool) -> None:
    """An owner is gone: its dependents go too when it was their last one, or lose it as an owner."""
    for resource, key, obj in list(_all(store)):
        owners = obj["metadata"].get("ownerReferences") or []
        left = [owner for owner in owners if owner.get("uid") != uid]
        if len(left) == len(owners):
            continue
        if orphan:
            store.amend(resource, key, {**obj, "metadata": {**obj["metadata"], "ownerReferences": left}})
        elif not any(_lives(store, owner.get("uid")) for owner in left):
            _delete(store, resource, key)


def _delete(store: Store, resource: Resource, key: Key) -> None:
    try:
        store.delete(resource, key, {})
    except ApiError as error:
        if error.code != 404:  # gone with another one
            raise


def _lives(store: Store, uid: object) -> bool:
    return any(obj["metadata"]["uid"] == uid for _, _, obj in _all(store))


def _contents(store: Store, namespace: str) -> Iterator[tuple[Resource, Key, Object]]:
    return (entry for entry in _all(store) if entry[1][0] == namespace)


def _all(store: Store) -> Iterator[tuple[Resource, Key, Object]]:
    for resource in list(store.resources.values()):
        for key, obj in list(resource.objects.items()):
            yield resource, key, obj
