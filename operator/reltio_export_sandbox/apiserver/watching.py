"""Watches: what changes after a version, as a stream of lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from . import errors
from .objects import Change, Store
from .resources import Object, Resource
from .selectors import Predicate
from .tables import table

_BOOKMARK_EVERY = 10.0
_LONGEST = 1800.0
Sender = Callable[[str, Object], Awaitable[None]]


class Watcher:
    """Serves watches of one store until the server stops."""

    def __init__(self, store: Store, stopping: asyncio.Event) -> None:
        self._store = store
        self._stopping = stopping

    async def serve(
        self, request: web.Request, resource: Resource, namespace: str, chosen: Predicate
    ) -> web.StreamResponse:
        """Send what is there, if that is asked for, and then what changes."""
        since = _version(request.query.get("resourceVersion") or "0")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        as_table = "as=Table" in request.headers.get("Accept", "")
        include = request.query.get("includeObject", "Metadata")

        async def send(type_: str, item: Object) -> None:
            if as_table and type_ in ("ADDED", "MODIFIED", "DELETED"):
                version = {"resourceVersion": item["metadata"]["resourceVersion"]}
                item = table(resource, [item], version, include)
            await response.write(json.dumps({"type": type_, "object": item}).encode() + b"\n")

        def concerns(item: Mapping[str, Any]) -> bool:
            return (not namespace or item["metadata"].get("namespace") == namespace) and chosen(item)

        initial = request.query.get("sendInitialEvents", "").lower() == "true"
        if since == 0 or initial:
            since = self._store.version
            for item in [item for item in resource.objects.values() if concerns(item)]:
                await send("ADDED", item)
            if initial:
                await send("BOOKMARK", _bookmark(resource, since, {"k8s.io/initial-events-end": "true"}))
        elif self._store.history and since < self._store.history[0].version - 1:
            await send("ERROR", errors.expired(f"too old resource version: {since}").status())
            return response
        await self._stream(request, resource, since, concerns, send)
        return response

    async def _stream(
        self, request: web.Request, resource: Resource, since: int, concerns: Predicate, send: Sender
    ) -> None:
        """Send what changes after this version, and bookmarks in quiet times, until the watch times out."""
        loop = asyncio.get_running_loop()
        end = loop.time() + float(request.query.get("timeoutSeconds") or _LONGEST)
        bookmarks = request.query.get("allowWatchBookmarks", "").lower() in ("true", "1")
        served = (resource.group, resource.plural)
        while loop.time() < end and not self._stopping.is_set():
            ends = served not in self._store.resources  # after the objects, which went with their definition
            for change in self._after(since):
                since = change.version
                type_ = _shown(change, concerns) if (change.resource.group, change.resource.plural) == served else ""
                if type_:
                    await send(type_, change.object)
            if ends:
                return
            await self._pause(min(_BOOKMARK_EVERY, end - loop.time()), since)
            if bookmarks and since == self._store.version:
                await send("BOOKMARK", _bookmark(resource, since, {}))

    async def _pause(self, seconds: float, since: int) -> None:
        """Wait for a change, or for the server to stop, or for this long."""
        if self._store.version > since or seconds <= 0:
            return
        waits = [asyncio.create_task(self._store.wait()), asyncio.create_task(self._stopping.wait())]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _after(self, since: int) -> list[Change]:
        newer: list[Change] = []
        for change in reversed(self._store.history):
            if change.version <= since:
                break
            newer.append(change)
        return newer[::-1]


def _shown(change: Change, concerns: Predicate) -> str:
    """The type of event for a watch: an object that begins or ceases to match is added or deleted for it."""
    matches = concerns(change.object)
    matched = change.before is not None and concerns(change.before)
    if change.type == "DELETED":
        return "DELETED" if matched or matches else ""
    if matches:
        return "MODIFIED" if matched else "ADDED"
    return "DELETED" if matched else ""


def _version(text: str) -> int:
    if not text.isdigit():
        shown = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise errors.ApiError(500, "", shown)
    return int(text)


def _bookmark(resource: Resource, version: int, annotations: dict[str, str]) -> Object:
    metadata = {"resourceVersion": str(version), "creationTimestamp": None, "annotations": annotations}
    return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
