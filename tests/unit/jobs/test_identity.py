"""Which records of an attempt are certain, and what a job does whose record is not."""

from __future__ import annotations

from typing import Any

import pytest

from builders import T0, between_attempts, condition, job, running, stamp, submission, target
from mutations import GONE, replaced
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.jobs import identity
from reltio_export_operator.jobs.observation import ControlTasks, Decision, Elapsed, Observation, RemoveFinalizer
from reltio_export_operator.jobs.policies import decide

DELETED = {"deletionTimestamp": stamp(), "finalizers": [FINALIZER]}
BAD_NAME = replaced(running("PROCESSING"), ("submission", "name"), 7)


def obs(status: Any, **more: Any) -> Observation:
    given = {key: more.pop(key) for key in ("spec", "metadata") if key in more}
    return Observation(job=job(status=status, **given), now=T0, target=target(), **more)


def true_conditions(decision: Decision) -> list[str]:
    return [one.type for one in decision.status.conditions if one.status == "True"]


@pytest.mark.parametrize(
    "path",
    [
        ("service", "exportServiceURL"),
        ("service", "authURL"),
        ("service", "tenant"),
        ("service", "credentialsSecretRef", "name"),
        ("s3", "roleARN"),
    ],
)
def test_a_record_with_an_empty_field_is_uncertain(path: tuple[str, ...]) -> None:
    (doubt,) = identity.doubts(job(status=replaced(running("PROCESSING"), ("submission", *path), "")))
    assert path[0] in doubt


def test_a_record_with_an_empty_bucket_is_uncertain() -> None:
    status = replaced(running("PROCESSING"), ("submission", "s3", "bucket"), "")
    status = replaced(status, ("submission", "destination"), "s3:///reltio/mdm/nightly/u-1-1/")
    (doubt,) = identity.doubts(job(status=status))
    assert "s3" in doubt


@pytest.mark.parametrize(
    "more",
    [{"tasks": [{"id": "t", "status": "COMPLETED"}]}, {"duplicates": [{"id": "t", "status": "COMPLETED"}]}],
)
def test_tasks_without_an_attempt_are_uncertain(more: Any) -> None:
    assert identity.doubts(job(status=more))


@pytest.mark.parametrize(
    ("status", "certain"),
    [
        ({}, True),
        ({"attempts": 0}, True),
        ({"attempts": 1}, False),
        (between_attempts(1), True),
        (between_attempts(12), True),
        ({**between_attempts(2), "attempts": 3}, False),
        ({**between_attempts(2), "attempts": 1}, False),
        ({**between_attempts(1), "attempts": 0}, False),
        ({**between_attempts(2), "attempts": None}, False),
        ({**running("PROCESSING"), "attempts": 7}, True),
    ],
)
def test_between_attempts_each_attempt_is_recorded_as_failed(status: Any, certain: bool) -> None:
    assert (identity.doubts(job(status=status)) == ()) is certain


@pytest.mark.parametrize(
    ("status", "certain"),
    [
        ({"attempts": 1, "submission": submission()}, True),
        ({"attempts": 1, "submission": submission(submittedTime=stamp())}, False),
        (running("PROCESSING"), True),
        (replaced(running("PROCESSING"), ("submission", "submittedTime"), GONE), True),
        (running("PROCESSING", completionTime=stamp()), False),
    ],
)
def test_an_answer_is_recorded_together_with_its_tasks(status: Any, certain: bool) -> None:
    assert (identity.doubts(job(status=status)) == ()) is certain


def test_a_doubt_is_named_once() -> None:
    doubts = identity.doubts(job(status=replaced(running("PROCESSING"), ("submission", "id"), 7)))
    assert len(doubts) == len(set(doubts)) > 0


def test_of_many_doubts_the_first_three_and_the_number_of_the_others_are_shown() -> None:
    status: Any = running("PROCESSING")
    for field in ("name", "path", "destination", "intendedTime", "attempt"):
        status = replaced(status, ("submission", field), [])
    doubts = identity.doubts(job(status=status))
    shown = find(decide(obs(status)).status.conditions, "Stalled")
    assert shown is not None
    assert len(doubts) > 4
    assert [doubt in shown.message for doubt in doubts] == [True] * 3 + [False] * (len(doubts) - 3)
    assert f"{len(doubts) - 3} more" in shown.message


@pytest.mark.parametrize("fields", [1, 2, 3])
def test_three_doubts_are_all_shown(fields: int) -> None:
    status: Any = running("PROCESSING")
    for n in range(fields):
        status = replaced(status, ("tasks",), [*status["tasks"], {"status": f"without-id-{n}"}])
    doubts = identity.doubts(job(status=status))
    shown = find(decide(obs(status)).status.conditions, "Stalled")
    assert shown is not None
    assert len(doubts) == fields
    assert all(doubt in shown.message for doubt in doubts)
    assert " more" not in shown.message


@pytest.mark.parametrize(("elapsed", "ended"), [(0, False), (119.5, False), (120, True), (121, True)])
def test_an_uncertain_job_that_is_cancelled_waits_for_its_tasks_up_to_the_cleanup_timeout(
    elapsed: float, ended: bool
) -> None:
    decision = decide(obs(BAD_NAME, spec={"cancel": True}, elapsed=Elapsed(ending=elapsed)))
    assert isinstance(decision.action, ControlTasks) is not ended
    assert ("Failed" in true_conditions(decision)) is ended


@pytest.mark.parametrize("status", [replaced(running("COMPLETED"), ("submission", "name"), 7), {"attempts": 1}])
def test_an_uncertain_job_without_tasks_to_stop_fails_when_it_is_cancelled(status: Any) -> None:
    assert "Failed" in true_conditions(decide(obs(status, spec={"cancel": True})))


def test_an_uncertain_job_stops_its_duplicates_too() -> None:
    status = {**BAD_NAME, "duplicates": [{"id": "z", "status": "PROCESSING"}]}
    for more in ({"spec": {"cancel": True}}, {"metadata": DELETED}):
        action = decide(obs(status, **more)).action
        assert isinstance(action, ControlTasks)
        assert action.task_ids == ("task-0", "z")


def test_an_uncertain_job_whose_tasks_are_gone_is_released_when_it_is_deleted() -> None:
    decision = decide(obs(BAD_NAME, metadata=DELETED, lost_task_ids=frozenset({"task-0"})))
    assert isinstance(decision.action, RemoveFinalizer)
    assert [event.type for event in decision.events] == ["Warning"]


def test_a_certain_job_that_is_deleted_leaves_no_warning() -> None:
    assert decide(obs({}, metadata=DELETED)).events == ()


def test_a_job_that_is_stalled_for_another_reason_is_not_taken_for_a_corrected_one() -> None:
    status = {"conditions": [condition("Stalled", reason="AccessDenied")]}
    assert "Stalled" not in true_conditions(decide(obs(status)))
    assert decide(obs(status)).status.phase == "Submitting"


def test_a_corrected_job_continues_with_the_generation_of_its_spec() -> None:
    status = {"conditions": [condition("Stalled", reason="StatusNotUnderstood")], "observedGeneration": 1}
    decision = decide(obs(status, metadata={"generation": 2}))
    assert true_conditions(decision) == ["Reconciling"]
    assert (decision.status.phase, decision.status.observed_generation) == ("Pending", 2)
