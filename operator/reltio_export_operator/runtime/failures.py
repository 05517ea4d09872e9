"""What a failed call to the API server says, in one line and without its headers."""

from __future__ import annotations

import os
import socket
import ssl
import traceback
from collections.abc import Iterator

from ..api.foreign import KNOWN, Quoted, Secrets, quote
from .answers import parse_json

_LIMIT = 300  # characters of one explanation
_TEXT_LIMIT = 1024  # characters of an exception in a traceback
_DEPTH = 8  # exceptions of one chain, and exceptions of one group
_API_ERROR = ("status", "reason", "body", "headers")  # attributes of an ApiException, whichever client raised it


def is_api_error(error: object) -> bool:
    """Whether this is an ApiException, whose own text shows headers and body of the response."""
    return isinstance(error, Exception) and all(hasattr(error, name) for name in _API_ERROR)


def is_outage(error: BaseException) -> bool:
    """Whether a service refused the call or did not answer: where in the code that was is of no interest."""
    return is_api_error(error) or isinstance(error, OSError | TimeoutError)


def explain(error: BaseException, secrets: Secrets | None = None) -> Quoted:
    """The reason as part of a sentence, such as `HTTP 403 Forbidden: leases is forbidden`.

    `secrets`: what the text may repeat; by default everything that this process knows.
    """
    return quote(_explain(error), KNOWN.all() if secrets is None else secrets, limit=_LIMIT)


def _explain(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if is_api_error(error):
        return explain_status(*(getattr(error, name) for name in ("status", "reason", "body")))
    if isinstance(cause := getattr(error, "os_error", None), OSError):  # of a connection that aiohttp cannot make
        return f"cannot connect to {getattr(error, 'host', '')}:{getattr(error, 'port', '')} ({_cause(cause)})"
    return f"{type(error).__name__}: {error}".rstrip(": .")


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return str(error.strerror or error).rstrip(".")
    return os.strerror(error.errno)


def explain_status(status: int | None, reason: str | None, body: str | bytes | None) -> str:
    """The same of a response with a failure status; its body is a `Status` object, or is left out."""
    text = f"HTTP {status} {reason or ''}".strip()
    try:
        message = str(parse_json(body)["message"])
    except (TypeError, ValueError, KeyError):
        return text
    return f"{text}: {message}".rstrip(": .")


def traceback_of(error: BaseException, secrets: Secrets | None = None) -> str:
    """The traceback as Python prints it, with responses of the API server explained instead of printed.

    `secrets`: as for `explain`. The text of each exception is bounded, and on one line.
    """
    return "".join(_lines(error, _DEPTH, KNOWN.all() if secrets is None else secrets)).rstrip()


def _lines(error: BaseException, depth: int, secrets: Secrets) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and depth:
        yield from _lines(before, depth - 1, secrets)
        yield "\nwhich led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    if is_api_error(error):
        yield f"{type(error).__name__}: {explain(error, secrets)}\n"
    else:
        name = type(error)
        text = quote(error, secrets, limit=_TEXT_LIMIT)
        yield f"{name.__module__}.{name.__qualname__}: ".removeprefix("builtins.") + f"{text}\n"
    if isinstance(error, BaseExceptionGroup) and depth:
        for inner in error.exceptions[:_DEPTH]:
            yield "\none of the group:\n\n"
            yield from _lines(inner, depth - 1, secrets)
