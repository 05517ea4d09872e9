"""A request and its answer, free of any server: the same handlers serve sockets and tests in the same process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Call:
    """One request. Names of headers are in lower case, as proxies and HTTP/2 make them."""

    method: str
    path: str  # percent-decoded
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(errors="replace")))


@dataclass(frozen=True)
class Answer:
    """One answer. A mapping or a list is sent as JSON, a string as an HTML page."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        return "text/html" if isinstance(self.body, str) else "application/json"

    @property
    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Disruption:
    """What the caller meets instead of an answer.

    `refuse` and `close` end the connection without a byte; `hang` keeps it open without a byte for `seconds`, and
    ends it then.
    """

    kind: str
    seconds: float = 0.0


Outcome = Answer | Disruption
