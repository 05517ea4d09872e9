"""Answers to every call, as botocore parses them: what passes by itself is transient, whatever form it has."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError

from aws_texts import CLOCK_IS_SLOW
from reltio_export_operator.aws.errors import CALL_FAILURES, AwsError, from_botocore

ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
WHERE: Any = {"Bucket": "lake", "Key": "k"}
HTML = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "sts:AssumeRole": ("sts", lambda sts: sts.assume_role(RoleArn=ROLE, RoleSessionName="lake")),
    "iam:GetRole": ("iam", lambda iam: iam.get_role(RoleName="reltio-exporter")),
    "s3:ListBucket": ("s3", lambda s3: s3.list_objects_v2(Bucket="lake")),
    "HeadBucket": ("s3", lambda s3: s3.head_bucket(Bucket="lake")),
    "s3:PutObject": ("s3", lambda s3: s3.put_object(**WHERE, Body=b"x")),
    "s3:GetObject": ("s3", lambda s3: s3.get_object(**WHERE)),
    "s3:DeleteObject": ("s3", lambda s3: s3.delete_object(**WHERE)),
    "s3:GetBucketPublicAccessBlock": ("s3", lambda s3: s3.get_public_access_block(Bucket="lake")),
}


def xml(code: str, text: str = "No.") -> str:
    """An error as S3 and as STS write it: each service reads its own form and ignores the other."""
    return f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"


TRANSIENT: dict[str, tuple[int, str]] = {
    "500 of S3": (500, xml("InternalError", "We encountered an internal error. Please try again.")),
    "500 with words as a code": (500, xml("Internal Server Error")),
    "503 SlowDown": (503, xml("SlowDown", "Please reduce your request rate.")),
    "503 without a body": (503, ""),
    "429 without a body": (429, ""),
    "429 as HTML": (429, HTML),
    "502 as HTML": (502, HTML),
    "504 as HTML": (504, HTML),
    "504 as text": (504, "upstream request timeout"),
    "503 as JSON": (503, '{"message": "no healthy upstream"}'),
    "400 RequestTimeout": (400, xml("RequestTimeout")),
    "400 Throttling": (400, xml("Throttling", "Rate exceeded")),
    "400 ThrottlingException": (400, xml("ThrottlingException", "Rate exceeded")),
    "403 RequestTimeTooSkewed": (403, xml("RequestTimeTooSkewed", "The difference between the request time and the")),
    "403 of a slow clock": (403, xml(CLOCK_IS_SLOW.code, CLOCK_IS_SLOW.text)),
}


@functools.cache
def client_of(service: str) -> tuple[Any, list[tuple[int, bytes]]]:
    """A client of boto3, and the answer to its next request."""
    session = boto3.Session("key", "secret", "token", region_name="us-east-1")
    client = session.client(service, config=Config(retries={"total_max_attempts": 1}))  # type: ignore[call-overload]
    answers: list[tuple[int, bytes]] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        status, body = answers.pop()
        return AWSResponse(request.url, status, HTTPHeaders(), Raw(body))

    client.meta.events.register("before-send", answer)
    return client, answers


def failure_of(action: str, status: int, body: str) -> AwsError:
    """What the call fails with when this is the answer."""
    service, call = CALLS[action]
    wrapped = f"<ErrorResponse>{body}</ErrorResponse>" if service != "s3" and body.startswith("<Error>") else body
    client, answers = client_of(service)
    answers.append((status, b"" if action == "HeadBucket" else wrapped.encode()))
    try:
        call(client)
    except CALL_FAILURES as error:
        return from_botocore(error, "s3:ListBucket" if action == "HeadBucket" else action, "lake")
    raise AssertionError("the call succeeded")


class Raw(io.BytesIO):
    """A body as urllib3 gives it out."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


@pytest.mark.parametrize("answer", [name for name in TRANSIENT if not name.startswith(("400", "403"))])
@pytest.mark.parametrize("action", CALLS)
def test_a_transient_status_is_transient_for_every_call(action: str, answer: str) -> None:
    failure = failure_of(action, *TRANSIENT[answer])
    assert failure.transient, failure
    # The parsers of STS and IAM do not return the status of an answer that they cannot parse.
    assert failure.reason == "AWSUnavailable" or (failure.reason == "UnexpectedAWSAnswer" and ":" in action)


@pytest.mark.parametrize("answer", [name for name in TRANSIENT if name.startswith(("400", "403"))])
@pytest.mark.parametrize("action", [action for action in CALLS if action != "HeadBucket"])
def test_a_transient_code_is_transient_whatever_its_status(action: str, answer: str) -> None:
    failure = failure_of(action, *TRANSIENT[answer])
    assert failure.transient, failure
    assert failure.reason in ("AWSUnavailable", "ClockSkewed")
    assert "20220127" not in str(failure), "it would differ each time"


@pytest.mark.parametrize("body", [HTML, "", '{"message": "Forbidden"}', "Forbidden", "<html><body><p>x</body></html>"])
@pytest.mark.parametrize("action", [action for action in CALLS if action != "HeadBucket"])
def test_a_403_that_is_not_from_aws_is_not_taken_for_a_denial(action: str, body: str) -> None:
    failure = failure_of(action, 403, body)
    assert (failure.reason, failure.transient) == ("UnexpectedAWSAnswer", True)
    assert "AWS_ENDPOINT_URL" in failure.remedy
    assert "None" not in str(failure)


def test_a_denied_head_has_no_body_and_is_a_denial_nevertheless() -> None:
    assert failure_of("HeadBucket", 403, "").reason == "AccessDenied"


def test_a_page_that_is_not_from_aws_is_not_taken_for_a_missing_object() -> None:
    assert failure_of("s3:GetObject", 404, HTML).reason == "UnexpectedAWSAnswer"
    assert failure_of("s3:GetObject", 404, xml("NoSuchKey")).code == "NoSuchKey"


@pytest.mark.parametrize("response", [{}, {"Error": {}}, {"Error": {"Code": None, "Message": None}}, {"Error": None}])
def test_an_error_without_a_code_is_shown_without_gaps(response: dict[str, Any]) -> None:
    error = ClientError({}, "GetObject")
    answer: Any = {**response, "ResponseMetadata": {"HTTPStatusCode": 418}}
    error.response = answer
    failure = from_botocore(error, "s3:GetObject", "lake")
    assert failure.message == "s3:GetObject on lake got an answer that is not from AWS (HTTP status 418)."
