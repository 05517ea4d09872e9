"""Each documented refusal becomes its own error, says what to do, and gives nothing away."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from reltio_export_operator.reltio import errors
from reltio_export_operator.reltio.errors import error_from_response, error_from_transport, retry_after

BUSY = (
    "Invalid export parameter: s3, gcs, azure. "
    "Reason: Task '1938-7291' is already exporting data to this custom destination."
)
PARAMETER = "Invalid export parameter: filenameTemplate. Reason: filenameTemplate cannot be empty."
LIMIT = "PERIODIC_TASKS_PER_TENANT_LIMIT_EXCEEDED"
REQUEST = httpx.Request(
    "POST", "https://na99-prod.reltio.com/jobs", headers={"Authorization": "Bearer t0ken", "externalId": "ext-77"}
)


def api_error(code: int, text: str, **more: Any) -> dict[str, Any]:
    return {"severity": "Error", "errorCode": code, "errorMessage": text, "errorDetailMessage": text, **more}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, api_error(549, PARAMETER), errors.InvalidParameter),
        (400, api_error(549, BUSY), errors.DestinationBusy),
        (400, api_error(549, "Invalid.", errorDetailMessage=BUSY), errors.DestinationBusy),
        (400, api_error(2001, "'max' must be greater than zero"), errors.BadRequest),
        (401, {"error": "invalid_token", "error_description": "Token is invalid: abc"}, errors.TokenRejected),
        (403, api_error(804, "Security error. This endpoint is forbidden for current user."), errors.AccessDenied),
        (404, api_error(101, "Object with id=x not found"), errors.ObjectNotFound),
        (413, {}, errors.PayloadTooLarge),
        (429, {}, errors.RateLimited),
        (400, api_error(1, LIMIT), errors.TaskLimitExceeded),
        (500, api_error(1, "limit", innerErrorData={"exception": LIMIT}), errors.TaskLimitExceeded),
        (500, api_error(1102, "The reltio bucket 'b' doesn't exist"), errors.StorageMissing),
        (500, api_error(1112, "The reltio bucket 'b' doesn't exist"), errors.StorageMissing),
        (400, api_error(1122, "The reltio bucket 'b' doesn't exist"), errors.StorageMissing),
        (500, api_error(2001, "Internal application error."), errors.ServerError),
        (502, {}, errors.ServiceUnavailable),
        (503, {}, errors.ServiceUnavailable),
        (504, {}, errors.ServiceUnavailable),
        (302, {}, errors.UnexpectedAnswer),
    ],
)
def test_a_response_is_told_apart(status: int, body: dict[str, Any], expected: type[errors.ReltioError]) -> None:
    error = error_from_response(httpx.Response(status, json=body))
    assert type(error) is expected
    assert error.status == status
    assert error.code == body.get("errorCode")
    assert error.reason.isalnum()
    assert error.remedy.endswith(".")
    assert str(error) == f"{error.message} {error.remedy}"


def test_a_busy_destination_names_the_task_that_holds_it() -> None:
    error = error_from_response(httpx.Response(400, json=api_error(549, BUSY)))
    assert isinstance(error, errors.DestinationBusy)
    assert error.task_id == "1938-7291"


@pytest.mark.parametrize(
    ("parameter", "place"),
    [("filenameTemplate", "spec.export"), ("s3Bucket", "spec.s3"), ("roleArn", "spec.s3"), ("externalId", "spec.s3")],
)
def test_a_refused_parameter_is_to_be_corrected_where_it_was_written(parameter: str, place: str) -> None:
    text = f"Invalid export parameter: {parameter}. Reason: no."
    error = error_from_response(httpx.Response(400, json=api_error(549, text)))
    assert isinstance(error, errors.InvalidParameter)
    assert error.parameter == parameter
    assert place in error.remedy


@pytest.mark.parametrize(
    ("status", "effectful", "ambiguous"),
    [(500, True, True), (503, True, True), (500, False, False), (429, True, False), (400, True, False)],
)
def test_only_a_server_error_may_hide_an_effect(status: int, effectful: bool, ambiguous: bool) -> None:
    assert error_from_response(httpx.Response(status), effectful=effectful).ambiguous is ambiguous


@pytest.mark.parametrize("body", [api_error(1, LIMIT), api_error(1102, "The reltio bucket 'b' doesn't exist")])
def test_a_refusal_with_a_known_cause_is_certain_whatever_its_status(body: dict[str, Any]) -> None:
    assert not error_from_response(httpx.Response(500, json=body), effectful=True).ambiguous


@pytest.mark.parametrize(
    "text",
    ["Token is invalid: t0ken", "token is invalid t0ken", "Bearer t0ken is no use", "no trust in ext-77 by t0ken"],
)
def test_secrets_of_the_request_are_not_repeated(text: str) -> None:
    error = error_from_response(httpx.Response(401, json={"error_description": text}, request=REQUEST))
    assert "t0ken" not in str(error)
    assert "ext-77" not in str(error)


def test_a_page_is_reduced_to_its_words() -> None:
    page = "<html><style>p {}</style><script>let a;</script><p>Bad\n <b>gateway</b></p></html>"
    assert error_from_response(httpx.Response(502, text=page)).message == "The service answered 502: Bad gateway"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b'{"errorMessage": null}', b'{"errorCode": "549"}'])
def test_an_answer_without_sense_is_still_an_error(content: bytes) -> None:
    assert "500" in error_from_response(httpx.Response(500, content=content)).message


def test_a_message_is_bounded() -> None:
    assert len(error_from_response(httpx.Response(500, text="x" * 10_000)).message) < 600


@pytest.mark.parametrize(
    ("failure", "expected", "ambiguous"),
    [
        (httpx.ConnectError, errors.Unreachable, False),
        (httpx.ConnectTimeout, errors.Unreachable, False),
        (httpx.PoolTimeout, errors.Unreachable, False),
        (httpx.ReadTimeout, errors.AnswerLost, True),
        (httpx.WriteError, errors.AnswerLost, True),
        (httpx.RemoteProtocolError, errors.AnswerLost, True),
        (httpx.DecodingError, errors.AnswerLost, True),
    ],
)
def test_a_broken_connection_tells_whether_the_request_may_have_gone(
    failure: type[httpx.RequestError], expected: type[errors.ReltioError], ambiguous: bool
) -> None:
    error = error_from_transport(failure("boom", request=REQUEST), effectful=True)
    assert type(error) is expected
    assert error.ambiguous is ambiguous
    assert "na99-prod.reltio.com" in error.message
    assert not error_from_transport(failure("boom"), effectful=False).ambiguous


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("-5", None),
        ("7", 7.0),
        ("9" * 400, 3600.0),
        ("Wed, 15 Jan 2031 03:00:30 GMT", 30.0),
        ("Wed, 15 Jan 2031 02:00:00 GMT", 0.0),
        ("Wed, 15 Jan 2032 02:00:00 GMT", 3600.0),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(value: str, seconds: float | None) -> None:
    now = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)
    assert retry_after(httpx.Headers({"Retry-After": value}), now) == seconds


def test_an_answer_that_repeats_the_client_s_credentials_is_masked() -> None:
    auth = httpx.BasicAuth("the-client", "the-secret")
    request = next(auth.auth_flow(httpx.Request("POST", "https://auth.reltio.com/oauth/token")))
    body = {"error_description": "Client the-client with the-secret is locked"}
    error = error_from_response(httpx.Response(403, json=body, request=request))
    assert error.message == "The service answered 403: Client *** with *** is locked"


@pytest.mark.parametrize(
    "noise", [" (Request ID: 5f2c-77)", " requestId=abc123.", " [trace-id: 00f1]", " Correlation ID 9"]
)
def test_what_is_said_of_one_call_only_is_left_out(noise: str) -> None:
    error = error_from_response(httpx.Response(500, json=api_error(2001, f"Internal application error{noise}")))
    assert error.message == "The service answered 500: Internal application error"


def test_a_url_that_cannot_be_used_is_no_matter_of_time() -> None:
    error = error_from_transport(httpx.InvalidURL("Invalid port: 'x'"))
    assert (error.reason, error.transient, error.ambiguous) == ("InvalidURL", False, False)


def test_a_host_name_that_is_none_is_told_like_a_url_that_cannot_be_used() -> None:
    assert error_from_transport(UnicodeError("Malformed A-label")).reason == "InvalidURL"
