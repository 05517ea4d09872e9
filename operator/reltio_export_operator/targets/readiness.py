"""When a target is Ready: from the checks that were made to conditions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Unpack

import msgspec

from ..api.conditions import Conditions, ConditionStatus, find, is_true
from ..api.foreign import own
from ..api.meta import parse_duration, whole_seconds
from ..api.reasons import ConditionReason, Reason, Values
from ..api.target import Check, ExportTarget, TargetStatus
from . import messages
from .checks import CHECKS, OPERATOR_CREDENTIALS

RELTIO = tuple(kind.name for kind in CHECKS if kind.condition == "ReltioAuthenticated")
ADVISORY_CHECKS = tuple(kind.name for kind in CHECKS if kind.is_advisory)
_READ = ("TrustsReltio", "RolePermits")
_CONDITIONS = {
    type_: tuple(kind.name for kind in CHECKS if kind.condition == type_)
    for type_ in dict.fromkeys(kind.condition for kind in CHECKS)
}
# The checks whose failure keeps a check from being made, the closest first.
_ROLE = ("AssumeRole", OPERATOR_CREDENTIALS)
_DEPENDS_ON = {
    "ReltioReachable": ("ReltioToken",),
    "ReltioToken": ("ReltioReachable",),
    "ReltioTenant": ("ReltioToken", "ReltioReachable"),
    OPERATOR_CREDENTIALS: ("AssumeRole", "TrustsReltio"),
    "AssumeRole": (OPERATOR_CREDENTIALS,),
    "Bucket": _ROLE,
    "ListBucket": ("Bucket", *_ROLE),
    "PutObject": ("Encryption", "Bucket", *_ROLE),
    "GetObject": ("PutObject", "Encryption", "Bucket", *_ROLE),
    "DeleteObject": ("PutObject", "Encryption", "Bucket", *_ROLE),
    "Encryption": ("PutObject", "GetObject", "Bucket", *_ROLE),
    "TrustsReltio": (OPERATOR_CREDENTIALS,),
    "RolePermits": ("TrustsReltio", OPERATOR_CREDENTIALS),
    **dict.fromkeys(ADVISORY_CHECKS, (*_ROLE, "TrustsReltio")),
}
_ADVISORY_INTERVAL_SECONDS = 24 * 3600.0
_MAX_REQUEUE_SECONDS = 600.0
_MIN_INTERVAL_SECONDS = 60.0
_TOLERATED_FAILURES = 2  # transient failures in a row before a target that was Ready is not Ready any more
_TEXT_LIMIT = 4096  # characters of a message or remedy, as the CRD allows
# Reasons that need no action: one such failure proves nothing about the next export.
TRANSIENT = frozenset(
    [
        *("RateLimited", "ServerError", "ServiceUnavailable", "AnswerLost", "Unreachable", "CallsPaused"),
        *("EndpointUnreachable", "AWSUnavailable", "UnexpectedAWSAnswer", "AnswerBeyondLimits"),
        *("ReadInterrupted", "ObjectChanged"),
        *("ExpiredCredentials", "OperatorCredentialsExpired", "CredentialsUnreachable", "ClockSkewed"),
        *("ProbeTimeout", "InternalError"),
    ]
)


def check_passed(name: str, message: str = "") -> Check:
    return Check(name=name, status="True", reason="Passed", message=message)


def check_failed(name: str, reason: Reason, /, **values: Unpack[Values]) -> Check:
    message, remedy = reason.parts(**values)
    return call_failed(name, reason.name, message, remedy)


def check_unknown(name: str, reason: Reason, /, **values: Unpack[Values]) -> Check:
    message, remedy = reason.parts(**values)
    return call_unknown(name, reason.name, message, remedy)


def call_failed(name: str, reason: str, message: str, remedy: str) -> Check:
    """A check that failed with the reason of a failed call."""
    return Check(name=name, status="False", reason=reason, message=message[:_TEXT_LIMIT], remedy=remedy[:_TEXT_LIMIT])


def call_unknown(name: str, reason: str, message: str, remedy: str) -> Check:
    """A check whose result is unknown, with the reason of a failed call."""
    return Check(name=name, status="Unknown", reason=reason, message=message[:_TEXT_LIMIT], remedy=remedy[:_TEXT_LIMIT])


def checks_of(target: ExportTarget) -> tuple[str, ...]:
    """The checks of the target's mode, in the order in which they are shown."""
    return tuple(kind.name for kind in CHECKS if kind.applies(target.spec))


def all_checks(target: ExportTarget, tried: Sequence[Check], *, tested: bool) -> tuple[Check, ...]:
    """All checks of the target; of two results for one check the worse.

    A check that was not reached is Unknown, because of one that failed and that it depends on. Without `tested`,
    advisory checks keep their last result, as long as the generation is the same.
    """
    by_name: dict[str, Check] = {}
    for check in (*tried, *(() if tested else _earlier_advisory_checks(target))):
        known = by_name.get(check.name)
        by_name[check.name] = check if known is None else (_worst([known, check]) or check)
    failed = {check.name for check in by_name.values() if check.status == "False"}
    return tuple(by_name.get(name) or _not_made(name, failed) for name in checks_of(target))


def _not_made(name: str, failed: set[str]) -> Check:
    blocking = next((other for other in _DEPENDS_ON[name] if other in failed), None)
    return check_unknown(name, messages.BLOCKED if blocking else messages.NOT_REACHED, check=blocking)


def _earlier_advisory_checks(target: ExportTarget) -> list[Check]:
    if not target.spec.verification.assumes or _is_outdated(target, "Recommended"):
        return []
    return [
        check
        for check in target.status.checks
        if check.name in ADVISORY_CHECKS and check.reason != messages.NOT_REACHED.name
    ]


def _is_outdated(target: ExportTarget, type_: str) -> bool:
    """Whether this condition is missing or of another generation."""
    known = find(target.status.conditions, type_)
    return known is None or known.observed_generation != target.metadata.generation


def evaluate(
    target: ExportTarget, tried: Sequence[Check], now: datetime, *, tested: bool, failures: int = 0
) -> TargetStatus:
    """The status after a verification. Ready only when every check but the advisory ones passed; Unknown is not enough.

    `tested`: the advisory checks were made. `failures`: how many verifications in a row have failed before.
    """
    made = all_checks(target, tried, tested=tested)
    if _delivered(target) == "True":
        made = tuple(_proven(check) if _is_left_to_an_export(check) else check for check in made)
    checks = _with_times(made, target.status.checks, now)
    conditions = _conditions(target, now)
    for type_, names in _CONDITIONS.items():
        mine = [check for check in checks if check.name in names]
        bad = _worst(mine)
        if bad is not None:
            conditions.put(type_, bad.status, bad.reason, _message_of(bad))
        elif mine:
            _put(conditions, type_, "True", messages.HEALTHY[type_]())
        else:
            _put(conditions, type_, "Unknown", messages.NOT_CHECKED(mode=target.spec.verification.mode))
    bad = _worst(check for check in checks if check.name not in ADVISORY_CHECKS)
    is_transient = bad is not None and bad.reason in TRANSIENT
    if bad is None:
        _put(conditions, "Ready", "True", messages.PROVEN[target.spec.verification.mode]())
    elif not (is_transient and target.is_ready and failures < _TOLERATED_FAILURES):
        conditions.put("Ready", "False", bad.reason, _message_of(bad))
    waits = leaves_open(checks) and target.spec.verification.canary and _delivered(target) != "False"
    if waits:
        _put(conditions, "Reconciling", "True", messages.CANARY_DECIDES())
    elif bad is not None and is_transient:
        conditions.put("Reconciling", "True", bad.reason, messages.VERIFYING_AGAIN(error=own(_message_of(bad))).message)
    else:
        conditions.drop("Reconciling")
    if bad is not None and not is_transient and not waits:
        conditions.put("Stalled", "True", bad.reason, _message_of(bad))
    else:
        conditions.drop("Stalled")
    return _status(
        target,
        conditions,
        checks=checks,
        last_verification_time=whole_seconds(now),
        last_security_test_time=whole_seconds(now) if tested else target.status.last_security_test_time,
    )


def leaves_open(checks: Iterable[Check]) -> bool:
    """Whether a canary export can make the target Ready: it decides what no other required check has decided."""
    required = [check for check in checks if check.name not in ADVISORY_CHECKS and check.status != "True"]
    return bool(required) and all(_is_left_to_an_export(check) for check in required)


def canary_has_decided(target: ExportTarget) -> bool:
    """Whether the canary was delivered since the last verification left something to it."""
    return _delivered(target) == "True" and leaves_open(target.status.checks)


def _is_left_to_an_export(check: Check) -> bool:
    return check.name in _READ and check.status == "Unknown" and check.reason == messages.TRUST_NOT_UNDERSTOOD.name


def _proven(check: Check) -> Check:
    return check_passed(check.name, messages.PROVEN_BY_CANARY().message)


def _delivered(target: ExportTarget) -> ConditionStatus | None:
    """The result of the canary for the current generation."""
    known = find(target.status.conditions, "Delivered")
    return known.status if known is not None and known.observed_generation == target.metadata.generation else None


def is_healthy(status: TargetStatus) -> bool:
    """Whether the last verification passed."""
    return is_true(status.conditions, "Ready") and find(status.conditions, "Reconciling") is None


def advisory_checks_due(target: ExportTarget, now: datetime) -> bool:
    """Whether to make the advisory checks: on a change, once a day, and while one of them fails."""
    last = target.status.last_security_test_time
    known = [check for check in target.status.checks if check.name in ADVISORY_CHECKS]
    open_ = not known or any(check.status == "False" or check.reason == messages.NOT_REACHED.name for check in known)
    recent = last is not None and 0 <= (now - last).total_seconds() < _ADVISORY_INTERVAL_SECONDS
    return _is_outdated(target, "Recommended") or open_ or not recent


def disabled_status(target: ExportTarget, now: datetime) -> TargetStatus:
    """The status of a target in mode Disabled."""
    conditions = _conditions(target, now)
    for type_ in messages.HEALTHY:
        _put(conditions, type_, "Unknown", messages.VERIFICATION_DISABLED())
    _put(conditions, "Ready", "True", messages.READY_UNVERIFIED())
    conditions.drop("Stalled")
    conditions.drop("Reconciling")
    return _status(target, conditions, checks=(), external_id_in_use=None, session_policy=None)


def suspended_status(target: ExportTarget, now: datetime) -> TargetStatus:
    """The status of a suspended target. It is what the spec asks for, so kstatus must not wait for Ready."""
    conditions = _conditions(target, now)
    for type_ in ("Ready", "Stalled", "Reconciling"):
        conditions.drop(type_)
    _put(conditions, "Suspended", "True", messages.SUSPENDED())
    return _status(target, conditions)


def refused_status(
    target: ExportTarget, why: ConditionReason, now: datetime, *, condition: str = "RoleAssumable"
) -> TargetStatus:
    """The status of a target that the settings of the operator do not allow. Nothing was checked.

    `condition`: the type of the condition that reports it besides Ready.
    """
    conditions = _conditions(target, now)
    _put(conditions, condition, "False", why)
    for type_ in messages.HEALTHY:
        if type_ != condition:
            _put(conditions, type_, "Unknown", messages.REFUSED())
    _put(conditions, "Ready", "False", why)
    _put(conditions, "Stalled", "True", why)
    conditions.drop("Reconciling")
    return _status(target, conditions, checks=(), external_id_in_use=None, session_policy=None)


def was_refused(target: ExportTarget, reasons: Sequence[str]) -> bool:
    """Whether the target was refused for one of these reasons when it was last reconciled."""
    ready = find(target.status.conditions, "Ready")
    return ready is not None and ready.reason in reasons


def is_verified(target: ExportTarget) -> bool:
    """Whether the operator verifies the target at all."""
    return not target.spec.suspend and target.spec.verification.mode != "Disabled"


def seconds_until_due(target: ExportTarget, failures: int, retry_interval_seconds: float, now: datetime) -> float:
    """Seconds until the next verification; 0 when it is due. Failing targets back off, up to ten minutes."""
    if target.spec.suspend:
        return 0.0
    last = target.status.last_verification_time
    if last is None or needs_verification(target):
        return 0.0
    if is_healthy(target.status):
        interval = max(_MIN_INTERVAL_SECONDS, parse_duration(target.spec.verification.interval))
    else:
        interval = min(retry_interval_seconds * 2.0 ** max(0, failures - 10), _MAX_REQUEUE_SECONDS)
    elapsed = (now - last).total_seconds()
    return max(0.0, interval - elapsed) if elapsed >= 0 else 0.0  # a negative time: the clock was set back


def needs_verification(target: ExportTarget) -> bool:
    """Whether the spec has changed since the last verification, or the verify annotation asks for one."""
    return _is_outdated(target, "Ready") or target.verify_request not in (
        None,
        target.status.last_handled_verify_request,
    )


def with_job_counts(status: TargetStatus, active: int, pending: int) -> TargetStatus:
    return msgspec.structs.replace(status, active_jobs=active, pending_jobs=pending)


def _put(conditions: Conditions, type_: str, status: ConditionStatus, why: ConditionReason) -> None:
    conditions.put(type_, status, why.reason, why.message)


def _conditions(target: ExportTarget, now: datetime) -> Conditions:
    conditions = Conditions(target.status.conditions, generation=target.metadata.generation, now=now)
    if not target.spec.suspend:
        conditions.drop("Suspended")
    return conditions


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
    """The first that failed permanently, else that failed transiently, else that is Unknown."""
    bad = (check for check in checks if check.status != "True")
    return min(bad, key=lambda check: (check.status != "False", check.reason in TRANSIENT), default=None)


def _message_of(check: Check) -> str:
    return f"{check.message} {check.remedy}".strip()
