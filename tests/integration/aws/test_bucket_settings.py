"""Settings of a bucket, as S3 returns them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reltio_export_operator.aws.errors import AwsError

from .conftest import Account

BLOCK = ("get_public_access_block", "s3:GetBucketPublicAccessBlock")
ABSENT = "NoSuchPublicAccessBlockConfiguration"


async def changed(account: Account, call: str, **arguments: Any) -> None:
    s3 = account.cloud.client("s3")
    await asyncio.to_thread(getattr(s3, call), Bucket=account.name, **arguments)


async def denied(account: Account, call: str, permission: str) -> bool:
    try:
        await (await account.store()).setting(call, permission, absent=None)
    except AwsError as error:
        return error.reason == "AccessDenied"
    return False


async def test_a_setting_that_was_never_made_is_empty(account: Account) -> None:
    await account.allow([BLOCK[1]])
    assert await (await account.store()).setting(*BLOCK, absent=ABSENT) == {}


async def test_a_setting_is_what_s3_returns(account: Account) -> None:
    await account.allow([BLOCK[1]])
    await changed(account, "put_public_access_block", PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    answer = await (await account.store()).setting(*BLOCK, absent=ABSENT)
    assert answer["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True


async def test_a_setting_that_the_role_may_not_read_is_denied(account: Account) -> None:
    with pytest.raises(AwsError) as caught:
        await (await account.store()).setting(*BLOCK, absent=ABSENT)
    assert caught.value.reason == "AccessDenied"


async def test_an_error_that_does_not_mean_absent_is_raised(account: Account) -> None:
    with pytest.raises(AwsError):
        await (await account.store()).setting("get_bucket_policy", "s3:GetBucketPolicy", absent=None)


@pytest.mark.parametrize(
    ("call", "permission"),
    [
        ("get_bucket_versioning", "s3:GetBucketVersioning"),
        ("get_bucket_logging", "s3:GetBucketLogging"),
        ("get_bucket_ownership_controls", "s3:GetBucketOwnershipControls"),
        ("get_bucket_lifecycle_configuration", "s3:GetLifecycleConfiguration"),
        ("get_object_lock_configuration", "s3:GetBucketObjectLockConfiguration"),
    ],
)
async def test_each_setting_needs_the_permission_of_its_own(account: Account, call: str, permission: str) -> None:
    assert await denied(account, call, permission)
    await account.allow([permission])
    assert not await denied(account, call, permission)
