"""Checks of what Reltio recommends: an answer that says nothing about the setting leaves it unknown, and says why."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from reltio_export_operator.api.target import Check

from .aws import Client
from .world import World

THROTTLED: Any = {"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}
DENIED: Any = {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}


async def check_of(world: World, name: str) -> Check:
    target = await world.verify()
    assert target.is_ready
    return next(check for check in target.status.checks if check.name == name)


@pytest.mark.parametrize(("answer", "reason"), [(THROTTLED, "AWSUnavailable"), (DENIED, "NotReadable")])
async def test_only_a_denial_says_that_the_setting_of_the_bucket_may_not_be_read(answer: Any, reason: str) -> None:
    world = World()
    world.aws.outages["s3:GetBucketPublicAccessBlock"] = ClientError(answer, "GetPublicAccessBlock")
    check = await check_of(world, "PublicAccessBlocked")
    assert (check.status, check.reason) == ("Unknown", reason)
    assert ("may not read" in check.message) is (reason == "NotReadable")


@pytest.mark.parametrize(("answer", "reason"), [(THROTTLED, "AWSUnavailable"), (DENIED, "AssumeRoleDenied")])
async def test_the_duration_of_sessions_is_unknown_for_the_reason_that_aws_gave(
    answer: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assume = Client.assume_role

    def fail_for_long_sessions(client: Client, **arguments: Any) -> Any:
        if arguments["DurationSeconds"] > 3600:
            raise ClientError(answer, "AssumeRole")
        return assume(client, **arguments)

    monkeypatch.setattr(Client, "assume_role", fail_for_long_sessions)
    check = await check_of(World(), "SessionDuration")
    assert (check.status, check.reason) == ("Unknown", reason)
    assert "may not read" not in check.message


async def test_a_chained_operator_that_iam_throttles_is_not_asked_to_allow_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.aws.principal = "arn:aws:sts::111122223333:assumed-role/operator/pod"
    world.aws.roles[next(iter(world.aws.roles))].trust["Principal"] = {"AWS": ["arn:aws:iam::111122223333:root"]}

    def throttled(client: Client, **_: Any) -> Any:
        raise ClientError(THROTTLED, "GetRole")

    monkeypatch.setattr(Client, "get_role", throttled)
    check = await check_of(world, "SessionDuration")
    assert (check.status, check.reason) == ("Unknown", "AWSUnavailable")
    assert "iam:GetRole on the role" not in check.remedy
