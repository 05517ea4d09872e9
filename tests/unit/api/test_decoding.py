"""A status is decoded field by field: what is not understood is reported, and the rest is there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import T0, condition, job, running, stamp, submission, target
from mutations import JSON, mutations
from reltio_export_operator.api.decoding import decode_job, decode_status, decode_target, with_report
from reltio_export_operator.api.job import JobStatus
from reltio_export_operator.api.meta import to_wire
from reltio_export_operator.api.status_patch import status_patch
from reltio_export_operator.api.target import TargetStatus
from reltio_export_operator.jobs import messages
from schemas import schema_of, values

Raw = dict[str, Any]
UNLIMITED = settings(deadline=None, suppress_health_check=list(HealthCheck))
A_TIME = "must be a time such as 2031-01-15T03:00:00Z, from 1970 to 2999"
A_TRUTH = "has an unknown value; known are False, True, Unknown"
FULL: Raw = running(
    "PROCESSING",
    "COMPLETED",
    observedGeneration=1,
    phase="Running",
    conditions=[condition("Reconciling"), condition("Suspended", "False")],
    duplicates=[{"id": "task-9", "status": "CANCELING"}],
    progress={"processed": 4, "total": 10, "percent": 40, "summary": "40% (4/10)"},
    failures=[{"attempt": 1, "reason": "TaskFailed", "message": "no", "time": stamp()}],
)
TARGET: Raw = {
    "observedGeneration": 1,
    "conditions": [condition("Ready")],
    "checks": [{"name": "AssumeRole", "status": "True", "reason": "Passed", "lastTransitionTime": stamp()}],
    "lastVerificationTime": stamp(),
    "externalIDInUse": "Current",
    "activeJobs": 2,
}


def problems(status: Any) -> list[str]:
    return list(map(str, decode_status({"status": status}, JobStatus)[1]))


def decoded(status: Any) -> JobStatus:
    return decode_status({"status": status}, JobStatus)[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"phase": 7}, "status.phase must be a string, and is a whole number"),
        ({"attempts": "3"}, "status.attempts must be a whole number of at least 0, and is a string"),
        ({"attempts": -1}, "status.attempts must be a whole number of at least 0, and is a negative number"),
        ({"attempts": 1.5}, "status.attempts must be a whole number of at least 0, and is a fraction"),
        ({"attempts": True}, "status.attempts must be a whole number of at least 0, and is true or false"),
        ({"startTime": "yesterday"}, f"status.startTime {A_TIME}"),
        ({"startTime": "2031-01-15T03:00:00"}, f"status.startTime {A_TIME}"),
        ({"startTime": "9999-12-31T23:59:59Z"}, f"status.startTime {A_TIME}"),
        ({"startTime": 5}, "status.startTime must be a time, and is a whole number"),
        ({"progress": []}, "status.progress must be an object, and is a list"),
        ({"progress": {"percent": {}}}, "status.progress.percent must be a whole number, and is an object"),
        ({"tasks": {}}, "status.tasks must be a list, and is an object"),
        ({"tasks": [{"status": "PROCESSING"}]}, "status.tasks[0] has no id of its own"),
        ({"tasks": ["a"]}, "status.tasks[0] has no id of its own"),
        ({"tasks": [{"id": "a"}, {"id": "a"}]}, "status.tasks[1] has no id of its own"),
        ({"tasks": [{"id": "a", "total": "9"}]}, "status.tasks.a.total must be a whole number, and is a string"),
        ({"output": {"verified": "Twice"}}, "status.output.verified has an unknown value; known are"),
        ({"output": {"firstFiles": ["a", 1]}}, "status.output.firstFiles[1] must be a string, and is a whole number"),
        ({"submission": submission(adopted="yes")}, "status.submission.adopted must be true or false, and is a string"),
        ({"submission": {**submission(), "id": None}}, "status.submission.id is missing"),
        ({"conditions": [condition("Ready", "Maybe")]}, f"status.conditions.Ready.status {A_TRUTH}"),
        ({"failures": [{"attempt": 1}]}, "status.failures[0].reason is missing"),
    ],
)  # fmt: skip
def test_a_problem_names_the_field_and_says_what_it_must_be(change: Raw, problem: str) -> None:
    assert any(found.startswith(problem) for found in problems(change))


@pytest.mark.parametrize("status", [None, [], "abc", 5, True])
def test_a_status_that_is_not_an_object_is_one_problem(status: Any) -> None:
    found, listed = decode_status({"status": status}, JobStatus)
    assert found == JobStatus()
    assert len(listed) == 1
    assert str(listed[0]).startswith("status must be an object")


def test_an_object_without_a_status_has_no_problem() -> None:
    assert decode_status({}, JobStatus) == (JobStatus(), ())


@pytest.mark.parametrize("status", [{}, {"phase": None}, {"phase": "Hibernating"}, {"new": {"field": 1}}])
def test_missing_and_unknown_fields_and_a_phase_of_another_version_are_accepted(status: Raw) -> None:
    assert problems(status) == []
    assert decoded(status).phase == status.get("phase")


def test_a_condition_whose_status_is_unknown_is_unknown() -> None:
    (only,) = decoded({"conditions": [condition("Suspended", "Maybe")]}).conditions
    assert (only.type, only.status, only.reason) == ("Suspended", "Unknown", "Because")


def test_items_that_are_understood_stay_beside_one_that_is_not() -> None:
    assert [task.id for task in decoded({"tasks": [{"id": "a"}, 5, {"id": "b"}]}).tasks] == ["a", "b"]


def test_a_spec_that_cannot_be_decoded_is_an_error_that_names_the_field() -> None:
    raw = {"metadata": {"name": "a"}, "spec": {"targetRef": {"name": "lake"}, "export": {"type": "Nothing"}}}
    with pytest.raises(msgspec.ValidationError, match=r"\$\.spec\.export\.type"):
        decode_job(raw)
    with pytest.raises(msgspec.ValidationError, match="spec"):
        decode_target({"metadata": {"name": "a"}})


def test_values_are_not_repeated_in_a_problem() -> None:
    secret = "3f0c2b5e-8d1a"
    assert not any(secret in line for line in problems({"startTime": secret, "attempts": secret, "tasks": [secret]}))


@given(mutated=mutations(FULL))
@UNLIMITED
def test_one_bad_value_never_costs_another_field_of_a_job(mutated: tuple[tuple[str | int, ...], Any]) -> None:
    path, status = mutated
    found, before = decoded(status), decoded(FULL)
    if path and isinstance(status, dict):
        for name in JobStatus.__struct_fields__:
            wire = next(f.encode_name for f in msgspec.structs.fields(JobStatus) if f.name == name)
            assert wire == path[0] or getattr(found, name) == getattr(before, name)


@given(mutated=mutations(TARGET))
@UNLIMITED
def test_one_bad_value_never_costs_another_field_of_a_target(mutated: tuple[tuple[str | int, ...], Any]) -> None:
    path, status = mutated
    found, _ = decode_status({"status": status}, TargetStatus)
    before, _ = decode_status({"status": TARGET}, TargetStatus)
    if path and isinstance(status, dict):
        for field in msgspec.structs.fields(TargetStatus):
            assert field.encode_name == path[0] or getattr(found, field.name) == getattr(before, field.name)


@given(status=JSON)
@UNLIMITED
def test_no_status_makes_decoding_fail(status: Any) -> None:
    assert isinstance(decode_status({"status": status}, JobStatus)[0], JobStatus)
    assert isinstance(decode_status({"status": status}, TargetStatus)[0], TargetStatus)


@pytest.mark.parametrize(("plural", "model"), [("exportjobs", JobStatus), ("exporttargets", TargetStatus)])
@given(data=st.data())
@settings(UNLIMITED, max_examples=40)
def test_what_the_definition_admits_is_decoded_as_msgspec_does(plural: str, model: Any, data: st.DataObject) -> None:
    """Apart from years that cannot be computed with."""
    status = data.draw(STATUSES[plural])
    found, listed = decode_status({"status": status}, model)
    assert all("must be a time" in str(problem) for problem in listed)
    if not listed:
        assert found == msgspec.convert(status, model)


STATUSES = {plural: values(schema_of(plural)["properties"]["status"]) for plural in ("exportjobs", "exporttargets")}


def test_a_report_names_the_problems_and_the_command_that_corrects_them() -> None:
    subject = job(status={"phase": 7, "waits": "x"})
    reported = with_report(subject, subject.status, messages.STATUS_VALUES_IGNORED, T0)
    (found,) = reported.conditions
    assert (found.type, found.status, found.reason) == ("StatusInvalid", "True", "StatusNotUnderstood")
    assert "status.phase must be a string" in found.message
    assert "status.waits must be a whole number" in found.message
    assert "kubectl edit exportjob nightly -n mdm --subresource=status" in found.message


def test_a_report_stays_short_whatever_is_wrong() -> None:
    subject = job(status={"tasks": list(range(500))})
    (found,) = with_report(subject, subject.status, messages.STATUS_VALUES_IGNORED, T0).conditions
    assert "There are 495 more." in found.message
    assert len(found.message) < 1000


def test_a_report_goes_away_with_the_problem() -> None:
    subject = job(status={"conditions": [condition("StatusInvalid"), condition("Reconciling")]})
    reported = with_report(subject, subject.status, messages.STATUS_VALUES_IGNORED, T0)
    assert [one.type for one in reported.conditions] == ["Reconciling"]


def test_a_report_keeps_the_bad_value() -> None:
    stored = {"phase": 7, "conditions": [condition("Ready", "Maybe")]}
    subject = target()
    subject = decode_target({"metadata": to_wire(subject.metadata), "spec": to_wire(subject.spec), "status": stored})
    reported = with_report(subject, subject.status, messages.STATUS_VALUES_IGNORED, T0)
    patch = status_patch(stored, subject.status, reported)
    assert patch.keys() == {"conditions", "message", "reasonTimes"}
    assert patch["conditions"][0]["status"] == "Maybe"
    assert patch["conditions"][1]["type"] == "StatusInvalid"


def test_halves_of_characters_cost_only_their_own_field() -> None:
    half = "\ud800"
    status = {**FULL, "phase": half, half: 1, "tasks": [{"id": half, "status": "x"}, {"id": "a", "status": half}]}
    found = decoded(status)
    assert found.attempts == 1
    assert [task.id for task in found.tasks] == ["a"]
    assert problems(status)[0].startswith("status.phase must be a string")
    assert problems({**FULL, "startTime": half}) == [f"status.startTime {A_TIME}"]


@pytest.mark.parametrize("where", ["metadata", "spec"])
def test_halves_of_characters_in_metadata_or_spec_are_a_validation_error(where: str) -> None:
    raw: Raw = {"metadata": {"name": "n", "namespace": "mdm", "uid": "u"}, "spec": {"targetRef": {"name": "lake"}}}
    raw[where] = {**raw[where], "x": 1, "\ud800": 1}
    with pytest.raises(msgspec.ValidationError):
        decode_job({**raw, "spec": {**raw["spec"], "export": {"type": "\ud800"}}})
