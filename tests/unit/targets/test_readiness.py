"""From checks to conditions: Ready means that it will work."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import T0, condition, stamp, target
from reltio_export_operator.api.conditions import Condition, find
from reltio_export_operator.api.target import Check, ExportTarget, TargetStatus
from reltio_export_operator.targets import canary, messages, readiness

MODES: dict[str, dict[str, Any]] = {
    "AssumeRole": {},
    "Inspect": {"verification": {"mode": "Inspect", "reltioPrincipals": ["1"]}},
    "AssumeRoleAndInspect": {"verification": {"mode": "AssumeRoleAndInspect", "reltioPrincipals": ["1"]}},
}


def of(mode: str, **status: Any) -> ExportTarget:
    bare = msgspec.structs.replace(target(spec=MODES[mode]), status=TargetStatus())
    return msgspec.structs.replace(bare, status=msgspec.convert(status, TargetStatus)) if status else bare


def evaluate(subject: ExportTarget, checks: list[Check], now: datetime, failures: int = 0) -> TargetStatus:
    """The status after a verification, which made the advisory checks if one of them is among the checks."""
    tested = any(check.name in readiness.ADVISORY_CHECKS for check in checks)
    return readiness.evaluate(subject, checks, now, tested=tested, failures=failures)


def all_passed(subject: ExportTarget) -> list[Check]:
    return [readiness.check_passed(name) for name in readiness.checks_of(subject)]


def condition_of(status: TargetStatus, type_: str = "Ready") -> Condition:
    found = find(status.conditions, type_)
    assert found is not None
    return found


@pytest.mark.parametrize("mode", MODES)
def test_ready_when_every_check_passed_and_says_what_that_proves(mode: str) -> None:
    subject = of(mode)
    ready = condition_of(evaluate(subject, all_passed(subject), T0))
    assert ready.status == "True"
    assert ready.message
    assert find(evaluate(subject, all_passed(subject), T0).conditions, "Stalled") is None


@pytest.mark.parametrize("mode", MODES)
def test_any_one_failed_check_but_advice_denies_ready_and_names_itself(mode: str) -> None:
    subject = of(mode)
    for name in readiness.checks_of(subject):
        checks = [c for c in all_passed(subject) if c.name != name]
        checks.append(readiness.call_failed(name, "Broken", f"{name} broke.", "Fix it."))
        status = evaluate(subject, checks, T0)
        if name in readiness.ADVISORY_CHECKS:
            assert condition_of(status).status == "True"
            assert condition_of(status, "Recommended").reason == "Broken"
        else:
            assert (condition_of(status).status, condition_of(status).reason) == ("False", "Broken")
            assert condition_of(status).message == f"{name} broke. Fix it."
            assert condition_of(status, "Stalled").status == "True"


truths = st.sampled_from(["True", "False", "Unknown"])


@given(st.dictionaries(st.sampled_from([*readiness.checks_of(of("AssumeRoleAndInspect"))]), truths), st.data())
def test_ready_is_never_said_with_a_required_check_that_has_not_passed(
    results: dict[str, Any], data: st.DataObject
) -> None:
    subject = of("AssumeRoleAndInspect")
    status = evaluate(subject, [Check(name=name, status=truth) for name, truth in results.items()], T0)
    required = [name for name in readiness.checks_of(subject) if name not in readiness.ADVISORY_CHECKS]
    check_passed = all(results.get(name) == "True" for name in required)
    assert (condition_of(status).status == "True") == check_passed
    assert [check.name for check in status.checks] == list(readiness.checks_of(subject))


def test_checks_that_were_not_reached_are_unknown_and_name_what_failed() -> None:
    status = evaluate(of("AssumeRole"), [readiness.call_failed("AssumeRole", "Denied", "No.", "Do.")], T0)
    put = next(check for check in status.checks if check.name == "PutObject")
    assert (put.status, put.message) == ("Unknown", "Not checked, because AssumeRole failed.")


def test_of_two_results_for_one_check_the_worse_counts() -> None:
    subject = of("AssumeRoleAndInspect")
    twice = [
        readiness.call_failed("WrongExternalIDRefused", "Open", "Open.", ""),
        readiness.check_passed("WrongExternalIDRefused"),
    ]
    status = evaluate(subject, twice, T0)
    assert next(c.status for c in status.checks if c.name == "WrongExternalIDRefused") == "False"


def test_a_transition_time_moves_with_the_status_alone() -> None:
    subject = of("AssumeRole")
    first = evaluate(subject, all_passed(subject), T0)
    later = msgspec.structs.replace(subject, status=first)
    again = evaluate(later, all_passed(subject), T0 + timedelta(hours=1))
    assert [c.last_transition_time for c in again.checks] == [c.last_transition_time for c in first.checks]
    assert condition_of(again).last_transition_time == condition_of(first).last_transition_time


def test_advisory_checks_that_are_not_made_again_keep_their_result() -> None:
    subject = of("AssumeRole")
    first = evaluate(subject, all_passed(subject), T0)
    later = msgspec.structs.replace(subject, status=first)
    required = [c for c in all_passed(subject) if c.name not in readiness.ADVISORY_CHECKS]
    again = evaluate(later, required, T0 + timedelta(hours=1))
    assert condition_of(again, "Recommended").status == "True"
    assert again.last_security_test_time == first.last_security_test_time


def with_advice(hours_ago: float, status: str = "True") -> ExportTarget:
    checks = [{"name": name, "status": status} for name in readiness.ADVISORY_CHECKS]
    return of(
        "AssumeRole",
        conditions=[condition("Ready"), condition("Recommended")],
        checks=checks,
        lastSecurityTestTime=stamp(-3600 * hours_ago),
    )


@pytest.mark.parametrize(
    ("subject", "due"),
    [
        pytest.param(of("AssumeRole"), True, id="never made"),
        pytest.param(with_advice(1), False, id="an hour ago"),
        pytest.param(with_advice(25), True, id="more than a day ago"),
        pytest.param(with_advice(1, "False"), True, id="failed: it may be corrected"),
        pytest.param(with_advice(1, "Unknown"), False, id="not known: not made again"),
        pytest.param(with_advice(-5), True, id="the clock was set back"),
    ],
)
def test_the_rare_tests_are_rare(subject: ExportTarget, due: bool) -> None:
    assert readiness.advisory_checks_due(subject, T0) is due


def verified(minutes_ago: float, ready: str = "True", generation: int = 1) -> ExportTarget:
    return of(
        "AssumeRole",
        conditions=[condition("Ready", ready, observedGeneration=generation)],
        lastVerificationTime=stamp(-60 * minutes_ago),
    )


@pytest.mark.parametrize(
    ("subject", "failures", "seconds"),
    [
        (of("AssumeRole"), 0, 0),
        (verified(10), 0, 3000),
        (verified(61), 0, 0),
        (verified(10, generation=0), 0, 0),
        (verified(0, "False"), 1, 30),
        (verified(0, "False"), 9, 30),
        (verified(0, "False"), 30, 600),
        (verified(-60), 0, 0),
    ],
)
def test_when_a_target_is_verified_next(subject: ExportTarget, failures: int, seconds: float) -> None:
    assert readiness.seconds_until_due(subject, failures, 30.0, T0) == seconds


@pytest.mark.parametrize("failures", [0, 1])
def test_what_passes_by_itself_takes_ready_away_only_when_it_lasts(failures: int) -> None:
    subject = of("AssumeRole")
    ready = msgspec.structs.replace(subject, status=evaluate(subject, all_passed(subject), T0))
    failure = [readiness.call_failed("ReltioReachable", "Unreachable", "No.", "Wait."), *all_passed(subject)[1:]]
    status = evaluate(ready, failure, T0, failures)
    assert condition_of(status).status == "True"
    assert condition_of(status, "Reconciling").reason == "Unreachable"
    assert find(status.conditions, "Stalled") is None
    assert not readiness.is_healthy(status)
    later = evaluate(msgspec.structs.replace(ready, status=status), failure, T0, 2)
    assert (condition_of(later).status, condition_of(later, "Reconciling").status) == ("False", "True")
    assert find(later.conditions, "Stalled") is None


def test_a_transient_failure_is_not_tolerated_for_a_target_that_was_not_ready() -> None:
    subject = of("AssumeRole")
    ready = msgspec.structs.replace(subject, status=evaluate(subject, all_passed(subject), T0))
    changed = msgspec.structs.replace(ready, metadata=msgspec.structs.replace(ready.metadata, generation=2))
    failure = [readiness.call_failed("ReltioReachable", "Unreachable", "No.", "Wait.")]
    assert condition_of(evaluate(changed, failure, T0)).status == "False"


def test_a_target_with_a_transient_failure_is_verified_again_soon() -> None:
    subject = verified(0)
    (ready,) = subject.status.conditions
    with_failure = of(
        "AssumeRole", conditions=[condition("Ready"), condition("Reconciling")], lastVerificationTime=stamp(0)
    )
    assert ready.status == "True"
    assert readiness.seconds_until_due(with_failure, 1, 30.0, T0) == 30.0


def test_advice_on_another_generation_is_forgotten_and_asked_for_as_soon_as_it_can_be() -> None:
    subject = of("AssumeRole")
    tested = msgspec.structs.replace(subject, status=evaluate(subject, all_passed(subject), T0))
    changed = msgspec.structs.replace(tested, metadata=msgspec.structs.replace(tested.metadata, generation=2))
    status = evaluate(changed, [readiness.call_failed("AssumeRole", "Denied", "No.", "Do.")], T0)
    assert {c.status for c in status.checks if c.name in readiness.ADVISORY_CHECKS} == {"Unknown"}
    assert readiness.advisory_checks_due(msgspec.structs.replace(changed, status=status), T0)


def test_a_finding_of_the_rare_tests_is_not_hidden_by_a_reading_of_the_policies() -> None:
    subject = of("AssumeRoleAndInspect")
    open_ = readiness.call_failed("WrongExternalIDRefused", "ExternalIDNotRequired", "Open.", "Close.")
    checks = [c for c in all_passed(subject) if c.name != "WrongExternalIDRefused"]
    tested = msgspec.structs.replace(subject, status=evaluate(subject, [*checks, open_], T0))
    read = readiness.evaluate(tested, all_passed(subject), T0, tested=False)
    assert condition_of(read, "Recommended").reason == "ExternalIDNotRequired"
    assert readiness.advisory_checks_due(msgspec.structs.replace(tested, status=read), T0 + timedelta(hours=1))


def asked(value: str, handled: str | None = None) -> ExportTarget:
    subject = of("AssumeRole", **({"lastHandledVerifyRequest": handled} if handled else {}))
    annotations = {"export.reltio.com/verify-requested-at": value}
    return msgspec.structs.replace(subject, metadata=msgspec.structs.replace(subject.metadata, annotations=annotations))


@pytest.mark.parametrize("value", ["2031-01-15T03:00:00Z", "2999-01-01T00:00:00Z", "now"])
def test_a_request_is_served_once_whatever_time_it_names(value: str) -> None:
    subject = asked(value)
    status = evaluate(subject, all_passed(subject), T0)
    assert status.last_handled_verify_request == value
    assert not readiness.needs_verification(msgspec.structs.replace(subject, status=status))
    again = asked(f"{value} again", handled=value)
    assert readiness.needs_verification(msgspec.structs.replace(again, status=msgspec.structs.replace(status)))


def test_a_target_that_is_not_verified_shows_no_external_id_and_serves_requests() -> None:
    subject = asked("now")
    used = msgspec.structs.replace(subject, status=TargetStatus(external_id_in_use="Previous"))
    assert readiness.disabled_status(used, T0).external_id_in_use is None
    assert readiness.disabled_status(used, T0).last_handled_verify_request == "now"
    assert readiness.suspended_status(used, T0).last_handled_verify_request == "now"


def open_policies(subject: ExportTarget) -> list[Check]:
    """All checks passed, but for policies that cannot be evaluated."""
    return [
        readiness.check_unknown(check.name, messages.TRUST_NOT_UNDERSTOOD) if check.name == "TrustsReltio" else check
        for check in all_passed(subject)
    ]


def with_canary(**status: Any) -> ExportTarget:
    spec = {"verification": {"mode": "Inspect", "reltioPrincipals": ["1"], "canary": True}}
    bare = msgspec.structs.replace(target(spec=spec), status=TargetStatus())
    return msgspec.structs.replace(bare, status=msgspec.convert(status, TargetStatus))


def test_a_canary_is_waited_for_where_only_an_export_shows_whether_the_policies_hold() -> None:
    subject = with_canary()
    status = evaluate(subject, open_policies(subject), T0)
    assert (condition_of(status).status, condition_of(status).reason) == ("False", "NotUnderstood")
    assert condition_of(status, "Reconciling").status == "True"
    assert find(status.conditions, "Stalled") is None
    assert canary.is_wanted(subject, status)


def test_a_delivered_canary_proves_the_policies_and_makes_the_target_ready() -> None:
    subject = with_canary(conditions=[condition("Delivered", "True")])
    status = evaluate(subject, open_policies(subject), T0)
    assert condition_of(status).status == "True"
    trusted = next(check for check in status.checks if check.name == "TrustsReltio")
    assert "canary" in trusted.message


def test_a_failed_canary_leaves_the_target_stalled() -> None:
    subject = with_canary(conditions=[condition("Delivered", "False")])
    status = evaluate(subject, open_policies(subject), T0)
    assert condition_of(status, "Stalled").reason == "NotUnderstood"


def test_a_canary_does_not_run_while_another_check_fails() -> None:
    subject = with_canary()
    checks = [*open_policies(subject), readiness.call_failed("ReltioToken", "CredentialsRejected", "No.", "Do.")]
    status = evaluate(subject, checks, T0)
    assert not canary.is_wanted(subject, status)
    assert condition_of(status, "Stalled").reason == "CredentialsRejected"


def test_a_permanent_failure_is_not_hidden_by_a_transient_one() -> None:
    subject = of("AssumeRole")
    ready = msgspec.structs.replace(subject, status=evaluate(subject, all_passed(subject), T0))
    checks = [
        *all_passed(subject),
        readiness.call_failed("ReltioReachable", "Unreachable", "Away.", "Wait."),
        readiness.call_failed("PutObject", "AccessDenied", "No.", "Do."),
    ]
    status = evaluate(ready, checks, T0)
    assert (condition_of(status).status, condition_of(status).reason) == ("False", "AccessDenied")


@pytest.mark.parametrize(
    ("failed", "check", "blocking"),
    [
        ("OperatorCredentials", "PutObject", "OperatorCredentials"),
        ("AssumeRole", "ListBucket", "AssumeRole"),
        ("Bucket", "GetObject", "Bucket"),
        ("PutObject", "DeleteObject", "PutObject"),
        ("ReltioToken", "ReltioTenant", "ReltioToken"),
        ("TrustsReltio", "RolePermits", "TrustsReltio"),
    ],
)
def test_a_check_that_was_not_made_names_the_check_that_it_depends_on(failed: str, check: str, blocking: str) -> None:
    subject = of("AssumeRoleAndInspect")
    elsewhere = "ReltioToken" if failed != "ReltioToken" else "AssumeRole"
    failures = [readiness.call_failed(name, "Broken", "No.", "Do.") for name in (elsewhere, failed)]
    found = next(one for one in evaluate(subject, failures, T0).checks if one.name == check)
    assert found.message == f"Not checked, because {blocking} failed."
