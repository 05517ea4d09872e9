"""Which values of Secrets are used, and how long."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from clocks import FakeClock
from reltio_export_operator.api.job import ServiceSnapshot
from reltio_export_operator.api.target import CredentialsSecretRef
from reltio_export_operator.controllers.access import Access
from reltio_export_operator.kube.client import SecretError, SecretNotAllowedError

SERVICE = ServiceSnapshot(
    export_service_url="https://na99-prod.reltio.com/jobs",
    auth_url="https://auth.reltio.com/oauth/token",
    tenant="acme01",
    credentials_secret_ref=CredentialsSecretRef(name="reltio-api"),
)


class Secrets:
    """Secrets that fail with `error` if there is one."""

    error: SecretError | None = None

    async def secret_values(self, namespace: str, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        if self.error:
            raise self.error
        return ("id", "secret")


async def test_values_that_are_known_are_not_used_after_their_secret_has_opted_out() -> None:
    """Not even to stop an export, for which the values of a deleted Secret are used."""
    secrets, clock = Secrets(), FakeClock()
    async with httpx.AsyncClient() as http:
        access = Access(secrets, http, clock=clock)
        known = await access.reltio("mdm", SERVICE)
        clock.advance(21)
        secrets.error = SecretError("Secret reltio-api does not exist in namespace mdm.")
        assert await access.reltio("mdm", SERVICE, last_known=True) is known, "the control"
        secrets.error = SecretNotAllowedError("mdm", "reltio-api", None)
        with pytest.raises(SecretNotAllowedError):
            await access.reltio("mdm", SERVICE, last_known=True)
        secrets.error = SecretError("Secret reltio-api does not exist in namespace mdm.")
        with pytest.raises(SecretError):
            await access.reltio("mdm", SERVICE, last_known=True)


class Rotated:
    """A Secret of each name, whose values change."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, str]] = {}

    async def secret_values(self, namespace: str, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        return self.values.get(name, ("id", "secret"))


def kept(access: Access) -> list[int]:
    return [len(access._secrets), len(access._tokens), len(access._clients)]


async def test_what_was_made_with_an_earlier_value_of_a_secret_is_dropped() -> None:
    secrets = Rotated()
    async with httpx.AsyncClient() as http:
        access = Access(secrets, http, clock=FakeClock())
        clients = set()
        for number in range(1000):
            secrets.values["reltio-api"] = ("id", f"secret-{number}")
            clients.add(await access.reltio("mdm", SERVICE, fresh=True))
        assert len(clients) == 1000
        assert kept(access) == [1, 1, 1]


async def test_a_client_whose_credentials_another_secret_has_too_is_kept_until_neither_has_them() -> None:
    secrets = Rotated()
    other = msgspec.structs.replace(SERVICE, credentials_secret_ref=CredentialsSecretRef(name="another"))
    async with httpx.AsyncClient() as http:
        access = Access(secrets, http, clock=FakeClock())
        shared = await access.reltio("mdm", SERVICE)
        assert await access.reltio("mdm", other) is shared
        secrets.values["reltio-api"] = ("id", "new")
        await access.reltio("mdm", SERVICE, fresh=True)
        assert await access.reltio("mdm", other, fresh=True) is shared
        secrets.values["another"] = ("id", "new")
        await access.reltio("mdm", other, fresh=True)
        assert kept(access) == [2, 1, 1]


async def test_secrets_tokens_and_clients_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reltio_export_operator.controllers.access._MAX_CACHED", 3)
    secrets = Rotated()
    async with httpx.AsyncClient() as http:
        access = Access(secrets, http, clock=FakeClock())
        used = await access.reltio("mdm", SERVICE)
        for number in range(10):
            name = f"s-{number}"
            secrets.values[name] = (name, name)
            service = msgspec.structs.replace(SERVICE, credentials_secret_ref=CredentialsSecretRef(name=name))
            await access.reltio("mdm", service)
            assert await access.reltio("mdm", SERVICE) is used, "the one that is used stays"
        assert kept(access) == [3, 3, 3]
