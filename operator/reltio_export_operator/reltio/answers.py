"""Reads the answers of Reltio within limits, below httpx, which would read and decompress them without any."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable

import httpx

from ..runtime.answers import BeyondLimitsError, Body
from ..runtime.bounds import Answer, answer_limits

ANSWER = "answer"  # the extension of a request that says which kind of answer is expected
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")  # headers that no longer hold


class AnswerBeyondLimits(httpx.TransportError):
    """The answer was not read to its end."""

    def __init__(self, error: BeyondLimitsError) -> None:
        super().__init__(str(error))
        self.limit = error.limit
        self.is_late = error.is_late


async def answer_within_limits(
    send: Callable[[httpx.Request], Awaitable[httpx.Response]], request: httpx.Request
) -> httpx.Response:
    """Send the request and read all of its answer. Raises AnswerBeyondLimits, and what `send` raises.

    An error status is returned also when its body is beyond the limits: the body is then cut.
    """
    kind = request.extensions.get(ANSWER, Answer.RELTIO)
    response: httpx.Response | None = None
    content = b""
    try:
        async with asyncio.timeout(answer_limits(kind).seconds):
            response = await send(request)
            try:
                content = await _content(kind, response)
            finally:
                await response.aclose()
    except TimeoutError:
        if response is None or response.is_success:
            raise AnswerBeyondLimits(BeyondLimitsError.of_time(kind)) from None
    except BeyondLimitsError as error:
        raise AnswerBeyondLimits(error) from None
    except zlib.error:
        raise httpx.DecodingError("it cannot be decompressed") from None
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in _OF_THE_WIRE]
    return httpx.Response(
        response.status_code, headers=headers, stream=httpx.ByteStream(content), extensions=response.extensions
    )


async def _content(kind: Answer, response: httpx.Response) -> bytes:
    body = Body(kind, response.headers.get("content-encoding", ""), error=not response.is_success)
    async for chunk in response.aiter_raw():
        if not body.add(chunk):
            break
    return body.content()
