"""STS, IAM, S3 and KMS reduced to what decides who may do what, as boto3 shows them.

Stands in where moto does not decide: each kind of policy, session policies, session lengths, role chaining, regions,
KMS keys. Policies are evaluated by the sandbox, and denials have the words that AWS publishes: neither shares code with
the operator.
"""

# ruff: noqa: N803 - arguments are spelled as boto3 spells them

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError
from botocore.parsers import ResponseParserError

from aws_fakes import object_answer
from aws_texts import CHAINED_SESSION_TOO_LONG, CLOCK_IS_SLOW, REGION_NOT_ENABLED
from reltio_export_sandbox.cloud.evaluator import Decision, Request, decide

from .words import Layer, denial

Raw = dict[str, Any]
ACCOUNT = "111122223333"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"


def allow(actions: list[str], resources: list[str], **more: Any) -> Raw:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(*actions: str) -> Raw:
    return {"Effect": "Deny", "Action": list(actions), "Resource": "*"}


def _anything() -> list[Raw]:
    return [allow(["*"], ["*"])]


@dataclass
class Role:
    """`trust` is its first statement of trust, `more_trust` the others."""

    trust: Raw
    permissions: list[Raw]
    max_session: int = 43_200
    more_trust: list[Raw] = field(default_factory=list)
    boundary: list[Raw] = field(default_factory=_anything)


@dataclass
class Bucket:
    """`alias_of` is the bucket behind an access point; `is_foreign`: it is in an account without an organization."""

    region: str = "us-east-1"
    public_access_blocked: bool = True
    encrypts_with: str = ""  # whatever is requested
    policy: list[Raw] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    is_foreign: bool = False
    alias_of: str = ""


@dataclass
class Aws:
    """An account in an organization. `principal` is the operator's own; None: it has no credentials."""

    principal: str | None = OPERATOR
    own_permissions: list[Raw] = field(default_factory=lambda: [allow(["sts:AssumeRole", "iam:*"], ["*"])])
    own_boundary: list[Raw] = field(default_factory=_anything)
    own_session: list[Raw] = field(default_factory=_anything)
    organization: list[Raw] = field(default_factory=_anything)  # its service control policies
    resource_control: list[Raw] = field(default_factory=_anything)
    sts_endpoint: list[Raw] = field(default_factory=_anything)  # the policies of the VPC endpoints
    s3_endpoint: list[Raw] = field(default_factory=_anything)
    key_policy: list[Raw] = field(default_factory=lambda: [allow(["kms:*"], ["*"])])
    key_state: str = "Enabled"  # or Disabled, or PendingDeletion
    roles: dict[str, Role] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    explains: bool = False  # denials name the kind of policy
    with_arns: bool = False  # and its ARN
    s3_answers: bool = True
    clock_is_right: bool = True
    regions: set[str] = field(default_factory=lambda: {"us-east-1", "eu-central-1"})  # that the operator's account has
    passes_tags: bool = False  # the operator's session has tags that it passes on
    passes_identity: bool = False  # and a source identity
    outages: dict[str, ClientError] = field(default_factory=dict)  # to the next call of an action
    is_behind_a_portal: bool = False  # which answers calls of STS with a page
    own_tags_take: int = 0  # percent of the room for session policies and tags
    clients: int = 0  # that were created
    region_name = "us-east-1"

    def get_credentials(self) -> Credentials | None:
        return Credentials("own-key", "own-secret") if self.principal is not None else None

    def client(self, service: str, **arguments: Any) -> Client:
        self.clients += 1
        return Client(self, arguments.get("aws_access_key_id"), arguments.get("region_name"))

    @property
    def principals(self) -> tuple[str, ...]:
        """What stands for the operator in a trust policy."""
        own = str(self.principal)
        account = own.split(":")[4]
        role = f"arn:aws:iam::{account}:role/{own.split('/')[1]}" if ":assumed-role/" in own else own
        return (own, role, f"arn:aws:iam::{account}:root")


class Client:
    """What boto3's client of a service does here."""

    def __init__(self, aws: Aws, session: str | None, region: str | None) -> None:
        self._aws, self._region = aws, region
        self._role, self._policy = _SESSIONS.get(session or "", (None, None))

    def _outage(self, action: str) -> None:
        if action in self._aws.outages:
            raise self._aws.outages.pop(action)

    def _check(self, layers: Iterable[Layer], request: Request, caller: str, operation: str) -> None:
        """Raises ClientError with the words for the layer that denies; a Deny counts before a missing Allow."""
        results = [(layer, decide([{"Statement": layer.statements}], request)) for layer in layers]
        for wanted in (Decision.DENY, Decision.SILENT):
            for layer, result in results:
                if result is wanted and (wanted is Decision.DENY or layer.must_allow):
                    explicit = result is Decision.DENY
                    text = denial(layer.kind, explicit, caller, request, self._aws.explains, self._aws.with_arns)
                    raise _error("AccessDenied", text, operation)

    # -- STS

    def assume_role(
        self,
        *,
        RoleArn: str,
        DurationSeconds: int,
        ExternalId: str | None = None,
        Policy: str | None = None,
        Tags: list[Raw] | None = None,
        **_: Any,
    ) -> Raw:
        aws = self._aws
        if aws.principal is None:
            raise NoCredentialsError
        self._outage("sts:AssumeRole")
        if aws.is_behind_a_portal:
            raise ResponseParserError("Unable to parse response (syntax error), invalid XML received")
        if not aws.clock_is_right:
            raise _error(CLOCK_IS_SLOW.code, CLOCK_IS_SLOW.text, "AssumeRole")
        if self._region not in aws.regions:
            raise _error(REGION_NOT_ENABLED.code, REGION_NOT_ENABLED.text, "AssumeRole")
        role = aws.roles.get(RoleArn)
        context = {"sts:externalid": ExternalId} if ExternalId is not None else {}
        beside = ["sts:TagSession"] * (aws.passes_tags or bool(Tags)) + ["sts:SetSourceIdentity"] * aws.passes_identity
        for action in ("sts:AssumeRole", *beside):
            layers = (
                Layer("service control policy", aws.organization),
                Layer("resource control policy", aws.resource_control),
                Layer("VPC endpoint policy", aws.sts_endpoint),
                Layer("permissions boundary", aws.own_boundary),
                Layer("session policy", aws.own_session),
                Layer("identity-based policy", aws.own_permissions),
                Layer("trust policy", [role.trust, *role.more_trust] if role else []),
            )
            request = Request(aws.principals, action, RoleArn, context)
            self._check(layers, request, aws.principal, "AssumeRole")
        assert role is not None
        packed = aws.own_tags_take + len(Policy or "") // 10
        if packed > 100:
            text = f"Packed size of session tags consumes {packed}% of allotted space."
            raise _error("PackedPolicyTooLarge", text, "AssumeRole")
        if ":assumed-role/" in aws.principal and DurationSeconds > 3600:
            raise _error(CHAINED_SESSION_TOO_LONG.code, CHAINED_SESSION_TOO_LONG.text, "AssumeRole")
        if DurationSeconds > role.max_session:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise _error("ValidationError", text, "AssumeRole")
        key = f"ASIA{len(_SESSIONS):016d}"
        _SESSIONS[key] = (role, Policy)
        expires = datetime.now(UTC) + timedelta(seconds=DurationSeconds)
        found = {"AccessKeyId": key, "SecretAccessKey": key[::-1], "SessionToken": "t", "Expiration": expires}
        return {"Credentials": found}

    def get_caller_identity(self) -> Raw:
        if self._region not in self._aws.regions:
            raise _error(REGION_NOT_ENABLED.code, REGION_NOT_ENABLED.text, "GetCallerIdentity")
        return {"Arn": self._aws.principal}

    # -- IAM

    def get_role(self, *, RoleName: str) -> Raw:
        role = self._own("iam:GetRole", RoleName)
        arn = next(arn for arn, known in self._aws.roles.items() if known is role)
        trust = _document([role.trust, *role.more_trust])
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
        operation = action.partition(":")[2]
        found = [(arn, role) for arn, role in self._aws.roles.items() if arn.endswith(f"/{name}")]
        if not found:
            raise _error("NoSuchEntity", f"The role with name {name} cannot be found.", operation)
        ((arn, role),) = found
        layers = [Layer("identity-based policy", self._aws.own_permissions)]
        self._check(layers, Request((), action, arn, {}), str(self._aws.principal), operation)
        return role

    # -- S3

    def head_bucket(self, *, Bucket: str) -> Raw:
        if not self._aws.s3_answers:
            raise ConnectTimeoutError(endpoint_url="https://s3")
        if Bucket not in self._aws.buckets:
            raise _error("404", "Not Found", "HeadBucket")
        headers = {"x-amz-bucket-region": self._aws.buckets[Bucket].region}
        self._outage("HeadBucket")
        try:
            self._may("s3:ListBucket", Bucket, answered=False)
        except ClientError as error:
            error.response["Error"]["Code"] = "403"
            error.response["ResponseMetadata"] = {"HTTPHeaders": headers}  # type: ignore[typeddict-item]
            raise
        return {"ResponseMetadata": {"HTTPHeaders": headers}}

    def list_objects_v2(self, *, Bucket: str, Prefix: str = "", **_: Any) -> Raw:
        bucket = self._may("s3:ListBucket", Bucket, context={"s3:prefix": Prefix})
        return {"Contents": [], "ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": bucket.region}}}

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
        algorithm = bucket.encrypts_with or ServerSideEncryption or "AES256"
        if algorithm == "aws:kms":
            self._may_use_key("kms:GenerateDataKey", "PutObject")
        bucket.objects[Key] = Body
        bucket.objects[f"{Key}?encryption"] = algorithm.encode()
        return {"ServerSideEncryption": algorithm, "SSEKMSKeyId": SSEKMSKeyId}

    def get_object(self, *, Bucket: str, Key: str, **_: Any) -> Raw:
        bucket = self._may("s3:GetObject", Bucket, Key)
        if bucket.objects[f"{Key}?encryption"] == b"aws:kms":
            self._may_use_key("kms:Decrypt", "GetObject")
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

    def _may_use_key(self, action: str, operation: str) -> None:
        """Either the policy of the key or that of the role allows it, and neither denies it."""
        assert self._role is not None
        request = Request(_ROLE_SESSION, action, _KEY, {"kms:viaservice": "s3.us-east-1.amazonaws.com"})
        of_role, of_key = self._role.permissions, self._aws.key_policy
        both = decide([{"Statement": of_role}, {"Statement": of_key}], request) is Decision.ALLOW
        layers = (Layer("identity-based policy", of_role, False), Layer("resource-based policy", of_key, not both))
        self._check(layers, request, _ROLE_SESSION[0], operation)
        if self._aws.key_state == "Disabled":
            raise _error("KMS.DisabledException", f"{_KEY} is disabled.", operation)
        if self._aws.key_state == "PendingDeletion":
            raise _error("KMS.KMSInvalidStateException", f"{_KEY} is pending deletion.", operation)

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
            self._outage(action)
        bucket = self._aws.buckets[name]
        aws, at = self._aws, bucket.alias_of or name
        arn = f"arn:aws:s3:::{at}" + (f"/{key}" if key else "")
        session = json.loads(self._policy)["Statement"] if self._policy else _anything()
        # A request to the alias of an access point is not one to the bucket of that name.
        of_session = [] if bucket.alias_of and self._policy else session
        layers = (
            Layer("service control policy", aws.organization),
            Layer("resource control policy", aws.resource_control),
            Layer("VPC endpoint policy", aws.s3_endpoint),
            Layer("permissions boundary", self._role.boundary),
            Layer("session policy", of_session),
            Layer("identity-based policy", self._role.permissions),
            Layer("resource-based policy", bucket.policy, bucket.is_foreign),
        )
        request = Request(_ROLE_SESSION, action, arn, context or {})
        self._check(layers, request, _ROLE_SESSION[0], action.partition(":")[2])
        return self._aws.buckets[at]


class Paginator:
    def __init__(self, call: Any) -> None:
        self._call = call

    def paginate(self, **arguments: Any) -> Iterable[Raw]:
        yield self._call(**arguments)


_SESSIONS: dict[str, tuple[Role | None, str | None]] = {}
_KEY = "arn:aws:kms:us-east-1:111122223333:key/k"
_ROLE_SESSION = (
    f"arn:aws:sts::{ACCOUNT}:assumed-role/reltio-exporter/mdm.lake",
    f"arn:aws:iam::{ACCOUNT}:role/reltio-exporter",
)


def _document(statements: list[Raw]) -> Raw:
    return {"Version": "2012-10-17", "Statement": statements}


def _error(code: str, text: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, operation)
