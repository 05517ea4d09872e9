"""One export or two: how tasks with the same attempt id are grouped."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from builders import T0, job, running, submission, target
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs.duplicates import group_tasks
from reltio_export_operator.jobs.observation import ControlTasks, Observation
from reltio_export_operator.jobs.policies import decide


def task(id_: str, created: int, group: str | None = None, status: str = "PROCESSING") -> ObservedTask:
    return ObservedTask(id=id_, status=status, group_id=group, created_ms=created)


def ids(tasks: tuple[ObservedTask, ...]) -> list[str]:
    return [task.id for task in tasks]


def test_siblings_of_one_group_are_one_export() -> None:
    found = group_tasks([task("a", 1, "g"), task("b", 90_000, "g")])
    assert (ids(found.own), ids(found.duplicates)) == (["a", "b"], [])


def test_the_newer_of_two_groups_is_the_duplicate() -> None:
    found = group_tasks([task("young", 90_000, "g2"), task("old", 1, "g1")])
    assert (ids(found.own), ids(found.duplicates)) == (["old"], ["young"])


def test_without_groups_tasks_created_together_are_siblings() -> None:
    found = group_tasks([task("a", 1_000), task("b", 3_000), task("late", 80_000)])
    assert (ids(found.own), ids(found.duplicates)) == (["a", "b"], ["late"])


@given(st.lists(st.tuples(st.integers(0, 300_000), st.sampled_from(["g1", "g2", None])), max_size=8))
def test_every_task_is_in_exactly_one_place(drawn: list[tuple[int, str | None]]) -> None:
    tasks = [task(f"t{n}", created, group) for n, (created, group) in enumerate(drawn)]
    found = group_tasks(tasks)
    assert sorted(ids(found.own) + ids(found.duplicates)) == sorted(ids(tuple(tasks)))
    assert not tasks or found.own


def obs(seen: ObservedTask | None, *untracked_tasks: ObservedTask, group: str | None = "g1") -> Observation:
    status = running("PROCESSING", submission=submission(groupID=group))
    return Observation(
        job=job(status=status),
        now=T0,
        target=target(),
        observed_tasks={"task-0": seen} if seen else {},
        untracked_tasks=untracked_tasks,
    )


def test_a_sibling_that_the_submission_did_not_return_is_followed() -> None:
    decision = decide(obs(task("task-0", 5, "g1"), task("sibling", 6, "g1")))
    assert [entry.id for entry in decision.status.tasks] == ["task-0", "sibling"]
    assert decision.status.duplicates == ()


def test_a_newer_duplicate_is_stopped_and_reported() -> None:
    decision = decide(obs(task("task-0", 5, "g1"), task("z", 90_000, "g2")))
    assert isinstance(decision.action, ControlTasks)
    assert (decision.action.verb, decision.action.task_ids) == ("stop", ("z",))
    assert [event.reason for event in decision.events] == ["DuplicateDetected"]
    assert "DuplicateDetected" in [condition.type for condition in decision.status.conditions]


def test_an_older_double_takes_the_place_of_the_one_on_record() -> None:
    decision = decide(obs(task("task-0", 90_000, "g1"), task("elder", 5, "g0")))
    assert [entry.id for entry in decision.status.tasks] == ["elder"]
    assert isinstance(decision.action, ControlTasks)
    assert decision.action.task_ids == ("task-0",)


def test_a_duplicate_that_is_observed_first_does_not_replace_the_recorded_tasks() -> None:
    decision = decide(obs(None, task("z", 1, "g2")))
    assert [entry.id for entry in decision.status.tasks] == ["task-0"]
    assert [entry.id for entry in decision.status.duplicates] == ["z"]


def test_tasks_named_in_one_answer_are_one_export_however_far_apart_they_were_made() -> None:
    given = obs(task("task-0", 5), task("other", 200_000), group=None)
    status = running("PROCESSING", "PROCESSING", submission=submission())
    both = {"task-0": task("task-0", 5), "task-1": task("task-1", 120_000)}
    decision = decide(replace(given, job=job(status=status), observed_tasks=both))
    assert [entry.id for entry in decision.status.tasks] == ["task-0", "task-1"]
    assert [entry.id for entry in decision.status.duplicates] == ["other"]
