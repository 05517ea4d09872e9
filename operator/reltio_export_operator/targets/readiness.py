"""From what was tried to a verdict a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from ..api.conditions import Conditions, ConditionStatus, find, is_true
from ..api.meta import whole_seconds
from ..api.target import Check, ExportTarget, TargetStatus, parse_duration

RELTIO = ("ReltioReachable", "ReltioToken", "ReltioTenant")
_TRIED = ("AssumeRole", "Bucket", "ListBucket", "PutObject", "GetObject", "DeleteObject", "Encryption")
_READ = ("TrustsReltio", "RolePermits")
_NOT_REACHED = "NotReached"
# Tests whose failure does not stop exports, and which leave denied calls in the audit trail: made rarely.
ADVISORY_CHECKS = ("WrongExternalIDRefused", "MissingExternalIDRefused", "SessionDuration", "PublicAccessBlocked")
_CONDITIONS = {
    "ReltioAuthenticated": RELTIO,
    "RoleAssumable": ("AssumeRole", "TrustsReltio"),
    "BucketAccessible": (*_TRIED[1:], "RolePermits"),
    "Recommended": ADVISORY_CHECKS,
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
_SECURITY_INTERVAL = 24 * 3600.0
_MAX_REQUEUE_SECONDS = 600.0
_MIN_INTERVAL = 60.0
_TOLERATED_FAILURES = 2  # failures that pass by themselves before a target that was Ready is not any more
_TEXT = 4096  # characters of a message or remedy, as the CRD has it
# What passes by itself: nobody needs to do anything, and one such failure proves nothing about the next export.
_PASSING = frozenset(
    [
        *("RateLimited", "ServerError", "ServiceUnavailable", "AnswerLost", "Unreachable"),
        *("EndpointUnreachable", "AWSUnavailable", "ProbeTimeout", "InternalError"),
    ]
)


def check_passed(name: str, message: str = "") -> Check:
    return Check(name=name, status="True", reason="Passed", message=message)


def check_failed(name: str, reason: str, message: str, remedy: str) -> Check:
    return Check(name=name, status="False", reason=reason, message=message[:_TEXT], remedy=remedy[:_TEXT])


def check_unknown(name: str, reason: str, message: str, remedy: str = "") -> Check:
    return Check(name=name, status="Unknown", reason=reason, message=message[:_TEXT], remedy=remedy[:_TEXT])


def checks_of(target: ExportTarget) -> tuple[str, ...]:
    """The checks that the target's mode asks for, in the order in which they are told."""
    verification, s3 = target.spec.verification, target.spec.s3
    tried = _TRIED if s3.server_side_encryption is not None else _TRIED[:-1]
    advice = ADVISORY_CHECKS if verification.assumes else ADVISORY_CHECKS[:-1]
    return (
        *RELTIO,
        *(tried if verification.assumes else ()),
        *(_READ if verification.inspects else ()),
        *advice,
    )


def all_checks(target: ExportTarget, tried: Sequence[Check], *, tested: bool) -> tuple[Check, ...]:
    """All checks of the target; of two verdicts on one check the worse.

    One that was not reached is Unknown, because of the first that failed. Advice that was not `tested` this time stays
    as it was, as long as the target is the same.
    """
    by_name: dict[str, Check] = {}
    for check in (*tried, *(() if tested else _earlier_advice(target))):
        known = by_name.get(check.name)
        by_name[check.name] = check if known is None else (_worst([known, check]) or check)
    culprit = next((c.name for c in by_name.values() if c.status == "False" and c.name not in ADVISORY_CHECKS), None)
    reason = f"Not tried, because {culprit} failed." if culprit else "Not tried yet."
    return tuple(by_name.get(name) or check_unknown(name, _NOT_REACHED, reason) for name in checks_of(target))


def _earlier_advice(target: ExportTarget) -> list[Check]:
    if not target.spec.verification.assumes or _is_outdated(target, "Recommended"):
        return []
    return [check for check in target.status.checks if check.name in ADVISORY_CHECKS and check.reason != _NOT_REACHED]


def _is_outdated(target: ExportTarget, type_: str) -> bool:
    """Whether this condition was said of another generation, or never."""
    known = find(target.status.conditions, type_)
    return known is None or known.observed_generation != target.metadata.generation


def evaluate(
    target: ExportTarget, tried: Sequence[Check], now: datetime, *, tested: bool, failures: int = 0
) -> TargetStatus:
    """The status after a verification. Ready only when every check but advice passed: Unknown is not good enough.

    `tested` tells that the rare tests were made; `failures` how many verifications in a row have failed before.
    """
    checks = _with_times(all_checks(target, tried, tested=tested), target.status.checks, now)
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
    bad = _worst(check for check in checks if check.name not in ADVISORY_CHECKS)
    passes = bad is not None and bad.reason in _PASSING
    if bad is None:
        conditions.put("Ready", "True", "Verified", _PROVEN[target.spec.verification.mode])
    elif not (passes and target.is_ready and failures < _TOLERATED_FAILURES):
        conditions.put("Ready", "False", bad.reason, _sentence(bad))
    if bad is not None and passes:
        conditions.put("Reconciling", "True", bad.reason, f"It is verified again soon. {_sentence(bad)}")
    else:
        conditions.drop("Reconciling")
    if bad is not None and not passes:
        conditions.put("Stalled", "True", bad.reason, _sentence(bad))
    else:
        conditions.drop("Stalled")
    return _status(
        target,
        conditions,
        checks=checks,
        last_verification_time=whole_seconds(now),
        last_security_test_time=whole_seconds(now) if tested else target.status.last_security_test_time,
    )


def is_healthy(status: TargetStatus) -> bool:
    """Whether the last verification found nothing that exports need mended or waited for."""
    return is_true(status.conditions, "Ready") and find(status.conditions, "Reconciling") is None


def advisory_checks_due(target: ExportTarget, now: datetime) -> bool:
    """Whether the rare tests are to be made: on a change, once a day, and while one of them has failed."""
    last = target.status.last_security_test_time
    known = [check for check in target.status.checks if check.name in ADVISORY_CHECKS]
    open_ = not known or any(check.status == "False" or check.reason == _NOT_REACHED for check in known)
    recent = last is not None and 0 <= (now - last).total_seconds() < _SECURITY_INTERVAL
    return _is_outdated(target, "Recommended") or open_ or not recent


def disabled_status(target: ExportTarget, now: datetime) -> TargetStatus:
    """The status of a target that asks not to be verified."""
    conditions = _conditions(target, now)
    for type_ in _HEALTHY:
        conditions.put(type_, "Unknown", "VerificationDisabled", "spec.verification.mode is Disabled.")
    conditions.put("Ready", "True", "VerificationDisabled", "Accepted as written: spec.verification.mode is Disabled.")
    conditions.drop("Stalled")
    conditions.drop("Reconciling")
    return _status(target, conditions, checks=(), external_id_in_use=None)


def suspended_status(target: ExportTarget, now: datetime) -> TargetStatus:
    """The status of a suspended target."""
    conditions = _conditions(target, now)
    conditions.put("Ready", "False", "Suspended", "Suspended; set spec.suspend to false to go on.")
    conditions.drop("Stalled")
    conditions.drop("Reconciling")
    return _status(target, conditions)


def is_verified(target: ExportTarget) -> bool:
    """Whether anything is verified at all."""
    return not target.spec.suspend and target.spec.verification.mode != "Disabled"


def seconds_until_due(target: ExportTarget, failures: int, heal_interval: float, now: datetime) -> float:
    """Seconds until the next verification; 0 when it is due. Failing targets back off, up to ten minutes."""
    if target.spec.suspend:
        return 0.0
    last = target.status.last_verification_time
    if last is None or needs_verification(target):
        return 0.0
    if is_healthy(target.status):
        interval = max(_MIN_INTERVAL, parse_duration(target.spec.verification.interval))
    else:
        interval = min(heal_interval * 2.0 ** max(0, failures - 10), _MAX_REQUEUE_SECONDS)
    elapsed = (now - last).total_seconds()
    return max(0.0, interval - elapsed) if elapsed >= 0 else 0.0  # the clock was set back


def needs_verification(target: ExportTarget) -> bool:
    """Whether its spec has changed since the last verdict, or somebody asks for a new one."""
    return _is_outdated(target, "Ready") or target.verify_request not in (
        None,
        target.status.last_handled_verify_request,
    )


def with_job_counts(status: TargetStatus, active: int, pending: int) -> TargetStatus:
    return msgspec.structs.replace(status, active_jobs=active, pending_jobs=pending)


def _conditions(target: ExportTarget, now: datetime) -> Conditions:
    return Conditions(target.status.conditions, generation=target.metadata.generation, now=now)


def _status(target: ExportTarget, conditions: Conditions, **changes: object) -> TargetStatus:
    return msgspec.structs.replace(
        target.status,
        observed_generation=target.metadata.generation,
        last_handled_verify_request=target.verify_request or target.status.last_handled_verify_request,
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
    order: dict[ConditionStatus, int] = {"False": 0, "Unknown": 1}
    bad = sorted((c for c in checks if c.status != "True"), key=lambda check: order[check.status])
    return bad[0] if bad else None


def _sentence(check: Check) -> str:
    return f"{check.message} {check.remedy}".strip()
