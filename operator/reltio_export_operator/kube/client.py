"""The calls to the API server that kopf does not make as the operator needs them: writes that can conflict."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from ..api import opt_in
from ..api.foreign import KNOWN, PROCESS, Quoted, quote
from ..api.meta import API_VERSION, GROUP, VERSION
from ..runtime.answers import parse_json

_MERGE = "application/merge-patch+json"
_TIMEOUT = 30
PAGE = 500  # objects of one answer
_REFUSALS = (400, 401, 403, 413, 422)  # an admission policy may choose among these
_COMPONENT = "reltio-export-operator"

Raw = dict[str, Any]


class ConflictError(Exception):
    """The object changed since it was read: decide again from a fresh read."""


class InvalidError(Exception):
    """The API server refuses what was written: its schema, an admission policy, a quota or a missing right."""


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

    def list_objects(self, plural: str, namespace: str | None) -> AsyncIterator[Raw]:
        """Every object of the kind in the namespace; in all namespaces when it is None."""
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
        self._objects = client.CustomObjectsApi(api)
        self._core = client.CoreV1Api(api)
        self._event_failed = event_failed

    async def get(self, plural: str, namespace: str, name: str) -> Raw | None:
        """The object, or None when there is none."""
        try:
            found: Raw = await self._objects.get_namespaced_custom_object(
                GROUP, VERSION, namespace, plural, name, _request_timeout=_TIMEOUT
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    async def list_objects(self, plural: str, namespace: str | None) -> AsyncIterator[Raw]:
        """Every object of the kind in the namespace or, without one, in all; a page at a time."""
        more: str | None = None
        while True:
            page = await self._page(plural, namespace, limit=PAGE, _continue=more)
            for item in page["items"]:
                yield item
            more = page["metadata"].get("continue")
            if not more:
                break

    async def _page(self, plural: str, namespace: str | None, **options: Any) -> Raw:
        given = {key: value for key, value in options.items() if value is not None}
        page: Raw
        if namespace is None:
            page = await self._objects.list_cluster_custom_object(
                GROUP, VERSION, plural, **given, _request_timeout=_TIMEOUT
            )
        else:
            page = await self._objects.list_namespaced_custom_object(
                GROUP, VERSION, namespace, plural, **given, _request_timeout=_TIMEOUT
            )
        return page

    async def patch_status(self, plural: str, raw: Raw, change: Raw) -> Raw | None:
        """Merge `change` into the status of the object as it was read. None when the object is gone.

        Raises ConflictError when the object has changed since.
        """
        return await self._patch(self._objects.patch_namespaced_custom_object_status, plural, raw, {"status": change})

    async def set_finalizers(
        self, plural: str, raw: Raw, finalizers: list[str], *, annotations: Mapping[str, str | None] | None = None
    ) -> Raw | None:
        """Replace the finalizers of the object as it was read, and add annotations. Raises ConflictError, as above."""
        change: Raw = {"metadata": {"finalizers": finalizers}}
        if annotations:
            change["metadata"]["annotations"] = dict(annotations)
        return await self._patch(self._objects.patch_namespaced_custom_object, plural, raw, change)

    async def annotate(self, plural: str, raw: Raw, annotations: dict[str, str]) -> Raw | None:
        """Add annotations to the object as it was read. None when it is gone. Raises ConflictError, as above."""
        change = {"metadata": {"annotations": annotations}}
        return await self._patch(self._objects.patch_namespaced_custom_object, plural, raw, change)

    async def _patch(self, call: Any, plural: str, raw: Raw, change: Raw) -> Raw | None:
        meta = raw["metadata"]
        version = {"resourceVersion": meta["resourceVersion"], "uid": meta["uid"]}
        body = {**change, "metadata": {**change.get("metadata", {}), **version}}
        try:
            patched: Raw = await call(
                GROUP,
                VERSION,
                meta["namespace"],
                plural,
                meta["name"],
                body,
                _content_type=_MERGE,
                _request_timeout=_TIMEOUT,
            )
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
            created: Raw = await self._objects.create_namespaced_custom_object(
                GROUP, VERSION, body["metadata"]["namespace"], plural, body, _request_timeout=_TIMEOUT
            )
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
        exactly = client.V1Preconditions(uid=meta["uid"], resource_version=meta["resourceVersion"])
        try:
            await self._objects.delete_namespaced_custom_object(
                GROUP,
                VERSION,
                meta["namespace"],
                plural,
                meta["name"],
                body=client.V1DeleteOptions(preconditions=exactly),
                _request_timeout=_TIMEOUT,
            )
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
            secret = await self._core.read_namespaced_secret(name, namespace, _request_timeout=_TIMEOUT)
        except ApiException as error:
            if error.status == 404:
                raise SecretError(f"Secret {name} does not exist in namespace {namespace}.") from None
            if error.status == 403:
                raise SecretError(f"The operator may not read Secret {name} in namespace {namespace}.") from None
            raise
        return self.allowed_values(namespace, name, secret.type, secret.metadata.labels, secret.data or {}, keys)

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
        meta = raw["metadata"]
        body = client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name=f"{meta['name']}.", namespace=meta["namespace"]),
            involved_object=client.V1ObjectReference(
                api_version=API_VERSION,
                kind=kind,
                namespace=meta["namespace"],
                name=meta["name"],
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
            ),
            type=type_,
            reason=reason,
            message=message[:1024],
            source=client.V1EventSource(component=_COMPONENT),
            reporting_component=_COMPONENT,
            first_timestamp=now,
            last_timestamp=now,
            count=1,
        )
        try:
            await self._core.create_namespaced_event(meta["namespace"], body, _request_timeout=_TIMEOUT)
        except Exception:
            self._event_failed()
            raise


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
