"""Answers of AWS to a target that is set up right, one fault at a time, in the words that were recorded in public."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from aws_texts import CLOCK_IS_SLOW, REGION_NOT_ENABLED, S3_DENIALS, STS_DENIALS, Recorded

from .world import World

_ACTIONS = ("s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject")
_OF_STS = {
    "service control policy": "administrator of the AWS organization",
    "permissions boundary": "permissions boundary of arn:aws:iam::111122223333:user/operator",
    "session policy": "session policy of arn:aws:iam::111122223333:user/operator",
    "VPC endpoint policy": "VPC endpoint for STS",
    "identity-based policy": "permission policy of arn:aws:iam::111122223333:user/operator",
}
_OF_S3 = {
    "service control policy": "administrator of the AWS organization",
    "resource control policy": "administrator of the AWS organization",
    "VPC endpoint policy": "VPC endpoint for S3",
    "permissions boundary": "permissions boundary of the role",
    "session policy": "spec.s3.path",
    "resource-based policy": "policy of the bucket",
}


@dataclass(frozen=True)
class Fault:
    """A fault: `arrange` causes it and `remedy` removes it, as the words `advice` of the check ask for."""

    name: str
    arrange: Callable[[World], None]
    remedy: Callable[[World], None]
    check: str
    reason: str
    advice: str
    transient: bool = False


def _explanation(recorded: Recorded) -> str:
    """What the message says about the policy."""
    text = recorded.text
    return text[min(at for at in (text.find(" because "), text.find(" with an explicit")) if at >= 0) + 1 :]


def _denied(action: str, name: str, words: str, check: str, reason: str, advice: str) -> Fault:
    def deny(world: World) -> None:
        world.aws.denied_by[action] = words

    def allow(world: World) -> None:
        del world.aws.denied_by[action]

    return Fault(f"{action}: {name}", deny, allow, check, reason, advice)


def _answered(action: str, name: str, code: str, text: str, status: int, check: str, reason: str, advice: str) -> Fault:
    def answer(world: World) -> None:
        raw: Any = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
        world.aws.answers[action] = ClientError(raw, "Any")

    def recover(world: World) -> None:
        del world.aws.answers[action]

    return Fault(f"{action}: {name}", answer, recover, check, reason, advice, transient=True)


def _check_of(action: str) -> str:
    return action.partition(":")[2]


DENIALS = [
    _denied(action, name, _explanation(recorded), _check_of(action), "AccessDenied", _OF_S3[name.partition(",")[0]])
    for action in _ACTIONS
    for name, recorded in S3_DENIALS.items()
    if name.partition(",")[0] in _OF_S3
]
# The words of S3 about the other kinds of policies are those of every service: see the source in aws_texts.py.
ASSUMING = [
    _denied(
        "sts:AssumeRole",
        f"{kind}, {form}",
        (
            f"because no {kind} allows the sts:AssumeRole action"
            if form == "implicit"
            else f"with an explicit deny in a {kind}"
        ),
        "AssumeRole",
        "AssumeRoleDenied",
        advice,
    )
    for kind, advice in _OF_STS.items()
    for form in ("implicit", "explicit")
] + [
    _denied(
        "sts:AssumeRole",
        name,
        _explanation(STS_DENIALS[name]),
        "AssumeRole",
        "AssumeRoleDenied",
        "Name arn:aws:iam::111122223333:user/operator in the trust policy",
    )
    for name in ("trust policy, implicit", "trust policy, explicit")
]
TAGS = [_denied("sts:TagSession", "tags", "", "AssumeRole", "AssumeRoleDenied", "Allow sts:TagSession next to")]
_TRANSIENT = {
    "500": ("InternalError", "We encountered an internal error. Please try again.", 500),
    "503": ("SlowDown", "Please reduce your request rate.", 503),
    "503 without a code": ("503", "Service Unavailable", 503),
    "429": ("429", "Too Many Requests", 429),
    "504 of a gateway": ("504", "Gateway Timeout", 504),
    "throttling": ("ThrottlingException", "Rate exceeded", 400),
}
OUTAGES = [
    _answered(action, name, *answer, _check_of(action), "AWSUnavailable", "No action is needed")
    for action in ("sts:AssumeRole", *_ACTIONS)
    for name, answer in _TRANSIENT.items()
] + [  # answers to HEAD have no body, so botocore puts the status in the place of the code
    _answered("HeadBucket", str(status), str(status), text, status, "Bucket", "AWSUnavailable", "No action is needed")
    for status, text in ((429, "Too Many Requests"), (500, "Internal Server Error"), (503, "Service Unavailable"))
]
CLOCKS = [
    _answered(
        "sts:AssumeRole",
        "slow clock",
        CLOCK_IS_SLOW.code,
        CLOCK_IS_SLOW.text,
        403,
        "OperatorCredentials",
        "ClockSkewed",
        "NTP",
    ),
]


def _reject(world: World) -> None:
    raw: Any = {"Error": {"Code": REGION_NOT_ENABLED.code, "Message": REGION_NOT_ENABLED.text}}
    world.aws.answers["sts:AssumeRole"] = ClientError(raw, "AssumeRole")


REGIONS = [
    Fault(
        "sts:AssumeRole: region that is not enabled",
        _reject,
        lambda world: world.aws.answers.clear(),
        "OperatorCredentials",
        "OperatorRegionDisabled",
        "Enable us-east-1 in the account of the operator",
    )
]
FAULTS = [*DENIALS, *ASSUMING, *TAGS, *OUTAGES, *CLOCKS, *REGIONS]
