"""Parsers of what STS, IAM and S3 answer: botocore's and ours, from the bytes of an answer to a value or an error."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote as percent_encoded

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.session import Session
from hypothesis import strategies as st

from builders import target
from reltio_export_operator.api.foreign import NOTHING_SECRET, quote
from reltio_export_operator.aws.answers import AnswerRefusedError, _content, check_xml
from reltio_export_operator.aws.denials import Denial
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.parsing import check_answers
from reltio_export_operator.aws.roles import RoleReader
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.runtime.answers import BeyondLimitsError
from reltio_export_operator.runtime.bounds import Answer
from reltio_export_operator.targets.iam import Request, evaluate, wildcards_filled
from reltio_export_operator.targets.role_checks import Role, check_role

from .inputs import OBJECTS, TEXTS, XML
from .parser import InlineExecutor, Parser, run

_ROLE = "arn:aws:iam::111122223333:role/lake"
_OWNER = Owner("team-a", "lake")
_XML = b'<?xml version="1.0"?>\n'
_POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "A",
            "Effect": "Allow",
            "Action": ["s3:Get*", "s3:Put?bject"],
            "Resource": ["arn:aws:s3:::lake/${aws:username}/*", "*"],
            "Principal": {"AWS": ["arn:aws:iam::111122223333:root", "111122223333"]},
            "Condition": {
                "StringLike": {"s3:prefix": ["a/*", "${*}"]},
                "ForAnyValue:StringNotEqualsIfExists": {"sts:ExternalId": "x"},
                "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/x"},
                "Null": {"aws:x": True},
            },
        },
        {"Effect": "Deny", "NotAction": "*", "NotResource": "arn:aws:s3:::x", "NotPrincipal": {"AWS": "*"}},
    ],
}
_ERROR = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: "
    b"arn:aws:sts::111122223333:assumed-role/op/x is not authorized to perform: sts:AssumeRole on resource: "
    b"arn:aws:iam::111122223333:role/lake because no identity-based policy allows the action</Message></Error>"
    b"<RequestId>7a1f</RequestId></ErrorResponse>"
)
_S3_ERROR = (
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>7A</RequestId>"
    b"<HostId>x</HostId><Region>us-east-1</Region></Error>"
)
_ASSUMED = (
    b'<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>'
    b"<AssumedRoleId>A:x</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/lake/x</Arn></AssumedRoleUser>"
    b"<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret-secret</SecretAccessKey>"
    b"<SessionToken>t</SessionToken><Expiration>2031-01-15T04:00:00Z</Expiration></Credentials>"
    b"</AssumeRoleResult><ResponseMetadata><RequestId>7</RequestId></ResponseMetadata></AssumeRoleResponse>"
)
_IAM_ROLE = (
    b'<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role><Path>/</Path>'
    b"<RoleName>lake</RoleName><RoleId>A</RoleId><Arn>arn:aws:iam::111122223333:role/lake</Arn><CreateDate>"
    b"2026-01-01T00:00:00Z</CreateDate><MaxSessionDuration>43200</MaxSessionDuration><AssumeRolePolicyDocument>"
    + percent_encoded(json.dumps(_POLICY)).encode()
    + b"</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>"
)
_DOCUMENT = percent_encoded(json.dumps(_POLICY)).encode()
_ARN = b"arn:aws:iam::111122223333:policy/a"


def _of_iam(operation: bytes, result: bytes) -> bytes:
    return b"<%b><%b>%b</%b></%b>" % (operation + b"Response", operation + b"Result", result, operation + b"Result",
                                      operation + b"Response")  # fmt: skip


_OF_IAM = {
    "GetRole": _IAM_ROLE,
    "ListRolePolicies": _of_iam(
        b"ListRolePolicies", b"<PolicyNames><member>a</member></PolicyNames><IsTruncated>false</IsTruncated>"
    ),
    "GetRolePolicy": _of_iam(
        b"GetRolePolicy",
        b"<RoleName>lake</RoleName><PolicyName>a</PolicyName><PolicyDocument>%b</PolicyDocument>" % _DOCUMENT,
    ),
    "ListAttachedRolePolicies": _of_iam(
        b"ListAttachedRolePolicies",
        b"<AttachedPolicies><member><PolicyName>b</PolicyName><PolicyArn>%b</PolicyArn></member></AttachedPolicies>"
        b"<IsTruncated>false</IsTruncated>" % _ARN,
    ),
    "GetPolicy": _of_iam(b"GetPolicy", b"<Policy><Arn>%b</Arn><DefaultVersionId>v1</DefaultVersionId></Policy>" % _ARN),
    "GetPolicyVersion": _of_iam(
        b"GetPolicyVersion",
        b"<PolicyVersion><Document>%b</Document><VersionId>v1</VersionId></PolicyVersion>" % _DOCUMENT,
    ),
}
_LISTING = (
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>lake</Name><Prefix>x/</Prefix>'
    b"<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
    b"<NextContinuationToken>t</NextContinuationToken>"
    b"<Contents><Key>x/part-0%2B.gz</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    b"<ETag>&quot;0f343b0931126a20f133d67c2b018a3b&quot;</ETag><Size>17</Size><StorageClass>STANDARD</StorageClass>"
    b"</Contents><Contents><Key>x/manifest.json</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    b"<ETag>&quot;e&quot;</ETag><Size>9</Size></Contents></ListBucketResult>"
)


_HEADERS: Any = {"x-amz-bucket-region": "us-east-1"}


class _Raw(io.BytesIO):
    """The content of an answer, as urllib3 gives it."""

    headers: dict[str, str] = {}  # noqa: RUF012 never changed

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.getvalue()


class _Aws:
    """Clients that get this answer in place of a connection."""

    def __init__(self) -> None:
        self.status, self.content, self.operation = 200, b"", ""

    def set(self, status: int, content: bytes, operation: str = "") -> None:
        """Answer this: a success where the number is odd. To other operations than this one the usual is answered."""
        self.status, self.content = (200 if status % 2 else 200 + status % 400), content
        self.operation = operation

    @cache  # noqa: B019 one for the life of the process
    def client(self, service: str, **_: Any) -> Any:
        # The version of IAM's and STS's answers is in botocore's data, which is read once.
        core = Session()
        check_answers(core)
        made = boto3.Session("k", "s", region_name="us-east-1", botocore_session=core).client(
            service,  # type: ignore[call-overload]
            config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
        )
        made.meta.events.register("before-send", self._answer)
        return made

    def _answer(self, request: Any, event_name: str, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]
        is_usual = self.operation not in ("", operation)
        status, content = (200, _OF_IAM[operation]) if is_usual else (self.status, self.content)
        response: Any = AWSResponse(request.url, status, _HEADERS, _Raw(content))
        try:
            response._content = _content(Answer.AWS, response, request.url)
        except BeyondLimitsError as error:
            raise AnswerRefusedError(limit=error.limit) from None
        return response


_AWS = _Aws()


class _Session:
    region_name = "us-east-1"

    def client(self, service: str, **_: Any) -> Any:
        return _AWS.client(service)

    def get_credentials(self) -> Any:
        return Credentials("k", "s")


@cache
def _sessions() -> RoleSessions:
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    return RoleSessions(InlineExecutor(), new_session=_Session, session_tags=True)  # type: ignore[arg-type]


@cache
def _store() -> ObjectStore:
    key = RoleKey(_OWNER, _ROLE, None, "us-east-1", (), 3600)
    role = AssumedRole(key, _AWS.client("s3"), datetime(2999, 1, 1, tzinfo=UTC))
    return ObjectStore(_sessions(), role, "lake")  # whose session never ends


def _assume(answer: tuple[int, bytes]) -> None:
    _AWS.set(*answer)
    run(_sessions().assume(_OWNER, _ROLE, "external-id", fresh=True))


def _describe(answer: tuple[str, int, bytes]) -> None:
    operation, status, content = answer
    _AWS.set(status, content, operation if operation in _OF_IAM else "GetRole")
    role = run(RoleReader(_sessions(), _OWNER).describe(_ROLE))
    check_role(target(), Role(_ROLE, role.trust, role.permissions, role.max_session_seconds), "external-id")


def _list(answer: tuple[int, bytes]) -> None:
    _AWS.set(*answer)

    async def listed() -> None:
        read = 0
        async for found in _store().list("x/"):
            assert isinstance(found.key, str)
            assert isinstance(found.size, int)
            read += 1
            if read > 20:
                return

    run(listed())


def _probe(answer: tuple[int, bytes]) -> None:
    _AWS.set(*answer)

    async def probed() -> None:
        async for _, error in _store().probe("x/", None, name="n"):
            if error is not None:
                assert len(str(error)) < 5000

    run(probed())


def _settings(answer: tuple[int, bytes]) -> None:
    _AWS.set(*answer)
    for call, absent in (
        ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
        ("get_bucket_versioning", None),
    ):
        run(_store().setting(call, "s3:GetX", absent=absent))


def _denied(said: str) -> None:
    denial = Denial.of(said, quote(said, NOTHING_SECRET))
    denial.reason("s3:PutObject")
    denial.reason("sts:AssumeRole")
    assert len(denial.quoted) < 5000


def _policy(document: Any) -> None:
    for resource, context in (("arn:aws:s3:::lake/a/b", {"s3:prefix": "a/b", "sts:externalid": None}), ("*", {})):
        for principal in ("arn:aws:iam::111122223333:root", "arn:aws:iam::1:role/x"):
            answer = evaluate([document], Request("s3:GetObject", resource, principal, context))
            assert answer in ("Allow", "Deny", "NoMatch", "Unknown")
    check_role(target(), Role(_ROLE, document, (document,), 3600), "external-id")


def _wildcards(pattern: str) -> None:
    assert isinstance(wildcards_filled(pattern, "x"), str)


_ANSWER = st.tuples(st.integers(0, 999), XML)
_STS = [(1, _XML + _ASSUMED), (204, _XML + _ERROR), (204, _ERROR)]
_IAM = [*[(operation, 1, answer) for operation, answer in _OF_IAM.items()], ("GetRole", 204, _ERROR)]
_S3 = [(1, _XML + _LISTING), (1, _LISTING.replace(b"true", b"false")), (204, _S3_ERROR), (300, _S3_ERROR)]
_SETTINGS = [
    (1, b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms"
        b"</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule>"
        b"</ServerSideEncryptionConfiguration>"),
    (1, b"<LifecycleConfiguration><Rule><ID>x</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter>"
        b"<Expiration><Days>3</Days></Expiration></Rule></LifecycleConfiguration>"),
    *_S3,
]  # fmt: skip
_SAID = (
    "User: arn:aws:sts::1:assumed-role/op/x is not authorized to perform: s3:PutObject on resource: x because no "
    "session policy allows the s3:PutObject action",
    "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt "
    "with an explicit deny in a VPC endpoint policy",
)

PARSERS = {
    "limits of XML": Parser(
        lambda data: check_xml(Answer.AWS, data), [_IAM_ROLE, _LISTING, _XML + _ERROR], XML, (BeyondLimitsError,)
    ),
    "answer of STS": Parser(_assume, _STS, _ANSWER, (AwsError,)),
    "answer of IAM": Parser(_describe, _IAM, None, (AwsError,)),
    "listing of S3": Parser(_list, _S3, _ANSWER, (AwsError,)),
    "error of S3": Parser(_probe, _S3, _ANSWER),
    "settings of a bucket": Parser(_settings, _SETTINGS, None, (AwsError,)),
    "denial of AWS": Parser(_denied, _SAID, TEXTS),
    "policy": Parser(_policy, [_POLICY], OBJECTS),
    "wildcards of a policy": Parser(_wildcards, ["arn:aws:s3:::${*}*?${aws:x}", "$${?}{"], TEXTS),
}
