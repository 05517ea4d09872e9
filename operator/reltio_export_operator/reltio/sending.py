"""Sends a request through the circuits of its host and tenant, and turns what fails into a ReltioError."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

from ..api.foreign import own
from ..runtime.circuits import Call, Endpoint, PausedError
from .answers import AnswerBeyondLimits
from .errors import CallsPaused, error_from_transport

_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_NO_ANSWER = (httpx.ReadTimeout, httpx.WriteTimeout)


async def send(
    endpoint: Endpoint, request: Callable[[], Awaitable[httpx.Response]], *, mutating: bool = False
) -> httpx.Response:
    """The response, whatever its status is. Raises ReltioError.

    `mutating`: as in `error_from_transport`. CallsPaused is raised before anything is sent.
    """
    try:
        with endpoint.call() as call:
            try:
                response = await request()
            except httpx.TransportError as error:
                _settle(call, error)
                raise
            call.answered()
            return response
    except PausedError as paused:
        raise paused_error(paused) from None
    except (httpx.RequestError, httpx.InvalidURL, UnicodeError) as error:
        raise error_from_transport(error, mutating=mutating) from None


def paused_error(paused: PausedError) -> CallsPaused:
    """CallsPaused with the host alone: the rest of the circuit's name may be the ID of a client."""
    host = str(paused).partition("://")[2].partition("/")[0]
    return CallsPaused(host=host, error=own(paused.error), retry_after=paused.retry_after)


def _settle(call: Call, error: httpx.TransportError) -> None:
    """What the failure shows of host and tenant: nothing, where it came at once on a connection that was made."""
    name = type(error).__name__
    if isinstance(error, _NO_CONNECTION):
        call.not_connected(name)
    elif isinstance(error, _NO_ANSWER) or (isinstance(error, AnswerBeyondLimits) and error.is_late):
        call.not_answered(name)
