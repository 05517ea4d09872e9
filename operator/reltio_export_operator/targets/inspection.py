"""Checks of a role by what its policies say, for roles that trust nobody but Reltio. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..api.target import Check, ExportTarget
from .iam import Answer, Document, Request, evaluate
from .verdict import passed, refuted, unknown

WANTED_SECONDS = 43_200  # the session length that Reltio's page asks the role to allow
OBJECT_ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")


@dataclass(frozen=True)
class Role:
    """A role as IAM describes it; session length in seconds."""

    arn: str
    trust: Document
    permissions: tuple[Document, ...]
    max_session_seconds: int

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]


def inspected(target: ExportTarget, role: Role, external_id: str | None) -> list[Check]:
    """What the policies of the role say about Reltio's principals, the external ID and the bucket."""
    principals = target.spec.verification.reltio_principals
    return [
        _trusts(role, principals, external_id),
        _refuses(role, principals, "WrongExternalIDRefused", _others(external_id or "")),
        _refuses(role, principals, "MissingExternalIDRefused", [None]),
        session_length(role.max_session_seconds),
        _permits(target, role),
    ]


def session_length(seconds: int) -> Check:
    """Whether the role's maximum session duration is what Reltio asks for."""
    if seconds >= WANTED_SECONDS:
        return passed("SessionDuration", f"The role allows sessions of {seconds // 3600} hours.")
    return too_short()


def too_short() -> Check:
    return refuted(
        "SessionDuration",
        "SessionTooShort",
        "The role does not allow sessions of 12 h, which Reltio asks for so that large exports can finish.",
        "Set the role's maximum session duration (MaxSessionDuration) to 43200 seconds.",
    )


def _trusts(role: Role, principals: Sequence[str], external_id: str | None) -> Check:
    answers = {who: _assumes(role, who, external_id) for who in principals}
    denied = [who for who, answer in answers.items() if answer in ("Deny", "NoMatch")]
    if denied:
        return refuted(
            "TrustsReltio",
            "PrincipalNotTrusted",
            f"The trust policy of {role.arn} does not let {', '.join(denied)} in with the external ID of the target.",
            "Name the principal in the trust policy and let sts:ExternalId equal spec.s3.externalID.",
        )
    if "Unknown" in answers.values():
        text = "The trust policy has conditions that are not understood here; only an export shows whether they hold."
        return unknown("TrustsReltio", "NotUnderstood", text, "Set spec.verification.canary to true to find out.")
    return passed("TrustsReltio", f"The trust policy lets {', '.join(principals)} in with the external ID.")


def _others(external_id: str) -> list[str | None]:
    """External IDs that are not the target's, of which a pattern in the trust policy may let some in."""
    changed = [
        f"{external_id[:at]}{'a' if char != 'a' else 'b'}{external_id[at + 1 :]}" for at, char in enumerate(external_id)
    ]
    longer = [f"{external_id[:at]}a{external_id[at:]}" for at in range(len(external_id) + 1)]
    return [*changed, *longer, "another"]


def _refuses(role: Role, principals: Sequence[str], name: str, external_ids: Sequence[str | None]) -> Check:
    answers = [_assumes(role, who, external_id) for who in principals for external_id in external_ids]
    if "Allow" in answers:
        return refuted(
            name,
            "ExternalIDNotRequired",
            f"The trust policy of {role.arn} lets Reltio in {'without an' if None in external_ids else 'with another'} "
            "external ID, so anybody who can make Reltio export could write to this bucket.",
            "Add the condition StringEquals sts:ExternalId to the trust policy.",
        )
    if "Unknown" in answers:
        return unknown(name, "NotUnderstood", "The trust policy has conditions that are not understood here.")
    return passed(name)


def _permits(target: ExportTarget, role: Role) -> Check:
    s3 = target.spec.s3
    bucket = f"arn:{role.partition}:s3:::{s3.bucket}"
    context = _context(role)
    listing = {**context, "s3:prefix": f"{s3.prefix}any/"}
    wanted = [Request("s3:ListBucket", bucket, context=listing)]
    wanted += [
        Request(action, f"{bucket}/{s3.prefix}any/any", context={**context, **_encryption(target, action)})
        for action in OBJECT_ACTIONS
    ]
    key = s3.server_side_encryption.kms_key_arn if s3.server_side_encryption else None
    if key is not None:
        suffix = "amazonaws.com.cn" if role.partition == "aws-cn" else "amazonaws.com"
        via = {
            **context,
            "kms:viaservice": f"s3.{key.split(':')[3]}.{suffix}",
            "kms:calleraccount": role.account,
        }
        wanted += [Request(action, key, context=via) for action in ("kms:GenerateDataKey", "kms:Decrypt")]
    answers = {request.action: evaluate(role.permissions, request) for request in wanted}
    denied = [action for action, answer in answers.items() if answer in ("Deny", "NoMatch")]
    if denied:
        return refuted(
            "RolePermits",
            "ActionNotAllowed",
            f"The policies of {role.arn} do not allow {', '.join(denied)} under s3://{s3.bucket}/{s3.prefix}.",
            f"Allow {', '.join(denied)} in a permission policy of the role.",
        )
    if "Unknown" in answers.values():
        text = "The permission policies have conditions that are not understood here."
        return unknown("RolePermits", "NotUnderstood", text, "Set spec.verification.canary to true to find out.")
    return passed("RolePermits", "The permission policies allow list, put, get and delete under the path.")


def _assumes(role: Role, principal: str, external_id: str | None) -> Answer:
    """Whether this principal gets in with this external ID, or without one."""
    is_account = not principal.startswith("arn:")
    who = f"arn:{role.partition}:iam::{principal}:root" if is_account else principal
    context: dict[str, str | None] = {
        "sts:externalid": external_id,
        "aws:principalaccount": who.split(":")[4],
        "aws:securetransport": "true",
    }
    if not is_account:  # of an account it is not known who will ask
        context["aws:principalarn"] = who
    return evaluate([role.trust], Request("sts:AssumeRole", role.arn, who, context))


def _context(role: Role) -> dict[str, str | None]:
    """What is known of any request that is made as the role."""
    return {
        "aws:principalarn": role.arn,
        "aws:principalaccount": role.account,
        "aws:securetransport": "true",
    }


def _encryption(target: ExportTarget, action: str) -> dict[str, str | None]:
    """The headers of a put that policies may ask for."""
    if action != "s3:PutObject":
        return {}
    encryption = target.spec.s3.server_side_encryption
    return {
        "s3:x-amz-server-side-encryption": encryption.algorithm if encryption else None,
        "s3:x-amz-server-side-encryption-aws-kms-key-id": encryption.kms_key_arn if encryption else None,
    }
