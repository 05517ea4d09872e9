"""STS, IAM, S3 and KMS reduced to what decides who may do what, as boto3 shows them.

Stands in where moto does not decide: conditions and resources of permission policies, session policies, a missing
external ID, session lengths, role chaining, regions, KMS keys, bucket policies. Shares no code with the operator.
"""

# ruff: noqa: N803 - arguments are spelled as boto3 spells them

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError

from aws_fakes import object_answer

Raw = dict[str, Any]


@dataclass
class Role:
    trust: Raw
    permissions: list[Raw]
    max_session: int = 43_200


@dataclass
class Bucket:
    region: str = "us-east-1"
    public_access_blocked: bool = True
    encrypts_with: str = ""  # whatever is requested
    policy: list[Raw] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Aws:
    """An account. `principal` is the operator's own; None: it has no credentials."""

    principal: str | None = "arn:aws:iam::111122223333:user/operator"
    own_permissions: list[Raw] = field(default_factory=lambda: [allow(["sts:AssumeRole", "iam:*"], ["*"])])
    roles: dict[str, Role] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    key_denies: set[str] = field(default_factory=set)
    s3_answers: bool = True
    # Policies beside those of roles and buckets: an action, and AWS's words about what denies it.
    denied_by: dict[str, str] = field(default_factory=dict)
    answers: dict[str, ClientError] = field(default_factory=dict)  # to an action, instead of its effect
    own_tags_take: int = 0  # percent of the room for session policies and tags
    clients: int = 0  # that were created
    region_name = "us-east-1"

    def get_credentials(self) -> Credentials | None:
        return Credentials("own-key", "own-secret") if self.principal is not None else None

    def client(self, service: str, **arguments: Any) -> Client:
        self.clients += 1
        return Client(self, service, arguments.get("aws_access_key_id"), arguments.get("region_name"))


class Client:
    """What boto3's client of a service does here."""

    def __init__(self, aws: Aws, service: str, session: str | None, region: str | None) -> None:
        self._aws, self._service, self._region = aws, service, region
        self._role, self._policy = _SESSIONS.get(session or "", (None, None))

    def _answered(self, action: str) -> None:
        if action in self._aws.answers:
            raise self._aws.answers[action]

    # -- STS

    def assume_role(
        self,
        *,
        RoleArn: str,
        DurationSeconds: int,
        ExternalId: str | None = None,
        Policy: str | None = None,
        **_: Any,
    ) -> Raw:
        aws = self._aws
        if aws.principal is None:
            raise NoCredentialsError
        self._answered("sts:AssumeRole")
        for action in ("sts:AssumeRole", "sts:TagSession"):
            if action in aws.denied_by:
                raise _denied("AssumeRole", aws.principal, action, f"{RoleArn} {aws.denied_by[action]}")
        packed = aws.own_tags_take + len(Policy or "") // 10
        if packed > 100:
            text = f"Packed size of session tags consumes {packed}% of allotted space."
            raise _error("PackedPolicyTooLarge", text, "AssumeRole")
        role = aws.roles.get(RoleArn)
        context = {"sts:ExternalId": ExternalId} if ExternalId is not None else {}
        if (
            role is None
            or not _allowed(aws.own_permissions, "sts:AssumeRole", RoleArn)
            or not _allowed([role.trust], "sts:AssumeRole", "", context, aws.principal)
        ):
            raise _denied("AssumeRole", aws.principal, "sts:AssumeRole", RoleArn)
        chained = ":assumed-role/" in aws.principal
        if chained and DurationSeconds > 3600:
            text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
            raise _error("ValidationError", text, "AssumeRole")
        if DurationSeconds > role.max_session:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise _error("ValidationError", text, "AssumeRole")
        key = f"ASIA{len(_SESSIONS):016d}"
        _SESSIONS[key] = (role, Policy)
        expires = datetime.now(UTC) + timedelta(seconds=DurationSeconds)
        found = {"AccessKeyId": key, "SecretAccessKey": key[::-1], "SessionToken": "t", "Expiration": expires}
        return {"Credentials": found}

    def get_caller_identity(self) -> Raw:
        return {"Arn": self._aws.principal}

    # -- IAM

    def get_role(self, *, RoleName: str) -> Raw:
        role = self._own("iam:GetRole", RoleName)
        arn = next(arn for arn, known in self._aws.roles.items() if known is role)
        trust = _document([role.trust])
        return {"Role": {"Arn": arn, "AssumeRolePolicyDocument": trust, "MaxSessionDuration": role.max_session}}

    def get_paginator(self, name: str) -> Paginator:
        return Paginator(getattr(self, name))

    def list_role_policies(self, *, RoleName: str) -> Raw:
        self._own("iam:ListRolePolicies", RoleName)
        return {"PolicyNames": ["export"]}

    def get_role_policy(self, *, RoleName: str, PolicyName: str) -> Raw:
        return {"PolicyDocument": _document(self._own("iam:GetRolePolicy", RoleName).permissions)}

    def list_attached_role_policies(self, *, RoleName: str) -> Raw:
        self._own("iam:ListAttachedRolePolicies", RoleName)
        return {"AttachedPolicies": []}

    def _own(self, action: str, name: str) -> Role:
        found = [(arn, role) for arn, role in self._aws.roles.items() if arn.endswith(f"/{name}")]
        if not found:
            raise _error("NoSuchEntity", f"The role with name {name} cannot be found.", action.partition(":")[2])
        ((arn, role),) = found
        if not _allowed(self._aws.own_permissions, action, arn):
            raise _denied(action.partition(":")[2], str(self._aws.principal), action, arn)
        return role

    # -- S3

    def head_bucket(self, *, Bucket: str) -> Raw:
        if not self._aws.s3_answers:
            raise ConnectTimeoutError(endpoint_url="https://s3")
        if Bucket not in self._aws.buckets:
            raise _error("404", "Not Found", "HeadBucket")
        bucket = self._aws.buckets[Bucket]
        headers = {"x-amz-bucket-region": bucket.region}
        self._answered("HeadBucket")
        try:
            self._may("s3:ListBucket", Bucket, answered=False)
        except ClientError as error:
            error.response["Error"]["Code"] = "403"
            error.response["ResponseMetadata"] = {"HTTPHeaders": headers}  # type: ignore[typeddict-item]
            raise
        return {"ResponseMetadata": {"HTTPHeaders": headers}}

    def list_objects_v2(self, *, Bucket: str, Prefix: str = "", **_: Any) -> Raw:
        bucket = self._may("s3:ListBucket", Bucket, context={"s3:prefix": Prefix})
        return {
            "Contents": [],
            "ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": bucket.region}},
        }

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ServerSideEncryption: str = "",
        SSEKMSKeyId: str | None = None,
        **_: Any,
    ) -> Raw:
        bucket = self._may("s3:PutObject", Bucket, Key)
        self._key("kms:GenerateDataKey", ServerSideEncryption)
        bucket.objects[Key] = Body
        return {
            "ServerSideEncryption": bucket.encrypts_with or ServerSideEncryption or "AES256",
            "SSEKMSKeyId": SSEKMSKeyId,
        }

    def get_object(self, *, Bucket: str, Key: str, **_: Any) -> Raw:
        bucket = self._may("s3:GetObject", Bucket, Key)
        self._key("kms:Decrypt", "aws:kms" if self._aws.key_denies else "")
        return object_answer(bucket.objects[Key])

    def delete_object(self, *, Bucket: str, Key: str) -> Raw:
        self._may("s3:DeleteObject", Bucket, Key).objects.pop(Key, None)
        return {}

    def get_public_access_block(self, *, Bucket: str) -> Raw:
        if not self._aws.s3_answers:
            raise ConnectTimeoutError(endpoint_url="https://s3")
        bucket = self._may("s3:GetBucketPublicAccessBlock", Bucket)
        names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        return {"PublicAccessBlockConfiguration": dict.fromkeys(names, bucket.public_access_blocked)}

    def _key(self, action: str, encryption: str) -> None:
        if encryption == "aws:kms" and action in self._aws.key_denies:
            text = f"User: x is not authorized to perform: {action} on resource: key because no resource-based policy"
            raise _error("AccessDenied", text, "PutObject")

    def _may(
        self,
        action: str,
        name: str,
        key: str = "",
        context: Mapping[str, str] | None = None,
        *,
        answered: bool = True,
    ) -> Bucket:
        if name not in self._aws.buckets:
            raise _error("NoSuchBucket", "The specified bucket does not exist", action)
        assert self._role is not None
        if answered:
            self._answered(action)
        arn = f"arn:aws:s3:::{name}" + (f"/{key}" if key else "")
        if action in self._aws.denied_by:
            raise _denied(
                action.partition(":")[2], "arn:aws:iam::1:role/x", action, f"{arn} {self._aws.denied_by[action]}"
            )
        bucket = self._aws.buckets[name]
        session = [json.loads(self._policy)["Statement"]] if self._policy else []
        allowed = _allowed(self._role.permissions, action, arn, context) and all(
            _allowed(policy, action, arn, context) for policy in session
        )
        refused = any(s["Effect"] == "Deny" and _speaks(s, action, arn, context) for s in bucket.policy)
        if not allowed or refused:
            raise _denied(action.partition(":")[2], "the role", action, arn)
        return bucket


class Paginator:
    def __init__(self, call: Any) -> None:
        self._call = call

    def paginate(self, **arguments: Any) -> Iterable[Raw]:
        yield self._call(**arguments)


_SESSIONS: dict[str, tuple[Role | None, str | None]] = {}


def allow(actions: list[str], resources: list[str], **more: Any) -> Raw:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def _document(statements: list[Raw]) -> Raw:
    return {"Version": "2012-10-17", "Statement": statements}


def _allowed(
    statements: Iterable[Raw], action: str, arn: str, context: Mapping[str, str] | None = None, who: str = ""
) -> bool:
    speaking = [s["Effect"] for s in statements if _speaks(s, action, arn, context, who)]
    return "Allow" in speaking and "Deny" not in speaking


def _speaks(s: Raw, action: str, arn: str, context: Mapping[str, str] | None = None, who: str = "") -> bool:
    account = who.split(":")[4] if who else ""
    principals = _list(s["Principal"]["AWS"]) if "Principal" in s else []
    return (
        any(fnmatch.fnmatchcase(action, pattern) for pattern in _list(s["Action"]))
        and ("Resource" not in s or any(fnmatch.fnmatchcase(arn, pattern) for pattern in _list(s["Resource"])))
        and (not principals or bool({who, f"arn:aws:iam::{account}:root"} & set(principals)))
        and all(
            _holds(operator, _list(values), (context or {}).get(key))
            for operator, keys in s.get("Condition", {}).items()
            if not operator.startswith("StringLike") or "kms:ViaService" not in keys
            for key, values in keys.items()
        )
    )


def _holds(operator: str, values: list[str], actual: str | None) -> bool:
    if actual is None:
        return operator.endswith("IfExists")
    if operator.startswith("StringLike"):
        return any(fnmatch.fnmatchcase(actual, value) for value in values)
    return actual in values


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _error(code: str, text: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, operation)


def _denied(operation: str, who: str, action: str, arn: str) -> ClientError:
    text = f"User: {who} is not authorized to perform: {action} on resource: {arn}"
    return _error("AccessDenied", text, operation)
