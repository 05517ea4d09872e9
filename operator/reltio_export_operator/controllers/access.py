"""Reltio clients and external IDs for targets and attempts. Equal clients are shared."""

from __future__ import annotations

import hashlib

import httpx

from ..api.foreign import KNOWN
from ..api.job import ServiceSnapshot
from ..api.reasons import ConditionReason
from ..api.target import CredentialsSecretRef, ExportTarget, SecretKeyRef
from ..kube.client import SecretError, SecretNotAllowedError, SecretReader
from ..reltio.auth import TokenSource
from ..reltio.client import ReltioClient
from ..reltio.errors import HostNotAllowed, UnusableURL
from ..reltio.hosts import ReltioHosts
from ..runtime.circuits import Circuits, Endpoint
from ..runtime.clock import SYSTEM_CLOCK, Clock
from ..runtime.lru import LruCache

_MAX_CACHED = 10_000  # Secrets, tokens and clients: one of each for a target
_SECRET_CACHE_SECONDS = 20.0  # so that a corrected Secret is used within a minute

_SecretKey = tuple[str, CredentialsSecretRef]
_TokenKey = tuple[str, str, str]  # auth URL, client ID and secret
_ClientKey = tuple[str, str, str, str, str]  # service URL, tenant, and the key of the token


class Access:
    """A cache of Reltio clients by service, tenant and credentials. Secrets are read with `get`, never listed."""

    def __init__(
        self,
        kube: SecretReader,
        http: httpx.AsyncClient,
        *,
        hosts: ReltioHosts | None = None,
        circuits: Circuits | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._kube = kube
        self._hosts = hosts or ReltioHosts()
        self._http = http
        self._circuits = circuits or Circuits(clock)
        self._clock = clock
        self._secrets: LruCache[_SecretKey, tuple[float, tuple[str, ...]]] = LruCache(_MAX_CACHED)
        self._tokens: LruCache[_TokenKey, TokenSource] = LruCache(_MAX_CACHED)
        self._clients: LruCache[_ClientKey, ReltioClient] = LruCache(_MAX_CACHED)

    async def reltio(
        self, namespace: str, service: ServiceSnapshot, *, fresh: bool = False, last_known: bool = False
    ) -> ReltioClient:
        """The client for this service and tenant. Raises SecretError, and UnusableURL before a Secret is read.

        `fresh`: read the Secret even if it is cached. `last_known`: use its cached values if it cannot be read.
        """
        self.check_hosts(service)
        client_id, secret = await self._credentials(namespace, service.credentials_secret_ref, fresh, last_known)
        token_key = (service.auth_url, client_id, secret)
        tokens = self._tokens.get_or_make(
            token_key,
            lambda: TokenSource(
                service.auth_url,
                client_id,
                secret,
                http=self._http,
                endpoint=self._circuits.endpoint(service.auth_url, client_id),
                clock=self._clock,
            ),
        )
        client = self._clients.get_or_make(
            (service.export_service_url, service.tenant, *token_key),
            lambda: ReltioClient(
                service.export_service_url,
                service.tenant,
                tokens,
                http=self._http,
                endpoint=self.endpoint(service),
                clock=self._clock,
            ),
        )
        client.namespaces.put(namespace, None)
        return client

    def endpoint(self, service: ServiceSnapshot) -> Endpoint:
        """The endpoint by which calls to the tenant of the service are limited."""
        return self._circuits.endpoint(service.export_service_url, service.tenant)

    def check_hosts(self, service: ServiceSnapshot) -> None:
        """Raise UnusableURL or HostNotAllowed if no request may be sent to a URL of the service."""
        for url in (service.export_service_url, service.auth_url):
            self._hosts.check_url(url)

    def refusal_of(self, target: ExportTarget) -> ConditionReason | None:
        """Why the settings do not allow the hosts of the target; None if they do, or if a URL is none at all."""
        try:
            self.check_hosts(snapshot(target))
        except HostNotAllowed as error:
            return ConditionReason(error.reason, error.text)
        except UnusableURL:
            return None  # a check of the target reports it
        return None

    async def external_id_of(self, target: ExportTarget, which: str) -> str | None:
        """The `Current` or `Previous` external ID of the target. Raises SecretError."""
        s3 = target.spec.s3
        previous = which == "Previous"
        ref = s3.previous_external_id_secret_ref if previous else s3.external_id_secret_ref
        if ref is None:
            value = s3.previous_external_id if previous else s3.external_id
            KNOWN.add(target.metadata.namespace, value)
            return value
        return await self.secret_value(target.metadata.namespace, ref)

    async def secret_value(self, namespace: str, ref: SecretKeyRef) -> str:
        """The value of one key of a Secret. Raises SecretError."""
        (value,) = await self._kube.secret_values(namespace, ref.name, (ref.key,))
        KNOWN.add(namespace, value)
        return value

    async def secrets_of(self, target: ExportTarget) -> str:
        """A digest of the values that the target uses from Secrets; it changes when one of them does."""
        credentials, s3 = target.spec.reltio.credentials_secret_ref, target.spec.s3
        keys_by_secret: list[tuple[str, tuple[str, ...]]] = [
            (credentials.name, (credentials.client_id_key, credentials.client_secret_key))
        ]
        keys_by_secret += [
            (ref.name, (ref.key,))
            for ref in (s3.external_id_secret_ref, s3.previous_external_id_secret_ref)
            if ref is not None
        ]
        digest = hashlib.sha256()
        for name, keys in keys_by_secret:
            try:
                values = await self._kube.secret_values(target.metadata.namespace, name, keys)
            except SecretError as error:
                values = (str(error),)
            digest.update(repr(values).encode())
        return digest.hexdigest()

    async def _credentials(
        self, namespace: str, ref: CredentialsSecretRef, fresh: bool, last_known: bool
    ) -> tuple[str, str]:
        key = (namespace, ref)
        read_at, values = before = self._secrets.get(key) or (0.0, ())
        if fresh or not values or self._clock.monotonic() - read_at > _SECRET_CACHE_SECONDS:
            try:
                values = await self._kube.secret_values(namespace, ref.name, (ref.client_id_key, ref.client_secret_key))
            except SecretNotAllowedError:
                self._secrets.drop(key)  # its values must not be used, whether or not they are known
                self._drop_unused(before[1])
                raise
            except SecretError:
                if not (last_known and values):
                    raise
            else:
                KNOWN.add(namespace, values[1])
                self._secrets.put(key, (self._clock.monotonic(), values))
                if values != before[1]:
                    self._drop_unused(before[1])
        return values[0], values[1]

    def _drop_unused(self, values: tuple[str, ...]) -> None:
        """Drop what was made with these credentials, unless another Secret has the same ones."""
        if not values or any(self._secrets.peek(key)[1] == values for key in self._secrets):
            return
        for token_key in self._tokens:
            if token_key[1:] == values:
                self._tokens.drop(token_key)
        for client_key in self._clients:
            if client_key[3:] == values:
                self._clients.drop(client_key)


def snapshot(target: ExportTarget) -> ServiceSnapshot:
    """The Reltio service in the spec of a target."""
    reltio = target.spec.reltio
    return ServiceSnapshot(
        export_service_url=reltio.service_url,
        auth_url=reltio.auth_url,
        tenant=reltio.tenant,
        credentials_secret_ref=reltio.credentials_secret_ref,
    )
