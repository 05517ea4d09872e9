"""What a failed call to the API server says, in one line and without headers."""

from __future__ import annotations

import json

from kubernetes.aio.client.exceptions import ApiException

_LIMIT = 300


def explain(error: BaseException) -> str:
    """The reason as part of a sentence, such as `HTTP 403 Forbidden: leases is forbidden`."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if not isinstance(error, ApiException):
        return f"{type(error).__name__}: {error}".rstrip(": .")[:_LIMIT]
    return explain_status(error.status, error.reason, error.body)


def explain_status(status: int | None, reason: str | None, body: str | None) -> str:
    """The same of an answer with a failure status; its body is a `Status` object, or is left out."""
    text = f"HTTP {status} {reason or ''}".strip()
    try:
        message = str(json.loads(body or "")["message"])
    except (TypeError, ValueError, KeyError):
        return text
    return f"{text}: {message}".rstrip(": .")[:_LIMIT]
