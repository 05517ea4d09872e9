"""How often a call is sent, and which answers botocore itself would try again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from aws_fakes import FakeBoto
from reltio_export_operator.aws.errors import from_botocore
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.aws.transport import session_factory
from reltio_export_operator.runtime.network import Network
from unit.aws.test_answers import Raw

ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
ACTIONS = ("sts:AssumeRole", "iam:GetRole", "s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject")
THROTTLED: Any = ThrottledRetryableChecker
TRANSIENT: Any = TransientRetryableChecker
OF_BOTOCORE = sorted({*THROTTLED._THROTTLED_ERROR_CODES, *TRANSIENT._TRANSIENT_ERROR_CODES})


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("code", OF_BOTOCORE)
def test_what_botocore_tries_again_is_transient_for_every_call(code: str, action: str) -> None:
    answer: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    assert from_botocore(ClientError(answer, "Any"), action, "lake").transient


@pytest.mark.parametrize("status", TRANSIENT._TRANSIENT_STATUS_CODES)
def test_a_status_that_botocore_tries_again_is_transient(status: int) -> None:
    answer: Any = {"Error": {"Code": "Odd", "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    assert from_botocore(ClientError(answer, "Any"), "s3:GetObject", "lake").transient


@pytest.mark.parametrize("service", ["sts", "iam", "s3"])
def test_a_call_is_sent_three_times_in_all(
    pool: ThreadPoolExecutor, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr("botocore.retries.standard.time.sleep", lambda seconds: None)
    client = RoleSessions(pool, new_session=session_factory(Network())).own_client(service, ROLE)
    sent = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request.url)
        return AWSResponse(request.url, 503, HTTPHeaders(), Raw(b""))

    client.meta.events.register_first("before-send", answer)
    calls = {
        "sts": lambda: client.get_caller_identity(),
        "iam": lambda: client.get_role(RoleName="reltio-exporter"),
        "s3": lambda: client.head_bucket(Bucket="lake"),
    }
    with pytest.raises(Exception):  # noqa: B017, PT011 - each service has its own; what counts is how often it was sent
        calls[service]()
    assert len(sent) == 3


async def test_the_same_configuration_is_used_for_the_sessions_of_roles(pool: ThreadPoolExecutor) -> None:
    fake = FakeBoto()
    made = RoleSessions(pool, new_session=lambda: fake)  # type: ignore[arg-type, return-value]
    await made.assume(Owner("mdm", "lake"), ROLE, None)
    assert {arguments["config"].retries["total_max_attempts"] for _, arguments in fake.created} == {3}
    assert all(arguments["config"].connect_timeout <= 5 for _, arguments in fake.created)
