from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from builders import T0, condition, job, stamp, target
from reltio_export_operator.api.conditions import Conditions, ReasonTime
from reltio_export_operator.api.decoding import with_summary

LATER = T0 + timedelta(seconds=90)


def test_the_transition_time_is_that_of_the_status_and_the_reason_has_a_time_of_its_own() -> None:
    before = with_summary(job().status, job(status={"conditions": [condition("Stalled", reason="One")]}).status, T0)
    conditions = Conditions(before.conditions, generation=1, now=LATER)
    conditions.put("Stalled", "True", "Two", "The second reason.")
    changed = replace(before, conditions=conditions.result())
    after = with_summary(before, changed, LATER)
    assert after.conditions[0].last_transition_time == T0
    assert before.reason_times == (ReasonTime(type="Stalled", since=T0),)
    assert after.reason_times == (ReasonTime(type="Stalled", since=LATER),)
    assert after.message == "The second reason."


def test_a_new_message_alone_does_not_move_the_time_of_a_reason() -> None:
    known = {"reasonTimes": [{"type": "Stalled", "since": stamp(-60)}]}
    before = job(status={**known, "conditions": [condition("Stalled", message="one")]}).status
    after = job(status={**known, "conditions": [condition("Stalled", message="two")]}).status
    assert with_summary(before, after, LATER).reason_times == before.reason_times


def test_a_reason_of_an_earlier_release_gets_no_time_that_is_not_known() -> None:
    before = job(status={"conditions": [condition("Stalled", message="one")]}).status
    after = job(status={"conditions": [condition("Stalled", message="two"), condition("Empty")]}).status
    assert with_summary(before, after, LATER).reason_times == (ReasonTime(type="Empty", since=LATER),)


def test_a_status_whose_conditions_do_not_change_is_left_as_it_is() -> None:
    status = job(status={"conditions": [condition("Complete", message="done")]}).status
    assert with_summary(status, status, LATER) is status


def test_the_message_of_a_target_is_that_of_ready_and_while_suspended_that_of_suspended() -> None:
    ready = target().status
    shown = job(status={"conditions": [condition("Suspended", message="It is suspended.")]}).status.conditions
    suspended = with_summary(ready, replace(ready, conditions=shown), T0)
    assert suspended.message == "It is suspended."
    back = with_summary(suspended, ready, T0)
    assert back.message == ready.conditions[0].message
