"""The trust policies of docs/roles.md let in the targets of one namespace, and of no other."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import RoleSessions
from reltio_export_sandbox.cloud import Cloud

from .helpers import Role

PAGE = Path(__file__).parents[3] / "docs" / "roles.md"
POLICIES = re.findall(r"<!-- trust policy with (.*?) -->\n```json\n(.*?)```", PAGE.read_text(), re.DOTALL)


def documented(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dict(POLICIES)[name])
    return found


EXTERNAL_ID = "3f0c2b5e-8d1a"

pytestmark = pytest.mark.asyncio(loop_scope="module")


def trust(cloud: Cloud, role: Role, policy: dict[str, Any], *own_actions: str) -> None:
    """Give the role this trust policy, for the operator of the sandbox, and let the operator do these actions."""
    iam = cloud.client("iam")
    policy["Statement"][0]["Principal"]["AWS"] = cloud.operator_principal_arn
    iam.update_assume_role_policy(RoleName=role.name, PolicyDocument=json.dumps(policy))
    user = cloud.operator_principal_arn.rpartition("/")[2]
    statement = {"Effect": "Allow", "Action": list(own_actions), "Resource": "*"}
    (name,) = iam.list_user_policies(UserName=user)["PolicyNames"]
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName=name, PolicyDocument=document)


@pytest.mark.parametrize(("name", "tags"), [("the name of the session", False), ("tags", True)])
async def test_a_documented_trust_policy_lets_in_the_targets_of_one_namespace(
    cloud: Cloud, name: str, tags: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    role, key = Role(cloud), cloud.operator_credentials
    await asyncio.to_thread(trust, cloud, role, documented(name), "sts:AssumeRole", "sts:TagSession")
    boto = boto3.Session(key.id, key.secret, region_name="us-east-1")
    with ThreadPoolExecutor(1) as pool:
        sessions = RoleSessions(pool, new_session=lambda: boto, session_tags=tags)
        await sessions.assume(Owner("sales", "lake"), role.arn, EXTERNAL_ID)
        await sessions.assume(Owner("sales", "t" * 200), role.arn, EXTERNAL_ID)
        for other in ("care", "sales-eu", "sale", "s" * 60):
            with pytest.raises(AwsError) as refused:
                await sessions.assume(Owner(other, "lake"), role.arn, EXTERNAL_ID)
            assert refused.value.reason == "AssumeRoleDenied"
        await asyncio.to_thread(trust, cloud, role, documented(name), "sts:AssumeRole")
        assert (await denied(sessions, role)) is tags, "only tags need sts:TagSession"


async def denied(sessions: RoleSessions, role: Role) -> bool:
    try:
        await sessions.assume(Owner("sales", "another"), role.arn, EXTERNAL_ID)
    except AwsError:
        return True
    return False
