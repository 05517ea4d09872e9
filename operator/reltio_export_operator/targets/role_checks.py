"""Checks of a role by what its policies say, for roles that trust nobody but Reltio. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..api.target import Check, ExportTarget
from .iam import Answer, Document, Request, evaluate, statements_of, values_of, wildcards_filled
from .permissions import KMS_ACTIONS, OBJECT_ACTIONS
from .readiness import check_failed, check_passed, check_unknown

_ASSUME = "sts:AssumeRole"
_EXTERNAL_ID = "sts:externalid"
WANTED_SECONDS = 43_200  # the session length that Reltio's page asks the role to allow


@dataclass(frozen=True)
class Role:
    """A role as IAM describes it; session length in seconds."""

    arn: str
    trust: Document
    permissions: tuple[Document, ...]
    max_session_seconds: int


def check_role(target: ExportTarget, role: Role, external_id: str | None) -> list[Check]:
    """What the policies of the role say about Reltio's principals, the external ID and the bucket."""
    principals = target.spec.verification.reltio_principals
    return [
        _trusts(role, principals, external_id),
        _refuses_others(role, principals, external_id),
        _refuses(role, principals, "MissingExternalIDRefused", None),
        check_session_duration(role.max_session_seconds),
        _permits(target, role),
    ]


def check_session_duration(seconds: int) -> Check:
    """Whether the role's maximum session duration is what Reltio asks for."""
    if seconds >= WANTED_SECONDS:
        return check_passed("SessionDuration", f"The role allows sessions of {seconds // 3600} hours.")
    return session_too_short()


def session_too_short() -> Check:
    return check_failed(
        "SessionDuration",
        "SessionTooShort",
        "The role does not allow sessions of 12 h, which Reltio asks for so that large exports can finish.",
        "Set the role's maximum session duration (MaxSessionDuration) to 43200 seconds.",
    )


def _trusts(role: Role, principals: Sequence[str], external_id: str | None) -> Check:
    answers = {who: _assumes(role, who, external_id) for who in principals}
    denied = [who for who, answer in answers.items() if answer in ("Deny", "NoMatch")]
    if denied:
        return check_failed(
            "TrustsReltio",
            "PrincipalNotTrusted",
            f"The trust policy of {role.arn} does not let {', '.join(denied)} in with the external ID of the target.",
            "Name the principal in the trust policy and let sts:ExternalId equal spec.s3.externalID.",
        )
    if "Unknown" in answers.values():
        text = "The trust policy has conditions that are not understood here; only an export shows whether they hold."
        return check_unknown("TrustsReltio", "NotUnderstood", text, "Set spec.verification.canary to true to find out.")
    return check_passed("TrustsReltio", f"The trust policy lets {', '.join(principals)} in with the external ID.")


def _refuses_others(role: Role, principals: Sequence[str], external_id: str | None) -> Check:
    """Whether another external ID is refused: an invented one, and those that patterns of the trust policy let in."""
    name = "WrongExternalIDRefused"
    verdict = _refuses(role, principals, name, f"{external_id}-and-more")
    if verdict.status == "False":
        return verdict
    others = [
        next(text for text in (wildcards_filled(pattern, "x"), wildcards_filled(pattern, "y")) if text != external_id)
        for pattern in _external_ids(role.trust)
        if "*" in pattern or "?" in pattern
    ]
    if any(_assumes(role, who, other) == "Allow" for who in principals for other in others):
        return check_failed(
            name,
            "ExternalIDNotExact",
            f"The trust policy of {role.arn} compares the external ID with a pattern, so others are let in as well.",
            "Use StringEquals instead of StringLike for sts:ExternalId in the trust policy.",
        )
    return verdict


def _external_ids(trust: Document) -> list[str]:
    """What the conditions of a trust policy compare the external ID with."""
    return [
        value
        for statement in statements_of(trust)
        for keys in statement.get("Condition", {}).values()
        for key, values in keys.items()
        if key.lower() == _EXTERNAL_ID
        for value in values_of(values)
    ]


def _refuses(role: Role, principals: Sequence[str], name: str, external_id: str | None) -> Check:
    answers = [_assumes(role, who, external_id) for who in principals]
    if "Allow" in answers:
        return check_failed(
            name,
            "ExternalIDNotRequired",
            f"The trust policy of {role.arn} lets Reltio in {'with any' if external_id else 'without an'} external ID, "
            "so anybody who can make Reltio export could write to this bucket.",
            "Add the condition StringEquals sts:ExternalId to the trust policy.",
        )
    if "Unknown" in answers:
        return check_unknown(name, "NotUnderstood", "The trust policy has conditions that are not understood here.")
    return check_passed(name)


def _permits(target: ExportTarget, role: Role) -> Check:
    s3 = target.spec.s3
    bucket = f"arn:{role.arn.split(':')[1]}:s3:::{s3.bucket}"
    caller = _caller(role.arn)
    encryption = s3.server_side_encryption
    key = encryption.kms_key_arn if encryption else None
    wanted = [Request("s3:ListBucket", bucket, context={**caller, "s3:prefix": f"{s3.prefix}any/"})]
    context = {
        "s3:PutObject": {
            "s3:x-amz-server-side-encryption": encryption.algorithm if encryption else None,
            "s3:x-amz-server-side-encryption-aws-kms-key-id": key,
        }
    }
    wanted += [
        Request(action, f"{bucket}/{s3.prefix}any", context={**caller, **context.get(action, {})})
        for action in OBJECT_ACTIONS
    ]
    if key:
        _, partition, _, region, *_ = key.split(":")
        domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        via = {**caller, "kms:viaservice": f"s3.{region}.{domain}", "kms:calleraccount": _account_of(role.arn)}
        wanted += [Request(action, key, context=via) for action in KMS_ACTIONS]
    answers = {request.action: evaluate(role.permissions, request) for request in wanted}
    denied = [action for action, answer in answers.items() if answer in ("Deny", "NoMatch")]
    if denied:
        return check_failed(
            "RolePermits",
            "ActionNotAllowed",
            f"The policies of {role.arn} do not allow {', '.join(denied)} under s3://{s3.bucket}/{s3.prefix}.",
            f"Allow {', '.join(denied)} in a permission policy of the role.",
        )
    if "Unknown" in answers.values():
        text = "The permission policies have conditions that are not understood here."
        return check_unknown("RolePermits", "NotUnderstood", text, "Set spec.verification.canary to true to find out.")
    return check_passed("RolePermits", "The permission policies allow list, put, get and delete under the path.")


def _assumes(role: Role, principal: str, external_id: str | None) -> Answer:
    who = principal if principal.startswith("arn:") else f"arn:{role.arn.split(':')[1]}:iam::{principal}:root"
    return evaluate([role.trust], Request(_ASSUME, role.arn, who, {**_caller(who), _EXTERNAL_ID: external_id}))


def _caller(arn: str) -> dict[str, str | None]:
    """The context keys that hang on who calls; of somebody in an account the account alone is known."""
    known: dict[str, str | None] = {
        "aws:principalaccount": _account_of(arn),
        "aws:principalisawsservice": "false",
        "aws:securetransport": "true",
    }
    return known if arn.endswith(":root") else {**known, "aws:principalarn": arn}


def _account_of(arn: str) -> str:
    return arn.split(":")[4]
