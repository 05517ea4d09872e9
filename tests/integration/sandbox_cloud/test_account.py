"""The sandbox's AWS refuses what AWS refuses, in its words."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from botocore.exceptions import HTTPClientError

from integration.sandbox_cloud.helpers import KEY, LAKE, Role, allow, client, deny, refused
from reltio_export_sandbox.cloud import Cloud

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("given", [None, "somebody-else"])
async def test_a_role_cannot_be_assumed_without_the_external_id_that_it_requires(
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


@pytest.mark.parametrize("holder", ["role", "bucket"])
async def test_a_deny_with_a_condition_denies_those_for_whom_it_holds(cloud: Cloud, holder: str) -> None:
    inside = f"arn:aws:s3:::{LAKE}/sealed-{holder}/*"
    unsealed = deny("s3:PutObject", inside, StringNotEquals={"s3:x-amz-server-side-encryption": "AES256"})
    insecure = deny("s3:*", inside, Bool={"aws:SecureTransport": "false"})
    if holder == "role":
        s3 = Role(cloud, allow("s3:*"), unsealed, insecure).s3()
    else:
        s3 = Role(cloud, allow("s3:*")).s3()
        statements = [{**statement, "Principal": "*"} for statement in (unsealed, insecure)]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        cloud.client("s3").put_bucket_policy(Bucket=LAKE, Policy=policy)
    put = {"Bucket": LAKE, "Key": f"sealed-{holder}/x", "Body": b"x"}
    s3.put_object(**put, ServerSideEncryption="AES256")
    assert "with an explicit deny" in refused(lambda: s3.put_object(**put))[2]
    assert s3.get_object(Bucket=LAKE, Key=put["Key"])["Body"].read() == b"x"
    cloud.client("s3").delete_bucket_policy(Bucket=LAKE)


async def test_a_condition_that_the_sandbox_does_not_evaluate_is_an_error_that_names_it(cloud: Cloud) -> None:
    s3 = Role(cloud, allow("s3:*"), deny("s3:*", "*", BinaryEquals={"k": "eA=="})).s3()
    status, code, message = refused(lambda: s3.list_objects_v2(Bucket=LAKE))
    assert (status, code) == (501, "NotImplemented")
    assert "BinaryEquals" in message


async def test_each_object_of_a_deletion_of_several_needs_the_right(cloud: Cloud) -> None:
    s3 = Role(cloud, allow("s3:*"), deny("s3:DeleteObject", f"arn:aws:s3:::{LAKE}/kept/*")).s3()
    s3.put_object(Bucket=LAKE, Key="kept/x", Body=b"")
    s3.put_object(Bucket=LAKE, Key="gone/x & y", Body=b"")
    s3.delete_objects(Bucket=LAKE, Delete={"Objects": [{"Key": "gone/x & y"}]})
    both = {"Objects": [{"Key": "gone/x"}, {"Key": "kept/x"}]}
    assert refused(lambda: s3.delete_objects(Bucket=LAKE, Delete=both))[:2] == (403, "AccessDenied")
    assert cloud.list_objects(LAKE, "kept/x") == [("kept/x", 0)]


async def test_a_session_may_assume_another_role_for_an_hour(cloud: Cloud) -> None:
    first, second = Role(cloud, allow("sts:AssumeRole")), Role(cloud)
    policy = {"Effect": "Allow", "Principal": {"AWS": first.arn}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    cloud.client("iam").update_assume_role_policy(RoleName=second.name, PolicyDocument=document)
    found = first.assume()
    sts = client(cloud, "sts", found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    again = {"RoleArn": second.arn, "RoleSessionName": "chained"}
    chained = sts.assume_role(**again)["Credentials"]
    s3 = client(cloud, "s3", chained["AccessKeyId"], chained["SecretAccessKey"], chained["SessionToken"])
    s3.list_objects_v2(Bucket=LAKE)
    assert "1 hour session limit" in refused(lambda: sts.assume_role(**again, DurationSeconds=3601))[2]


async def test_a_condition_on_the_service_or_the_object_holds_for_keys(cloud: Cloud) -> None:
    only = {
        "StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{LAKE}/sealed/*"},
    }
    use = allow(["kms:GenerateDataKey", "kms:Decrypt"], KEY, Condition=only)
    s3 = Role(cloud, allow("s3:*"), use).s3()
    sealed = {"Bucket": LAKE, "Body": b"x", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}
    s3.put_object(**sealed, Key="sealed/x")
    assert s3.get_object(Bucket=LAKE, Key="sealed/x")["Body"].read() == b"x"
    assert "kms:GenerateDataKey" in refused(lambda: s3.put_object(**sealed, Key="elsewhere/x"))[2]


async def test_the_default_key_of_a_bucket_must_be_usable(cloud: Cloud) -> None:
    cloud.create_bucket("sealed-lake")
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}}
    cloud.client("s3").put_bucket_encryption(
        Bucket="sealed-lake", ServerSideEncryptionConfiguration={"Rules": [default]}
    )
    put = {"Bucket": "sealed-lake", "Key": "x", "Body": b"x"}
    Role(cloud, allow("s3:*"), allow("kms:GenerateDataKey", KEY)).s3().put_object(**put)
    without = Role(cloud, allow("s3:*")).s3()
    assert "kms:GenerateDataKey" in refused(lambda: without.put_object(**put))[2]
    assert "kms:Decrypt" in refused(lambda: without.get_object(Bucket="sealed-lake", Key="x"))[2]


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
