"""A status that does not say for certain what was submitted never leads to a submission."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import T0, between_attempts, condition, job, running, stamp, submission, target
from mutations import GONE, JSON, mutations, paths, replaced
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.foreign import ForeignText
from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.controllers.cache import JobCache
from reltio_export_operator.jobs import identity
from reltio_export_operator.jobs.observation import (
    ControlTasks,
    Decision,
    Elapsed,
    Observation,
    RemoveFinalizer,
    Submit,
)
from reltio_export_operator.jobs.policies import decide

Raw = dict[str, Any]
UNLIMITED = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
DELETED = {"deletionTimestamp": stamp(), "finalizers": [FINALIZER]}
UID = "u-1"

# What is stored in the stages of a job, and the ids of the attempts that may be submitted from there.
UNFINISHED = {
    "in doubt": ({"attempts": 1, "submission": submission(), "startTime": stamp(-60)}, set()),
    "refused": ({"attempts": 1, "submission": submission(refusedTime=stamp(-9)), "waits": 1}, {"u-1-1"}),
    "running": (running("PROCESSING", "SCHEDULED"), set()),
    "duplicated": (running("PROCESSING", duplicates=[{"id": "task-9", "status": "PROCESSING"}]), set()),
    "to be verified": (running("COMPLETED", phase="Verifying"), set()),
    "between attempts": (between_attempts(2, retryTime=stamp(-9)), {"u-1-3"}),
    "second attempt": (
        between_attempts(1)
        | {"attempts": 2, "submission": submission(2, submittedTime=stamp()), "tasks": [{"id": "t"}]},
        set(),
    ),
}
FINISHED = {
    "complete": running("COMPLETED", conditions=[condition("Complete")], completionTime=stamp()),
    "refused permanently": {
        "attempts": 1,
        "submission": submission(),
        "conditions": [condition("Failed"), condition("Stalled")],
        "completionTime": stamp(),
    },
    "never submitted": {"conditions": [condition("Failed")], "completionTime": stamp(), "phase": "Failed"},
}
STAGES = UNFINISHED | {name: (status, set[str]()) for name, status in FINISHED.items()}
MUTATIONS = {stage: mutations(status) for stage, (status, _) in STAGES.items()}


def obs(status: Any, **more: Any) -> Observation:
    subject = job(**{key: more.pop(key) for key in ("spec", "metadata") if key in more}, status=status)
    return Observation(job=subject, now=T0, target=target(), **more)


def held(decision: Decision) -> bool:
    stalled = find(decision.status.conditions, "Stalled")
    return stalled is not None and stalled.status == "True" and stalled.reason == "StatusNotUnderstood"


@pytest.mark.parametrize("stage", STAGES)
def test_what_the_operator_writes_is_certain(stage: str) -> None:
    assert identity.doubts(job(status=STAGES[stage][0])) == ()


@pytest.mark.parametrize("stage", STAGES)
@given(data=st.data())
@UNLIMITED
def test_no_bad_value_leads_to_a_submission_that_could_be_a_second_export(stage: str, data: st.DataObject) -> None:
    allowed = STAGES[stage][1]
    path, status = data.draw(MUTATIONS[stage], "mutated")
    if path == () and (status is None or isinstance(status, dict)):
        return  # a job with no status, or with a whole other one, was never submitted, for all that can be known
    for more in ({}, {"spec": {"cancel": True}}, {"metadata": DELETED}, {"queue_position": 3}):
        action = decide(obs(status, **more)).action
        if isinstance(action, Submit):
            assert action.submission.id in allowed
            assert action.submission.path == f"reltio/mdm/nightly/{action.submission.id}/"
            assert action.submission.name == f"mdm.nightly-{action.submission.id}"


RECORDED = [path for path in paths(submission()) if path]


@given(path=st.sampled_from(RECORDED), value=JSON)
@settings(UNLIMITED, max_examples=300)
def test_a_bad_value_in_the_record_of_the_attempt_holds_the_job(path: tuple[Any, ...], value: Any) -> None:
    """Whatever the type of the field refuses. Another string, or part of the record, may be as good as the first."""
    field: Any = submission()
    for step in path:
        field = field[step]
    if isinstance(field, dict) and isinstance(value, dict):
        return
    status = replaced(running("PROCESSING"), ("submission", *path), value)
    if path[-1] == "credentialsSecretRef" and isinstance(value, dict):
        return  # may name another Secret
    if path[-1] == "externalIDSource" and value is None:
        return  # as older versions leave it: nothing is submitted without the target then
    good = {"attempt": int, "resent": int, "adopted": bool}.get(str(path[-1]), str)
    if isinstance(value, bool) != (good is bool) or not isinstance(value, good):
        assert held(decide(obs(status)))


@given(value=JSON.filter(lambda value: value is not None and (not value or not isinstance(value, str))))
@UNLIMITED
def test_a_task_without_its_id_holds_the_job(value: Any) -> None:
    assert held(decide(obs(replaced(running("PROCESSING", "SCHEDULED"), ("tasks", 0, "id"), value))))


@pytest.mark.parametrize(
    ("stage", "path", "value", "doubt"),
    [
        ("running", ("submission",), GONE, "status.tasks has entries, and status.submission is missing"),
        ("running", ("submission",), "x", "status.submission must be an object"),
        ("running", ("tasks",), GONE, "status.submission.submittedTime is set, and status.tasks is empty"),
        ("running", ("tasks",), {}, "status.tasks must be a list"),
        ("running", ("tasks", 0, "id"), GONE, "status.tasks[0] has no id of its own"),
        ("running", ("submission", "tenant"), 4, None),  # an unknown field
        ("running", ("submission", "service", "tenant"), GONE, "status.submission.service.tenant is missing"),
        ("running", ("submission", "id"), "u-1-2", "status.submission.id does not end with the number"),
        ("running", ("submission", "name"), "other", "status.submission.name does not end with the id"),
        ("running", ("submission", "path"), "other/", "status.submission.path does not end with the id"),
        ("running", ("submission", "s3", "bucket"), "other", "status.submission.destination is not made of"),
        ("running", ("attempts",), "many", None),  # the current attempt has its own number
        ("running", ("tasks", 0, "status"), 3, None),  # read again from the service
        ("running", ("startTime",), "then", None),
        ("in doubt", ("submission",), GONE, "status.attempts is 1, and neither status.submission nor"),
        ("between attempts", ("attempts",), GONE, "status.attempts is 0, and status.failures has attempt 2"),
        ("between attempts", ("attempts",), "2", "status.attempts must be a whole number"),
        ("between attempts", ("attempts",), 3, "status.attempts is 3, and neither status.submission nor"),
        ("between attempts", ("failures",), GONE, "status.attempts is 2, and neither status.submission nor"),
        ("between attempts", ("failures", 1, "attempt"), None, "status.failures[1].attempt is missing"),
        ("between attempts", ("failures", 1, "message"), 4, None),
        ("between attempts", ("retryTime",), "later", None),
        ("complete", ("conditions",), GONE, "status.completionTime is set, and no condition says"),
        ("complete", ("conditions", 0, "status"), "Maybe", "status.conditions.Complete.status has an unknown value"),
        ("complete", ("conditions", 0, "type"), 1, "status.conditions[0] has no type of its own"),
        ("complete", ("completionTime",), "then", None),
    ],
)
def test_what_makes_a_status_uncertain(stage: str, path: tuple[Any, ...], value: Any, doubt: str | None) -> None:
    found = identity.doubts(job(status=replaced(STAGES[stage][0], path, value)))
    assert (not found) if doubt is None else any(one.startswith(doubt) for one in found)


def test_a_held_job_says_why_and_what_to_do() -> None:
    decision = decide(obs(replaced(running("PROCESSING"), ("submission", "path"), 7)))
    stalled = find(decision.status.conditions, "Stalled")
    assert stalled is not None
    assert stalled.reason == "StatusNotUnderstood"
    for part in (
        "status.submission.path must be a string",
        "second export",
        "kubectl edit exportjob nightly -n mdm",
        UID,
    ):
        assert part in stalled.message
    assert find(decision.status.conditions, "Reconciling") is None
    assert decision.status.phase == "Unknown"


def test_a_job_is_held_the_same_way_each_time() -> None:
    first = decide(obs(replaced(running("PROCESSING"), ("submission", "path"), 7)))
    again = replace(
        obs(running("PROCESSING")),
        job=msgspec.structs.replace(
            job(status=replaced(running("PROCESSING"), ("submission", "path"), 7)), status=first.status
        ),
    )
    assert decide(again).status == first.status


@pytest.mark.parametrize(("status", "action"), [(running("PROCESSING"), "Wait"), (between_attempts(), "Submit")])
def test_a_job_whose_status_was_corrected_continues(status: Raw, action: str) -> None:
    stalled = {**status, "conditions": [condition("Stalled", reason="StatusNotUnderstood")]}
    first = decide(obs(stalled))
    assert first.requeue_after == 0
    assert find(first.status.conditions, "Stalled") is None
    subject = msgspec.structs.replace(job(status=status), status=first.status)
    then = decide(replace(obs(status), job=subject, elapsed=Elapsed()))
    assert type(then.action).__name__ == action


def test_a_paused_job_that_was_held_is_still_suspended_afterwards() -> None:
    stored = running("PAUSED", conditions=[condition("Suspended"), condition("Stalled", reason="StatusNotUnderstood")])
    assert find(decide(obs(stored)).status.conditions, "Suspended") == find(
        job(status=stored).status.conditions, "Suspended"
    )


BAD_PATH = replaced(running("PROCESSING"), ("submission", "path"), 7)
BAD_RECORD = replaced(running("PROCESSING"), ("submission",), 7)
BAD_TENANT = replaced(running("PROCESSING"), ("submission", "service", "tenant"), 7)


def test_a_held_job_that_is_cancelled_stops_the_tasks_that_it_knows() -> None:
    action = decide(obs(BAD_PATH, spec={"cancel": True})).action
    assert isinstance(action, ControlTasks)
    assert (action.verb, action.task_ids) == ("stop", ("task-0",))


@pytest.mark.parametrize("status", [BAD_RECORD, BAD_TENANT])
def test_a_held_job_that_is_cancelled_fails_and_names_what_may_be_running(status: Raw) -> None:
    decision = decide(obs(status, spec={"cancel": True}))
    failed = find(decision.status.conditions, "Failed")
    assert failed is not None
    assert failed.reason == "Cancelled"
    assert "An export may be running" in failed.message
    assert UID in failed.message


def test_a_held_job_that_is_cancelled_fails_when_its_tasks_do_not_stop_in_time() -> None:
    decision = decide(obs(BAD_PATH, spec={"cancel": True}, elapsed=Elapsed(ending=121)))
    assert find(decision.status.conditions, "Failed") is not None


def test_a_held_job_ends_at_its_deadline() -> None:
    decision = decide(obs({**BAD_RECORD, "startTime": stamp(-100)}, spec={"activeDeadlineSeconds": 60}))
    failed = find(decision.status.conditions, "Failed")
    assert failed is not None
    assert failed.reason == "DeadlineExceeded"


def test_a_held_job_that_is_deleted_stops_the_tasks_that_it_knows() -> None:
    decision = decide(obs(BAD_PATH, metadata=DELETED))
    assert isinstance(decision.action, ControlTasks)


@pytest.mark.parametrize("status", [BAD_RECORD, BAD_TENANT, {"attempts": 1}])
def test_a_held_job_that_is_deleted_goes_away_and_leaves_a_warning(status: Raw) -> None:
    decision = decide(obs(status, metadata=DELETED))
    assert isinstance(decision.action, RemoveFinalizer)
    (event,) = decision.events
    assert (event.type, event.reason) == ("Warning", "CleanupIncomplete")
    assert UID in event.message


@pytest.mark.parametrize(
    ("metadata", "spec"),
    [({**DELETED, "finalizers": []}, {}), (DELETED, {"deletionPolicy": "Orphan"})],
)
def test_a_held_job_that_leaves_nothing_to_stop_goes_away_quietly(metadata: Raw, spec: Raw) -> None:
    assert decide(obs(BAD_RECORD, metadata=metadata, spec=spec)).events == ()


def test_a_finished_job_rests_whatever_else_is_wrong_with_its_status() -> None:
    status = replaced(FINISHED["complete"], ("submission",), [])
    assert decide(obs(status)).status.conditions == job(status=status).status.conditions
    assert identity.doubts(job(status=status)) == ()


def test_a_held_job_takes_a_place_and_does_not_block_the_queue() -> None:
    cache = JobCache()
    later = job(metadata={"name": "next", "uid": "u-2", "creationTimestamp": stamp(9)})
    cache.put_target(target(spec={"maxConcurrentJobs": 2}))
    cache.put_job(job(status={"attempts": 1}))
    cache.put_job(later)
    assert cache.counts(("mdm", "lake")) == (1, 1)
    assert cache.queue_position(later) == 0
    cache.put_target(target(spec={"maxConcurrentJobs": 1}))
    assert cache.queue_position(later) == 1


@pytest.mark.parametrize(
    ("status", "reachable"),
    [(running("PROCESSING"), True), (BAD_PATH, True), (BAD_TENANT, False), (BAD_RECORD, False), ({}, False)],
)
def test_tasks_can_be_asked_for_only_where_the_service_is_known(status: Raw, reachable: bool) -> None:
    assert identity.is_reachable(job(status=status)) is reachable


@given(mutated=st.one_of(*MUTATIONS.values()))
@settings(UNLIMITED, max_examples=300)
def test_no_status_makes_a_decision_fail(mutated: tuple[Any, Any]) -> None:
    seen = {"task-0": ObservedTask(id="task-0", status="FAILED", error=ForeignText("no"))}
    for more in ({}, {"observed_tasks": seen}, {"metadata": DELETED}, {"spec": {"ttlSecondsAfterFinished": 2**31 - 1}}):
        assert isinstance(decide(obs(mutated[1], **more)), Decision)
