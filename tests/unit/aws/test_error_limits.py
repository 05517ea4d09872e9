"""An error of AWS has smaller limits than other answers: botocore goes through its elements several times."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session

from reltio_export_operator.aws.answers import AnswerRefusedError, LimitedSession

URL = "https://sts.us-east-1.amazonaws.com/"
WITHIN, BEYOND = "<b/>" * 900, "<b/>" * 1_001


class Raw(io.BytesIO):
    """A body as urllib3 gives it out."""

    headers: dict[str, str] = {}  # noqa: RUF012


def content_of(monkeypatch: pytest.MonkeyPatch, status: int, inner: str, *, is_object: bool = False) -> bytes:
    """The body that botocore gets to parse."""
    body = f"<ErrorResponse><Error><Code>AccessDenied</Code>{inner}</Error></ErrorResponse>".encode()

    def send(*_: Any) -> Any:
        return AWSResponse(URL, status, HTTPHeaders(), Raw(body))

    monkeypatch.setattr(URLLib3Session, "send", send)
    request: Any = AWSRequest("POST", URL).prepare()
    request.stream_output = is_object
    content: bytes = LimitedSession().send(request).content
    assert content == body
    return content


@pytest.mark.parametrize("is_object", [False, True])
@pytest.mark.parametrize("status", [301, 400, 403, 500])
def test_an_error_with_many_elements_is_refused(monkeypatch: pytest.MonkeyPatch, status: int, is_object: bool) -> None:
    with pytest.raises(AnswerRefusedError, match=r"AWS to a failed call has more than 1,000 values"):
        content_of(monkeypatch, status, BEYOND, is_object=is_object)
    assert content_of(monkeypatch, status, WITHIN, is_object=is_object).count(b"<b/>") == 900


def test_an_error_with_a_large_message_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnswerRefusedError, match=r"AWS to a failed call is larger than 256 KiB"):
        content_of(monkeypatch, 403, "x" * (256 << 10))
    assert len(content_of(monkeypatch, 403, "x" * (255 << 10))) > 255 << 10


def test_other_answers_may_have_more_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    assert content_of(monkeypatch, 200, BEYOND).count(b"<b/>") == 1_001
