"""Every check of an ExportTarget, and the settings of the bucket that are checked.

docs/troubleshooting.md lists the checks from here. Reasons of the checks are here too, or in `messages.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..api.reasons import Reason
from ..api.target import TargetSpec

OPERATOR_CREDENTIALS = "OperatorCredentials"
SummaryCondition = Literal["ReltioAuthenticated", "RoleAssumable", "BucketAccessible", "Recommended"]


@dataclass(frozen=True)
class CheckKind:
    """A check. `about` says what the operator does, `condition` sums it up, and `applies` says for which targets."""

    name: str
    about: str
    condition: SummaryCondition
    applies: Callable[[TargetSpec], bool]

    @property
    def is_advisory(self) -> bool:
        """Whether exports run although the check fails. Such checks leave denied calls in CloudTrail: made rarely."""
        return self.condition == "Recommended"


def _always(_: TargetSpec) -> bool:
    return True


def _uses_aws(spec: TargetSpec) -> bool:
    return spec.verification.assumes or spec.verification.inspects


def _assumes(spec: TargetSpec) -> bool:
    return spec.verification.assumes


def _encrypts(spec: TargetSpec) -> bool:
    return spec.verification.assumes and spec.s3.server_side_encryption is not None


def _inspects(spec: TargetSpec) -> bool:
    return spec.verification.inspects


@dataclass(frozen=True, kw_only=True)
class BucketSetting(CheckKind):
    """An advisory check of one setting of the bucket, which the prober reads and compares as it says here.

    `call` is the method of boto3's S3 client that returns the setting, and `permission` the action that it needs.
    `absent` is the error code of S3 for a bucket that does not have the setting; `is_good` gets `{}` then.
    `bad` is the reason when it is not good; its messages may name the {bucket}.
    """

    condition: SummaryCondition = "Recommended"
    applies: Callable[[TargetSpec], bool] = _assumes
    call: str
    permission: str
    absent: str | None = None
    is_good: Callable[[Mapping[str, Any]], bool]
    bad: Reason


def _blocks_public_access(answer: Mapping[str, Any]) -> bool:
    settings = answer.get("PublicAccessBlockConfiguration", {})
    return len(settings) == 4 and all(settings.values())


# -- settings of the bucket

SETTING_NOT_READABLE = Reason(
    "NotReadable",
    "The role may not read this setting of the bucket ({action}). Exports do not need the permission.",
)
PUBLIC_ACCESS_POSSIBLE = Reason(
    "PublicAccessPossible",
    "Bucket {bucket} does not block public access.",
    "Turn on all four settings of Block Public Access for the bucket.",
)

BUCKET_SETTINGS = (
    BucketSetting(
        name="PublicAccessBlocked",
        about="reads the bucket's Block Public Access, if the role may",
        call="get_public_access_block",
        permission="s3:GetBucketPublicAccessBlock",
        absent="NoSuchPublicAccessBlockConfiguration",
        is_good=_blocks_public_access,
        bad=PUBLIC_ACCESS_POSSIBLE,
    ),
)


# In the order in which status.checks shows them.
CHECKS: tuple[CheckKind, ...] = (
    CheckKind(
        "ReltioReachable", "connects to the token endpoint and the Export Service", "ReltioAuthenticated", _always
    ),
    CheckKind("ReltioToken", "requests a token for the client in the Secret", "ReltioAuthenticated", _always),
    CheckKind("ReltioTenant", "makes a call that needs the tenant", "ReltioAuthenticated", _always),
    CheckKind(
        OPERATOR_CREDENTIALS, "shows whether the operator has AWS credentials that work", "RoleAssumable", _uses_aws
    ),
    CheckKind("AssumeRole", "calls `sts:AssumeRole` with the external ID", "RoleAssumable", _assumes),
    CheckKind("Bucket", "checks that the bucket exists, in `s3.region` if that is set", "BucketAccessible", _assumes),
    CheckKind("ListBucket", "lists a directory under the path", "BucketAccessible", _assumes),
    CheckKind("PutObject", "writes a small object under the path", "BucketAccessible", _assumes),
    CheckKind("GetObject", "reads the small object", "BucketAccessible", _assumes),
    CheckKind("DeleteObject", "deletes the small object", "BucketAccessible", _assumes),
    CheckKind(
        "Encryption",
        "compares the encryption that S3 returns with `s3.serverSideEncryption`, if set",
        "BucketAccessible",
        _encrypts,
    ),
    CheckKind("TrustsReltio", "evaluates the role's trust policy for `reltioPrincipals`", "RoleAssumable", _inspects),
    CheckKind("RolePermits", "evaluates the role's permission policies", "BucketAccessible", _inspects),
    CheckKind("WrongExternalIDRefused", "checks that the role refuses another external ID", "Recommended", _always),
    CheckKind(
        "MissingExternalIDRefused",
        "checks that the role refuses callers without an external ID",
        "Recommended",
        _always,
    ),
    CheckKind(
        "SessionDuration", "checks that the role allows the 12 hours that Reltio asks for", "Recommended", _always
    ),
    *BUCKET_SETTINGS,
)
