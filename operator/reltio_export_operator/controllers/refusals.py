"""Targets that the settings of the operator do not allow. Nothing is read or sent for them."""

from __future__ import annotations

from dataclasses import dataclass

from ..api.reasons import ConditionReason
from ..api.target import ExportTarget
from ..aws.messages import ROLE_NOT_ALLOWED
from ..aws.owner import Owner
from ..aws.sessions import RoleSessions
from ..reltio.messages import HOST_NOT_ALLOWED
from .access import Access

REASONS = (ROLE_NOT_ALLOWED.name, HOST_NOT_ALLOWED.name)


@dataclass(frozen=True)
class Refusal:
    """Why the settings do not allow a target. `condition` reports it besides Ready."""

    condition: str
    why: ConditionReason


class Refusals:
    """Asks those who know the settings for roles and hosts."""

    def __init__(self, access: Access, sessions: RoleSessions) -> None:
        self._access = access
        self._sessions = sessions

    def of(self, target: ExportTarget) -> Refusal | None:
        """Why the settings do not allow this target; None if they do."""
        why = self._sessions.refusal_of(Owner(*target.metadata.key), target.spec.s3.role_arn)
        if why is not None:
            return Refusal("RoleAssumable", why)
        why = self._access.refusal_of(target)
        return Refusal("ReltioAuthenticated", why) if why is not None else None

    def reason_of(self, target: ExportTarget) -> ConditionReason | None:
        """The same without the condition."""
        refusal = self.of(target)
        return refusal.why if refusal else None
