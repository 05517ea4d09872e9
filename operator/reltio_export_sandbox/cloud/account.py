"""What moto holds of the account: who a key belongs to, and the policies and buckets that decide.

The one module that reads moto's own models; it runs in moto's process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sts.models import sts_backends

from .evaluator import Policy, parsed
from .signing import Keys

ACCOUNT = "123456789012"
OWNER = "sandbox-admin"
_ROOT = f"arn:aws:iam::{ACCOUNT}:root"


@dataclass(frozen=True)
class Caller:
    """The signer of a request, with the policies of the user or role. `role` and the rest are those of a session."""

    arn: str
    principals: tuple[str, ...]
    policies: tuple[Policy, ...]
    role: str = ""
    session_policy: Policy | None = None
    expires: datetime | None = None

    @property
    def has_expired(self) -> bool:
        return self.expires is not None and self.expires <= datetime.now(UTC)


@dataclass(frozen=True)
class Role:
    arn: str
    trust: Policy
    max_session_seconds: int


def keys(key_id: str) -> Keys | None:
    """The key with its secret, or None."""
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(key_id)
    if session is not None:
        return Keys(key_id, session.secret_access_key, session.session_token)
    found = (key for user in iam_backends[ACCOUNT]["aws"].users.values() for key in user.access_keys)
    return next((Keys(key_id, key.secret_access_key) for key in found if key.access_key_id == key_id), None)


def owner_keys() -> Keys | None:
    """Keys of the account's owner."""
    owner = iam_backends[ACCOUNT]["aws"].users.get(OWNER)
    return keys(owner.access_keys[0].access_key_id) if owner is not None and owner.access_keys else None


def caller(key_id: str) -> Caller | None:
    """None for a key that is not known: moto has the words for that."""
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(key_id)
    if session is not None:
        found = _role(session.role_arn)
        return Caller(
            session.arn,
            (session.arn, session.role_arn, _ROOT),
            _policies(found) if found is not None else (),
            session.role_arn,
            parsed(session.policy) if session.policy else None,
            session.expiration.replace(tzinfo=UTC),
        )
    for user in iam_backends[ACCOUNT]["aws"].users.values():
        if any(key.access_key_id == key_id for key in user.access_keys):
            return Caller(user.arn, (user.arn, _ROOT), _policies(user))
    return None


def role(arn: str) -> Role | None:
    found = _role(arn)
    if found is None:
        return None
    return Role(arn, parsed(found.assume_role_policy_document), int(found.max_session_duration or 3600))


def end_sessions() -> None:
    """Let all credentials of sessions expire now."""
    now = datetime.now(UTC).replace(tzinfo=None)
    for session in sts_backends[ACCOUNT]["aws"].assumed_roles:
        session.expiration = now


def bucket(name: str) -> Any:
    """moto's bucket, or None."""
    return s3_backends[ACCOUNT]["aws"].buckets.get(name)


def region(path: str) -> str:
    """The region of the bucket that a path names, or nothing."""
    found = bucket(path.split("/", 2)[1])
    return str(found.region_name) if found is not None else ""


def _role(arn: str) -> Any:
    return next((found for found in iam_backends[ACCOUNT]["aws"].roles.values() if found.arn == arn), None)


def _policies(holder: Any) -> tuple[Policy, ...]:
    attached = (policy.document for policy in holder.managed_policies.values())
    return tuple(parsed(document) for document in (*holder.policies.values(), *attached))
