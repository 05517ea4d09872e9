"""The sandbox's AWS refuses what AWS refuses, in its words. One account serves all tests; each has roles of its own."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import boto3
import httpx
import pytest
import pytest_asyncio
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from reltio_export_operator.sandbox.cloud import AccessKey, Cloud

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONFIG = Config(retries={"total_max_attempts": 1}, read_timeout=5)
LAKE, FAR, EXTERNAL_ID = "lake-of-tests", "far-away-lake", "3f0c2b5e"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1"
_numbers = itertools.count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud() -> AsyncIterator[Cloud]:
    found = Cloud()
    await found.start()
    try:
        found.create_bucket(LAKE)
        found.create_bucket(FAR, region="eu-west-1")
        yield found
    finally:
        await found.stop()


class Role:
    """A new role, and clients with sessions of it."""

    def __init__(self, cloud: Cloud, *statements: dict[str, Any], **more: Any) -> None:
        self.cloud = cloud
        self.name = f"role-{next(_numbers)}"
        self.arn = cloud.put_role(self.name, external_id=more.pop("external_id", EXTERNAL_ID), **more)
        if statements:
            cloud.set_statements(self.name, *statements)

    def assume(self, key: AccessKey | None = None, external_id: str | None = EXTERNAL_ID, **more: Any) -> Any:
        who = key or self.cloud.operator_credentials
        given = {} if external_id is None else {"ExternalId": external_id}
        sts = client(self.cloud, "sts", who.id, who.secret)
        return sts.assume_role(RoleArn=self.arn, RoleSessionName="test", **given, **more)["Credentials"]

    def s3(self, **more: Any) -> Any:
        found = self.assume(**more)
        return client(self.cloud, "s3", found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def client(cloud: Cloud, service: Any, id_: str, secret: str, token: str | None = None) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.url,
        region_name="us-east-1",
        aws_access_key_id=id_,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=CONFIG,
    )


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    """Status, code and message of the refusal."""
    with pytest.raises(ClientError) as error:
        call()
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


@pytest.mark.parametrize("given", [None, "somebody-else"])
async def test_a_role_is_not_to_be_had_without_the_external_id_that_it_asks_for(
    cloud: Cloud, given: str | None
) -> None:
    role = Role(cloud)
    status, code, message = refused(lambda: role.assume(external_id=given))
    assert (status, code) == (403, "AccessDenied")
    assert message == (
        f"User: {cloud.operator_principal_arn} is not authorized to perform: sts:AssumeRole on resource: {role.arn}"
    )
    role.assume()


async def test_a_role_that_asks_for_no_external_id_takes_any(cloud: Cloud) -> None:
    role = Role(cloud, external_id=None)
    role.assume(external_id=None)
    role.assume(external_id="whatever")


async def test_a_role_that_is_not_there_is_refused_like_one_that_does_not_trust(cloud: Cloud) -> None:
    role = Role(cloud)
    role.arn += "-not-there"
    assert refused(role.assume)[:2] == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("most", "chained", "asked", "words"),
    [
        (43200, False, 43200, None),
        (7200, False, 7201, "exceeds the MaxSessionDuration set for this role"),
        (43200, True, 3601, "exceeds the 1 hour session limit for roles assumed by role chaining"),
        (43200, True, 3600, None),
    ],
)
async def test_a_session_may_last_so_long(
    cloud: Cloud, most: int, chained: bool, asked: int, words: str | None
) -> None:
    cloud.configure(chained=[cloud.reltio_principal_arn] if chained else [])
    role = Role(cloud, max_session_seconds=most)
    if words is None:
        role.assume(cloud.reltio_credentials, DurationSeconds=asked)
    else:
        status, code, message = refused(lambda: role.assume(cloud.reltio_credentials, DurationSeconds=asked))
        assert (status, code) == (400, "ValidationError")
        assert words in message
    cloud.configure()


INSIDE = [
    allow("s3:ListBucket", f"arn:aws:s3:::{LAKE}", Condition={"StringLike": {"s3:prefix": ["in/*", "in/"]}}),
    allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], f"arn:aws:s3:::{LAKE}/in/*"),
]


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("s3:PutObject", lambda s3, key: s3.put_object(Bucket=LAKE, Key=key, Body=b"x")),
        ("s3:GetObject", lambda s3, key: s3.get_object(Bucket=LAKE, Key=key)),
        ("s3:ListBucket", lambda s3, key: s3.list_objects_v2(Bucket=LAKE, Prefix=key)),
        ("s3:DeleteObject", lambda s3, key: s3.delete_object(Bucket=LAKE, Key=key)),
    ],
)
async def test_a_role_for_a_prefix_may_act_there_alone(cloud: Cloud, action: str, call: Any) -> None:
    s3 = Role(cloud, *INSIDE).s3()
    s3.put_object(Bucket=LAKE, Key="in/there", Body=b"x")
    call(s3, "in/there")
    status, code, message = refused(lambda: call(s3, "out/there"))
    assert (status, code) == (403, "AccessDenied")
    assert action in message
    assert message.endswith(f"because no identity-based policy allows the {action} action")


async def test_without_the_right_to_list_nobody_learns_that_an_object_is_missing(cloud: Cloud) -> None:
    blind = Role(cloud, allow("s3:GetObject")).s3()
    assert refused(lambda: blind.get_object(Bucket=LAKE, Key="nothing"))[:2] == (403, "AccessDenied")
    seeing = Role(cloud, allow(["s3:GetObject", "s3:ListBucket"])).s3()
    assert refused(lambda: seeing.get_object(Bucket=LAKE, Key="nothing"))[:2] == (404, "NoSuchKey")


async def test_an_explicit_deny_of_the_role_or_the_bucket_wins(cloud: Cloud) -> None:
    deny = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{LAKE}/no/*"}
    by_role = Role(cloud, allow("s3:*"), deny).s3()
    by_bucket = Role(cloud, allow("s3:*")).s3()
    put = {"Bucket": LAKE, "Key": "no/x", "Body": b""}
    by_bucket.put_object(**put)
    assert refused(lambda: by_role.put_object(**put))[2].endswith("an explicit deny in an identity-based policy")
    policy = {"Version": "2012-10-17", "Statement": [{**deny, "Principal": "*"}]}
    cloud.client("s3").put_bucket_policy(Bucket=LAKE, Policy=json.dumps(policy))
    assert refused(lambda: by_bucket.put_object(**put))[2].endswith("an explicit deny in a resource-based policy")
    cloud.client("s3").delete_bucket_policy(Bucket=LAKE)


async def test_a_session_may_do_no_more_than_its_policy_says(cloud: Cloud) -> None:
    s3 = Role(cloud, allow("s3:*")).s3(Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:List*")]}))
    s3.list_objects_v2(Bucket=LAKE)
    message = refused(lambda: s3.put_object(Bucket=LAKE, Key="in/x", Body=b""))[2]
    assert message.endswith("because no session policy allows the s3:PutObject action")


async def test_a_bucket_of_another_region_sends_its_callers_there(cloud: Cloud) -> None:
    s3 = Role(cloud, allow("s3:*")).s3()
    before = len(cloud.requests())
    s3.put_object(Bucket=FAR, Key="in/x", Body=b"x")
    regions = [r["region"] for r in cloud.requests()[before:] if r["action"] == "s3:PutObject"]
    assert regions == ["us-east-1", "eu-west-1"]


async def test_a_key_may_be_used_by_those_who_are_allowed_to(cloud: Cloud) -> None:
    s3_only = Role(cloud, allow("s3:*")).s3()
    with_key = Role(cloud, allow("s3:*"), allow(["kms:GenerateDataKey", "kms:Decrypt"], KEY)).s3()
    under_key = {"Bucket": LAKE, "Key": "in/k", "Body": b"x", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}
    assert "kms:GenerateDataKey" in refused(lambda: s3_only.put_object(**under_key))[2]
    with_key.put_object(**under_key)
    assert "kms:Decrypt" in refused(lambda: s3_only.get_object(Bucket=LAKE, Key="in/k"))[2]
    assert with_key.get_object(Bucket=LAKE, Key="in/k")["Body"].read() == b"x"
    cloud.configure(disabled_keys=[KEY])
    assert refused(lambda: with_key.put_object(**under_key))[:2] == (400, "KMS.DisabledException")
    cloud.configure()


async def test_public_access_is_blocked_where_it_is_to_be(cloud: Cloud) -> None:
    cloud.create_bucket("guarded-lake")
    admin = cloud.client("s3")
    all_of_it = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    admin.put_public_access_block(Bucket="guarded-lake", PublicAccessBlockConfiguration=all_of_it)
    public = {**allow("s3:GetObject", "arn:aws:s3:::guarded-lake/*"), "Principal": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [public]})
    assert "BlockPublicPolicy" in refused(lambda: admin.put_bucket_policy(Bucket="guarded-lake", Policy=policy))[2]
    put = {"Bucket": "guarded-lake", "Key": "x", "Body": b""}
    assert "BlockPublicAcls" in refused(lambda: admin.put_object(**put, ACL="public-read"))[2]
    admin.put_object(**put)


async def test_sessions_may_end_early(cloud: Cloud) -> None:
    s3 = Role(cloud).s3()
    s3.list_objects_v2(Bucket=LAKE)
    cloud.end_sessions()
    assert refused(lambda: s3.list_objects_v2(Bucket=LAKE))[:2] == (400, "ExpiredToken")


@pytest.mark.parametrize(("when", "there"), [("before", 0), ("after", 1)])
async def test_an_error_may_hide_what_was_done(cloud: Cloud, when: str, there: int) -> None:
    s3, key = Role(cloud).s3(), f"faults/{when}"
    cloud.add_fault(action="PutObject", path=key, when=when, status=503, code="SlowDown", message="Slow down.")
    assert refused(lambda: s3.put_object(Bucket=LAKE, Key=key, Body=b""))[:2] == (503, "SlowDown")
    assert len(cloud.list_objects(LAKE, key)) == there
    s3.put_object(Bucket=LAKE, Key=key, Body=b"")


async def test_a_line_may_be_cut_and_a_fault_of_sts_does_not_strike_s3(cloud: Cloud) -> None:
    cloud.add_fault(service="sts", action="AssumeRole", close=True, nth=2)
    role = Role(cloud)
    s3 = role.s3()
    with pytest.raises(HTTPClientError):
        role.assume()
    s3.list_objects_v2(Bucket=LAKE)
    role.assume()


@pytest.mark.parametrize(
    ("method", "what", "body", "status"),
    [
        ("POST", "faults", b'{"often": 1}', 400),
        ("PUT", "settings", b'{"chained": 3}', 400),
        ("GET", "nothing", b"", 404),
    ],
)
async def test_the_admin_api_says_what_it_does_not_take(
    cloud: Cloud, method: str, what: str, body: bytes, status: int
) -> None:
    async with httpx.AsyncClient() as http:
        assert (await http.request(method, f"{cloud.url}/_cloud/{what}", content=body)).status_code == status
