"""Objects in memory, one global resourceVersion, and the history that watches read.

Stored objects are never changed in place: each write stores a new object, encoded to JSON once. A reader may keep
what it got.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from .errors import expired

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class Entry(NamedTuple):
    """One version of one object."""

    obj: Object
    raw: bytes
    version: int


class Change(NamedTuple):
    """One step of history. For DELETED, `new` is the last state under the version of the deletion."""

    version: int
    type: str
    old: Entry | None
    new: Entry


_KEEP_CHANGES = 10_000
_KEEP_SNAPSHOTS = 16


class Collection:
    """The objects of one storage key, with their history."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._namespaces: dict[str, dict[str, Entry]] = {}
        self._changes: list[Change] = []
        self._dropped = 0
        self._compacted = 0
        self._waiters: set[asyncio.Event] = set()
        self._snapshots: OrderedDict[int, list[tuple[Key, Entry]]] = OrderedDict()
        self.epoch = 0
        """Grows when the definition behind the collection changes; watches of an earlier epoch end."""

    def get(self, namespace: str, name: str) -> Entry | None:
        return self._namespaces.get(namespace, {}).get(name)

    def items(self, namespace: str | None = None) -> list[tuple[Key, Entry]]:
        """Entries in key order: of one namespace, or of all when None."""
        names = self._namespaces if namespace is None else [namespace]
        return [
            ((name, key), entry)
            for name in sorted(names)
            for key, entry in sorted(self._namespaces.get(name, {}).items())
        ]

    def put(self, namespace: str, name: str, obj: Object) -> Entry:
        """Store an object under a new resourceVersion and tell the watches."""
        old = self.get(namespace, name)
        entry = self._stamp(obj)
        self._namespaces.setdefault(namespace, {})[name] = entry
        self._record(Change(entry.version, "MODIFIED" if old else "ADDED", old, entry))
        return entry

    def remove(self, namespace: str, name: str, last: Object) -> Entry:
        """Remove an object; `last` is what watches are shown as its final state."""
        objects = self._namespaces[namespace]
        old = objects.pop(name)
        if not objects:
            del self._namespaces[namespace]
        entry = self._stamp(last)
        self._record(Change(entry.version, "DELETED", old, entry))
        return entry

    def snapshot(self, version: int | None) -> tuple[int, list[tuple[Key, Entry]]]:
        """All entries now (None), or as they were when an earlier page of a list was read."""
        if version is None or version == self._store.version:
            version = self._store.version
            if version not in self._snapshots:
                self._snapshots[version] = self.items()
                while len(self._snapshots) > _KEEP_SNAPSHOTS:
                    self._snapshots.popitem(last=False)
        elif version not in self._snapshots:
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter."
            )
        return version, self._snapshots[version]

    def position(self, version: int) -> int:
        """Where to start reading changes so as to miss none after `version`; 410 if they are gone."""
        if version < self._compacted:
            raise expired(f"too old resource version: {version} ({self._compacted})")
        return self._dropped + bisect_right(self._changes, version, key=attrgetter("version"))

    @property
    def end(self) -> int:
        """The position after the last change."""
        return self._dropped + len(self._changes)

    def changes(self, position: int) -> list[Change]:
        """Changes from a position on; 410 when the reader has fallen behind the history kept."""
        if position < self._dropped:
            raise expired(f"too old resource version: {self._compacted - 1} ({self._compacted})")
        return self._changes[position - self._dropped :]

    def subscribe(self) -> asyncio.Event:
        """An event set at each change, until `unsubscribe`."""
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        return waiter

    def unsubscribe(self, waiter: asyncio.Event) -> None:
        self._waiters.discard(waiter)

    def end_watches(self) -> None:
        """End the watches: the definition behind the collection changed or went away."""
        self.epoch += 1
        self._wake()

    def expire(self, version: int) -> None:
        """Forget all history before `version`."""
        self._dropped += len(self._changes)
        self._changes.clear()
        self._snapshots.clear()
        self._compacted = version

    def _stamp(self, obj: Object) -> Entry:
        version = self._store.next_version()
        stored = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(version)}}
        return Entry(stored, encode(stored), version)

    def _record(self, change: Change) -> None:
        self._changes.append(change)
        if len(self._changes) >= 2 * _KEEP_CHANGES:
            self._compacted = self._changes[_KEEP_CHANGES - 1].version
            del self._changes[:_KEEP_CHANGES]
            self._dropped += _KEEP_CHANGES
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            waiter.set()


class Store:
    """All collections under one version counter."""

    def __init__(self) -> None:
        self.version = 1
        self._collections: dict[str, Collection] = {}

    def next_version(self) -> int:
        self.version += 1
        return self.version

    def collection(self, key: str) -> Collection:
        found = self._collections.get(key)
        if found is None:
            found = self._collections[key] = Collection(self)
        return found

    def __iter__(self) -> Iterator[Collection]:
        return iter(self._collections.values())

    def drop(self, key: str) -> None:
        """Forget a collection and end its watches."""
        collection = self._collections.pop(key, None)
        if collection is not None:
            collection.end_watches()

    def expire(self) -> None:
        """Make every resourceVersion handed out so far too old to resume a watch or continue a list from."""
        version = self.next_version()
        for collection in self._collections.values():
            collection.expire(version)
