"""Which of our kinds the API server serves. Asked with API discovery, which every authenticated user may read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from msgspec import Struct

from ..api.meta import GROUP, JOBS, SCHEDULES, TARGETS, VERSION
from ..runtime.failures import explain
from .rest import RestClient, path_of

_log = logging.getLogger(__name__)
_CALL_SECONDS = 10.0
_RETRY_SECONDS = 2.0
_REMIND_EVERY = 30  # rounds between two log lines about the same problem

Served = Callable[[], Awaitable[Collection[str]]]


def served_by(api: client.ApiClient) -> Served:
    """Asks the API server for the plural names that it serves in our group and version."""
    rest = RestClient(api)

    async def served() -> Collection[str]:
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                listed = await rest.get_as(_Resources, path_of(GROUP, VERSION))
        except ApiException as error:
            if error.status == 404:
                return ()
            raise
        return [resource.name for resource in listed.resources]

    return served


class _Resource(Struct):
    name: str


class _Resources(Struct):
    resources: list[_Resource]


class Kinds:
    """Waits until all kinds are served, and says what it waits for."""

    def __init__(self, served: Served, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._served = served
        self._sleep = sleep
        self.problem: str | None = "The API server has not been asked for its kinds yet."

    async def are_gone(self) -> bool:
        """Whether a kind is certainly not served. An API server that cannot be asked does not count."""
        try:
            return bool(await self._missing())
        except Exception:
            return False

    async def until_served(self) -> None:
        """Return once all kinds are served."""
        rounds = 0
        while (problem := await self._problem()) is not None:
            if problem != self.problem or rounds % _REMIND_EVERY == 0:
                _log.warning("%s Waiting.", problem)
            self.problem = problem
            rounds += 1
            await self._sleep(_RETRY_SECONDS)
        if rounds:
            _log.info("The CRDs are installed.")
        self.problem = None

    async def _problem(self) -> str | None:
        try:
            missing = await self._missing()
        except Exception as error:  # also those of a plugin or a file that credentials come from
            return f"The API server cannot be asked for its kinds: {explain(error)}."
        if not missing:
            return None
        return f"CRDs are not installed: kubectl apply -f crds/ (missing: {', '.join(missing)})."

    async def _missing(self) -> list[str]:
        served = await self._served()
        return [f"{plural}.{GROUP}" for plural in (JOBS, SCHEDULES, TARGETS) if plural not in served]
