"""From what was tried to a verdict a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from ..api.conditions import Conditions, Truth, find
from ..api.meta import whole_seconds
from ..api.target import Check, ExportTarget, TargetStatus, parse_duration

# Checks, in the order in which they are tried, and the condition each belongs to.
CHECKS: dict[str, str] = {
    "ReltioToken": "ReltioAuthenticated",
    "ReltioTenant": "ReltioAuthenticated",
    "AssumeRole": "RoleAssumable",
    "ListBucket": "BucketAccessible",
    "PutObject": "BucketAccessible",
    "GetObject": "BucketAccessible",
    "DeleteObject": "BucketAccessible",
}
_HEALTHY = {
    "ReltioAuthenticated": "Reltio accepts the client and lets it see the tenant.",
    "RoleAssumable": "The role can be assumed with the external ID.",
    "BucketAccessible": "List, put, get and delete work under the path.",
}
_MAX_HEAL = 600.0


def passed(name: str, message: str = "") -> Check:
    return Check(name=name, status="True", reason="Passed", message=message)


def refuted(name: str, reason: str, message: str, remedy: str) -> Check:
    return Check(name=name, status="False", reason=reason, message=message, remedy=remedy)


def unknown(name: str, reason: str, message: str, remedy: str = "") -> Check:
    return Check(name=name, status="Unknown", reason=reason, message=message, remedy=remedy)


def complete(checks: Iterable[Check]) -> tuple[Check, ...]:
    """All checks in their order; one that was not reached is Unknown, because of the first that failed."""
    by_name = {check.name: check for check in checks}
    culprit = next((c.name for c in by_name.values() if c.status == "False"), "an earlier check")
    return tuple(
        by_name.get(name, unknown(name, "NotReached", f"Not tried, because {culprit} failed.")) for name in CHECKS
    )


def judge(target: ExportTarget, tried: Sequence[Check], now: datetime) -> TargetStatus:
    """The status after a verification. Ready only when every check passed: Unknown is not good enough."""
    checks = _with_times(complete(tried), target.status.checks, now)
    conditions = _conditions(target, now)
    for type_ in _HEALTHY:
        mine = [check for check in checks if CHECKS[check.name] == type_]
        bad = _worst(mine)
        if bad is None:
            conditions.put(type_, "True", "Verified", _HEALTHY[type_])
        else:
            conditions.put(type_, bad.status, bad.reason, _sentence(bad))
    bad = _worst(checks)
    if bad is None:
        conditions.put("Ready", "True", "Verified", "Every check passed.")
        conditions.drop("Stalled")
    else:
        conditions.put("Ready", "False", bad.reason, _sentence(bad))
        conditions.put("Stalled", "True", bad.reason, _sentence(bad))
    conditions.drop("Reconciling")
    return _status(target, conditions, checks=checks, last_verification_time=whole_seconds(now))


def unverified(target: ExportTarget, now: datetime) -> TargetStatus:
    """The status of a target that asks not to be verified."""
    conditions = _conditions(target, now)
    for type_ in _HEALTHY:
        conditions.put(type_, "Unknown", "VerificationDisabled", "spec.verification.mode is Disabled.")
    conditions.put("Ready", "True", "VerificationDisabled", "Accepted as written: spec.verification.mode is Disabled.")
    conditions.drop("Stalled")
    conditions.drop("Reconciling")
    return _status(target, conditions, checks=())


def suspended(target: ExportTarget, now: datetime) -> TargetStatus:
    """The status of a suspended target."""
    conditions = _conditions(target, now)
    conditions.put("Ready", "False", "Suspended", "Suspended; set spec.suspend to false to go on.")
    conditions.drop("Stalled")
    conditions.drop("Reconciling")
    return _status(target, conditions)


def is_due(target: ExportTarget, failures: int, heal_interval: float, now: datetime) -> float:
    """Seconds until the next verification; 0 when it is due. Failing targets back off, up to ten minutes."""
    if target.spec.suspend:
        return 0.0
    ready = find(target.status.conditions, "Ready")
    last = target.status.last_verification_time
    if ready is None or last is None or ready.observed_generation != target.metadata.generation:
        return 0.0
    if ready.status == "True":
        interval = parse_duration(target.spec.verification.interval)
    else:
        interval = min(heal_interval * 2.0 ** max(0, failures - 10), _MAX_HEAL)
    return max(0.0, interval - (now - last).total_seconds())


def with_counts(status: TargetStatus, active: int, pending: int) -> TargetStatus:
    return msgspec.structs.replace(status, active_jobs=active, pending_jobs=pending)


def _conditions(target: ExportTarget, now: datetime) -> Conditions:
    return Conditions(target.status.conditions, generation=target.metadata.generation, now=now)


def _status(target: ExportTarget, conditions: Conditions, **changes: object) -> TargetStatus:
    return msgspec.structs.replace(
        target.status,
        observed_generation=target.metadata.generation,
        conditions=conditions.result(),
        **changes,
    )


def _with_times(checks: Iterable[Check], before: Iterable[Check], now: datetime) -> tuple[Check, ...]:
    earlier = {check.name: check for check in before}
    return tuple(
        msgspec.structs.replace(check, last_transition_time=_since(check, earlier.get(check.name), now))
        for check in checks
    )


def _since(check: Check, before: Check | None, now: datetime) -> datetime:
    if before is not None and before.status == check.status and before.last_transition_time is not None:
        return before.last_transition_time
    return whole_seconds(now)


def _worst(checks: Iterable[Check]) -> Check | None:
    order: dict[Truth, int] = {"False": 0, "Unknown": 1}
    bad = sorted((c for c in checks if c.status != "True"), key=lambda check: order[check.status])
    return bad[0] if bad else None


def _sentence(check: Check) -> str:
    return f"{check.message} {check.remedy}".strip()
