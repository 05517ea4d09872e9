"""An answer that has not the documented form is a transient error of the call, whichever part of it is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from reltio_export_operator.aws import transport
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.roles import RoleReader
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.runtime.network import Network

ROLE = "arn:aws:iam::111122223333:role/lake"
OWNER = Owner("mdm", "lake")
CREDENTIALS = {
    "AccessKeyId": "ASIA",
    "SecretAccessKey": "secret-secret",
    "SessionToken": "t",
    "Expiration": "2031-01-15T04:00:00Z",
}
NEVER = datetime(2999, 1, 1, tzinfo=UTC)
OBJECT = {"Key": "x/part-0.gz", "LastModified": "2031-01-15T04:00:00Z", "ETag": "&quot;e&quot;", "Size": "17"}


class Raw(io.BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


def elements(values: dict[str, str]) -> str:
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items())


def assumed(content: str) -> str:
    return f"<AssumeRoleResponse><AssumeRoleResult>{content}</AssumeRoleResult></AssumeRoleResponse>"


def role(content: str) -> str:
    return f"<GetRoleResponse><GetRoleResult>{content}</GetRoleResult></GetRoleResponse>"


def listing(content: str, *, ended: bool = True) -> str:
    truncated = f"<EncodingType>url</EncodingType><IsTruncated>{str(not ended).lower()}</IsTruncated>"
    return f"<ListBucketResult>{truncated}{content}</ListBucketResult>"


def without(values: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if key != name}


@pytest.fixture
def sessions(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], RoleSessions]:
    """Sessions to which each request is answered with this text."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")

    def answering(text: str) -> RoleSessions:
        def send(_: object, request: Any, **__: Any) -> AWSResponse:
            return AWSResponse(request.url, 200, HTTPHeaders(), Raw(text.encode()))

        monkeypatch.setattr(transport._Transport, "send", send)
        return RoleSessions(pool, new_session=transport.session_factory(Network(region="us-east-1")))

    return answering


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "<html/>",
        "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
        assumed(""),
        assumed("<Credentials>x</Credentials>"),
        *[assumed(f"<Credentials>{elements(without(CREDENTIALS, name))}</Credentials>") for name in CREDENTIALS],
        assumed(f"<Credentials>{elements({**CREDENTIALS, 'Expiration': 'tomorrow'})}</Credentials>"),
        assumed(f"<Credentials>{elements({**CREDENTIALS, 'Expiration': '99999-01-01'})}</Credentials>"),
    ],
)
async def test_an_answer_of_sts_without_credentials(sessions: Callable[[str], RoleSessions], answer: str) -> None:
    with pytest.raises(AwsError) as caught:
        await sessions(answer).assume(OWNER, ROLE, "external-id")
    assert (caught.value.reason, caught.value.transient) == ("UnexpectedAWSAnswer", True)


async def test_whole_credentials_are_used(sessions: Callable[[str], RoleSessions]) -> None:
    answer = assumed(f"<Credentials>{elements(CREDENTIALS)}</Credentials>")
    assert (await sessions(answer).assume(OWNER, ROLE, None)).expires == datetime(2031, 1, 15, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer",
    [
        "<html/>",
        role(""),
        role("<Role/>"),
        role(f"<Role><Arn>{ROLE}</Arn></Role>"),
        role(f"<Role><Arn>{ROLE}</Arn><AssumeRolePolicyDocument/><MaxSessionDuration>x</MaxSessionDuration></Role>"),
    ],
)
async def test_an_answer_of_iam_without_the_role(sessions: Callable[[str], RoleSessions], answer: str) -> None:
    with pytest.raises(AwsError) as caught:
        await RoleReader(sessions(answer), OWNER).describe(ROLE)
    assert (caught.value.reason, caught.value.transient) == ("UnexpectedAWSAnswer", True)


@pytest.mark.parametrize(
    "answer",
    [
        "<html/>",
        listing("<Contents>x</Contents>"),
        listing("<Contents/>"),
        *[listing(f"<Contents>{elements(without(OBJECT, name))}</Contents>") for name in ("Key", "ETag", "Size")],
        listing(f"<Contents>{elements({**OBJECT, 'Size': '17!'})}</Contents>"),
        listing(f"<Contents>{elements({**OBJECT, 'LastModified': 'now'})}</Contents>"),
        listing(f"<Contents>{elements({**OBJECT, 'LastModified': '2031-01-15T00:00:9' + '9' * 20})}</Contents>"),
        listing(f"<Contents>{elements(OBJECT)}</Contents>", ended=False),
    ],
)
async def test_a_listing_that_is_not_whole(sessions: Callable[[str], RoleSessions], answer: str) -> None:
    made = sessions(answer)
    role = AssumedRole(RoleKey(OWNER, ROLE, None, "us-east-1", (), 3600), made._client("s3", ROLE, None), NEVER)
    with pytest.raises(AwsError) as caught:
        [found async for found in ObjectStore(made, role, "lake").list("x/")]
    assert (caught.value.reason, caught.value.transient) == ("ReadInterrupted", True)
