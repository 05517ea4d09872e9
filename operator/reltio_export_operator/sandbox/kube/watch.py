"""Watches: what a watch shows first, what it shows then, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from .errors import ApiError, too_large_version
from .selectors import Predicate
from .storage import Change, Collection, Entry, Store, encode

Render = Callable[[Entry], bytes]
"""Encodes an object the way the client asked for."""

_INITIAL_END = {"k8s.io/initial-events-end": "true"}


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a client asked to watch. `since` None asks for the present state first."""

    namespace: str | None
    selector: Predicate | None
    since: int | None
    bookmarks: bool
    mark_initial: bool
    timeout: float


def _event(kind: str, payload: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + payload + b"}\n"


def error_event(error: ApiError) -> bytes:
    """The in-stream form of a failure; a watch never answers with the code of the failure itself."""
    return _event("ERROR", encode(error.status()))


class Watch:
    """One watch on one collection; iterate `chunks` to get what is to be sent."""

    def __init__(
        self,
        store: Store,
        collection: Collection,
        options: WatchOptions,
        render: Render,
        bookmark: Callable[[int, dict[str, str]], bytes],
        bookmark_interval: float,
    ) -> None:
        self._store = store
        self._collection = collection
        self._options = options
        self._render = render
        self._bookmark = bookmark
        self._interval = bookmark_interval

    async def chunks(self) -> AsyncIterator[bytes]:
        """Bytes to send: several events at once when several are due. Ends by timeout, error or a changed definition."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.timeout
        epoch = self._collection.epoch
        waiter = self._collection.subscribe()
        try:
            position, first = self._start()
            if first:
                yield first
            marked = loop.time()
            while self._collection.epoch == epoch and loop.time() < deadline:
                waiter.clear()
                changes = self._collection.changes(position)
                position += len(changes)
                data = b"".join(filter(None, map(self._change, changes)))
                if data:
                    yield data
                    continue
                await _wait(waiter, min(deadline, marked + self._interval) - loop.time())
                if loop.time() >= marked + self._interval:
                    marked = loop.time()
                    if self._options.bookmarks and self._collection.end == position:
                        yield _event("BOOKMARK", self._bookmark(self._store.version, {}))
        except ApiError as error:
            yield error_event(error)
        finally:
            self._collection.unsubscribe(waiter)

    def _start(self) -> tuple[int, bytes]:
        options = self._options
        if options.since is not None:
            if options.since > self._store.version:
                raise too_large_version(options.since, self._store.version)
            return self._collection.position(options.since), b""
        entries = self._collection.items(options.namespace)
        chosen = [entry for _, entry in entries if options.selector is None or options.selector(entry.obj)]
        events = [_event("ADDED", self._render(entry)) for entry in chosen]
        if options.mark_initial:
            events.append(_event("BOOKMARK", self._bookmark(self._store.version, _INITIAL_END)))
        return self._collection.end, b"".join(events)

    def _change(self, change: Change) -> bytes:
        """The event that a change is to this watch: entering or leaving a selector is ADDED or DELETED."""
        options = self._options
        if options.namespace is not None and change.new.obj["metadata"].get("namespace", "") != options.namespace:
            return b""
        if options.selector is None:
            return _event(change.type, self._render(change.new))
        before = change.old is not None and options.selector(change.old.obj)
        after = change.type != "DELETED" and options.selector(change.new.obj)
        if before and not after:
            return _event("DELETED", self._render(_last_seen(change)))
        if after:
            return _event("MODIFIED" if before else "ADDED", self._render(change.new))
        return b""


def _last_seen(change: Change) -> Entry:
    """The state that last matched, under the version of the change that made it match no more."""
    if change.type == "DELETED" or change.old is None:
        return change.new
    obj: dict[str, Any] = change.old.obj
    left = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(change.version)}}
    return Entry(left, encode(left), change.version)


async def _wait(waiter: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await waiter.wait()
    except TimeoutError:
        return
