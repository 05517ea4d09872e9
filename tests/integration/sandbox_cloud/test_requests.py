"""Regions, presigned URLs and requests without a signature."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from integration.sandbox_cloud.helpers import FAR, LAKE, Role, allow, client, refused
from reltio_export_sandbox.cloud import Cloud

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_bucket_of_another_region_sends_its_callers_there(cloud: Cloud) -> None:
    s3 = Role(cloud, allow("s3:*")).s3()
    before = len(cloud.requests())
    s3.put_object(Bucket=FAR, Key="in/x", Body=b"x")
    regions = [r["region"] for r in cloud.requests()[before:] if r["action"] == "s3:PutObject"]
    assert regions == ["us-east-1", "eu-west-1"]


@pytest.mark.parametrize(
    ("region", "status", "code"),
    [("us-east-1", 400, "AuthorizationHeaderMalformed"), ("us-west-2", 301, "PermanentRedirect")],
)
async def test_a_request_for_another_region_is_refused_as_at_that_endpoint(
    cloud: Cloud, region: str, status: int, code: str
) -> None:
    admin = cloud.admin_credentials
    s3 = client(cloud, "s3", admin.id, admin.secret, region=region, config=Config(signature_version="s3v4"))
    async with httpx.AsyncClient() as http:  # boto3 would follow
        for method, call in (("PUT", "put_object"), ("GET", "list_objects_v2"), ("HEAD", "head_bucket")):
            wanted = {"Bucket": FAR, "Key": "x"} if method == "PUT" else {"Bucket": FAR}
            answer = await http.request(method, s3.generate_presigned_url(call, Params=wanted))
            assert (answer.status_code, answer.headers["x-amz-bucket-region"]) == (status, "eu-west-1")
            assert (f"<Code>{code}</Code>" in answer.text) is (method != "HEAD")


@pytest.mark.parametrize(
    ("region", "constraint", "code"),
    [
        ("eu-west-1", None, "IllegalLocationConstraintException"),
        ("eu-west-1", "us-west-2", "IllegalLocationConstraintException"),
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
    ],
)
async def test_a_bucket_is_created_where_the_endpoint_is(
    cloud: Cloud, region: str, constraint: str | None, code: str
) -> None:
    place = {} if constraint is None else {"CreateBucketConfiguration": {"LocationConstraint": constraint}}
    assert refused(lambda: cloud.client("s3", region=region).create_bucket(Bucket="new-lake", **place))[:2] == (
        400,
        code,
    )


async def test_the_region_of_a_bucket_is_returned_without_permission(cloud: Cloud) -> None:
    seeing, blind = Role(cloud, allow("s3:*")).s3(), Role(cloud, allow("s3:GetObject")).s3()
    assert seeing.head_bucket(Bucket=LAKE)["BucketRegion"] == "us-east-1"
    with pytest.raises(ClientError) as error:
        blind.head_bucket(Bucket=LAKE)
    answer = error.value.response["ResponseMetadata"]
    assert (answer["HTTPStatusCode"], answer["HTTPHeaders"]["x-amz-bucket-region"]) == (403, "us-east-1")


@pytest.mark.parametrize("path", [f"/{LAKE}/in/x", f"/{LAKE}", "/", "/nothing-there/x"])
async def test_a_request_without_a_signature_is_refused_in_xml(cloud: Cloud, path: str) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.get(cloud.url + path)
        asked = await http.post(cloud.url, data={"Action": "AssumeRole", "Version": "2011-06-15"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml")
    assert "<Code>AccessDenied</Code>" in answer.text
    assert (asked.status_code, "<Code>MissingAuthenticationToken</Code>" in asked.text) == (403, True)


async def test_a_bucket_that_lets_everybody_in_needs_no_signature_unless_public_access_is_blocked(cloud: Cloud) -> None:
    cloud.create_bucket("open-lake")
    admin = cloud.client("s3")
    admin.put_object(Bucket="open-lake", Key="shown/a b", Body=b"x")
    public = {**allow("s3:GetObject", "arn:aws:s3:::open-lake/shown/*"), "Principal": "*"}
    admin.put_bucket_policy(Bucket="open-lake", Policy=json.dumps({"Version": "2012-10-17", "Statement": [public]}))
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{cloud.url}/open-lake/shown/a%20b")).text == "x"
        assert (await http.get(f"{cloud.url}/open-lake/hidden")).status_code == 403
        block = {"RestrictPublicBuckets": True}
        admin.put_public_access_block(Bucket="open-lake", PublicAccessBlockConfiguration=block)
        assert (await http.get(f"{cloud.url}/open-lake/shown/a%20b")).status_code == 403


@pytest.mark.parametrize("owner", ["admin", "session"])
async def test_a_presigned_url_is_worth_what_its_signer_may_do(cloud: Cloud, owner: str) -> None:
    cloud.put_object(LAKE, "signed/a b+c", b"content")
    version_4 = Config(signature_version="s3v4")
    if owner == "admin":
        keys: tuple[Any, ...] = (cloud.admin_credentials.id, cloud.admin_credentials.secret, None)
    else:
        found = Role(cloud, allow("s3:GetObject", f"arn:aws:s3:::{LAKE}/signed/*")).assume()
        keys = (found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    s3 = client(cloud, "s3", *keys, config=version_4)

    def url(key: str, **more: Any) -> str:
        return str(s3.generate_presigned_url("get_object", Params={"Bucket": LAKE, "Key": key}, **more))

    async with httpx.AsyncClient() as http:
        assert (await http.get(url("signed/a b+c"))).text == "content"
        changed = url("signed/a b+c").replace("signed/", "signed2/")
        assert "SignatureDoesNotMatch" in (await http.get(changed)).text
        assert "Request has expired" in (await http.get(url("signed/a b+c", ExpiresIn=0))).text
        if owner == "session":
            assert "not authorized to perform: s3:GetObject" in (await http.get(url("other/x"))).text
        old = f"{cloud.url}/{LAKE}/signed/x?AWSAccessKeyId={keys[0]}&Signature=x&Expires=9999999999"
        assert "Please use AWS4-HMAC-SHA256" in (await http.get(old)).text
