"""One active replica, elected with a Lease."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection import electionconfig, leaderelection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from ..runtime.settings import Settings

_log = logging.getLogger(__name__)
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class LeadershipLostError(RuntimeError):
    """Another replica may be active: this process must end, and starts again as a follower."""


class _WatchedLock(LeaseLock):  # type: ignore[misc]
    """A Lease lock that remembers when it was last written, and survives an API server that does not answer."""

    renewed = float("-inf")  # by the clock that never goes back

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        try:
            found: tuple[bool, Any] = await super().get(name, namespace)
        except (aiohttp.ClientError, TimeoutError) as error:
            return False, ApiException(status=0, reason=type(error).__name__)
        return found

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        # The library's own version asks for `pretty=True`, which its generated client refuses.
        lease = client.V1Lease(metadata=client.V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        return await self._noted(self.api_instance.create_namespaced_lease(namespace, lease))

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        self.lease_reference.spec = self.update_lease(updated_record, self.lease_reference.spec)
        return await self._noted(self.api_instance.replace_namespaced_lease(name, namespace, self.lease_reference))

    async def _noted(self, write: Awaitable[object]) -> bool:
        asked = time.monotonic()
        try:
            await write
        except (ApiException, aiohttp.ClientError, TimeoutError) as error:
            _log.warning("Cannot write the Lease: %s", getattr(error, "reason", type(error).__name__))
            return False
        self.renewed = asked
        return True


class Leadership:
    """Whether this process is the one that acts."""

    def __init__(self, api: client.ApiClient, settings: Settings) -> None:
        self._api = api
        self._settings = settings
        self._identity = f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        self._lock: _WatchedLock | None = None

    def is_fresh(self) -> bool:
        """Whether the Lease was renewed so lately that no other replica can hold it. Asked right before a submit."""
        if not self._settings.leader_elect:
            return True
        return (
            self._lock is not None
            and time.monotonic() - self._lock.renewed < self._settings.lease_duration_seconds * 2 / 3
        )

    async def during(self, serve: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
        """Wait to be elected, then serve. Raises LeadershipLostError when the Lease is lost meanwhile."""
        lost = asyncio.Event()
        if not self._settings.leader_elect:
            await serve(lost)
            return
        elected = asyncio.Event()

        async def on_elected() -> None:
            elected.set()

        async def on_lost() -> None:
            lost.set()

        duration = self._settings.lease_duration_seconds
        self._lock = _WatchedLock(self._settings.lease_name, self._namespace(), self._identity, self._api)
        election = leaderelection.LeaderElection(
            electionconfig.Config(
                self._lock,
                lease_duration=duration,
                renew_deadline=duration * 2 / 3,
                retry_period=max(1.0, duration / 7.5),
                onstarted_leading=on_elected,
                onstopped_leading=on_lost,
            )
        )
        renewing = asyncio.create_task(election.run())
        renewing.add_done_callback(lambda _: lost.set())  # however it ends, nobody renews the Lease any more
        waits = [asyncio.create_task(event.wait()) for event in (elected, stop)]
        try:
            await asyncio.wait({*waits, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if renewing.done():
                renewing.result()
            if not stop.is_set():
                _log.info("Elected", extra={"identity": self._identity})
                await serve(lost)
            if lost.is_set():
                raise LeadershipLostError("The Lease was lost.")
        finally:
            for task in (*waits, renewing):
                task.cancel()
            await asyncio.gather(*waits, renewing, return_exceptions=True)

    def _namespace(self) -> str:
        if self._settings.lease_namespace:
            return self._settings.lease_namespace
        return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "default"
