"""When a target is verified, and what its status keeps from one verification to the next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from builders import T0, condition, stamp, target
from reltio_export_operator.api.target import Check, ExportTarget, TargetStatus
from reltio_export_operator.targets import readiness

READY = {"conditions": [condition("Ready"), condition("Recommended")], "lastVerificationTime": stamp()}
FAILING = {"conditions": [condition("Ready", "False")], "lastVerificationTime": stamp()}
RETRY = 30.0


def of(status: dict[str, Any], **spec: Any) -> ExportTarget:
    return msgspec.structs.replace(target(spec=spec), status=msgspec.convert(status, TargetStatus))


def due(subject: ExportTarget, *, after: float = 0.0, failures: int = 0) -> float:
    return readiness.seconds_until_due(subject, failures, RETRY, T0 + timedelta(seconds=after))


@pytest.mark.parametrize(
    ("spec", "verified"),
    [
        ({}, True),
        ({"suspend": True}, False),
        ({"verification": {"mode": "Disabled"}}, False),
        ({"suspend": True, "verification": {"mode": "Disabled"}}, False),
    ],
)
def test_a_target_is_verified_unless_it_is_suspended_or_disabled(spec: dict[str, Any], verified: bool) -> None:
    assert readiness.is_verified(target(spec=spec)) is verified


def test_a_healthy_target_is_verified_at_its_interval() -> None:
    subject = of(READY, verification={"interval": "10m"})
    assert due(subject) == 600
    assert due(subject, after=599) == 1
    assert due(subject, after=600) == 0


def test_an_interval_below_a_minute_counts_as_a_minute() -> None:
    assert due(of(READY, verification={"interval": "1s"})) == 60


def test_a_failing_target_is_verified_at_the_retry_interval() -> None:
    assert due(of(FAILING)) == RETRY
    assert due(of(FAILING), after=RETRY) == 0


@pytest.mark.parametrize(("failures", "seconds"), [(10, 30), (11, 60), (12, 120), (15, 600), (100, 600)])
def test_a_target_that_keeps_failing_is_verified_less_often_up_to_every_ten_minutes(
    failures: int, seconds: float
) -> None:
    assert due(of(FAILING), failures=failures) == seconds


def test_a_ready_target_whose_last_verification_failed_is_verified_at_the_retry_interval() -> None:
    status = {**READY, "conditions": [condition("Ready"), condition("Reconciling")]}
    assert due(of(status)) == RETRY


def test_a_target_is_due_at_once_when_it_was_never_verified_or_the_clock_was_set_back() -> None:
    assert due(of({"conditions": [condition("Ready")]})) == 0
    assert due(of(READY), after=-3600) == 0


def test_a_suspended_target_waits_for_nothing() -> None:
    assert due(of(READY, suspend=True)) == 0


def check(name: str, status: str = "True", **more: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "reason": "Because", "message": "", **more}


def test_a_check_keeps_the_time_of_its_last_change_of_status() -> None:
    subject = of({**READY, "checks": [check("AssumeRole", lastTransitionTime=stamp(-500))]})
    later = T0 + timedelta(seconds=10)

    def time_of(result: Check) -> Any:
        status = readiness.evaluate(subject, [result], later, tested=False)
        return next(one.last_transition_time for one in status.checks if one.name == "AssumeRole")

    assert time_of(readiness.check_passed("AssumeRole")) == T0 - timedelta(seconds=500)
    assert time_of(readiness.call_failed("AssumeRole", "Denied", "No.", "")) == later


def test_a_failed_check_counts_before_an_unknown_one() -> None:
    subject = target()
    unknown = readiness.call_unknown("Bucket", "NotReadable", "Unknown.", "")
    failed = readiness.call_failed("DeleteObject", "Denied", "Denied.", "")
    results = [readiness.check_passed(name) for name in readiness.checks_of(subject)]
    results = [one for one in results if one.name not in ("Bucket", "DeleteObject")] + [unknown, failed]
    ready = next(c for c in readiness.evaluate(subject, results, T0, tested=True).conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "Denied")


def advisory(hours: float, *checks: dict[str, Any]) -> bool:
    status = {**READY, "lastSecurityTestTime": stamp(), "checks": list(checks)}
    return readiness.advisory_checks_due(of(status), T0 + timedelta(hours=hours))


def test_advisory_checks_that_passed_are_repeated_once_a_day() -> None:
    passed = check("SessionDuration")
    assert not advisory(0, passed)
    assert not advisory(23.9, passed)
    assert advisory(24, passed)
    assert advisory(-1, passed)


def test_advisory_checks_are_made_at_once_when_one_fails_or_none_was_made() -> None:
    assert advisory(1, check("SessionDuration", "False"))
    assert advisory(1)
    assert advisory(1, check("SessionDuration", "Unknown", reason="NotReached"))
    assert not advisory(1, check("SessionDuration", "Unknown", reason="NotReadable"))


def test_the_counts_of_jobs_are_shown_as_they_are() -> None:
    status = readiness.with_job_counts(target().status, 3, 7)
    assert (status.active_jobs, status.pending_jobs) == (3, 7)


def test_only_modes_that_assume_the_role_check_the_public_access_block() -> None:
    inspect = {"mode": "Inspect", "reltioPrincipals": ["999999999999"]}
    assert "PublicAccessBlocked" in readiness.checks_of(target())
    assert "PublicAccessBlocked" not in readiness.checks_of(target(spec={"verification": inspect}))
    assert "SessionDuration" in readiness.checks_of(target(spec={"verification": inspect}))
