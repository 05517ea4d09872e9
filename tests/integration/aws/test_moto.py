"""The client of AWS against moto, where trust policies, external IDs and actions decide.

moto does not evaluate resources, conditions and session policies, and does not name a bucket's region to those who
may not list it: what depends on these is proven on stand-ins in the unit tests.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import boto3
import pytest

from reltio_export_operator.api.target import Encryption
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_sandbox.cloud.cloud import EXPORT_ACTIONS

from .conftest import EXTERNAL_ID, OWNER, Account

PREFIX = "reltio/exports/"


async def reasons(store: ObjectStore, encryption: Encryption | None = None) -> dict[str, str | None]:
    return {step: error.reason if error else None async for step, error in store.probe(PREFIX, encryption, name="u-1")}


async def keys(account: Account) -> list[str]:
    listed = await asyncio.to_thread(account.cloud.list_objects, account.name)
    return [key for key, _ in listed]


async def test_a_good_target_passes_every_step_and_keeps_nothing(account: Account) -> None:
    assert await reasons(await account.store()) == dict.fromkeys(EXPORT_ACTIONS)
    assert await keys(account) == []


async def test_a_good_target_takes_encrypted_objects(account: Account) -> None:
    assert await reasons(await account.store(), Encryption(algorithm="AES256")) == dict.fromkeys(
        [*EXPORT_ACTIONS, "Encryption"]
    )


@pytest.mark.parametrize("external_id", ["ext-of-somebody-else", EXTERNAL_ID + "\n"])
async def test_a_wrong_external_id_is_denied_and_not_shown(account: Account, external_id: str) -> None:
    with pytest.raises(AwsError) as caught:
        await account.assume(external_id)
    assert caught.value.reason == "AssumeRoleDenied"
    assert "spec.s3.externalID" in caught.value.remedy
    assert external_id.strip() not in str(caught.value)


async def test_a_corrected_external_id_heals(account: Account) -> None:
    with pytest.raises(AwsError):
        await account.assume("ext-new")
    await asyncio.to_thread(account.cloud.set_external_id, account.name, "ext-new")
    await account.assume("ext-new")


async def test_a_principal_that_the_role_does_not_trust_is_denied(account: Account) -> None:
    def outsider() -> boto3.Session:
        iam = account.cloud.client("iam")
        iam.create_user(UserName="outsider")
        anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="outsider", PolicyName="all", PolicyDocument=json.dumps(anything))
        key = iam.create_access_key(UserName="outsider")["AccessKey"]
        return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])

    sessions = account.operator(await asyncio.to_thread(outsider))
    with pytest.raises(AwsError) as caught:
        await sessions.assume(OWNER, account.role_arn, EXTERNAL_ID)
    assert caught.value.reason == "AssumeRoleDenied"


async def test_a_missing_bucket_is_distinguished_from_a_denied_one(account: Account) -> None:
    found = await reasons(await account.store("no-such-bucket-anywhere"))
    assert found == {"s3:ListBucket": "BucketNotFound", "s3:PutObject": "BucketNotFound"}


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject", "s3:DeleteObject"])
async def test_exactly_the_denied_action_fails(account: Account, action: str) -> None:
    await account.allow_all_but(action)
    assert await reasons(await account.store()) == {**dict.fromkeys(EXPORT_ACTIONS), action: "AccessDenied"}


async def test_a_denied_put_leaves_get_and_delete_unknown_and_heals(account: Account) -> None:
    await account.allow_all_but("s3:PutObject")
    assert await reasons(await account.store()) == {"s3:ListBucket": None, "s3:PutObject": "AccessDenied"}
    await account.allow(EXPORT_ACTIONS)
    assert await reasons(await account.store()) == dict.fromkeys(EXPORT_ACTIONS)


async def test_a_session_near_its_end_is_replaced_with_its_client(account: Account) -> None:
    first = await account.assume()
    assert await account.assume() is first
    account.ahead = timedelta(minutes=56)
    second = await account.assume()
    assert second is not first
    assert second.s3 is not first.s3
    assert await reasons(await account.store()) == dict.fromkeys(EXPORT_ACTIONS)


async def test_what_is_put_can_be_listed_read_and_deleted(account: Account) -> None:
    store = await account.store()
    await store.put(PREFIX + "part-00000.gz", b"0123456789")
    await store.put("elsewhere/part-00000.gz", b"x")
    (item,) = [found async for found in store.list(PREFIX)]
    assert (item.key, item.size) == (PREFIX + "part-00000.gz", 10)
    assert item.etag == "781e5e245d69b566979b86e28d23f2c7"
    assert await store.exists(item.key)
    assert await store.read_range(item, 7, 100) == b"789"
    await store.delete(item.key)
    assert not await store.exists(item.key)


async def test_the_region_of_a_bucket_is_read(account: Account) -> None:
    await account.allow([*EXPORT_ACTIONS, "s3:HeadBucket"])  # moto's own action; AWS asks for s3:ListBucket
    assert await (await account.store()).region() == "us-east-1"


async def test_missing_credentials_are_reported_and_found_later(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    sessions = account.operator()
    with pytest.raises(AwsError) as caught:
        await sessions.assume(OWNER, account.role_arn, EXTERNAL_ID)
    assert caught.value.reason == "NoCredentials"
    assert "IRSA" in caught.value.remedy
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account.cloud.operator_credentials.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", account.cloud.operator_credentials.secret)
    assert (await sessions.assume(OWNER, account.role_arn, EXTERNAL_ID)).key.role_arn == account.role_arn


async def test_an_unknown_key_of_the_operator_is_its_own_fault(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN12")
    with pytest.raises(AwsError) as caught:
        await account.operator().assume(OWNER, account.role_arn, EXTERNAL_ID)
    assert caught.value.reason == "OperatorCredentialsRejected"


async def test_an_endpoint_that_nobody_serves_is_unreachable(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(AwsError) as caught:
        await account.operator().assume(OWNER, account.role_arn, EXTERNAL_ID)
    assert (caught.value.reason, caught.value.transient) == ("EndpointUnreachable", True)
