"""One export or two: how tasks with the same attempt id are grouped."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import T0, job, running, submission, target
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs.duplicates import group_tasks
from reltio_export_operator.jobs.observation import CheckDelivery, ControlTasks, Observation
from reltio_export_operator.jobs.policies import decide


def task(id_: str, created: int | None, group: str | None = None, status: str = "PROCESSING") -> ObservedTask:
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


NOW_MS = 1_926_212_400_000  # a time of creation as Reltio reports it


@pytest.mark.parametrize(("apart", "own"), [(0, ["a", "b"]), (10_000, ["a", "b"]), (10_001, ["a"])])
def test_without_groups_more_than_ten_seconds_separate_two_exports(apart: int, own: list[str]) -> None:
    found = group_tasks([task("a", NOW_MS), task("b", NOW_MS + apart)])
    assert ids(found.own) == own


def test_a_task_created_soon_after_any_sibling_is_a_sibling() -> None:
    found = group_tasks([task("a", NOW_MS), task("b", NOW_MS + 9_000), task("c", NOW_MS + 18_000)])
    assert ids(found.own) == ["a", "b", "c"]


def test_a_task_with_a_group_is_not_a_sibling_of_one_without_however_close_in_time() -> None:
    found = group_tasks([task("a", NOW_MS), task("b", NOW_MS + 1, "g")])
    assert (ids(found.own), ids(found.duplicates)) == (["a"], ["b"])
    found = group_tasks([task("a", NOW_MS, "g"), task("b", NOW_MS + 1)])
    assert (ids(found.own), ids(found.duplicates)) == (["a"], ["b"])


def test_a_task_belongs_to_the_group_that_one_of_the_known_tasks_has() -> None:
    found = group_tasks([task("c", NOW_MS + 60_000, "g")], known=[task("a", NOW_MS, "g"), task("b", NOW_MS)])
    assert (ids(found.own), ids(found.duplicates)) == (["a", "b", "c"], [])


def test_the_export_with_the_oldest_task_counts_however_late_its_last_task_was_created() -> None:
    found = group_tasks([task("a", 1, "g1"), task("z", 50_000, "g2"), task("b", 90_000, "g1")])
    assert (ids(found.own), ids(found.duplicates)) == (["a", "b"], ["z"])


def test_an_export_without_a_time_of_creation_does_not_take_the_place_of_another_one() -> None:
    found = group_tasks([task("a", 1, "g1"), task("b", None, "g2")])
    assert ([t.id for t in found.own], [t.id for t in found.duplicates]) == (["a"], ["b"])


def test_the_recorded_export_counts_when_its_time_of_creation_is_not_known() -> None:
    found = group_tasks([task("b", 1, "g2")], known=[task("a", None, "g1")])
    assert ([t.id for t in found.own], [t.id for t in found.duplicates]) == (["a"], ["b"])


@pytest.mark.parametrize(("recorded", "other"), [(NOW_MS, None), (None, NOW_MS), (None, None)])
def test_without_groups_an_unknown_time_of_creation_proves_no_second_export(
    recorded: int | None, other: int | None
) -> None:
    found = group_tasks([task("b", other)], known=[task("a", recorded)])
    assert ([t.id for t in found.own], [t.id for t in found.duplicates]) == (["a", "b"], [])


def test_of_exports_created_at_the_same_time_the_one_with_the_lower_id_counts() -> None:
    found = group_tasks([task("b", 1, "g2"), task("a", 1, "g1")])
    assert (ids(found.own), ids(found.duplicates)) == (["a"], ["b"])


def test_without_tasks_there_is_neither_an_export_nor_a_duplicate() -> None:
    found = group_tasks([])
    assert (found.own, found.duplicates) == ((), ())


@given(st.lists(st.tuples(st.integers(0, 300_000), st.sampled_from(["g1", "g2", None])), max_size=8))
def test_every_task_is_in_exactly_one_place(drawn: list[tuple[int, str | None]]) -> None:
    tasks = [task(f"t{n}", created, group) for n, (created, group) in enumerate(drawn)]
    found = group_tasks(tasks)
    assert sorted(ids(found.own) + ids(found.duplicates)) == sorted(ids(tuple(tasks)))
    assert not tasks or found.own


def obs(
    seen: ObservedTask | None, *untracked_tasks: ObservedTask, group: str | None = "g1", resent: int = 0
) -> Observation:
    status = running("PROCESSING", submission=submission(groupID=group, resent=resent))
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


def test_a_sibling_that_is_observed_before_the_recorded_tasks_is_followed() -> None:
    decision = decide(obs(None, task("sibling", 1, "g1"), task("z", 2, "g2")))
    assert [entry.id for entry in decision.status.tasks] == ["task-0", "sibling"]
    assert [entry.id for entry in decision.status.duplicates] == ["z"]


@pytest.mark.parametrize(("resent", "duplicates"), [(0, []), (1, ["z"])])
def test_without_a_group_on_record_a_task_observed_first_is_a_duplicate_only_of_a_repeated_submission(
    resent: int, duplicates: list[str]
) -> None:
    decision = decide(obs(None, task("z", 1), group=None, resent=resent))
    assert [entry.id for entry in decision.status.tasks] == ["task-0"]
    assert [entry.id for entry in decision.status.duplicates] == duplicates


def test_a_duplicate_is_reported_once() -> None:
    first = decide(obs(task("task-0", 5, "g1"), task("z", 90_000, "g2")))
    given = obs(task("task-0", 5, "g1"), task("z", 90_000, "g2"))
    again = decide(replace(given, job=msgspec.structs.replace(given.job, status=first.status)))
    assert again.events == ()
    assert again.status == first.status
    assert isinstance(again.action, ControlTasks)


def test_a_duplicate_that_is_being_stopped_is_not_asked_again_and_its_end_is_waited_for() -> None:
    status = running("PROCESSING", duplicates=[{"id": "z", "status": "CANCELING"}, {"id": "y", "status": "PROCESSING"}])
    decision = decide(Observation(job=job(status=status), now=T0, target=target()))
    assert isinstance(decision.action, ControlTasks)
    assert decision.action.task_ids == ("y",)
    assert decision.requeue_after == 10


def test_a_duplicate_that_reltio_no_longer_knows_holds_nothing_up() -> None:
    status = running("COMPLETED", duplicates=[{"id": "z", "status": "PROCESSING"}])
    decision = decide(Observation(job=job(status=status), now=T0, target=target(), lost_task_ids=frozenset({"z"})))
    assert isinstance(decision.action, CheckDelivery)


def test_tasks_named_in_one_answer_are_one_export_however_far_apart_they_were_made() -> None:
    given = obs(task("task-0", 5), task("other", 200_000), group=None)
    status = running("PROCESSING", "PROCESSING", submission=submission())
    both = {"task-0": task("task-0", 5), "task-1": task("task-1", 120_000)}
    decision = decide(replace(given, job=job(status=status), observed_tasks=both))
    assert [entry.id for entry in decision.status.tasks] == ["task-0", "task-1"]
    assert [entry.id for entry in decision.status.duplicates] == ["other"]
