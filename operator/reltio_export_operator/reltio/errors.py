"""The service's refusals as typed errors, each with a remedy.

Codes, symbols and message families are those of the Export Service documentation and Reltio's OpenAPI texts.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import httpx

from .transport import PROXY

_BUSY = re.compile(r"Task '([^']+)' is already exporting data to this custom destination")
_PARAMETER = re.compile(r"Invalid export parameter: (.+?)\. Reason: (.+)", re.DOTALL)
_TASK_LIMIT = "PERIODIC_TASKS_PER_TENANT_LIMIT_EXCEEDED"
_TOKEN_ECHO = re.compile(r"(?<=Token is invalid)(:?)\s*\S+|\bBearer\s+\S+", re.IGNORECASE)
# Said of one call only: a text with it would differ at each try.
_REQUEST_ID = re.compile(r"\s*[([]?\b(?:request|trace|correlation)[ _-]?id\b[:= ]*[\w-]+[)\].,;]*", re.IGNORECASE)
_STATUS = re.compile(r"[1-5]\d\d\b")
_TAGS = re.compile(r"<(script|style).*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)
_TEXTS = ("errorMessage", "errorDetailMessage", "error_description", "message", "error")
_SECRET_HEADERS = ("externalid", "authorization")
_DESTINATION = ("s3", "rolearn", "externalid", "awsaccesskey", "awssecretkey")
_LIMIT = 512
_PROXY_TIMEOUT = 408  # may be said by something on the way after the service has taken the request
_LONGEST_WAIT = 3600.0  # seconds; a Retry-After beyond an hour is no answer to wait for


class ReltioError(Exception):
    """A call that did not succeed.

    `reason` is CamelCase and stable. `transient`: the same call may succeed later. `ambiguous`: the call may have had
    its effect although it failed.
    """

    reason: ClassVar[str] = "ReltioError"
    remedy: str = "See the message of the service."
    transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        retry_after: float | None = None,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(f"{message} {self.remedy}")
        self.message = message
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.ambiguous = ambiguous


class CredentialsRejected(ReltioError):
    reason = "CredentialsRejected"
    remedy = "Correct client id and secret in the Secret that spec.reltio.credentialsSecretRef names."


class TokenRejected(ReltioError):
    reason = "TokenRejected"
    remedy = "Check that the client may use this environment (spec.reltio.environment, spec.reltio.authURL)."


class AccessDenied(ReltioError):
    reason = "AccessDenied"
    remedy = "Give the client a role with export rights (such as ROLE_API) on the tenant in spec.reltio.tenant."


class ObjectNotFound(ReltioError):
    reason = "NotFound"
    remedy = "Check spec.reltio.tenant and spec.reltio.exportServiceURL."


class BadRequest(ReltioError):
    reason = "BadRequest"
    remedy = "Correct spec.export in a new ExportJob."


class InvalidParameter(BadRequest):
    """The service names the parameter that it refuses, and why."""

    reason = "InvalidParameter"

    def __init__(self, message: str, **more: Any) -> None:
        found = _PARAMETER.search(message)
        self.parameter = found.group(1) if found else None
        if self.parameter and self.parameter.lower().startswith(_DESTINATION):
            self.remedy = "Correct spec.s3 of the ExportTarget or spec.path in a new ExportJob."
        super().__init__(message, **more)


class DestinationBusy(ReltioError):
    """Another task is active on the same bucket and path; `task_id` names it."""

    reason = "DestinationBusy"
    remedy = "Wait for that task to end."
    transient = True
    task_id: str = ""


class PayloadTooLarge(BadRequest):
    reason = "PayloadTooLarge"
    remedy = "Shorten spec.export.filter or the lists in spec.export; the service takes 50 MB."


class RateLimited(ReltioError):
    reason = "RateLimited"
    remedy = "None needed: the call is repeated later."
    transient = True


class TaskLimitExceeded(ReltioError):
    reason = "TenantTaskLimit"
    remedy = "Wait for other background tasks of the tenant to end, or ask Reltio to raise the limit."
    transient = True


class SubmissionWithheld(ReltioError):
    """Nothing was sent: the process is to end, or is no longer the leader."""

    reason = "NotSent"
    remedy = "No action is needed: the leader submits it."


class StorageMissing(ReltioError):
    reason = "ServiceStorageMissing"
    remedy = "Ask Reltio Support: the bucket in which the service keeps intermediate data does not exist."


class ServerError(ReltioError):
    reason = "ServerError"
    remedy = "If it lasts, ask Reltio Support with the time and the tenant."
    transient = True


class ServiceUnavailable(ServerError):
    reason = "ServiceUnavailable"


class Unreachable(ReltioError):
    """No connection was made, so nothing was sent."""

    reason = "Unreachable"
    remedy = "Check spec.reltio.environment or exportServiceURL, spec.reltio.authURL, and the network."
    transient = True


class UnusableURL(ReltioError):
    """Nothing can be sent to what is configured as a URL."""

    reason = "InvalidURL"
    remedy = "Correct spec.reltio.environment, exportServiceURL or authURL."


class AnswerLost(ReltioError):
    """The request was sent, or part of it, and no whole answer came."""

    reason = "AnswerLost"
    remedy = "None needed: the call is repeated, or the service is asked whether it took effect."
    transient = True


class UnexpectedAnswer(ReltioError):
    reason = "UnexpectedAnswer"
    remedy = "Check that spec.reltio.exportServiceURL and authURL are Reltio's services and no portal or proxy page."
    transient = True


def error_from_response(response: httpx.Response, *, effectful: bool = False) -> ReltioError:
    """The error that an unsuccessful response stands for. `effectful`: the request was to change something."""
    body = _json(response)
    code = body.get("errorCode") if isinstance(body.get("errorCode"), int) else None
    text = _message(response, body)
    more: dict[str, Any] = {
        "status": response.status_code,
        "code": code,
        "retry_after": retry_after(response.headers),
        "ambiguous": effectful and (response.status_code >= 500 or response.status_code == _PROXY_TIMEOUT),
    }
    if _TASK_LIMIT in response.text:
        return TaskLimitExceeded(text, **{**more, "ambiguous": False})
    if busy := _BUSY.search(" ".join(str(body.get(key)) for key in _TEXTS)):
        error = DestinationBusy(text, **more)
        error.task_id = busy.group(1)
        return error
    if code in (1102, 1112, 1122):
        return StorageMissing(text, **{**more, "ambiguous": False})
    return _by_status(response.status_code, code, text)(text, **more)


def _by_status(status: int, code: int | None, text: str) -> type[ReltioError]:
    if status == 400 and (code == 549 or _PARAMETER.search(text)):
        return InvalidParameter
    known: dict[int, type[ReltioError]] = {
        400: BadRequest,
        401: TokenRejected,
        403: AccessDenied,
        404: ObjectNotFound,
        413: PayloadTooLarge,
        429: RateLimited,
        502: ServiceUnavailable,
        503: ServiceUnavailable,
        504: ServiceUnavailable,
    }
    if status in known:
        return known[status]
    return ServerError if status >= 500 else UnexpectedAnswer


def error_from_transport(
    error: httpx.RequestError | httpx.InvalidURL | UnicodeError, *, effectful: bool = False
) -> ReltioError:
    """What a failure below HTTP stands for: certainly not sent, or of unknown effect."""
    if not isinstance(error, httpx.RequestError):
        return UnusableURL(f"The URL cannot be used: {error}.")
    kind = type(error).__name__
    if isinstance(error, httpx.ProxyError):  # the proxy refused to connect, so nothing was sent to the service
        answer = _STATUS.match(str(error))
        refusal = f"the proxy answered {answer[0]}" if answer else kind
        return Unreachable(f"No connection to {_host(error)} ({refusal}).")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
        return Unreachable(f"No connection to {_host(error)} ({kind}).")
    return AnswerLost(f"No whole answer from {_host(error)} ({kind}).", ambiguous=effectful)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as an HTTP date; an hour at most."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return min(float(value), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), _LONGEST_WAIT)


def _host(error: httpx.RequestError) -> str:
    try:
        request = error.request
    except RuntimeError:
        return "the service"
    proxy = request.extensions.get(PROXY)
    return f"{request.url.host} through the proxy {proxy}" if proxy else request.url.host


def _json(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, Mapping) else {}


def _message(response: httpx.Response, body: Mapping[str, Any]) -> str:
    text = next((str(body[key]) for key in _TEXTS if body.get(key)), "")
    if not text:
        text = " ".join(_TAGS.sub(" ", response.text[:4096]).split())
    for secret in _secrets(response):
        text = text.replace(secret, "***")
    text = _REQUEST_ID.sub("", _TOKEN_ECHO.sub(r"\1", text))[:_LIMIT].strip()
    if not text:
        return f"The service answered {response.status_code} without a message."
    return f"The service answered {response.status_code}: {text}"


def _secrets(response: httpx.Response) -> tuple[str, ...]:
    """What the request carried in confidence: a service or a proxy on the way may repeat it."""
    try:
        headers = response.request.headers
    except RuntimeError:  # a response without its request
        return ()
    values = [headers.get(name, "").split(" ")[-1] for name in _SECRET_HEADERS]
    basic = headers.get("authorization", "").partition("Basic ")[2]
    with contextlib.suppress(ValueError):
        values += base64.b64decode(basic).decode().split(":", 1)
    return tuple(value for value in values if value)
