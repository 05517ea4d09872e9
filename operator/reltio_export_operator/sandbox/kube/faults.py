"""Faults that a test asks for, one request at a time, and the log of requests served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum


@dataclass(slots=True)
class RequestInfo:
    """One request, as matchers and the log see it. `verb` is one of get, list, watch, create, update, patch, delete,
    deletecollection, or empty for what is not an object; `status` is 0 until answered, and stays 0 when the answer was
    withheld."""

    method: str
    path: str
    query: Mapping[str, str]
    user_agent: str
    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    status: int = 0


Match = Callable[[RequestInfo], bool]


class Drop(Enum):
    """Cut the connection of the request: before it takes effect, or after, so that only the answer is lost."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer with a failure instead of serving the request; 409 becomes a Conflict, 410 is Expired."""

    status: int
    message: str = "injected by a test"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the request waiting, before it takes effect, until `released` is set."""

    released: asyncio.Event = field(default_factory=asyncio.Event)


class OnServer(Enum):
    """Faults that hit more than the request that brings them on; the request itself is then served."""

    CUT_WATCHES = "cut watches"
    EXPIRE_HISTORY = "expire history"


Action = Drop | Respond | Hold | OnServer
CONFLICT = Respond(409, "the object has been modified; please apply your changes to the latest version and try again")


@dataclass(slots=True)
class Fault:
    """A fault in waiting: `hits` counts the requests that met it, `remaining` those still to come (None: no end)."""

    match: Match
    action: Action
    remaining: int | None
    hits: int = 0


class Faults:
    """The faults in waiting; the first that matches a request strikes it, and no other does."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, match: Match, action: Action, times: int | None = 1) -> Fault:
        """Strike the next `times` requests that match (None: all until `remove` or `clear`)."""
        fault = Fault(match, action, times)
        self._waiting.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Withdraw a fault; one that is spent already is no error."""
        if fault in self._waiting:
            self._waiting.remove(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, request: RequestInfo) -> Action | None:
        """The action that strikes a request, counted off."""
        for fault in self._waiting:
            if not fault.match(request):
                continue
            fault.hits += 1
            if fault.remaining is not None:
                fault.remaining -= 1
                if fault.remaining <= 0:
                    self._waiting.remove(fault)
            return fault.action
        return None


class RequestLog:
    """The latest requests, oldest first, and how many there were in all."""

    def __init__(self, keep: int = 20_000) -> None:
        self._kept: deque[RequestInfo] = deque(maxlen=keep)
        self.total = 0

    def record(self, request: RequestInfo) -> None:
        self._kept.append(request)
        self.total += 1

    def matching(self, match: Match) -> list[RequestInfo]:
        return [request for request in self._kept if match(request)]

    def writes(self) -> list[RequestInfo]:
        """Requests that change objects."""
        return self.matching(lambda request: request.method in ("POST", "PUT", "PATCH", "DELETE"))

    def clear(self) -> None:
        self._kept.clear()
        self.total = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)
