"""Circuit breakers: a host that cannot be reached, or a tenant that does not answer, is called rarely.

A circuit opens after some failures in a row. Then no call is made for a time, and after it a single one, the probe: its
success closes the circuit, and its failure makes the next time twice as long, up to a cap. Any answer is a success,
whatever its status is: only that a connection is not made, or that an answer does not come, keeps a caller waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from .clock import SYSTEM_CLOCK, Clock
from .lru import LruCache

State = Literal["Closed", "Open", "HalfOpen"]
Listener = Callable[["Circuit"], None]

_MAX_CIRCUITS = 10_000
_GIVEN_UP_SECONDS = 10.0  # a caller that gave up later than this has waited for an answer in vain
_ASK_AGAIN_SECONDS = 1.0  # while the probe of another caller is under way


@dataclass(frozen=True)
class CircuitLimits:
    """After how many failures in a row a circuit opens, and for how many seconds: the first time, and at most."""

    failures: int = 3
    first_seconds: float = 5.0
    cap_seconds: float = 60.0


class PausedError(Exception):
    """No call is made now: the circuit is open. `retry_after` in seconds; `error` is the name of the last failure."""

    def __init__(self, circuit: Circuit, retry_after: float) -> None:
        super().__init__(circuit.name)
        self.error = circuit.error
        self.retry_after = retry_after


class Circuit:
    """The circuit of a host, or of a tenant at a host. `error`: the name of the failure that opened it."""

    def __init__(self, name: str, clock: Clock, limits: CircuitLimits, changed: Listener) -> None:
        self.name = name
        self.error = ""
        self._clock = clock
        self._limits = limits
        self._changed = changed
        self._failures = 0  # in a row
        self._answers = False  # whether the last call had an answer
        self._is_overdue = False
        self._retry_at = 0.0
        self._pause = 0.0
        self._probe: object | None = None

    @property
    def state(self) -> State:
        if not self._pause:
            return "Closed"
        return "HalfOpen" if self._probe is not None or self._clock.monotonic() >= self._retry_at else "Open"

    @property
    def is_proven(self) -> bool:
        """Whether the last call had an answer: several calls at once are worth it."""
        return self._answers

    @property
    def is_silent(self) -> bool:
        """Whether the last call had no answer."""
        return self._failures > 0

    @property
    def is_overdue(self) -> bool:
        """Whether a call has waited for long, and none was answered since."""
        return self._is_overdue

    @property
    def seconds_until_call(self) -> float:
        """Seconds until a call may be made; 0: now."""
        if not self._pause:
            return 0.0
        if self._probe is not None:
            return _ASK_AGAIN_SECONDS
        return max(0.0, self._retry_at - self._clock.monotonic())

    def begin(self, call: object) -> None:
        """This call is made now. It is the probe if the circuit is not closed."""
        if self._pause:
            self._probe = call

    def succeeded(self) -> None:
        is_news = not self._answers or self._is_overdue or bool(self._pause)
        self._failures, self._answers, self._pause, self._probe, self.error = 0, True, 0.0, None, ""
        self._is_overdue = False
        if is_news:
            self._changed(self)

    def failed(self, call: object, error: str) -> None:
        is_first = not self.is_silent
        self._answers = False
        self._failures += 1
        is_probe = self._probe is call
        if is_probe:
            self._probe = None
        if is_probe or (not self._pause and self._failures >= self._limits.failures):
            limits = self._limits
            self._pause = min(limits.cap_seconds, self._pause * 2 if self._pause else limits.first_seconds)
            self._retry_at = self._clock.monotonic() + self._pause
            self.error = self.error or error
            self._changed(self)
        elif is_first:
            self._changed(self)

    def overdue(self) -> None:
        """A call has waited for its answer for long. It has not failed yet."""
        self._is_overdue = True
        self._changed(self)

    def abandoned(self, call: object) -> None:
        """The call ended without a result. The next call may be the probe."""
        if self._probe is call:
            self._probe = None
            self._changed(self)


class Call:
    """One call under way. Without `answered` or `failed`, it says nothing about host and tenant."""

    def __init__(self, host: Circuit, tenant: Circuit) -> None:
        self._host = host
        self._tenant = tenant
        self._is_settled = False
        host.begin(self)
        tenant.begin(self)

    def answered(self) -> None:
        self._is_settled = True
        self._host.succeeded()
        self._tenant.succeeded()

    def not_connected(self, error: str) -> None:
        """No connection to the host was made."""
        self._is_settled = True
        self._host.failed(self, error)
        self._tenant.abandoned(self)

    def not_answered(self, error: str) -> None:
        """The host took the request of the tenant, and the answer did not come in time."""
        self._is_settled = True
        self._host.succeeded()
        self._tenant.failed(self, error)

    def close(self, seconds: float) -> None:
        if self._is_settled:
            return
        if seconds >= _GIVEN_UP_SECONDS:
            self._host.abandoned(self)
            self._tenant.failed(self, "Timeout")
        else:
            self._host.abandoned(self)
            self._tenant.abandoned(self)


class Endpoint:
    """One tenant at one host."""

    def __init__(self, host: Circuit, tenant: Circuit, clock: Clock) -> None:
        self.host = host
        self.tenant = tenant
        self._clock = clock

    def paused(self) -> PausedError | None:
        """Why no call may be made now; None if one may."""
        for circuit in (self.host, self.tenant):
            if seconds := circuit.seconds_until_call:
                return PausedError(circuit, seconds)
        return None

    @contextmanager
    def call(self) -> Iterator[Call]:
        """One call. Raises PausedError before it begins."""
        if paused := self.paused():
            raise paused
        call, began = Call(self.host, self.tenant), self._clock.monotonic()
        try:
            yield call
        finally:
            call.close(self._clock.monotonic() - began)


class Circuits:
    """The circuits of all hosts and tenants. Those not used for longest are forgotten first."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK, limits: CircuitLimits | None = None) -> None:
        self._clock = clock
        self._limits = limits or CircuitLimits()
        self._circuits: LruCache[str, Circuit] = LruCache(_MAX_CIRCUITS)
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Call this whenever a circuit opens or closes, gets its first answer or failure, or is free for a probe."""
        self._listeners.append(listener)

    def endpoint(self, url: str, tenant: str) -> Endpoint:
        """The endpoint of a tenant, or a client, at the host of a URL."""
        try:
            parts = urlsplit(url)
            host = f"{parts.scheme}://{parts.netloc}".lower()
        except ValueError:
            host = url  # no request can be sent to it
        return Endpoint(self.circuit(host), self.circuit(f"{host}/{tenant}"), self._clock)

    def count(self, state: State) -> int:
        """How many circuits are in this state."""
        return sum(self._circuits.peek(name).state == state for name in self._circuits)

    def circuit(self, name: str) -> Circuit:
        """The circuit with this name. Those of endpoints begin with a scheme."""
        return self._circuits.get_or_make(name, lambda: Circuit(name, self._clock, self._limits, self._notify))

    def _notify(self, circuit: Circuit) -> None:
        for listener in self._listeners:
            listener(circuit)
