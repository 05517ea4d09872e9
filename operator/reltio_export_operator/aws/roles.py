"""Reads a role and its policies from IAM with the operator's own credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import messages
from .errors import CALL_FAILURES, AwsError, from_botocore
from .owner import Owner
from .parsing import understood
from .sessions import RoleSessions

_DEFAULT_SECONDS = 3600  # https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html (text of botocore 1.44.5)


@dataclass(frozen=True)
class RoleDescription:
    """Trust policy, all permission policies, and MaxSessionDuration in seconds."""

    trust: Mapping[str, Any]
    permissions: tuple[Mapping[str, Any], ...]
    max_session_seconds: int


class RoleReader:
    """Every method raises AwsError. Only roles of the operator's own account can be read."""

    def __init__(self, sessions: RoleSessions, owner: Owner) -> None:
        self._sessions = sessions
        self._owner = owner

    async def max_session_duration(self, role_arn: str) -> int:
        """In seconds. Needs iam:GetRole."""
        return (await self._role(role_arn)).max_session_seconds

    async def describe(self, role_arn: str) -> RoleDescription:
        """Needs iam:GetRole, ListRolePolicies, GetRolePolicy, ListAttachedRolePolicies, GetPolicy, GetPolicyVersion."""
        role = await self._role(role_arn)
        inline = await self._call("iam:GetRolePolicy", role_arn, _inline_policies)
        attached = await self._call("iam:GetPolicyVersion", role_arn, _attached_policies)
        return replace(role, permissions=(*inline, *attached))

    async def _role(self, role_arn: str) -> RoleDescription:
        found, role = await self._call("iam:GetRole", role_arn, _role_and_arn)
        # GetRole takes a name without account and path; names are unique within an account (texts of botocore 1.44.5):
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
        if found != role_arn:
            raise AwsError(messages.OTHER_ROLE_FOUND, found=found, role=role_arn)
        description: RoleDescription = role
        return description

    async def _call(self, action: str, role_arn: str, call: Any) -> Any:
        self._sessions.check_allowed(self._owner, role_arn)
        name = role_arn.rpartition("/")[2]

        def work() -> Any:
            try:
                client = self._sessions.own_client("iam", role_arn)
                with understood():
                    return call(client, name)
            except CALL_FAILURES as error:
                raise from_botocore(error, action, role_arn, secrets=self._owner.secrets) from None

        return await self._sessions.run(work)


def _role_and_arn(iam: Any, name: str) -> tuple[str, RoleDescription]:
    role = iam.get_role(RoleName=name)["Role"]
    seconds = int(role.get("MaxSessionDuration", _DEFAULT_SECONDS))
    return role["Arn"], RoleDescription(role["AssumeRolePolicyDocument"], (), seconds)


def _inline_policies(iam: Any, name: str) -> list[Mapping[str, Any]]:
    pages = iam.get_paginator("list_role_policies").paginate(RoleName=name)
    names = [policy for page in pages for policy in page["PolicyNames"]]
    return [iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in names]


def _attached_policies(iam: Any, name: str) -> list[Mapping[str, Any]]:
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
    documents = []
    for attached in (policy for page in pages for policy in page["AttachedPolicies"]):
        policy = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]
        version = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=policy["DefaultVersionId"])
        documents.append(version["PolicyVersion"]["Document"])
    return documents
