"""The network between the operator and the service: requests have their effect even when nobody is left to hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from .clock import Clock

Handler = Callable[[httpx.Request], httpx.Response]
LATENCY = 0.02  # seconds each way
NEVER = 1e9

SERVICE_FAULTS = (
    "refused",
    "reset-before",
    "reset-after",
    "500-before",
    "500-after",
    "503-html",
    "timeout-before",
    "timeout-after",
    "late-effect",
    "401",
    "429",
    "502-after",
)


@dataclass(frozen=True)
class Strike:
    """A fault for one request: the one of this number, counted over the whole life of the job."""

    request: int
    kind: str


class Wire(httpx.AsyncBaseTransport):
    """Carries requests to the handler. The effect is the world's business once a request has left."""

    def __init__(self, clock: Clock, handle: Handler) -> None:
        self._clock = clock
        self._handle = handle
        self.strikes: dict[int, str] = {}
        self.strikes_of_submissions: list[str] = []  # for the next submissions, in this order
        self.log: list[str] = []
        self.sent: list[str] = []  # what has left the process

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        number = len(self.log)
        self.log.append(f"{request.method} {request.url.path}")
        await request.aread()
        await asyncio.sleep(0)  # a process may die before anything has left it
        if trace := request.extensions.get("trace"):
            await trace("http11.send_request_headers.started", {})  # as httpcore does
        self.sent.append(self.log[number])
        kind = self.strikes.get(number)
        if self.strikes_of_submissions and "/export/" in self.log[number]:
            kind = self.strikes_of_submissions.pop(0)
        if kind == "refused":
            raise httpx.ConnectError("refused", request=request)
        arrives = LATENCY + (30.0 if kind == "late-effect" else 0.0)
        effective = kind not in ("reset-before", "500-before", "503-html", "timeout-before", "401", "429")
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[httpx.Response] = loop.create_future()

        def arrive() -> None:
            response = self._handle(request) if effective else None
            if not getattr(loop, "dead", False) and not answered.done():
                answered.set_result(_answer(kind, response, request))

        if kind == "late-effect":
            self._clock.after(arrives, arrive)
            raise httpx.ReadTimeout("no answer yet", request=request)
        self._clock.after(arrives, arrive)
        response = await answered
        await asyncio.sleep(LATENCY)
        if kind in ("reset-before", "reset-after"):
            raise httpx.RemoteProtocolError("reset", request=request)
        if kind in ("timeout-before", "timeout-after"):
            await asyncio.sleep(45)
            raise httpx.ReadTimeout("no answer", request=request)
        return response


def _answer(kind: str | None, response: httpx.Response | None, request: httpx.Request) -> httpx.Response:
    if kind in ("500-before", "500-after"):
        return httpx.Response(500, json={"errorMessage": "internal", "errorCode": 1}, request=request)
    if kind == "503-html":
        return httpx.Response(503, html="<html><h1>Service Unavailable</h1></html>", request=request)
    if kind == "502-after":
        return httpx.Response(502, html="<html>Bad Gateway</html>", request=request)
    if kind == "401":
        return httpx.Response(401, json={"error": "invalid_token"}, request=request)
    if kind == "429":
        return httpx.Response(429, headers={"Retry-After": "3"}, request=request)
    if response is None:
        return httpx.Response(200, json={}, request=request)
    return response
