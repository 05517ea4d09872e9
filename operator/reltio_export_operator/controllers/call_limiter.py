"""Limits concurrent calls by tenant and host. An object whose call is not allowed now is woken when one is.

Calls are limited more strictly to what did not answer last time, or was never called: one to a tenant. So however many
tenants are dead, each costs one call, and a new one is still called at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..runtime.circuits import Circuit, Circuits, Endpoint
from ..runtime.fair import FairQueue

Key = TypeVar("Key", bound=Hashable)

_UNPROVEN = "unproven"


@dataclass(frozen=True)
class CallLimits:
    """Calls at once: to one tenant, to one host, and to all tenants that did not answer last time."""

    tenant: int = 4
    host: int = 256
    unproven: int = 32


class _Pool(Generic[Key]):
    """Calls that count together. A key that was woken has its place reserved until its next reconcile has ended."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self.limit = limit
        self.held = 0
        self.woken: set[Key] = set()
        self.waiting: FairQueue[Key] = FairQueue()

    def has_room_for(self, key: Key) -> bool:
        return self.held + len(self.woken - {key}) < self.limit()

    @property
    def is_idle(self) -> bool:
        return not (self.held or self.woken or self.waiting)


class CallLimiter(Generic[Key]):
    """Keys whose calls are not allowed now wait by namespace, in turns."""

    def __init__(self, circuits: Circuits, wake: Callable[[Key], None], limits: CallLimits | None = None) -> None:
        self._wake = wake
        self._limits = limits or CallLimits()
        self._pools: dict[str, _Pool[Key]] = {}
        self._place: dict[Key, str] = {}  # the pool in which a key waits, or has a reservation
        self._calls: dict[Key, list[str]] = {}  # the pools in which the call of a key counts
        circuits.subscribe(self._on_change)

    @contextmanager
    def enter(self, endpoint: Endpoint, key: Key) -> Iterator[bool]:
        """Yields whether the limits allow a call; if so, the block counts as one."""
        names = self._pools_of(endpoint)
        full = next((name for name in names if not self._pools[name].has_room_for(key)), None)
        before = self._remove(key)
        if full is not None:
            self._pools[full].waiting.push(key)
            self._place[key] = full
        else:
            self._calls[key] = names
            for name in names:
                self._pools[name].held += 1
        self._refill(before, *names)
        try:
            yield full is None
        finally:
            if full is None:
                self.leave(key)

    def leave(self, key: Key) -> None:
        """The calls of this key have ended, although its block has not."""
        names = self._calls.pop(key, ())
        for name in names:
            self._pools[name].held -= 1
        self._refill(*names)

    @contextmanager
    def turn(self, key: Key) -> Iterator[None]:
        """One reconcile of a key. If it was woken for a call, and makes none, the next key is woken instead."""
        name = self._place.get(key)
        was_woken = name is not None and key in self._pools[name].woken
        try:
            yield
        finally:
            if was_woken and self._place.get(key) == name and key in self._pools[name or ""].woken:
                self.forget(key)

    def forget(self, key: Key) -> None:
        """The key wants no call any more."""
        self._refill(self._remove(key))

    @property
    def waiting(self) -> int:
        """How many keys wait."""
        return sum(len(pool.waiting) for pool in self._pools.values())

    def _pools_of(self, endpoint: Endpoint) -> list[str]:
        """The pools in which a call to this endpoint counts, which exist afterwards."""
        limits = self._limits
        host, tenant = endpoint.host, endpoint.tenant
        pools: dict[str, Callable[[], int]] = {
            tenant.name: lambda: limits.tenant if tenant.is_proven else 1,
            host.name: lambda: limits.host if host.is_proven else limits.tenant,
        }
        if not tenant.is_proven:
            pools[_UNPROVEN] = lambda: limits.unproven
        for name, limit in pools.items():
            pool = self._pools.setdefault(name, _Pool(limit))
            pool.limit = limit  # the circuit may be another one since it was forgotten
        return list(pools)

    def _remove(self, key: Key) -> str | None:
        """Remove the key from where it waits, or has a reservation. Returns where that was."""
        name = self._place.pop(key, None)
        if name is not None:
            self._pools[name].waiting.discard(key)
            self._pools[name].woken.discard(key)
        return name

    def _on_change(self, circuit: Circuit) -> None:
        self._refill(circuit.name)

    def _refill(self, *names: str | None) -> None:
        """Wake as many keys as there is room for. Called whenever there may be more room in these pools."""
        for name in names:
            pool = self._pools.get(name) if name is not None else None
            if pool is None or name is None:
                continue
            while pool.waiting and pool.held + len(pool.woken) < pool.limit():
                key = pool.waiting.pop()
                pool.woken.add(key)
                self._wake(key)
            if pool.is_idle:
                del self._pools[name]
