"""The newest version of each unfinished job that this process knows, so that a decision needs no request.

Versions come from the watch, from lists, and from the answers to this process's own writes; a newer one is never
replaced by an older one. An old version does no harm: every write tests the version that it was decided from. After a
write that failed, or whose result is not known, the next `get` asks the API server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ..api.foreign import Quoted
from ..api.meta import FINALIZER, JOBS
from ..runtime.answers import SLICE_BYTES, parse_json
from ..runtime.clock import Clock
from ..runtime.lru import LruCache
from .client import InvalidError, KubeApi, Raw

Key = tuple[str, str]

_TRUSTED_SECONDS = 300.0  # without news of a job; a watch may hang unnoticed
_REMEMBERED_ENDS = 10_000  # versions of jobs that are finished or gone, against events that are late
_ENDS = ("Complete", "Failed")


@dataclass(slots=True)
class _Known:
    uid: str
    version: int
    content: bytes  # JSON, without most of metadata.managedFields
    since: float  # when it was known to be the newest, on the monotonic clock


class KnownJobs:
    """KubeApi that answers `get` of a job from what is known. Everything else goes to the API server."""

    def __init__(self, kube: KubeApi, clock: Clock, wake: Callable[[Key], None] = lambda key: None) -> None:
        self._kube = kube
        self._clock = clock
        self._wake = wake
        self._known: dict[Key, _Known] = {}
        self._ended: LruCache[Key, int] = LruCache(_REMEMBERED_ENDS)
        self._doubted: set[Key] = set()
        self._unlisted: dict[str | None, set[Key]] = {}  # by namespace of a list that is being read

    def __len__(self) -> int:
        return len(self._known)

    # -- what the watch says

    def noticed(self, raw: Raw, *, deleted: bool = False) -> bool:
        """An event of the watch, or an item of a list. Returns whether it is news, or the end of the job."""
        version = _version_of(raw)
        if version is None:
            return True
        key, known = _key_of(raw), self._newest(_key_of(raw))
        self._listed(key)
        if not deleted and version <= known:
            if version == known and key in self._known:
                self._known[key].since = self._clock.monotonic()
            return version == known and _needs_no_work(raw)  # its schedule waits for it
        if deleted and version < known and self._uid(key) not in (None, raw["metadata"].get("uid")):
            return False  # another object of this name was created since
        self._take(key, raw, version, ended=deleted)
        if deleted:
            self._doubted.discard(key)
        return True

    def list_begins(self, namespace: str | None) -> None:
        """A list of all jobs begins: those that it does not have may have been deleted without an event."""
        self._unlisted[namespace] = {key for key in self._known if namespace in (None, key[0])}

    def list_ends(self, namespace: str | None) -> None:
        """Jobs that were known and are not in the list are woken, and read."""
        for key in self._unlisted.pop(namespace, set()):
            self.doubt(key)
            self._wake(key)

    def version(self, key: Key) -> int:
        """The newest version of an unfinished job that is known, 0 if none is."""
        known = self._known.get(key)
        return known.version if known is not None else 0

    def doubt(self, key: Key) -> None:
        """The next `get` asks the API server."""
        self._doubted.add(key)

    # -- KubeApi

    async def get(self, plural: str, namespace: str, name: str) -> Raw | None:
        """The newest version of a job that is known. It is read if none is, or if there may be a newer one."""
        if plural != JOBS:
            return await self._kube.get(plural, namespace, name)
        key = (namespace, name)
        known = self._known.get(key)
        if known is not None and key not in self._doubted and self._is_trusted(known):
            found: Raw = parse_json(known.content)
            return found
        self._doubted.discard(key)
        try:
            raw = await self._kube.get(plural, namespace, name)
        except BaseException:
            self._doubted.add(key)
            raise
        if raw is None:
            self._known.pop(key, None)
            self._listed(key)
        elif (version := _version_of(raw)) is not None:
            if version >= self._newest(key):
                self._take(key, raw, version)
            elif (newer := self._known.get(key)) is not None:
                raw = parse_json(newer.content)
        return raw

    async def list_objects(
        self, plural: str, namespace: str | None, *, label_selector: str | None = None
    ) -> AsyncIterator[Raw]:
        async for raw in self._kube.list_objects(plural, namespace, label_selector=label_selector):
            if plural == JOBS:
                self.noticed(raw)
            yield raw

    async def patch_status(self, plural: str, raw: Raw, change: Raw) -> Raw | None:
        try:
            patched = await self._kube.patch_status(plural, raw, change)
        except BaseException as error:
            self._failed(plural, raw, error)
            raise
        return self._wrote(plural, raw, patched)

    async def set_finalizers(
        self, plural: str, raw: Raw, finalizers: list[str], *, annotations: Mapping[str, str | None] | None = None
    ) -> Raw | None:
        try:
            patched = await self._kube.set_finalizers(plural, raw, finalizers, annotations=annotations)
        except BaseException as error:
            self._failed(plural, raw, error)
            raise
        return self._wrote(plural, raw, patched)

    async def annotate(self, plural: str, raw: Raw, annotations: dict[str, str]) -> Raw | None:
        try:
            patched = await self._kube.annotate(plural, raw, annotations)
        except BaseException as error:
            self._failed(plural, raw, error)
            raise
        return self._wrote(plural, raw, patched)

    async def create(self, plural: str, body: Raw) -> Raw | None:
        return await self._kube.create(plural, body)

    async def delete(self, plural: str, raw: Raw) -> None:
        try:
            await self._kube.delete(plural, raw)
        finally:
            if plural == JOBS:
                self.doubt(_key_of(raw))

    async def post_event(self, kind: str, raw: Raw, type_: str, reason: str, message: Quoted, now: datetime) -> None:
        await self._kube.post_event(kind, raw, type_, reason, message, now)

    async def secret_values(self, namespace: str, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        return await self._kube.secret_values(namespace, name, keys)

    # -- what is known

    def _failed(self, plural: str, raw: Raw, error: BaseException) -> None:
        """A write failed. One that was refused has changed nothing; any other one may have."""
        if plural == JOBS and not isinstance(error, InvalidError):
            self.doubt(_key_of(raw))

    def _wrote(self, plural: str, raw: Raw, patched: Raw | None) -> Raw | None:
        if plural != JOBS:
            return patched
        key = _key_of(raw)
        version = _version_of(patched) if patched is not None else None
        if patched is None or version is None:
            self.doubt(key)
        elif version >= self._newest(key):
            # The removal of the last finalizer of a deleted object is the end of it.
            self._take(key, patched, version, ended=_is_removed(patched))
        return patched

    def _take(self, key: Key, raw: Raw, version: int, *, ended: bool = False) -> None:
        """Remember this version. Of jobs that need no work, the version alone is kept for a while."""
        self._listed(key)
        if ended or _needs_no_work(raw):
            self._known.pop(key, None)
            self._ended.put(key, version)
            return
        self._ended.drop(key)
        content = msgspec.json.encode(_compact(raw))
        if len(content) > SLICE_BYTES:  # to parse it takes a while, so it is read in slices each time
            self._known.pop(key, None)
            return
        uid = str(raw["metadata"].get("uid", ""))
        self._known[key] = _Known(uid, version, content, self._clock.monotonic())

    def _listed(self, key: Key) -> None:
        for unlisted in self._unlisted.values():
            unlisted.discard(key)

    def _newest(self, key: Key) -> int:
        known = self._known.get(key)
        return known.version if known is not None else self._ended.get(key) or 0

    def _uid(self, key: Key) -> str | None:
        known = self._known.get(key)
        return known.uid if known is not None else None

    def _is_trusted(self, known: _Known) -> bool:
        return self._clock.monotonic() - known.since < _TRUSTED_SECONDS


def _key_of(raw: Raw) -> Key:
    meta = raw["metadata"]
    return str(meta.get("namespace", "")), str(meta["name"])


def _version_of(raw: Raw) -> int | None:
    """Versions of a resource can be compared as numbers, by the rules of API machinery; None for what is none."""
    version = raw["metadata"].get("resourceVersion")
    return int(version) if isinstance(version, str) and version.isdecimal() and len(version) < 40 else None


def _is_removed(raw: Raw) -> bool:
    meta = raw["metadata"]
    return bool(meta.get("deletionTimestamp")) and not meta.get("finalizers")


def _needs_no_work(raw: Raw) -> bool:
    """Whether it is finished, and our finalizer is off."""
    meta, status = raw["metadata"], raw.get("status")
    conditions: Any = status.get("conditions") if isinstance(status, Mapping) else None
    listed = conditions if isinstance(conditions, list) else []
    ended = any(isinstance(one, Mapping) and one.get("type") in _ENDS and one.get("status") == "True" for one in listed)
    return ended and FINALIZER not in (meta.get("finalizers") or ())


def _compact(raw: Raw) -> Raw:
    """The same without managed fields, except for the time of the newest one, which `last_written` reads."""
    meta = raw["metadata"]
    managed = meta.get("managedFields")
    if not isinstance(managed, list):
        return raw
    times = [one["time"] for one in managed if isinstance(one, Mapping) and isinstance(one.get("time"), str)]
    return {**raw, "metadata": {**meta, "managedFields": [{"time": max(times)}] if times else []}}
