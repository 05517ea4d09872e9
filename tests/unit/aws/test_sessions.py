"""Sessions of roles are cached, shared by concurrent callers, and renewed before they expire."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from aws_fakes import FakeBoto, refusal
from clocks import FakeClock
from reltio_export_operator.aws import sessions
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.roles import RoleReader
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_operator.runtime.allowed_roles import AllowedRoles

ROLE = "arn:aws:iam::111122223333:role/reltio-exporter"
OWNER = Owner("mdm", "lake")


class BotoClock(FakeClock):
    """The time of the fake of boto3."""

    def __init__(self, boto: FakeBoto) -> None:
        super().__init__()
        self._boto = boto

    def utc_now(self) -> datetime:
        return self._boto.now


class Account:
    """Sessions with a fake of boto3, and its clock."""

    def __init__(self, pool: ThreadPoolExecutor, **more: Any) -> None:
        self.boto = FakeBoto()
        clock = BotoClock(self.boto)
        self.roles = RoleSessions(pool, new_session=lambda: self.boto, clock=clock, **more)  # type: ignore[arg-type, return-value]

    def pass_time(self, **time: float) -> None:
        self.boto.now += timedelta(**time)

    @property
    def calls(self) -> int:
        return len(self.boto.assumed)


@pytest.fixture
def account(pool: ThreadPoolExecutor) -> Account:
    return Account(pool)


async def test_assume_role_is_called_with_role_external_id_and_the_name_of_the_target(account: Account) -> None:
    await account.roles.assume(OWNER, ROLE, "ext-1")
    assert account.boto.assumed == [
        {
            "RoleArn": ROLE,
            "RoleSessionName": "mdm.lake",
            "DurationSeconds": 3600,
            "ExternalId": "ext-1",
        }
    ]


async def test_a_role_that_the_settings_do_not_allow_is_not_assumed(pool: ThreadPoolExecutor) -> None:
    account = Account(pool, allowed=AllowedRoles({"sales": [ROLE], "mdm": [f"{ROLE}-*"]}))
    with pytest.raises(AwsError) as refused:
        await account.roles.assume(OWNER, ROLE, "ext-1")
    assert refused.value.reason == "RoleNotAllowed"
    assert "namespace mdm" in refused.value.message
    assert account.boto.created == []
    await account.roles.assume(OWNER, f"{ROLE}-2", "ext-1")
    await account.roles.assume(Owner("sales", "lake"), ROLE, "ext-1")
    assert account.calls == 2


async def test_a_role_that_the_settings_do_not_allow_is_not_read(pool: ThreadPoolExecutor) -> None:
    account = Account(pool, allowed=AllowedRoles({"sales": [ROLE]}))
    with pytest.raises(AwsError) as refused:
        await RoleReader(account.roles, OWNER).describe(ROLE)
    assert refused.value.reason == "RoleNotAllowed"
    assert account.boto.created == []


async def test_sessions_are_tagged_with_namespace_and_target_when_the_setting_asks_for_it(
    pool: ThreadPoolExecutor,
) -> None:
    account = Account(pool, session_tags=True)
    await account.roles.assume(OWNER, ROLE, None)
    assert account.boto.assumed[0]["Tags"] == [
        {"Key": "reltio-export/namespace", "Value": "mdm"},
        {"Key": "reltio-export/target", "Value": "lake"},
    ]
    account.boto.failures = [refusal("AccessDenied")]
    with pytest.raises(AwsError, match="sts:TagSession") as refused:
        await account.roles.assume(OWNER, ROLE, "ext-1")
    assert refused.value.reason == "AssumeRoleDenied"


async def test_a_role_without_external_id_is_assumed_without_one(account: Account) -> None:
    await account.roles.assume(OWNER, ROLE, None)
    assert "ExternalId" not in account.boto.assumed[0]


async def test_assume_role_is_called_with_the_session_policy_and_the_duration(account: Account) -> None:
    policy = {"Version": "2012-10-17", "Statement": []}
    await account.roles.assume(OWNER, ROLE, None, policies=[policy], duration=43200)
    (arguments,) = account.boto.assumed
    assert json.loads(arguments["Policy"]) == policy
    assert " " not in arguments["Policy"], "AWS counts every character"
    assert arguments["DurationSeconds"] == 43200


async def test_the_s3_client_uses_the_credentials_of_the_session(account: Account) -> None:
    role = await account.roles.assume(OWNER, ROLE, None, region="eu-west-1")
    service, arguments = account.boto.created[-1]
    assert service == "s3"
    assert arguments["region_name"] == "eu-west-1"
    assert (arguments["aws_access_key_id"], arguments["aws_session_token"]) == ("key-1", "token")
    assert role.expires == account.boto.now + timedelta(hours=1)


@pytest.mark.parametrize(("age", "calls"), [({"minutes": 54}, 1), ({"minutes": 55}, 2), ({"hours": 2}, 2)])
async def test_a_session_is_cached_until_five_minutes_before_it_expires(
    account: Account, age: dict[str, float], calls: int
) -> None:
    first = await account.roles.assume(OWNER, ROLE, "ext-1")
    account.pass_time(**age)
    second = await account.roles.assume(OWNER, ROLE, "ext-1")
    assert account.calls == calls
    assert (first is second) is (calls == 1)


async def test_a_fresh_session_replaces_the_cached_one(account: Account) -> None:
    await account.roles.assume(OWNER, ROLE, "ext-1")
    fresh = await account.roles.assume(OWNER, ROLE, "ext-1", fresh=True)
    assert account.calls == 2
    assert await account.roles.assume(OWNER, ROLE, "ext-1") is fresh


@pytest.mark.parametrize(
    "other",
    [
        {"owner": Owner("mdm", "pond")},
        {"external_id": "ext-2"},
        {"region": "eu-west-1"},
        {"policies": [{"Version": "2012-10-17"}]},
        {"duration": 900},
    ],
)
async def test_sessions_with_different_parameters_are_not_shared(account: Account, other: dict[str, Any]) -> None:
    await account.roles.assume(OWNER, ROLE, "ext-1")
    await account.roles.assume(**{"owner": OWNER, "role_arn": ROLE, "external_id": "ext-1", **other})
    assert account.calls == 2


async def test_concurrent_callers_share_one_session(account: Account) -> None:
    roles = await asyncio.gather(*(account.roles.assume(OWNER, ROLE, "ext-1", fresh=n % 2 == 0) for n in range(20)))
    assert account.calls == 1
    assert len({id(role) for role in roles}) == 1


async def test_concurrent_callers_share_one_failure_and_a_later_call_tries_again(account: Account) -> None:
    account.boto.failures = [refusal("AccessDenied")]
    results = await asyncio.gather(
        *(account.roles.assume(OWNER, ROLE, "bad") for _ in range(20)), return_exceptions=True
    )
    assert {getattr(result, "reason", result) for result in results} == {"AssumeRoleDenied"}
    assert account.calls == 1
    await account.roles.assume(OWNER, ROLE, "bad")
    assert account.calls == 2


async def test_a_cancelled_caller_does_not_cancel_the_call_of_the_others(account: Account) -> None:
    account.boto.gate.clear()
    first = asyncio.create_task(account.roles.assume(OWNER, ROLE, "ext-1"))
    second = asyncio.create_task(account.roles.assume(OWNER, ROLE, "ext-1"))
    await asyncio.sleep(0)
    first.cancel()
    account.boto.gate.set()
    assert (await second).key.role_arn == ROLE
    assert first.cancelled()
    assert account.calls == 1


async def test_forgetting_a_session_does_not_remove_a_newer_one(account: Account) -> None:
    old = await account.roles.assume(OWNER, ROLE, "ext-1")
    account.roles.forget(old)
    new = await account.roles.assume(OWNER, ROLE, "ext-1")
    assert new is not old
    account.roles.forget(old)
    assert await account.roles.assume(OWNER, ROLE, "ext-1") is new


async def test_the_least_recently_used_session_is_evicted(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MAX_CACHED_SESSIONS", 2)
    for name in ("a", "b", "a", "c"):
        await account.roles.assume(OWNER, ROLE, name * 2)
    assert account.calls == 3
    await account.roles.assume(OWNER, ROLE, "aa")
    assert account.calls == 3, "used more recently than b"
    await account.roles.assume(OWNER, ROLE, "bb")
    assert account.calls == 4


@pytest.mark.parametrize(
    ("partition", "configured", "of_bucket", "region"),
    [
        ("aws", None, None, "us-east-1"),
        ("aws-cn", None, None, "cn-north-1"),
        ("aws-us-gov", None, None, "us-gov-west-1"),
        ("aws", "ap-south-1", None, "ap-south-1"),
        ("aws", "ap-south-1", "eu-west-1", "eu-west-1"),
    ],
)
async def test_the_region_comes_from_the_bucket_then_the_environment_then_the_partition(
    account: Account, partition: str, configured: str | None, of_bucket: str | None, region: str
) -> None:
    account.boto.region_name = configured
    await account.roles.assume(OWNER, f"arn:{partition}:iam::111122223333:role/x", None, region=of_bucket)
    assert {arguments["region_name"] for _, arguments in account.boto.created} == {region}


async def test_the_external_id_is_in_no_message_or_repr(account: Account) -> None:
    account.boto.failures = [refusal("ValidationError")]
    with pytest.raises(AwsError) as caught:
        await account.roles.assume(OWNER, ROLE, "ext-77")
    assert "ext-77" not in f"{caught.value!r} {await account.roles.assume(OWNER, ROLE, 'ext-77')!r}"
