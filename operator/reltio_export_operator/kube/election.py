"""Leader election with a Lease, by the rules of client-go's `leaderelection` package.

Three things are stricter than in the Python client's own elector: each call ends in time, the Lease is released at the
end, and the time that this process still holds it is measured with a clock that also counts while it is suspended.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from ..runtime.clock import process_clock
from ..runtime.failures import explain
from .client import create_event
from .rest import RestClient, path_of

_log = logging.getLogger(__name__)
_GROUP, _VERSION, _PLURAL = "coordination.k8s.io", "v1", "leases"
_RENEW_DEADLINE = 2 / 3  # of the Lease's duration, as client-go's 10 s of 15 s
_RETRY = 2 / 15  # of the Lease's duration, as client-go's 2 s of 15 s
_LONGEST_RETRY = 2.0  # seconds; a released Lease is noticed within this time, however long a Lease lasts
_RELEASED_SECONDS = 1  # the duration that a released Lease shows, as client-go writes it
_RELEASE_TIMEOUT = 2.0  # seconds
_REMIND_SECONDS = 60.0  # between two log lines about the same problem

Raw = dict[str, Any]


class LeadershipLostError(RuntimeError):
    """Another replica may be active: this process must end, and starts again as a follower."""


class Leases(Protocol):
    """The one Lease, as raw objects. Calls raise ApiException with the HTTP status, or what the connection raises."""

    name: str  # namespace/name

    async def get(self) -> Raw | None: ...

    async def create(self, spec: Raw) -> Raw: ...

    async def replace(self, lease: Raw) -> Raw: ...

    async def announce(self, lease: Raw, message: str) -> None: ...


class LeaseClient:
    """The Lease on the API server. Give it a connection of its own: others may use theirs up with slow calls."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._api = RestClient(api)
        self._namespace = namespace
        self._name = name
        self._all = path_of(_GROUP, _VERSION, _PLURAL, namespace=namespace)
        self._path = path_of(_GROUP, _VERSION, _PLURAL, namespace=namespace, name=name)
        self.name = f"{namespace}/{name}"

    async def get(self) -> Raw | None:
        try:
            found: Raw = await self._api.get(self._path)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    async def create(self, spec: Raw) -> Raw:
        lease = {
            "apiVersion": f"{_GROUP}/{_VERSION}",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": spec,
        }
        created: Raw = await self._api.post(self._all, lease)
        return created

    async def replace(self, lease: Raw) -> Raw:
        replaced: Raw = await self._api.put(self._path, lease)
        return replaced

    async def announce(self, lease: Raw, message: str) -> None:
        """Post the event that client-go posts."""
        about = {"apiVersion": f"{_GROUP}/{_VERSION}", "kind": "Lease"}
        meta = {**lease.get("metadata", {}), "namespace": self._namespace, "name": self._name}
        await create_event(self._api, about, meta, "Normal", "LeaderElection", message, datetime.now(UTC))


def own_identity() -> str:
    """A name for this process that no other one has, nor had before it."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class Elector:
    """Acquires the Lease, renews it, and releases it.

    `clock` counts seconds and never goes back. The holder stops acting two thirds of the Lease's duration after it
    last asked for a renewal that succeeded; a follower takes over when it has seen the same record for the whole
    duration. Neither compares its time with another machine's.
    """

    def __init__(
        self,
        leases: Leases,
        identity: str,
        *,
        duration_seconds: float,
        clock: Callable[[], float] = process_clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._duration = duration_seconds
        self._deadline = duration_seconds * _RENEW_DEADLINE
        self._retry = min(_LONGEST_RETRY, duration_seconds * _RETRY)
        self._call_timeout = self._deadline / 2
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._held: Raw | None = None  # the Lease as this process last wrote it; None when that is not known
        self._holds = False
        self._in_doubt = False  # a write was sent, and its result is not known
        self._renewed = float("-inf")
        self._read = float("-inf")
        self._record: Raw | None = None
        self._record_since = float("-inf")
        self._problem: str | None = None
        self._reported: tuple[str, float] | None = None
        self._events: set[asyncio.Task[None]] = set()

    @property
    def is_leader(self) -> bool:
        """Whether the Lease is held, and was renewed so lately that no other replica can have taken it."""
        return self._holds and self._clock() - self._renewed < self._deadline

    def unready(self) -> str | None:
        """Why this replica can neither act nor take over; None when it can."""
        known = max(self._read, self._renewed)
        age = self._clock() - known
        if age < self._duration:
            return None
        since = "has not been read yet" if known == float("-inf") else f"was last read {age:.0f} s ago"
        return f"Lease {self._leases.name} {since}: {self._problem or 'waiting for the API server'}."

    async def acquire(self) -> None:
        """Return once the Lease is held."""
        while not await self._try(self._call_timeout):
            # All followers wake at different times, and all of them within the retry period.
            await self._sleep(self._retry * (0.75 + 0.25 * self._jitter()))
        _log.info("Became leader.", extra={"identity": self._identity, "lease": self._leases.name})
        self._announce("became leader")

    async def hold(self) -> None:
        """Renew the Lease until that fails. Raises LeadershipLostError."""
        while True:
            await self._sleep(min(self._retry, max(0.0, self._left())))
            if self._left() <= 0:
                self._lose(f"not renewed for {self._deadline:.0f} s: {self._problem or 'this process was suspended'}")
            if not await self._try(min(self._call_timeout, self._left())) and not self._holds:
                self._lose(f"now held by {_holder(self._record) or 'nobody'}")

    async def release(self) -> bool:
        """Give the Lease up, so that a follower need not wait for its end. Whether that was done, in 2 s at most."""
        if not (self._holds or self._in_doubt):
            return False
        self._holds = self._in_doubt = False
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT):
                released = await self._give_up()
        except Exception as error:
            _log.warning("Cannot release Lease %s: %s.", self._leases.name, explain(error))
            return False
        if released is None:
            return False
        _log.info("Released the Lease.", extra={"identity": self._identity, "lease": self._leases.name})
        await self._post(released, "stopped leading", _RELEASE_TIMEOUT)
        return True

    async def _give_up(self) -> Raw | None:
        """The Lease as released; None where it is not this process's."""
        lease = self._held or await self._leases.get()
        for last in (False, True):
            spec = (lease or {}).get("spec") or {}
            if lease is None or _holder(spec) != self._identity:
                return None
            now = _micro_time()
            given_up = {"holderIdentity": "", "leaseDurationSeconds": _RELEASED_SECONDS}
            try:
                return await self._leases.replace(
                    {**lease, "spec": {**spec, **given_up, "acquireTime": now, "renewTime": now}}
                )
            except ApiException as error:  # 409: a renewal was under way
                if error.status != 409 or last:
                    raise
            lease = await self._leases.get()
        return None

    def _left(self) -> float:
        """Seconds until the Lease counts as lost."""
        return self._renewed + self._deadline - self._clock()

    def _lose(self, why: str) -> None:
        self._holds, self._in_doubt = False, True
        raise LeadershipLostError(f"Lost the Lease {self._leases.name}: {why}.")

    async def _try(self, within: float) -> bool:
        """Renew the Lease, or take it when it is free. Whether it is held for certain."""
        try:
            async with asyncio.timeout(within):
                await self._renew_or_take()
        except Exception as error:  # also those of a plugin or a file that credentials come from
            self._held = None  # the write may have succeeded, or somebody else wrote in between
            if not (isinstance(error, ApiException) and error.status == 409):
                self._complain(explain(error))
            return False
        if self._reported is not None:
            _log.info("Lease %s can be read again.", self._leases.name)
        self._problem = self._reported = None
        return self._holds

    async def _renew_or_take(self) -> None:
        lease = self._held if self._holds else None
        if lease is None:
            lease = await self._leases.get()
            self._read = asked = self._clock()
            if lease is None:
                self._in_doubt = True
                self._written(await self._leases.create(self._spec({})), asked)
                return
            spec = lease.get("spec") or {}
            self._observe(spec, asked)
            holder = _holder(spec)
            if holder != self._identity and self._holds:
                self._holds = False  # another replica may have acted
                return
            lasts = spec.get("leaseDurationSeconds") or self._duration
            if holder not in ("", self._identity) and asked - self._record_since < lasts:
                return
        asked = self._clock()
        self._in_doubt = True
        self._written(await self._leases.replace({**lease, "spec": self._spec(lease.get("spec") or {})}), asked)

    def _spec(self, before: Raw) -> Raw:
        now = _micro_time()
        renewed = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": now,
        }
        if _holder(before) == self._identity:
            return {**before, **renewed}
        transitions = (before.get("leaseTransitions") or 0) + 1 if before else 0
        return {**before, **renewed, "acquireTime": now, "leaseTransitions": transitions}

    def _written(self, lease: Raw, asked: float) -> None:
        self._held, self._holds, self._in_doubt, self._renewed = lease, True, False, asked
        self._record = lease["spec"]

    def _observe(self, spec: Raw, now: float) -> None:
        if spec == self._record:
            return
        holder = _holder(spec)
        if holder and not self._holds and holder not in (self._identity, _holder(self._record)):
            _log.info("Standing by: %s is the leader.", holder, extra={"lease": self._leases.name})
        self._record, self._record_since = spec, now

    def _complain(self, problem: str) -> None:
        """Log what is in the way: at once, and then now and then."""
        self._problem = problem
        now = self._clock()
        if self._reported is None or self._reported[0] != problem or now - self._reported[1] >= _REMIND_SECONDS:
            _log.warning("Cannot read or write Lease %s: %s. Retrying.", self._leases.name, problem)
            self._reported = (problem, now)

    def _announce(self, message: str) -> None:
        """Post an event beside the renewals, which do not wait for it."""
        task = asyncio.create_task(self._post(self._held or {}, message, self._call_timeout))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

    async def _post(self, lease: Raw, message: str, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self._leases.announce(lease, f"{self._identity} {message}")
        except Exception as error:
            _log.warning("Cannot post an event about Lease %s: %s.", self._leases.name, explain(error))


def _holder(spec: Raw | None) -> str:
    return str((spec or {}).get("holderIdentity") or "")


def _micro_time() -> str:
    """The time as Kubernetes' MicroTime, whose fraction has six digits always."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
