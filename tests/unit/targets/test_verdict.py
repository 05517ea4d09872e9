"""From checks to a verdict: Ready means that it will work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import T0, condition, stamp, target
from reltio_export_operator.api.conditions import Condition, find
from reltio_export_operator.api.target import Check, ExportTarget, TargetStatus
from reltio_export_operator.targets import verdict

MODES: dict[str, dict[str, Any]] = {
    "AssumeRole": {},
    "Inspect": {"verification": {"mode": "Inspect", "reltioPrincipals": ["1"]}},
    "AssumeRoleAndInspect": {"verification": {"mode": "AssumeRoleAndInspect", "reltioPrincipals": ["1"]}},
}


def of(mode: str, **status: Any) -> ExportTarget:
    bare = msgspec.structs.replace(target(spec=MODES[mode]), status=TargetStatus())
    return msgspec.structs.replace(bare, status=msgspec.convert(status, TargetStatus)) if status else bare


def all_passed(subject: ExportTarget) -> list[Check]:
    return [verdict.passed(name) for name in verdict.checks_of(subject)]


def told(status: TargetStatus, type_: str = "Ready") -> Condition:
    found = find(status.conditions, type_)
    assert found is not None
    return found


@pytest.mark.parametrize("mode", MODES)
def test_ready_when_every_check_passed_and_says_what_that_proves(mode: str) -> None:
    subject = of(mode)
    ready = told(verdict.judge(subject, all_passed(subject), T0))
    assert ready.status == "True"
    assert ready.message
    assert find(verdict.judge(subject, all_passed(subject), T0).conditions, "Stalled") is None


@pytest.mark.parametrize("mode", MODES)
def test_any_one_failed_check_but_advice_denies_ready_and_names_itself(mode: str) -> None:
    subject = of(mode)
    for name in verdict.checks_of(subject):
        checks = [c for c in all_passed(subject) if c.name != name]
        checks.append(verdict.refuted(name, "Broken", f"{name} broke.", "Mend it."))
        status = verdict.judge(subject, checks, T0)
        if name in verdict.ADVICE:
            assert told(status).status == "True"
            assert told(status, "Recommended").reason == "Broken"
        else:
            assert (told(status).status, told(status).reason) == ("False", "Broken")
            assert told(status).message == f"{name} broke. Mend it."
            assert told(status, "Stalled").status == "True"


truths = st.sampled_from(["True", "False", "Unknown"])


@given(st.dictionaries(st.sampled_from([*verdict.checks_of(of("AssumeRoleAndInspect"))]), truths), st.data())
def test_ready_is_never_said_with_a_required_check_that_has_not_passed(
    results: dict[str, Any], data: st.DataObject
) -> None:
    subject = of("AssumeRoleAndInspect")
    status = verdict.judge(subject, [Check(name=name, status=truth) for name, truth in results.items()], T0)
    required = [name for name in verdict.checks_of(subject) if name not in verdict.ADVICE]
    passed = all(results.get(name) == "True" for name in required)
    assert (told(status).status == "True") == passed
    assert [check.name for check in status.checks] == list(verdict.checks_of(subject))


def test_checks_that_were_not_reached_are_unknown_and_name_what_failed() -> None:
    status = verdict.judge(of("AssumeRole"), [verdict.refuted("AssumeRole", "Denied", "No.", "Do.")], T0)
    put = next(check for check in status.checks if check.name == "PutObject")
    assert (put.status, put.message) == ("Unknown", "Not tried, because AssumeRole failed.")


def test_of_two_verdicts_on_one_check_the_worse_counts() -> None:
    subject = of("AssumeRoleAndInspect")
    twice = [verdict.refuted("WrongExternalIDRefused", "Open", "Open.", ""), verdict.passed("WrongExternalIDRefused")]
    status = verdict.judge(subject, twice, T0)
    assert next(c.status for c in status.checks if c.name == "WrongExternalIDRefused") == "False"


def test_a_transition_time_moves_with_the_status_alone() -> None:
    subject = of("AssumeRole")
    first = verdict.judge(subject, all_passed(subject), T0)
    later = msgspec.structs.replace(subject, status=first)
    again = verdict.judge(later, all_passed(subject), T0 + timedelta(hours=1))
    assert [c.last_transition_time for c in again.checks] == [c.last_transition_time for c in first.checks]
    assert told(again).last_transition_time == told(first).last_transition_time


def test_advice_that_is_not_asked_for_again_keeps_its_verdict() -> None:
    subject = of("AssumeRole")
    first = verdict.judge(subject, all_passed(subject), T0)
    later = msgspec.structs.replace(subject, status=first)
    required = [c for c in all_passed(subject) if c.name not in verdict.ADVICE]
    again = verdict.judge(later, required, T0 + timedelta(hours=1))
    assert told(again, "Recommended").status == "True"
    assert again.last_security_test_time == first.last_security_test_time


def with_advice(hours_ago: float, status: str = "True") -> ExportTarget:
    checks = [{"name": name, "status": status} for name in verdict.ADVICE]
    return of(
        "AssumeRole",
        conditions=[condition("Ready")],
        checks=checks,
        lastSecurityTestTime=stamp(-3600 * hours_ago),
    )


@pytest.mark.parametrize(
    ("subject", "due"),
    [
        pytest.param(of("AssumeRole"), True, id="never made"),
        pytest.param(with_advice(1), False, id="an hour ago"),
        pytest.param(with_advice(25), True, id="more than a day ago"),
        pytest.param(with_advice(1, "False"), True, id="failed: mended perhaps"),
        pytest.param(with_advice(1, "Unknown"), False, id="cannot be told: not asked again and again"),
        pytest.param(with_advice(-5), True, id="the clock was set back"),
    ],
)
def test_the_rare_tests_are_rare(subject: ExportTarget, due: bool) -> None:
    assert verdict.advice_is_due(subject, T0) is due


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
    assert verdict.is_due(subject, failures, 30.0, T0) == seconds
