"""Reads the answers of the API server within limits, below the clients, which would read them without any."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from ..runtime.answers import SLICE_BYTES, BeyondLimitsError, Body, JsonGuard, check_json
from ..runtime.bounds import Answer, answer_limits
from ..runtime.slices import Steps, in_turns

_log = logging.getLogger(__name__)
_KIND = Answer.API_SERVER
_SMALLER = 10  # the divisor of a page that was too large
# What a session needs for the middleware: it decompresses in the middleware's place otherwise, without a limit.
# And a small buffer, as all that it holds is examined at once.
SESSION_OPTIONS: dict[str, Any] = {"auto_decompress": False, "read_bufsize": SLICE_BYTES}


class AnswerRefused(aiohttp.ClientPayloadError):
    """An answer of the API server is beyond the limits. The text is a sentence."""


async def limiting(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware of aiohttp that reads all of an answer, or each line of a watch. Raises AnswerRefused.

    A page of a list that is too large is asked for again with fewer objects. An error status is returned also when its
    body is beyond the limits: the body is then left out.
    """
    if is_watch(request):
        request.headers["Accept-Encoding"] = "identity"
        response = await handler(request)
        if response.status < 400:
            response.content = Lines(response.content)  # type: ignore[assignment]
            return response
        return await _read(response)
    request.headers["Accept-Encoding"] = "gzip"
    while True:
        try:
            return await _whole(request, handler)
        except AnswerRefused as refused:
            page = request.url.query.get("limit", "")
            if request.method != "GET" or not page.isdecimal() or int(page) <= 1:
                raise
            request.url = request.url.update_query(limit=max(1, int(page) // _SMALLER))
            _log.debug("%s Asking for a smaller page.", refused)


def is_watch(request: aiohttp.ClientRequest) -> bool:
    return request.method == "GET" and "watch" in request.url.query


async def _whole(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        async with asyncio.timeout(answer_limits(_KIND).seconds) as limit:
            return await _read(await handler(request))
    except TimeoutError:
        if not limit.expired():
            raise
        raise AnswerRefused(str(BeyondLimitsError.of_time(_KIND))) from None


async def _read(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    try:
        body = Body(_KIND, response.headers.get("Content-Encoding", ""), error=response.status >= 400)
        async for chunk in response.content.iter_chunked(SLICE_BYTES):
            if not body.add(chunk):
                break
    except BeyondLimitsError as error:
        response.close()
        raise AnswerRefused(str(error)) from None
    except zlib.error:
        response.close()
        raise aiohttp.ClientPayloadError("The answer of the API server cannot be decompressed.") from None
    except BaseException:
        response.close()
        raise
    response.content = _Read(response.content, body.content())  # type: ignore[assignment]
    if body.is_cut:
        response.close()
    else:
        response.release()
    return response


async def replace_body(response: aiohttp.ClientResponse, change: Callable[[bytes], Steps[bytes]]) -> None:
    """Put what `change` makes of the body in its place. Raises AnswerRefused where it raises ValueError."""
    try:
        body = await in_turns(change(await response.content.read()))
    except ValueError as error:
        raise AnswerRefused(f"The answer of {_KIND.value} is not understood: {error}.") from None
    response.content = _Read(response.content, body)  # type: ignore[assignment]


async def check_discovery(response: aiohttp.ClientResponse) -> None:
    """Refuse what takes long to parse at once, as kopf does. Raises AnswerRefused."""
    body = await response.content.read()
    kind = Answer.DISCOVERY
    try:
        if len(body) > answer_limits(kind).decoded_bytes:
            raise BeyondLimitsError.of_size(kind)
        check_json(kind, body)
    except BeyondLimitsError as error:
        raise AnswerRefused(str(error)) from None
    response.content = _Read(response.content, body)  # type: ignore[assignment]


class _Content:
    """The content of a response, of which some is replaced."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)


class _Read(_Content):
    """Content that has been read."""

    def __init__(self, content: aiohttp.StreamReader, body: bytes) -> None:
        super().__init__(content)
        self._read_body = body

    async def read(self, size: int = -1) -> bytes:
        """All of it, in one piece."""
        body, self._read_body = self._read_body, b""
        return body


class Lines(_Content):
    """The content of a watch in whole lines. A line that is beyond the limits is left out, with a warning.

    The object of such a line is reconciled at the next resync, or not at all; those of other lines are.
    """

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Each line with its end."""
        line, guard = bytearray(), JsonGuard(_KIND)
        refused: BeyondLimitsError | None = None
        async for chunk in self._content.iter_chunked(min(size, SLICE_BYTES)):
            for part in _lines(chunk):
                if refused is None:
                    try:
                        if len(line) + len(part) > answer_limits(_KIND).decoded_bytes:
                            raise BeyondLimitsError(_KIND, "to a watch has a line that is too large")
                        guard.add(part)
                        line += part
                    except BeyondLimitsError as error:
                        refused = error
                        line.clear()
                        _log.warning("%s The event is left out.", error, extra={"reason": "AnswerBeyondLimits"})
                if part.endswith(b"\n"):
                    if refused is None:
                        yield bytes(line)
                    line.clear()
                    guard, refused = JsonGuard(_KIND), None


def _lines(chunk: bytes) -> list[bytes]:
    parts = chunk.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
