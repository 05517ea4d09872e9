"""The API server as the operator's client sees it: versions, conflicts, finalizers, generations, events."""

from __future__ import annotations

import asyncio
import copy
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from reltio_export_operator.kube.client import ConflictError, SecretError, SecretNotAllowedError

from .clock import Clock

Raw = dict[str, Any]
Key = tuple[str, str, str]
T = TypeVar("T")


class ServerError(Exception):
    """What the real client raises for a 500 or a connection that breaks."""


class MemoryKube:
    """Stands in for KubeClient. A fault may strike each call before or after it has had its effect."""

    def __init__(self, clock: Clock, now: Callable[[], datetime]) -> None:
        self._clock = clock
        self._now = now
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)
        self.objects: dict[Key, Raw] = {}
        self.secrets: dict[tuple[str, str], dict[str, str]] = {}
        self.not_opted_in: set[tuple[str, str]] = set()  # Secrets without the label
        self.events: list[tuple[str, str, str]] = []
        self.listeners: list[Callable[[str, Raw], None]] = []
        self.calls = 0
        self.fault: Callable[[int, str, str], Exception | None] = lambda number, call, when: None

    # -- what the operator's client does

    async def get(self, plural: str, namespace: str, name: str) -> Raw | None:
        return await self._call("get", lambda: copy.deepcopy(self.objects.get((plural, namespace, name))))

    async def list_objects(
        self, plural: str, namespace: str | None, *, label_selector: str | None = None
    ) -> AsyncIterator[Raw]:
        wanted = dict([label_selector.split("=")]) if label_selector else {}

        def effect() -> list[Raw]:
            return [
                copy.deepcopy(raw)
                for (kind, where, _), raw in self.objects.items()
                if kind == plural
                and namespace in (None, where)
                and wanted.items() <= raw["metadata"].get("labels", {}).items()
            ]

        for raw in await self._call("list", effect):
            yield raw

    async def patch_status(self, plural: str, raw: Raw, change: Raw) -> Raw | None:
        return await self._call("patch_status", lambda: self._patch(plural, raw, {"status": change}))

    async def set_finalizers(
        self, plural: str, raw: Raw, finalizers: list[str], *, annotations: Mapping[str, str | None] | None = None
    ) -> Raw | None:
        more = {"annotations": dict(annotations)} if annotations else {}
        change: Raw = {"metadata": {"finalizers": finalizers, **more}}
        return await self._call("set_finalizers", lambda: self._patch(plural, raw, change))

    async def annotate(self, plural: str, raw: Raw, annotations: dict[str, str]) -> Raw | None:
        change: Raw = {"metadata": {"annotations": annotations}}
        return await self._call("annotate", lambda: self._patch(plural, raw, change))

    async def create(self, plural: str, body: Raw) -> Raw | None:
        meta = body["metadata"]
        more = {key: value for key, value in meta.items() if key not in ("name", "namespace")}

        def effect() -> Raw | None:
            if (plural, meta["namespace"], meta["name"]) in self.objects:
                return None
            return copy.deepcopy(self.user_create(plural, meta["namespace"], meta["name"], body["spec"], **more))

        created: Raw | None = await self._call("create", effect)
        return created

    async def delete(self, plural: str, raw: Raw) -> None:
        def effect() -> None:
            meta = raw["metadata"]
            found = self.objects.get((plural, meta["namespace"], meta["name"]))
            if found is not None:
                self._check(found, meta)
                self.user_delete(plural, meta["namespace"], meta["name"])

        await self._call("delete", effect)

    async def secret_values(self, namespace: str, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        def effect() -> tuple[str, ...]:
            secret = self.secrets.get((namespace, name))
            if secret is None:
                raise SecretError(f"Secret {name} does not exist in namespace {namespace}.")
            if (namespace, name) in self.not_opted_in:
                raise SecretNotAllowedError(namespace, name, None)
            if missing := [key for key in keys if key not in secret]:
                raise SecretError(f"Secret {name} has no key {missing[0]}.")
            return tuple(secret[key] for key in keys)

        return await self._call("secret_values", effect)

    async def post_event(self, kind: str, raw: Raw, type_: str, reason: str, message: str, now: datetime) -> None:
        await self._call("post_event", lambda: self.events.append((raw["metadata"]["uid"], reason, message)))

    async def _call(self, call: str, effect: Callable[[], T]) -> T:
        number = self.calls
        self.calls += 1
        await asyncio.sleep(0.002)
        self._strike(number, call, "before")
        answer = effect()
        await asyncio.sleep(0.002)
        self._strike(number, call, "after")
        return answer

    def _strike(self, number: int, call: str, when: str) -> None:
        error = self.fault(number, call, when)
        if error is not None:
            raise error

    def _patch(self, plural: str, raw: Raw, change: Raw) -> Raw | None:
        meta = raw["metadata"]
        found = self.objects.get((plural, meta["namespace"], meta["name"]))
        if found is None:
            return None
        self._check(found, meta)
        return self.change(plural, meta["namespace"], meta["name"], change)

    @staticmethod
    def _check(found: Raw, meta: Raw) -> None:
        if any(found["metadata"][field] != meta[field] for field in ("uid", "resourceVersion")):
            raise ConflictError(meta["name"])

    # -- what users do

    def user_create(self, plural: str, namespace: str, name: str, spec: Raw, **meta: Any) -> Raw:
        assert (plural, namespace, name) not in self.objects
        raw = {
            "metadata": {
                "namespace": namespace,
                "name": name,
                "uid": str(uuid.UUID(int=next(self._uids) << 64)),
                "generation": 1,
                "creationTimestamp": self._stamp(),
                **meta,
            },
            "spec": copy.deepcopy(spec),
            "status": {"observedGeneration": -1},
        }
        self._store(plural, raw, "ADDED")
        return raw

    def change(self, plural: str, namespace: str, name: str, change: Raw) -> Raw | None:
        """A merge patch. Nothing happens when it changes nothing, as on a real server."""
        before = self.objects[plural, namespace, name]
        changed = merged(before, change)
        changed["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
        if changed == before:
            return copy.deepcopy(before)
        if changed["spec"] != before["spec"]:
            changed["metadata"]["generation"] += 1
        if changed["metadata"].get("deletionTimestamp") and not changed["metadata"].get("finalizers"):
            self._remove(plural, changed)
        else:
            self._store(plural, changed, "MODIFIED")
        return copy.deepcopy(changed)

    def user_delete(self, plural: str, namespace: str, name: str) -> None:
        raw = copy.deepcopy(self.objects[plural, namespace, name])
        if raw["metadata"].get("finalizers"):
            if "deletionTimestamp" not in raw["metadata"]:
                raw["metadata"]["deletionTimestamp"] = self._stamp()
                self._store(plural, raw, "MODIFIED")
        else:
            self._remove(plural, raw)

    def lose(self, plural: str, namespace: str, name: str) -> None:
        """Remove the object whatever its finalizers are."""
        self._remove(plural, self.objects[plural, namespace, name])

    def _store(self, plural: str, raw: Raw, type_: str) -> None:
        raw["metadata"]["resourceVersion"] = str(next(self._versions))
        raw["metadata"]["managedFields"] = [{"manager": "somebody", "operation": "Update", "time": self._stamp()}]
        self.objects[plural, raw["metadata"]["namespace"], raw["metadata"]["name"]] = raw
        self._notify(type_, plural, raw)

    def _remove(self, plural: str, raw: Raw) -> None:
        del self.objects[plural, raw["metadata"]["namespace"], raw["metadata"]["name"]]
        self._notify("DELETED", plural, raw)

    def _notify(self, type_: str, plural: str, raw: Raw) -> None:
        for listener in list(self.listeners):
            listener(plural, copy.deepcopy(raw))

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")


def merged(target: Raw, patch: Raw) -> Raw:
    """RFC 7386."""
    result = copy.deepcopy(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result
