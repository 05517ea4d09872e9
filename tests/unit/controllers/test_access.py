"""Which values of Secrets are used, and how long."""

from __future__ import annotations

import httpx
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
