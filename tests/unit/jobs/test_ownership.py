"""Which tasks of a tenant belong to an attempt, and which belong to others."""

from __future__ import annotations

from typing import Any

import pytest

from builders import T0, job, stamp, submission
from reltio_export_operator.api.job import Submission
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs.ownership import TaskIndex, unrecorded_attempts

NAME = "mdm.nightly-u-1-1"
T0_MS = int(T0.timestamp() * 1000)


def attempt(**more: Any) -> Submission:
    found = job(status={"submission": submission(**more)}).status.submission
    assert found is not None
    return found


def task(id_: str, name: str | None = None, group: str | None = None, created_ms: int | None = T0_MS) -> ObservedTask:
    return ObservedTask(id=id_, status="PROCESSING", name=name, group_id=group, created_ms=created_ms)


def own(*tasks: ObservedTask, **more: Any) -> set[str]:
    return {found.id for found in TaskIndex(tasks).tasks_of(attempt(**more))}


@pytest.mark.parametrize(
    "name", [NAME + "1", NAME + " copy", "copy of " + NAME, f"[{NAME}]", f"Export: {NAME}", NAME.upper(), "u-1-1", None]
)
def test_a_name_that_only_contains_the_name_of_the_attempt_is_of_somebody_else(name: str | None) -> None:
    assert own(task("a", name)) == set()


@pytest.mark.parametrize("name", [NAME, f"entity-export-task[{NAME}_0a1b2c]"])
def test_the_whole_name_of_the_attempt_makes_a_task_its_own(name: str) -> None:
    assert own(task("a", name)) == {"a"}


@pytest.mark.parametrize(("seconds", "found"), [(-601, set()), (-600, {"a"}), (0, {"a"}), (86_400, {"a"})])
def test_a_task_that_was_created_before_the_intent_is_of_somebody_else(seconds: int, found: set[str]) -> None:
    assert own(task("a", NAME, created_ms=T0_MS + seconds * 1000)) == found


def test_the_first_intent_of_an_attempt_counts_and_not_the_last() -> None:
    assert own(task("a", NAME), intendedTime=stamp(7200), firstIntendedTime=stamp()) == {"a"}
    assert own(task("a", NAME), intendedTime=stamp(7200)) == set()


def test_a_task_without_a_time_of_creation_is_known_by_its_name() -> None:
    assert own(task("a", NAME, created_ms=None)) == {"a"}


def test_tasks_without_a_name_are_found_by_the_group_of_the_submission() -> None:
    assert own(task("a", None, "g1"), task("b", None, "g2"), groupID="g1") == {"a"}


def test_tasks_that_share_a_group_with_a_named_task_are_siblings_of_it() -> None:
    assert own(task("a", NAME, "g1"), task("b", "other", "g1"), task("c", "other", "g2")) == {"a", "b"}


def test_the_group_of_an_imitating_task_proves_nothing() -> None:
    assert own(task("a", NAME + "0", "g1"), task("b", None, "g1")) == set()


def test_known_ids_are_found_whatever_their_names_are() -> None:
    index = TaskIndex([task("a", None, "g1"), task("b", None, "g1"), task("c", None, None)])
    assert {found.id for found in index.tasks_of(attempt(), ["a", "missing"])} == {"a", "b"}


def test_tasks_without_a_group_are_not_siblings_by_that() -> None:
    assert own(task("a", NAME), task("b", "other")) == {"a"}


def test_a_newer_observation_replaces_an_older_one() -> None:
    index = TaskIndex([task("a", NAME, "g1")])
    index.add(ObservedTask(id="a", status="COMPLETED", name=NAME, group_id="g1"))
    assert [found.status for found in index.tasks_of(attempt())] == ["COMPLETED"]


@pytest.mark.parametrize(
    ("numbers", "limit", "found"),
    [([1], 2, {1}), ([1, 2], 2, {1, 2}), ([2, 3], 2, {2, 3}), ([1, 3], 2, {1}), ([1, 10], 100, {1}), ([4], 2, set())],
)
def test_unrecorded_attempts_follow_each_other_up_to_the_limit(numbers: list[int], limit: int, found: set[int]) -> None:
    subject = job(spec={"backoffLimit": limit})
    tasks = [task(f"t{number}", f"mdm.nightly-u-1-{number}") for number in numbers]
    assert set(unrecorded_attempts(subject, tasks)) == found


def test_names_that_imitate_an_unrecorded_attempt_are_not_taken_for_one() -> None:
    names = [f"{NAME}0", f"x{NAME}", "u-1-1", "mdm.nightly-u-1-01", f"{NAME} ", NAME.upper()]
    assert unrecorded_attempts(job(), [task(name, name) for name in names]) == {}
    before = task("a", NAME, created_ms=T0_MS - 601_000)
    assert unrecorded_attempts(job(), [before]) == {}
