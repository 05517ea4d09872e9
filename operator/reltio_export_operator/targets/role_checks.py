"""Checks of a role by what its policies say, for roles that trust nobody but Reltio. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..api.target import Check, ExportTarget
from . import messages
from .iam import Answer, Document, Request, conditions_of, evaluate, statements_of, wildcards_filled
from .permissions import KMS_ACTIONS, OBJECT_ACTIONS
from .readiness import check_failed, check_passed, check_unknown

_ASSUME = "sts:AssumeRole"
_EXTERNAL_ID = "sts:externalid"
# The session duration that Reltio asks the role to allow. Copy of 2026-07-10:
# https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/secure-export-aws-authentication
WANTED_SECONDS = 43_200


@dataclass(frozen=True)
class Role:
    """A role as IAM describes it; session length in seconds."""

    arn: str
    trust: Document
    permissions: tuple[Document, ...]
    max_session_seconds: int


def check_role(target: ExportTarget, role: Role, external_id: str | None) -> list[Check]:
    """What the role's policies say about Reltio's principals, the external ID and the bucket."""
    principals = target.spec.verification.reltio_principals
    return [
        _check_trust(role, principals, external_id),
        _check_wrong_external_id(role, principals, external_id),
        _check_refusal(role, principals, "MissingExternalIDRefused", None),
        check_session_duration(role.max_session_seconds),
        _check_permissions(target, role),
    ]


def check_session_duration(seconds: int) -> Check:
    """Whether the role's maximum session duration is what Reltio asks for."""
    if seconds >= WANTED_SECONDS:
        return check_passed("SessionDuration", messages.SESSION_ALLOWED(hours=seconds // 3600).message)
    return session_too_short()


def session_too_short() -> Check:
    return check_failed("SessionDuration", messages.SESSION_TOO_SHORT)


def _check_trust(role: Role, principals: Sequence[str], external_id: str | None) -> Check:
    answers = {principal: _assumes(role, principal, external_id) for principal in principals}
    denied = [principal for principal, answer in answers.items() if answer in ("Deny", "NoMatch")]
    if denied:
        return check_failed("TrustsReltio", messages.PRINCIPAL_NOT_TRUSTED, role=role.arn, principals=", ".join(denied))
    if "Unknown" in answers.values():
        return check_unknown("TrustsReltio", messages.TRUST_NOT_UNDERSTOOD)
    return check_passed("TrustsReltio", messages.TRUSTED(principals=", ".join(principals)).message)


def _check_wrong_external_id(role: Role, principals: Sequence[str], external_id: str | None) -> Check:
    """Whether another external ID is refused: an invented one, and those that patterns of the trust policy match."""
    name = "WrongExternalIDRefused"
    refused = _check_refusal(role, principals, name, f"{external_id}-and-more")
    if refused.status == "False":
        return refused
    others = [
        text
        for pattern in _external_ids(role.trust)
        if "*" in pattern or "?" in pattern
        for text in (wildcards_filled(pattern, "x"), wildcards_filled(pattern, "y"))
        if text != external_id
    ]
    if any(_assumes(role, principal, other) == "Allow" for principal in principals for other in others):
        return check_failed(name, messages.EXTERNAL_ID_NOT_EXACT, role=role.arn)
    return refused


def _external_ids(trust: Document) -> list[str]:
    """The values that a trust policy compares the external ID with."""
    return [
        value
        for statement in statements_of(trust)
        for _, key, values in conditions_of(statement)
        if key == _EXTERNAL_ID
        for value in values
    ]


def _check_refusal(role: Role, principals: Sequence[str], name: str, external_id: str | None) -> Check:
    answers = [_assumes(role, principal, external_id) for principal in principals]
    if "Allow" in answers:
        how = "by Reltio with any external ID" if external_id else "by Reltio without an external ID"
        return check_failed(name, messages.EXTERNAL_ID_NOT_REQUIRED, how=how)
    if "Unknown" in answers:
        return check_unknown(name, messages.REFUSAL_NOT_UNDERSTOOD)
    return check_passed(name)


def _check_permissions(target: ExportTarget, role: Role) -> Check:
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
        path = f"s3://{s3.bucket}/{s3.prefix}"
        return check_failed(
            "RolePermits", messages.ACTION_NOT_ALLOWED, role=role.arn, actions=", ".join(denied), path=path
        )
    if "Unknown" in answers.values():
        return check_unknown("RolePermits", messages.PERMISSIONS_NOT_UNDERSTOOD)
    return check_passed("RolePermits", messages.PERMITTED().message)


def _assumes(role: Role, principal: str, external_id: str | None) -> Answer:
    who = principal if principal.startswith("arn:") else f"arn:{role.arn.split(':')[1]}:iam::{principal}:root"
    return evaluate([role.trust], Request(_ASSUME, role.arn, who, {**_caller(who), _EXTERNAL_ID: external_id}))


def _caller(arn: str) -> dict[str, str | None]:
    """The context keys that depend on the caller. Of an account's root only the account is known."""
    known: dict[str, str | None] = {
        "aws:principalaccount": _account_of(arn),
        "aws:principalisawsservice": "false",
        "aws:securetransport": "true",
    }
    return known if arn.endswith(":root") else {**known, "aws:principalarn": arn}


def _account_of(arn: str) -> str:
    return arn.split(":")[4]
