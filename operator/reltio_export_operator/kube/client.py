"""The calls to the API server that kopf does not make as the operator needs them: writes that can conflict."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from msgspec import Raw as Json
from msgspec import Struct

from ..api import opt_in
from ..api.foreign import KNOWN, PROCESS, Quoted, quote
from ..api.meta import API_VERSION, GROUP, VERSION
from ..runtime.answers import parse_json
from ..runtime.slices import parse_in_slices
from .rest import RestClient, path_of

PAGE = 500  # objects of one answer
_REFUSALS = (400, 401, 403, 413, 422)  # an admission policy may choose among these
_MAX_PAGES = 10_000  # etcd holds 8 GiB at most, and a page of large objects takes most of a MiB
_COMPONENT = "reltio-export-operator"

Raw = dict[str, Any]


class ConflictError(Exception):
    """The object changed since it was read: decide again from a fresh read."""


class InvalidError(Exception):
    """The API server refuses what was written: its schema, an admission policy, a quota or a missing right."""


class TooManyPagesError(Exception):
    """A list of the API server does not end within the bound on its pages. The text is a sentence."""


class SecretError(Exception):
    """A Secret cannot be used, such as because it or a key does not exist. The text names both, never a value."""


class SecretNotAllowedError(SecretError):
    """The Secret has not opted in (`api/opt_in.py`). `secret` is its name, `command` the one that changes that."""

    def __init__(self, namespace: str, secret: str, labels: Mapping[str, str] | None) -> None:
        self.secret, self.namespace = secret, namespace
        self.command = opt_in.label_command(namespace, secret, labels)
        super().__init__(f"Secret {secret} in namespace {namespace} does not allow its use. Run {self.command}.")


class SecretReader(Protocol):
    """Reads values of Secrets."""

    async def secret_values(self, namespace: str, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        """The values under these keys. Raises SecretError when the Secret or a key is missing, or must not be used."""
        ...


class KubeApi(SecretReader, Protocol):
    """Reads and writes objects of our kinds as raw dictionaries. Writes test the version that was read."""

    async def get(self, plural: str, namespace: str, name: str) -> Raw | None:
        """The object, or None when it does not exist."""
        ...

    def list_objects(
        self, plural: str, namespace: str | None, *, label_selector: str | None = None
    ) -> AsyncIterator[Raw]:
        """Every object of the kind in the namespace, with these labels; in all namespaces when it is None."""
        ...

    async def patch_status(self, plural: str, raw: Raw, change: Raw) -> Raw | None:
        """Merge `change` into the status of the object as it was read. None when the object does not exist.

        Raises ConflictError when the object has changed, InvalidError when the API server refuses the change.
        """
        ...

    async def set_finalizers(
        self, plural: str, raw: Raw, finalizers: list[str], *, annotations: Mapping[str, str | None] | None = None
    ) -> Raw | None:
        """Replace the finalizers of the object as it was read, and set annotations; None removes one.

        Raises as `patch_status`.
        """
        ...

    async def annotate(self, plural: str, raw: Raw, annotations: dict[str, str]) -> Raw | None:
        """Add annotations to the object as it was read. Raises as `patch_status`."""
        ...

    async def create(self, plural: str, body: Raw) -> Raw | None:
        """Create the object. None when its name is taken. Raises InvalidError when it is refused."""
        ...

    async def delete(self, plural: str, raw: Raw) -> None:
        """Delete exactly this object, not a newer one of its name. Raises as `patch_status`."""
        ...

    async def post_event(self, kind: str, raw: Raw, type_: str, reason: str, message: Quoted, now: datetime) -> None:
        """Post a Kubernetes Event about the object."""
        ...


class KubeClient:
    """KubeApi on the Kubernetes client."""

    def __init__(self, api: client.ApiClient, *, event_failed: Callable[[], None] = lambda: None) -> None:
        self._api = RestClient(api)
        self._event_failed = event_failed

    async def get(self, plural: str, namespace: str, name: str) -> Raw | None:
        """The object, or None when there is none."""
        try:
            found: Raw = await self._api.get(_path(plural, namespace, name))
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    async def list_objects(
        self, plural: str, namespace: str | None, *, label_selector: str | None = None
    ) -> AsyncIterator[Raw]:
        """Every object of the kind in the namespace or, without one, in all; a page at a time."""
        more: str | None = None
        for _ in range(_MAX_PAGES):
            query = {"limit": PAGE, "continue": more, "labelSelector": label_selector}
            page = await self._api.get_as(_Page, _path(plural, namespace), query)
            for item in page.items:
                yield await parse_in_slices(bytes(item))
            more = page.metadata.more
            if not more:
                return
        raise TooManyPagesError(f"The list of {plural} has more than {_MAX_PAGES:,} pages.")

    async def patch_status(self, plural: str, raw: Raw, change: Raw) -> Raw | None:
        """Merge `change` into the status of the object as it was read. None when the object is gone.

        Raises ConflictError when the object has changed since.
        """
        return await self._patch("/status", plural, raw, {"status": change})

    async def set_finalizers(
        self, plural: str, raw: Raw, finalizers: list[str], *, annotations: Mapping[str, str | None] | None = None
    ) -> Raw | None:
        """Replace the finalizers of the object as it was read, and add annotations. Raises ConflictError, as above."""
        change: Raw = {"metadata": {"finalizers": finalizers}}
        if annotations:
            change["metadata"]["annotations"] = dict(annotations)
        return await self._patch("", plural, raw, change)

    async def annotate(self, plural: str, raw: Raw, annotations: dict[str, str]) -> Raw | None:
        """Add annotations to the object as it was read. None when it is gone. Raises ConflictError, as above."""
        return await self._patch("", plural, raw, {"metadata": {"annotations": annotations}})

    async def _patch(self, subresource: str, plural: str, raw: Raw, change: Raw) -> Raw | None:
        meta = raw["metadata"]
        version = {"resourceVersion": meta["resourceVersion"], "uid": meta["uid"]}
        body = {**change, "metadata": {**change.get("metadata", {}), **version}}
        try:
            patched: Raw = await self._api.patch(_path(plural, meta["namespace"], meta["name"]) + subresource, body)
        except ApiException as error:
            if error.status == 404:
                return None
            if error.status == 409:
                raise ConflictError(meta["name"]) from None
            if error.status in _REFUSALS:
                raise InvalidError(_message_of(error, meta["namespace"])) from None
            raise
        return patched

    async def create(self, plural: str, body: Raw) -> Raw | None:
        """Create the object. None when there is one of its name already. Raises InvalidError when it is refused."""
        try:
            created: Raw = await self._api.post(_path(plural, body["metadata"]["namespace"]), body)
        except ApiException as error:
            if error.status == 409:
                return None
            if error.status in _REFUSALS:
                raise InvalidError(_message_of(error, body["metadata"]["namespace"])) from None
            raise
        return created

    async def delete(self, plural: str, raw: Raw) -> None:
        """Delete exactly this object: not one that was created since under its name, nor a changed one."""
        meta = raw["metadata"]
        exactly = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        try:
            await self._api.delete(_path(plural, meta["namespace"], meta["name"]), {"preconditions": exactly})
        except ApiException as error:
            if error.status == 409:
                raise ConflictError(meta["name"]) from None
            if error.status in _REFUSALS:
                raise InvalidError(_message_of(error, meta["namespace"])) from None
            if error.status != 404:
                raise

    async def secret_values(self, namespace: str, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        """The values under these keys. Raises SecretError when the Secret or a key is missing, or must not be used."""
        try:
            secret = await self._api.get(path_of("", "v1", "secrets", namespace=namespace, name=name))
        except ApiException as error:
            if error.status == 404:
                raise SecretError(f"Secret {name} does not exist in namespace {namespace}.") from None
            if error.status == 403:
                raise SecretError(f"The operator may not read Secret {name} in namespace {namespace}.") from None
            raise
        labels = secret["metadata"].get("labels")
        return self.allowed_values(namespace, name, secret.get("type"), labels, secret.get("data") or {}, keys)

    @staticmethod
    def allowed_values(
        namespace: str,
        name: str,
        type_: str | None,
        labels: Mapping[str, str] | None,
        data: Mapping[str, str],
        keys: tuple[str, ...],
    ) -> tuple[str, ...]:
        """The values under these keys of a Secret that has opted in. `data` is in base64. Raises SecretError."""
        if not opt_in.has_opted_in(type_, labels):
            raise SecretNotAllowedError(namespace, name, labels)
        missing = [key for key in keys if data.get(key) is None]
        if missing:
            raise SecretError(f"Secret {name} has no key {' and no key '.join(missing)}.")
        return tuple(_decoded(name, key, data[key]) for key in keys)

    async def post_event(self, kind: str, raw: Raw, type_: str, reason: str, message: Quoted, now: datetime) -> None:
        """Post a Kubernetes Event about the object. A namespace that is being deleted refuses it (403)."""
        about = {"apiVersion": API_VERSION, "kind": kind}
        try:
            await create_event(self._api, about, raw["metadata"], type_, reason, message[:1024], now)
        except Exception:
            self._event_failed()
            raise


async def create_event(
    api: RestClient, about: Raw, meta: Raw, type_: str, reason: str, message: str, now: datetime
) -> None:
    """Create an event about an object of this `apiVersion` and `kind`, and with this metadata."""
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
        "involvedObject": {
            **about,
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta.get("uid"),
            "resourceVersion": meta.get("resourceVersion"),
        },
        "type": type_,
        "reason": reason,
        "message": message,
        "source": {"component": _COMPONENT},
        "reportingComponent": _COMPONENT,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
    await api.post(path_of("", "v1", "events", namespace=meta["namespace"]), body)


class _ListMetadata(Struct, rename={"more": "continue"}):
    more: str = ""


class _Page(Struct):
    """A page of a list, of which each object is parsed by itself."""

    items: list[Json]
    metadata: _ListMetadata


def _path(plural: str, namespace: str | None, name: str = "") -> str:
    return path_of(GROUP, VERSION, plural, namespace=namespace, name=name)


def _message_of(error: ApiException, namespace: str) -> Quoted:
    """What the API server says. It may repeat values of the object, and a webhook may say anything."""
    try:
        text = parse_json(error.body)["message"]
    except (TypeError, ValueError, KeyError):
        text = error.reason
    return quote(text, KNOWN.of([PROCESS, namespace]), limit=1024)


def _decoded(name: str, key: str, encoded: str) -> str:
    """One value of a Secret. Raises SecretError, which does not show the value."""
    try:
        value = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise SecretError(f"The value of key {key} of Secret {name} is not base64.") from None
    try:
        text = value.decode().strip()
    except ValueError:
        raise SecretError(f"Key {key} of Secret {name} holds bytes that are not UTF-8 text.") from None
    if not text:
        raise SecretError(f"Key {key} of Secret {name} is empty.")
    return text
