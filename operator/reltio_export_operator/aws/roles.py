"""Reads a role and its policies from IAM with the operator's own credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..api.foreign import own
from . import messages
from .errors import CALL_FAILURES, AwsError, from_botocore
from .owner import Owner
from .parsing import understood
from .places import CallsPausedError
from .sessions import RoleSessions

_DEFAULT_SECONDS = 3600  # https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html (text of botocore 1.44.5)
# Of a list. IAM allows a role 20 attached policies, and inline policies of 10,240 characters in all.
_MAX_POLICIES, _MAX_PAGES = 200, 20


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

        place = self._sessions.place("iam", role_arn, None)
        try:
            return await self._sessions.run(place, self._owner.namespace, work)
        except CallsPausedError as error:
            raise from_botocore(error, action, role_arn) from None


def _role_and_arn(iam: Any, name: str) -> tuple[str, RoleDescription]:
    role = iam.get_role(RoleName=name)["Role"]
    seconds = int(role.get("MaxSessionDuration", _DEFAULT_SECONDS))
    return role["Arn"], RoleDescription(role["AssumeRolePolicyDocument"], (), seconds)


def _listed(iam: Any, operation: str, key: str, name: str) -> list[Any]:
    """The policies under this key of all pages."""
    found: list[Any] = []
    for number, page in enumerate(iam.get_paginator(operation).paginate(RoleName=name), 1):
        found += page[key]
        if number > _MAX_PAGES or len(found) > _MAX_POLICIES:
            action = "iam:" + operation.title().replace("_", "")
            limit = own(f"the list has more than {_MAX_POLICIES} policies or {_MAX_PAGES} pages")
            raise AwsError(messages.ANSWER_BEYOND_LIMITS, action=action, resource=name, limit=limit)
    return found


def _inline_policies(iam: Any, name: str) -> list[Mapping[str, Any]]:
    names = _listed(iam, "list_role_policies", "PolicyNames", name)
    return [iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in names]


def _attached_policies(iam: Any, name: str) -> list[Mapping[str, Any]]:
    documents = []
    for attached in _listed(iam, "list_attached_role_policies", "AttachedPolicies", name):
        policy = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]
        version = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=policy["DefaultVersionId"])
        documents.append(version["PolicyVersion"]["Document"])
    return documents
