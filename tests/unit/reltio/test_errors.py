"""Each documented error of Reltio has its own class, reason and remedy, and shows no secret."""

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
        (414, {}, errors.RequestTooLong),
        (431, {}, errors.RequestTooLong),
        (422, {}, errors.BadRequest),
        (405, {}, errors.WrongService),
        (411, {}, errors.WrongService),
        (415, {}, errors.WrongService),
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
def test_each_response_has_its_error(status: int, body: dict[str, Any], expected: type[errors.ReltioError]) -> None:
    error = error_from_response(httpx.Response(status, json=body))
    assert type(error) is expected
    assert error.status == status
    assert error.code == body.get("errorCode")
    assert error.reason.isalnum()
    assert error.message.endswith(".")
    assert error.remedy.endswith(".")
    assert str(error) == f"{error.message} {error.remedy}"


@pytest.mark.parametrize(
    "text",
    [
        "PERIODIC_TASKS_PER_TENANT_LIMIT_EXCEEDED",
        "BACKGROUND_TASKS_LIMIT_EXCEEDED",
        "TASK_COUNT_LIMIT_REACHED",
        "TOO_MANY_PERIODIC_TASKS",
        "The tenant has too many background tasks.",
        "The maximum number of periodic tasks for the tenant is reached.",
        "Limit of tasks exceeded.",
    ],
)
@pytest.mark.parametrize("status", [400, 403, 409, 500])
def test_the_task_limit_is_recognised_by_its_symbols_and_texts(status: int, text: str) -> None:
    assert type(error_from_response(httpx.Response(status, json=api_error(1, text)))) is errors.TaskLimitExceeded


@pytest.mark.parametrize("text", ["uniqueValues: limit exceeded", "No such task", "RATE_LIMIT_EXCEEDED"])
def test_other_limits_are_not_the_task_limit(text: str) -> None:
    assert type(error_from_response(httpx.Response(400, json=api_error(1, text)))) is errors.BadRequest


def test_a_denied_call_names_both_causes() -> None:
    remedy = error_from_response(httpx.Response(403, text="<html>Forbidden</html>")).remedy
    assert "IP allow list" in remedy
    assert "ROLE_API" in remedy


def test_a_busy_destination_has_the_id_of_the_other_task() -> None:
    error = error_from_response(httpx.Response(400, json=api_error(549, BUSY)))
    assert isinstance(error, errors.DestinationBusy)
    assert error.task_id == "1938-7291"


@pytest.mark.parametrize(
    ("parameter", "field"),
    [("filenameTemplate", "spec.export"), ("s3Bucket", "spec.s3"), ("roleArn", "spec.s3"), ("externalId", "spec.s3")],
)
def test_the_remedy_names_the_field_of_the_refused_parameter(parameter: str, field: str) -> None:
    text = f"Invalid export parameter: {parameter}. Reason: no."
    error = error_from_response(httpx.Response(400, json=api_error(549, text)))
    assert isinstance(error, errors.InvalidParameter)
    assert error.parameter == parameter
    assert field in error.remedy


@pytest.mark.parametrize(
    ("status", "mutating", "ambiguous"),
    [(500, True, True), (503, True, True), (500, False, False), (429, True, False), (400, True, False)],
)
def test_only_a_server_error_of_a_mutating_call_is_ambiguous(status: int, mutating: bool, ambiguous: bool) -> None:
    assert error_from_response(httpx.Response(status), mutating=mutating).ambiguous is ambiguous


@pytest.mark.parametrize("body", [api_error(1, LIMIT), api_error(1102, "The reltio bucket 'b' doesn't exist")])
def test_an_error_with_a_known_cause_is_not_ambiguous_whatever_its_status(body: dict[str, Any]) -> None:
    assert not error_from_response(httpx.Response(500, json=body), mutating=True).ambiguous


@pytest.mark.parametrize(
    "text",
    ["Token is invalid: t0ken", "token is invalid t0ken", "Bearer t0ken is no use", "no trust in ext-77 by t0ken"],
)
def test_secrets_of_the_request_are_masked_in_the_response(text: str) -> None:
    error = error_from_response(
        httpx.Response(401, json={"error": "invalid_token", "error_description": text}, request=REQUEST)
    )
    assert "t0ken" not in str(error)
    assert "ext-77" not in str(error)


def test_of_an_html_page_only_the_outline_is_shown() -> None:
    page = "<html><p>Bad gateway</p></html>"
    assert (
        error_from_response(httpx.Response(502, html=page)).message
        == "Reltio is not available. It returned 502 (text/html, 31 bytes)."
    )


@pytest.mark.parametrize(
    "body",
    [
        {"message": "secrets is forbidden", "kind": "Status", "code": 403},
        {"error": {"errorMessage": "root:x:0:0"}},
        {"error": "root:x:0:0:root:/root:/bin/bash"},
        {"error_description": "root:x:0:0"},
        {"errorMessage": {"a": "root:x:0:0"}},
        {"errorDetailMessage": "root:x:0:0"},
        [{"errorMessage": "root:x:0:0"}],
        "root:x:0:0",
        {"Code": "Success", "SecretAccessKey": "root:x:0:0"},
    ],
)
def test_json_of_another_form_is_not_quoted(body: object) -> None:
    for status in (400, 401, 403, 404, 409, 429, 500, 503):
        message = error_from_response(httpx.Response(status, json=body)).message
        assert "root" not in message
        assert "forbidden" not in message
        assert "application/json" in message


def test_a_content_type_is_shown_only_if_it_is_one() -> None:
    response = httpx.Response(500, headers={"content-type": "root:x:0:0; a=b"}, content=b"root")
    assert error_from_response(response).message.endswith("500 (no known content type, 4 bytes).")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1]", b'{"errorMessage": null}', b'{"errorCode": "549"}'])
def test_an_unreadable_body_is_an_error_with_the_status(content: bytes) -> None:
    assert "500" in error_from_response(httpx.Response(500, content=content)).message


def test_the_length_of_a_message_is_bounded() -> None:
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
def test_a_connection_error_is_ambiguous_if_the_request_may_have_been_sent(
    failure: type[httpx.RequestError], expected: type[errors.ReltioError], ambiguous: bool
) -> None:
    error = error_from_transport(failure("boom", request=REQUEST), mutating=True)
    assert type(error) is expected
    assert error.ambiguous is ambiguous
    assert "na99-prod.reltio.com" in error.message
    assert not error_from_transport(failure("boom"), mutating=False).ambiguous


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
        ("Wed, 21 Oct " + "7" * 40 + " 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_bounded(value: str, seconds: float | None) -> None:
    now = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)
    assert retry_after(httpx.Headers({"Retry-After": value}), now) == seconds


def test_client_credentials_are_masked_in_the_response() -> None:
    auth = httpx.BasicAuth("the-client", "the-secret")
    request = next(auth.auth_flow(httpx.Request("POST", "https://auth.reltio.com/oauth/token")))
    body = {"error": "unauthorized", "error_description": "Client the-client with the-secret is locked"}
    error = error_from_response(httpx.Response(403, json=body, request=request))
    assert error.message == 'Reltio denied the call. It returned 403: "Client *** with *** is locked".'


@pytest.mark.parametrize(
    "noise", [" (Request ID: 5f2c-77)", " requestId=abc123.", " [trace-id: 00f1]", " Correlation ID 9"]
)
def test_request_ids_are_removed(noise: str) -> None:
    error = error_from_response(httpx.Response(500, json=api_error(2001, f"Internal application error{noise}")))
    assert error.message == 'The call failed in Reltio. It returned 500: "Internal application error".'


def test_an_unusable_url_is_not_transient() -> None:
    error = error_from_transport(httpx.InvalidURL("Invalid port: 'x'"))
    assert (error.reason, error.transient, error.ambiguous) == ("InvalidURL", False, False)


def test_an_invalid_host_name_is_an_invalid_url() -> None:
    assert error_from_transport(UnicodeError("Malformed A-label")).reason == "InvalidURL"


def test_a_value_that_cannot_be_sent_is_a_mistake_in_the_export() -> None:
    error = errors.unencodable(ValueError("year -1 is out of range"))
    assert (error.reason, error.parameter, error.transient) == ("InvalidParameter", None, False)
    assert error.message == "spec.export cannot be sent to Reltio: year -1 is out of range."
