"""Policies of every kind that deny a call, and other answers of AWS, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from .aws import OPERATOR, Aws, Bucket, Raw, allow, deny
from .cases import Case
from .world import BUCKET, RELTIO, ROLE, World

_ACTIONS = ("s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject")
_OTHERS = ["s3:*", "sts:Get*", "iam:*", "kms:*"]  # all but assuming a role
_POD = "arn:aws:sts::111122223333:assumed-role/operator/eks-cluster-pod-8f3a"
_NOT_MADE = {"s3:PutObject": ("GetObject", "DeleteObject")}

Statements = Callable[[World], list[Raw]]
_OF_S3: dict[str, Statements] = {
    "service control policy": lambda world: world.aws.organization,
    "resource control policy": lambda world: world.aws.resource_control,
    "VPC endpoint policy": lambda world: world.aws.s3_endpoint,
    "permissions boundary": lambda world: world.aws.roles[ROLE].boundary,
    "identity-based policy": lambda world: world.aws.roles[ROLE].permissions,
    "resource-based policy": lambda world: world.aws.buckets[BUCKET].policy,
}
_OF_STS: dict[str, Statements] = {
    "service control policy": lambda world: world.aws.organization,
    "resource control policy": lambda world: world.aws.resource_control,
    "VPC endpoint policy": lambda world: world.aws.sts_endpoint,
    "permissions boundary": lambda world: world.aws.own_boundary,
    "session policy": lambda world: world.aws.own_session,
    "identity-based policy": lambda world: world.aws.own_permissions,
    "trust policy": lambda world: world.aws.roles[ROLE].more_trust,
}


def _forbid(statements: Statements, action: str, principal: str = OPERATOR) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        world.aws.explains = True
        _become(world, principal)
        statements(world).append(deny(action))

    return arrange


def _leave_out(statements: Statements, action: str, principal: str = OPERATOR) -> Callable[[World], None]:
    """The policies allow everything but this action."""
    rest = [one for one in (*_ACTIONS, "s3:GetBucketPublicAccessBlock", "sts:*", "kms:*", "iam:*") if one != action]
    allowed = _OTHERS if action.startswith("sts:") else rest

    def arrange(world: World) -> None:
        world.aws.explains = True
        _become(world, principal)
        statements(world)[:] = [allow(allowed, ["*"])]

    return arrange


def _trust_nobody(principal: str) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        world.aws.explains = True
        _become(world, principal)
        world.aws.roles[ROLE].trust["Principal"] = {"AWS": [RELTIO]}

    return arrange


def _become(world: World, principal: str) -> None:
    """The operator is this principal, and the role trusts it."""
    world.aws.principal = principal
    world.aws.roles[ROLE].trust["Principal"] = {"AWS": [*world.aws.principals[1:2], RELTIO]}


def _foreign(arrange: Callable[[World], None]) -> Callable[[World], None]:
    def of_another_account(world: World) -> None:
        world.aws.buckets[BUCKET].is_foreign = True
        arrange(world)

    return of_another_account


def _denied_by_s3(action: str, kind: str, form: str) -> Case:
    arrange = (_forbid if form == "explicit" else _leave_out)(_OF_S3[kind], action)
    if (kind, form) == ("resource-based policy", "implicit"):
        arrange = _foreign(arrange)
    check = action.partition(":")[2]
    return Case(f"{action}: {kind}, {form}", arrange, {check: "AccessDenied"}, unknown=_NOT_MADE.get(action, ()))


def _denied_by_sts(kind: str, form: str, principal: str) -> Case:
    arrange = (_forbid if form == "explicit" else _leave_out)(_OF_STS[kind], "sts:AssumeRole", principal)
    if (kind, form) == ("trust policy", "implicit"):
        arrange = _trust_nobody(principal)
    who = "user" if principal is OPERATOR else "role"
    return Case(f"sts:AssumeRole for a {who}: {kind}, {form}", arrange, {"AssumeRole": "AssumeRoleDenied"})


def _set(**values: Any) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        for name, value in values.items():
            assert hasattr(world.aws, name)
            setattr(world.aws, name, value)

    return arrange


def _with_arn(world: World) -> None:
    _forbid(_OF_STS["service control policy"], "sts:AssumeRole")(world)
    world.aws.with_arns = True


def _without_words(change: Callable[[Aws], None]) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        _become(world, _POD)
        change(world.aws)

    return arrange


def _alias(world: World) -> None:
    """The target names an access point, and the role may use the bucket behind it."""
    world.aws.explains = True
    world.aws.buckets["exports-8f3a-s3alias"] = Bucket(alias_of=BUCKET)


# AWS names the kind of policy within an organization.
DENIALS = [
    _denied_by_s3(action, kind, form)
    for action in _ACTIONS
    for kind in _OF_S3
    for form in ("implicit", "explicit")
    if (kind, form) != ("resource control policy", "implicit")  # each of them has a statement that allows everything
]
ASSUMING = [
    _denied_by_sts(kind, form, principal)
    for principal in (OPERATOR, _POD)
    for kind in _OF_STS
    for form in ("implicit", "explicit")
    if (kind, form) != ("resource control policy", "implicit")
] + [
    Case("sts:AssumeRole: SCP with its ARN", _with_arn, {"AssumeRole": "AssumeRoleDenied"}),
    Case(
        "role is denied to a pod, without words",
        _without_words(lambda aws: aws.roles[ROLE].trust.update(Principal={"AWS": [RELTIO]})),
        {"AssumeRole": "AssumeRoleDenied"},
    ),
    Case(
        "pod may not assume roles, without words",
        _without_words(lambda aws: aws.own_permissions.clear()),
        {"AssumeRole": "AssumeRoleDenied"},
    ),
    Case("session of the operator has tags", _set(passes_tags=True), {"AssumeRole": "AssumeRoleDenied"}),
    Case(
        "session of the operator has a source identity",
        _set(passes_identity=True),
        {"AssumeRole": "AssumeRoleDenied"},
    ),
    Case("tags fill the session", _set(own_tags_take=112), {"AssumeRole": "SessionTooLarge"}),
]
_OUTAGES = {
    "500": ("InternalError", "We encountered an internal error. Please try again.", 500),
    "503": ("SlowDown", "Please reduce your request rate.", 503),
    "503 without a code": ("503", "Service Unavailable", 503),
    "429": ("429", "Too Many Requests", 429),
    "504 of a gateway": ("504", "Gateway Timeout", 504),
    "throttling": ("ThrottlingException", "Rate exceeded", 400),
}


def _outage(action: str, name: str, code: str, text: str, status: int) -> Case:
    check = "Bucket" if action == "HeadBucket" else action.partition(":")[2]

    def arrange(world: World) -> None:
        raw: Any = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
        world.aws.outages[action] = ClientError(raw, "Any")

    return Case(f"{action}: {name}", arrange, {check: "AWSUnavailable"}, transient=True)


OUTAGES = [
    _outage(action, name, *answer) for action in ("sts:AssumeRole", *_ACTIONS) for name, answer in _OUTAGES.items()
] + [  # answers to HEAD have no body, so botocore puts the status in the place of the code
    _outage("HeadBucket", str(status), str(status), text, status)
    for status, text in ((429, "Too Many Requests"), (500, "Internal Server Error"), (503, "Service Unavailable"))
]
OTHERS = [
    Case("clock is slow", _set(clock_is_right=False), {"OperatorCredentials": "ClockSkewed"}, transient=True),
    Case(
        "region is not enabled for the operator",
        lambda world: setattr(world.aws.buckets[BUCKET], "region", "eu-south-1"),
        {"OperatorCredentials": "OperatorRegionDisabled"},
        spec={"s3": {"region": "eu-south-1"}},
    ),
    Case(
        "a portal answers in the place of STS",
        _set(is_behind_a_portal=True),
        {"AssumeRole": "UnexpectedAWSAnswer"},
        transient=True,
    ),
    Case(
        "bucket is the alias of an access point",
        _alias,
        {"ListBucket": "AccessDenied", "PutObject": "AccessDenied"},
        spec={"s3": {"bucket": "exports-8f3a-s3alias"}},
        unknown=("GetObject", "DeleteObject"),
    ),
    Case(
        "bucket encrypts with another algorithm",
        lambda world: setattr(world.aws.buckets[BUCKET], "encrypts_with", "aws:kms"),
        {"Encryption": "EncryptionDiffers"},
        spec={"s3": {"serverSideEncryption": {"algorithm": "AES256"}}},
    ),
]
ANSWERS = (*DENIALS, *ASSUMING, *OUTAGES, *OTHERS)
