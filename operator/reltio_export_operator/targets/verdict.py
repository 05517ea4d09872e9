"""From what was tried to a verdict a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from ..api.conditions import Conditions, Truth, find
from ..api.meta import whole_seconds
from ..api.target import Check, ExportTarget, TargetStatus, parse_duration

_RELTIO = ("ReltioReachable", "ReltioToken", "ReltioTenant")
_TRIED = ("AssumeRole", "Bucket", "ListBucket", "PutObject", "GetObject", "DeleteObject", "Encryption")
_READ = ("TrustsReltio", "RolePermits")
# Tests whose failure does not stop exports, and which leave denied calls in the audit trail: made rarely.
ADVICE = ("WrongExternalIDRefused", "MissingExternalIDRefused", "SessionDuration", "PublicAccessBlocked")
_CONDITIONS = {
    "ReltioAuthenticated": _RELTIO,
    "RoleAssumable": ("AssumeRole", "TrustsReltio"),
    "BucketAccessible": (*_TRIED[1:], "RolePermits"),
    "Recommended": ADVICE,
}
_HEALTHY = {
    "ReltioAuthenticated": "Reltio accepts the client and lets it see the tenant.",
    "RoleAssumable": "The role can be assumed with the external ID.",
    "BucketAccessible": "List, put, get and delete work under the path.",
    "Recommended": "Nothing to recommend.",
}
_PROVEN = {
    "AssumeRole": "Every check passed for the operator's principal; only an export shows it for Reltio's.",
    "Inspect": "The role's policies let Reltio's principals in and do what is needed; nothing was tried.",
    "AssumeRoleAndInspect": "Every check passed for the operator's principal, and the role's policies name Reltio's.",
}
_SLACK = timedelta(minutes=5)  # the clock of who asks for a verification may be ahead
_SECURITY_INTERVAL = 24 * 3600.0
_MAX_HEAL = 600.0


def passed(name: str, message: str = "") -> Check:
    return Check(name=name, status="True", reason="Passed", message=message)


def refuted(name: str, reason: str, message: str, remedy: str) -> Check:
    return Check(name=name, status="False", reason=reason, message=message, remedy=remedy)


def unknown(name: str, reason: str, message: str, remedy: str = "") -> Check:
    return Check(name=name, status="Unknown", reason=reason, message=message, remedy=remedy)


def checks_of(target: ExportTarget) -> tuple[str, ...]:
    """The checks that the target's mode asks for, in the order in which they are told."""
    verification, s3 = target.spec.verification, target.spec.s3
    tried = _TRIED if s3.server_side_encryption is not None else _TRIED[:-1]
    advice = ADVICE if verification.assumes else ADVICE[:-1]
    return (
        *_RELTIO,
        *(tried if verification.assumes else ()),
        *(_READ if verification.inspects else ()),
        *advice,
    )


def complete(target: ExportTarget, tried: Iterable[Check]) -> tuple[Check, ...]:
    """All checks of the target; of two verdicts on one check the worse.

    One that was not reached is Unknown, because of the first that failed; advice that was not asked for again stays.
    """
    by_name: dict[str, Check] = {}
    for check in tried:
        known = by_name.get(check.name)
        by_name[check.name] = check if known is None else (_worst([known, check]) or check)
    culprit = next((c.name for c in by_name.values() if c.status == "False" and c.name not in ADVICE), None)
    earlier = {check.name: check for check in target.status.checks if check.name in ADVICE}
    reason = f"Not tried, because {culprit} failed." if culprit else "Not tried yet."
    return tuple(
        by_name.get(name) or earlier.get(name) or unknown(name, "NotReached", reason) for name in checks_of(target)
    )


def judge(target: ExportTarget, tried: Sequence[Check], now: datetime) -> TargetStatus:
    """The status after a verification. Ready only when every check but advice passed: Unknown is not good enough."""
    checks = _with_times(complete(target, tried), target.status.checks, now)
    conditions = _conditions(target, now)
    for type_, names in _CONDITIONS.items():
        mine = [check for check in checks if check.name in names]
        bad = _worst(mine)
        if not mine:
            conditions.put(type_, "Unknown", "NotVerified", f"Mode {target.spec.verification.mode} does not tell.")
        elif bad is None:
            conditions.put(type_, "True", "Verified", _HEALTHY[type_])
        else:
            conditions.put(type_, bad.status, bad.reason, _sentence(bad))
    bad = _worst(check for check in checks if check.name not in ADVICE)
    if bad is None:
        conditions.put("Ready", "True", "Verified", _PROVEN[target.spec.verification.mode])
        conditions.drop("Stalled")
    else:
        conditions.put("Ready", "False", bad.reason, _sentence(bad))
        conditions.put("Stalled", "True", bad.reason, _sentence(bad))
    conditions.drop("Reconciling")
    tested = any(check.name in ADVICE for check in tried)
    return _status(
        target,
        conditions,
        checks=checks,
        last_verification_time=whole_seconds(now),
        last_security_test_time=whole_seconds(now) if tested else target.status.last_security_test_time,
    )


def advice_is_due(target: ExportTarget, now: datetime) -> bool:
    """Whether the rare tests are to be made: on a change, once a day, and while one of them has failed."""
    last, ready = target.status.last_security_test_time, find(target.status.conditions, "Ready")
    known = [check for check in target.status.checks if check.name in ADVICE]
    changed = ready is None or ready.observed_generation != target.metadata.generation
    failed = not known or any(check.status == "False" for check in known)
    return changed or failed or last is None or not 0 <= (now - last).total_seconds() < _SECURITY_INTERVAL


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


def is_tried(target: ExportTarget) -> bool:
    """Whether anything is verified at all."""
    return not target.spec.suspend and target.spec.verification.mode != "Disabled"


def is_due(target: ExportTarget, failures: int, heal_interval: float, now: datetime) -> float:
    """Seconds until the next verification; 0 when it is due. Failing targets back off, up to ten minutes."""
    if target.spec.suspend:
        return 0.0
    ready = find(target.status.conditions, "Ready")
    last = target.status.last_verification_time
    if ready is None or last is None or ready.observed_generation != target.metadata.generation:
        return 0.0
    asked = target.verification_requested
    if asked is not None and last < asked <= now + _SLACK:
        return 0.0
    if ready.status == "True":
        interval = parse_duration(target.spec.verification.interval)
    else:
        interval = min(heal_interval * 2.0 ** max(0, failures - 10), _MAX_HEAL)
    elapsed = (now - last).total_seconds()
    return max(0.0, interval - elapsed) if elapsed >= 0 else 0.0  # the clock was set back


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
