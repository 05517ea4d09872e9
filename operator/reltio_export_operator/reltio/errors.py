"""Failed calls to Reltio as typed errors. Messages never hold tokens, client secrets or external IDs.

Sources of status codes, error codes and texts, and the date of the copy of Reltio's documentation that was read:
2026-07-10: https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/store-export-results
2026-05-15: https://docs.reltio.com/en/objectives/load-and-export-data/data-exporting-at-a-glance/data-exporting-operation/export-data-using-reltio-export-service/export-entities
2026-05-15: https://docs.reltio.com/en/reltio/whats-in-the-box/whats-in-the-box-at-a-glance/implementation-assistance-at-a-glance/implementation-assistance-operation/identify-performance-factors/quota-and-limits/api-request-limits
2023-12: the OpenAPI text of "Data Operation" in https://github.com/JoelSnipes/ReltioApiCollection
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Unpack

import httpx

from ..api.foreign import (
    KNOWN,
    MAX_FOREIGN,
    MAX_QUOTED,
    MIN_SECRET,
    NOTHING_SECRET,
    PROCESS,
    ForeignText,
    Quoted,
    Secrets,
    own,
    quote,
)
from ..api.reasons import Reason, Values
from ..runtime.answers import parse_json
from . import messages
from .answers import AnswerBeyondLimits
from .quoting import outline, quotable

_BUSY = re.compile(r"Task '([^' ]{1,256})' is already exporting data to this custom destination")
_PARAMETER = "Invalid export parameter: "
_REASON = ". Reason: "
# The documented symbol is PERIODIC_TASKS_PER_TENANT_LIMIT_EXCEEDED; others of its kind, and texts, are taken as it too.
_TASK_LIMIT = re.compile(
    r"\b(?=\w{0,80}TASKS?_)\w{0,80}_LIMIT_(?:EXCEEDED|REACHED)\b|\bTOO_MANY_(?:\w{1,40}_)?TASKS\b"
    r"|\btoo many (?:\w{1,40} ){0,3}tasks\b|\b(?:limit|maximum number) of (?:\w{1,40} ){0,3}tasks\b",
    re.IGNORECASE,
)
_STORAGE_MISSING = (1102, 1112, 1122)  # error codes for S3, GCS and Azure
_INVALID_PARAMETER = 549
_TOKEN_ECHO = re.compile(r"(?<=Token is invalid)(:?) ?[^ ]+|\bBearer [^ ]+", re.IGNORECASE)
# Differs from call to call, so that a condition with it would change each time.
_REQUEST_ID = re.compile(r" ?[([]?\b(?:request|trace|correlation)[ _-]?id\b[:= ]*[\w-]+[)\].,;]*", re.IGNORECASE)
_STATUS = re.compile(r"[1-5]\d\d\b")
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"  # of OpenSSL
_TEXT_KEYS = ("errorMessage", "errorDetailMessage", "error_description", "message", "error")
_SECRET_HEADERS = ("externalid", "authorization")
_DESTINATION_PARAMETERS = ("s3", "rolearn", "externalid", "awsaccesskey", "awssecretkey")
_SEARCHED_CHARACTERS = 16_384  # of a response, for the symbol of an error
PROXY = "proxy"  # the extension of a request that names the proxy it went through, without credentials
_PROXY_TIMEOUT = 408  # a proxy may return it although Reltio has taken the request
_MAX_RETRY_AFTER_SECONDS = 3600.0


class ReltioError(Exception):
    """A call to Reltio that failed, with an entry of `reltio/messages.py` and the values of its templates.

    `status`: the HTTP status. `code`: Reltio's errorCode. `retry_after`: in seconds. `transient`: the same call may
    succeed later. `ambiguous`: the call may have taken effect although it failed.
    """

    entry: ClassVar[Reason]
    transient: ClassVar[bool] = False

    def __init__(
        self,
        *,
        entry: Reason | None = None,
        status: int | None = None,
        code: int | None = None,
        retry_after: float | None = None,
        ambiguous: bool = False,
        **values: Unpack[Values],
    ) -> None:
        reason = entry or self.entry
        self.reason = reason.name
        self.message, self.remedy = reason.parts(**values)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        self.values = values
        self.text = own(f"{self.message} {self.remedy}")
        super().__init__(self.text)


class CredentialsRejected(ReltioError):
    entry = messages.CREDENTIALS_REJECTED


class TokenRejected(ReltioError):
    entry = messages.TOKEN_REJECTED


class AccessDenied(ReltioError):
    entry = messages.ACCESS_DENIED


class ObjectNotFound(ReltioError):
    entry = messages.NOT_FOUND


class BadRequest(ReltioError):
    entry = messages.BAD_REQUEST


class InvalidParameter(BadRequest):
    """A parameter was refused; `parameter` is its name, if Reltio returned it."""

    entry = messages.INVALID_PARAMETER
    parameter: str | None = None


class RequestTooLong(BadRequest):
    """The URL or the headers are longer than a server takes."""

    entry = messages.REQUEST_TOO_LONG
    entry_with_part: ClassVar[Reason] = messages.PART_TOO_LONG

    def with_longest(self, field: str, size: int) -> RequestTooLong:
        """The same error, naming the field that takes most of the request, and its bytes in it."""
        entry = self.entry_with_part
        values: Values = {**self.values, "field": field, "size": size}
        return type(self)(entry=entry, status=self.status, code=self.code, **values)


class PayloadTooLarge(RequestTooLong):
    entry = messages.PAYLOAD_TOO_LARGE
    entry_with_part = messages.PAYLOAD_PART_TOO_LARGE


class WrongService(ReltioError):
    """The server does not take such requests at all, so it is not the Export Service, or a proxy is in between."""

    entry = messages.UNEXPECTED_ANSWER


class DestinationBusy(ReltioError):
    """Another task is active on the same bucket and path; `task_id` is its id."""

    entry = messages.DESTINATION_BUSY
    transient = True
    task_id: str = ""


class RateLimited(ReltioError):
    entry = messages.RATE_LIMITED
    transient = True


class TaskLimitExceeded(ReltioError):
    entry = messages.TENANT_TASK_LIMIT
    transient = True


class SubmissionWithheld(ReltioError):
    """Nothing was sent: the process is shutting down, or does not hold the Lease any more."""

    entry = messages.NOT_SENT


class StorageMissing(ReltioError):
    entry = messages.STORAGE_MISSING


class ServerError(ReltioError):
    entry = messages.SERVER_ERROR
    transient = True


class ServiceUnavailable(ServerError):
    entry = messages.SERVICE_UNAVAILABLE


class Unreachable(ReltioError):
    """No connection was made, so nothing was sent."""

    entry = messages.UNREACHABLE
    transient = True


class CallsPaused(Unreachable):
    """Nothing was sent: the last calls had no connection, or no answer."""

    entry = messages.CALLS_PAUSED


class UnusableURL(ReltioError):
    """No request can be sent to the configured URL."""

    entry = messages.INVALID_URL


class HostNotAllowed(UnusableURL):
    """The settings do not allow a request to this host. Nothing was sent."""

    entry = messages.HOST_NOT_ALLOWED


class AnswerLost(ReltioError):
    """The request was sent, at least in part, and there was no complete answer."""

    entry = messages.ANSWER_LOST
    transient = True


class SearchIncomplete(ReltioError):
    """A list of tasks did not end within the bound on pages, so a task that was not found may exist."""

    entry = messages.SEARCH_INCOMPLETE


class AnswerRefused(ReltioError):
    """The answer is beyond the limits of runtime/bounds.py, so it was not read."""

    entry = messages.ANSWER_BEYOND_LIMITS
    transient = True


class AnswerTooLarge(AnswerRefused):
    """A request for less may succeed."""


class UnexpectedAnswer(ReltioError):
    entry = messages.UNEXPECTED_ANSWER
    transient = True


_BY_STATUS: dict[int, type[ReltioError]] = {
    400: BadRequest,
    401: TokenRejected,
    403: AccessDenied,
    404: ObjectNotFound,
    413: PayloadTooLarge,
    414: RequestTooLong,
    422: BadRequest,
    429: RateLimited,
    431: RequestTooLong,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
}


_WRONG_SERVICE = (405, 411, 415)


def error_from_response(
    response: httpx.Response, secrets: Secrets = NOTHING_SECRET, *, mutating: bool = False
) -> ReltioError:
    """The error of an unsuccessful response. `mutating`: the request changes something in Reltio.

    `secrets`: what the answer may repeat, besides the secrets of the request itself.
    """
    body = _json(response)
    status, code = response.status_code, body.get("errorCode") if isinstance(body.get("errorCode"), int) else None
    answer = answer_of(response, secrets)
    values: dict[str, Any] = {"status": status, "code": code, "retry_after": retry_after(response.headers)}
    ambiguous = mutating and (status >= 500 or status == _PROXY_TIMEOUT)
    if status != 401 and _TASK_LIMIT.search(response.text[:_SEARCHED_CHARACTERS]):
        return TaskLimitExceeded(answer=answer, **values)
    if busy := _BUSY.search(" ".join(str(body.get(key))[:MAX_FOREIGN] for key in _TEXT_KEYS)):
        error = DestinationBusy(answer=answer, ambiguous=ambiguous, **values)
        error.task_id = busy[1]
        return error
    if code in _STORAGE_MISSING:
        return StorageMissing(answer=answer, **values)
    # Decided by what Reltio said, because the answer may not quote it.
    parameter = _refused_parameter(" ".join(str(body.get(key))[:MAX_FOREIGN] for key in _TEXT_KEYS))
    if status == 400 and (code == _INVALID_PARAMETER or parameter):
        return invalid_parameter(parameter, answer=answer, **values)
    if status in _BY_STATUS:
        return _BY_STATUS[status](answer=answer, ambiguous=ambiguous, **values)
    if status in _WRONG_SERVICE:
        return WrongService(detail=own(f"the status is {answer}"), **values)
    if status >= 500:
        return ServerError(answer=answer, ambiguous=ambiguous, **values)
    return UnexpectedAnswer(detail=own(f"the status is {answer}"), ambiguous=ambiguous, **values)


def invalid_parameter(parameter: str | None, *, entry: Reason | None = None, **values: Any) -> InvalidParameter:
    """The error of a refused parameter. Its remedy depends on whether the parameter is one of the destination."""
    is_destination = parameter is not None and parameter.lower().startswith(_DESTINATION_PARAMETERS)
    if entry is None and is_destination:
        entry = messages.INVALID_DESTINATION
    error = InvalidParameter(entry=entry, parameter=parameter, **values)
    error.parameter = parameter
    return error


def unencodable(error: Exception) -> InvalidParameter:
    """The error of a value in spec.export that cannot be sent."""
    return InvalidParameter(entry=messages.UNENCODABLE_EXPORT, error=quote(error, NOTHING_SECRET))


def error_from_transport(
    error: httpx.RequestError | httpx.InvalidURL | UnicodeError, *, mutating: bool = False
) -> ReltioError:
    """The error of a request without a response: either nothing was sent, or its effect is unknown."""
    if not isinstance(error, httpx.RequestError):
        return UnusableURL(error=quote(error, KNOWN.of([PROCESS])))
    kind = own(type(error).__name__)
    if isinstance(error, AnswerBeyondLimits):
        refused = AnswerRefused if error.is_late else AnswerTooLarge
        return refused(ambiguous=mutating, host=_host(error), limit=own(error.limit), status=200)
    if isinstance(error, httpx.ProxyError):  # the proxy refused to connect, so nothing was sent to the service
        status = _STATUS.match(str(error))
        return Unreachable(host=_host(error), error=own(f"the proxy returned {status[0]}") if status else kind)
    if isinstance(error, httpx.ConnectError) and _UNTRUSTED in str(error):
        return Unreachable(entry=messages.UNTRUSTED_CERTIFICATE, host=_host(error))
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
        return Unreachable(host=_host(error), error=kind)
    return AnswerLost(ambiguous=mutating, host=_host(error), error=kind)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or an HTTP date; at most one hour."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdecimal():
        return min(float(value), _MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), _MAX_RETRY_AFTER_SECONDS)


def _host(error: httpx.RequestError) -> str:
    try:
        request = error.request
    except RuntimeError:
        return "Reltio"
    proxy = request.extensions.get(PROXY)
    return f"{request.url.host} through the proxy {proxy}" if proxy else request.url.host


def _json(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = parse_json(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}


def answer_of(response: httpx.Response, secrets: Secrets = NOTHING_SECRET) -> Quoted:
    """The HTTP status, and the service's own words in quotation marks, without secrets."""
    words = ForeignText(quotable(_json(response)))
    quoted = quote(words, secrets | _secrets(response), limit=MAX_FOREIGN)
    text = _REQUEST_ID.sub("", _TOKEN_ECHO.sub(r"\1", quoted))[:MAX_QUOTED].strip().rstrip(".")
    return own(f'{response.status_code}: "{text}"' if text else f"{response.status_code} ({outline(response)})")


def _refused_parameter(answer: str) -> str | None:
    """The name of the parameter that Reltio refused; None if the answer names none."""
    _, found, rest = answer.partition(_PARAMETER)
    name, reason, _ = rest.partition(_REASON)
    return name if found and reason and name else None


def _secrets(response: httpx.Response) -> Secrets:
    """The secrets of the request, which Reltio or a proxy may repeat in the response."""
    try:
        headers = response.request.headers
    except RuntimeError:  # a response without its request
        return NOTHING_SECRET
    values = [headers.get(name, "").split(" ")[-1] for name in _SECRET_HEADERS]
    basic = headers.get("authorization", "").partition("Basic ")[2]
    with contextlib.suppress(ValueError):
        client, _, secret = base64.b64decode(basic).decode().partition(":")
        values += [client if len(client) >= MIN_SECRET else "", secret]
    return Secrets.of(*values)
