"""Where a call of AWS goes, and whether that place answers: each service in each region has a circuit breaker.

The place of a request is known where it is sent, and not before: S3 redirects to the region of the bucket, and the
credentials of the operator may come from STS. So results are noted in `aws/transport.py` and applied on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore import exceptions as boto

from ..runtime.circuits import Circuit, Circuits
from ..runtime.slots import State

T = TypeVar("T")

_OVERDUE_SECONDS = 2.0  # after which a call that has no answer does not count at the expense of other places
_MOST_OPEN = 1_000  # places that are known to be paused: AWS has some dozens, but a target may name any region
_ASKED_BY_EACH_VERIFICATION = ("s3", "sts")
_NO_ANSWER = (
    boto.ConnectTimeoutError,
    boto.ReadTimeoutError,
    boto.EndpointConnectionError,
    boto.ConnectionClosedError,
    boto.ProxyConnectionError,
)


class CallsPausedError(boto.BotoCoreError):
    """Nothing was sent: the last calls to this place had no connection, or no answer. botocore does not repeat it."""

    fmt = "calls to {place} are paused ({error})"


@dataclass(frozen=True)
class Place:
    """A service, such as `s3`, in a region. IAM has no region."""

    service: str
    region: str

    @classmethod
    def of(cls, service: str, region: str | None) -> Place:
        return cls(service, "" if service == "iam" else region or "")

    def __str__(self) -> str:
        """As people read it: `S3 in eu-west-1`."""
        return f"{self.service.upper()} in {self.region}" if self.region else self.service.upper()


class Places:
    """Which places answer. Not thread-safe, but for `paused`."""

    def __init__(self, circuits: Circuits) -> None:
        self._circuits = circuits
        self._open: dict[str, Circuit] = {}
        self._listeners: list[Callable[[], None]] = []
        circuits.subscribe(self._on_change)

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call this whenever the state of a place may have changed."""
        self._listeners.append(listener)

    def circuit(self, place: Place) -> Circuit:
        return self._circuits.circuit(str(place))

    def state(self, place: Place) -> State:
        circuit = self.circuit(place)
        if circuit.is_silent:
            return "Silent"
        if circuit.is_proven:
            return "Overdue" if circuit.is_overdue else "Answers"
        return "Silent" if circuit.is_overdue else "New"

    def state_of_region(self, region: str) -> State:
        """The worse one of the services that a verification and a delivery need."""
        states = {self.state(Place(service, region)) for service in _ASKED_BY_EACH_VERIFICATION}
        if "Silent" in states:
            return "Silent"
        return "Overdue" if "Overdue" in states else "Answers"

    def paused(self, place: Place) -> CallsPausedError | None:
        """Why this place is not called now; None if it may be. May be called in any thread."""
        circuit = self._open.get(str(place))
        if circuit is None or not circuit.seconds_until_call:
            return None
        return CallsPausedError(place=str(place), error=circuit.error)

    def _on_change(self, circuit: Circuit) -> None:
        if circuit.state == "Closed":
            self._open.pop(circuit.name, None)
        elif "://" not in circuit.name:
            self._open[circuit.name] = circuit
            while len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
        for listener in self._listeners:
            listener()


class Requests:
    """The requests of one call, which a thread makes. Made on the event loop."""

    def __init__(self, places: Places, place: Place) -> None:
        self._places = places
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._has_sent = self._has_failed = False
        self._timer: asyncio.TimerHandle | None = None
        self._circuit = circuit = places.circuit(place)
        self._is_probe = circuit.state != "Closed"
        circuit.begin(self)

    def made_by(self, call: Callable[[], T]) -> T:
        """Make the call, in this thread."""
        _THREAD.requests = self
        try:
            return call()
        finally:
            _THREAD.requests = None

    def ended(self) -> None:
        """The call has ended, or was never made."""
        self._cancel_timer()
        self._circuit.abandoned(self)

    @contextlib.contextmanager
    def sending(self, place: Place) -> Iterator[None]:
        """One request, in the thread. The first one to the place of the call was allowed. A probe is not repeated."""
        if place != self._place or self._has_sent:
            if paused := self._places.paused(place):
                raise paused
            if self._is_probe and self._has_failed:
                raise CallsPausedError(place=str(place), error=self._circuit.error)
        self._has_sent = self._has_sent or place == self._place
        self._on_loop(self._begun, place)
        try:
            yield
        except _NO_ANSWER as error:
            self._has_failed = True
            self._on_loop(self._failed, place, type(error).__name__)
            raise
        except BaseException:
            self._on_loop(self._cancel_timer)
            raise
        self._on_loop(self._answered, place)

    def _on_loop(self, call: Callable[..., object], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(call, *args)

    def _begun(self, place: Place) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(_OVERDUE_SECONDS, self._places.circuit(place).overdue)

    def _answered(self, place: Place) -> None:
        self._cancel_timer()
        self._places.circuit(place).succeeded()

    def _failed(self, place: Place, error: str) -> None:
        self._cancel_timer()
        self._places.circuit(place).failed(self, error)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Thread(threading.local):
    requests: Requests | None = None


_THREAD = _Thread()


def sending(place: Place) -> contextlib.AbstractContextManager[None]:
    """One request to this place. Raises CallsPausedError when no call may be made to it; notes the result otherwise."""
    return contextlib.nullcontext() if _THREAD.requests is None else _THREAD.requests.sending(place)
