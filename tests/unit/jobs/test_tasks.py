"""What the statuses and counters of Reltio's tasks mean."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import T0
from reltio_export_operator.api.foreign import NOTHING_SECRET, ForeignText
from reltio_export_operator.api.job import TaskStatus
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.jobs import tasks


def listed(*statuses: str, **more: Any) -> list[TaskStatus]:
    return [TaskStatus(id=f"task-{n}", status=status, **more) for n, status in enumerate(statuses)]


def counted(*counts: tuple[int | None, int | None]) -> list[TaskStatus]:
    """Tasks with these numbers of processed objects and totals."""
    return [
        TaskStatus(id=f"task-{n}", status="PROCESSING", processed=processed, total=total)
        for n, (processed, total) in enumerate(counts)
    ]


def ids(found: tuple[TaskStatus, ...]) -> list[str]:
    return [task.id for task in found]


def test_only_tasks_that_have_not_ended_and_still_exist_are_unfinished() -> None:
    every = listed("PROCESSING", "COMPLETED", "FAILED", "CANCELED", "COMPLETED_WITH_ERRORS", "CANCELING", "INVENTED")
    assert ids(tasks.unfinished(every)) == ["task-0", "task-5", "task-6"]
    assert ids(tasks.unfinished(every, gone={"task-0"})) == ["task-5", "task-6"]


def test_no_tasks_are_in_no_status() -> None:
    assert not tasks.all_in([], tasks.COMPLETED)
    assert tasks.all_in(listed("COMPLETED", "COMPLETED"), tasks.COMPLETED)
    assert not tasks.all_in(listed("COMPLETED", "FAILED"), tasks.COMPLETED)


def test_a_task_that_has_ended_keeps_its_last_observation() -> None:
    seen = {"task-0": ObservedTask(id="task-0", status="PROCESSING"), "task-1": ObservedTask(id="task-1", status="NEW")}
    found = tasks.refreshed(listed("COMPLETED", "SCHEDULED", "WAITING"), seen, NOTHING_SECRET)
    assert [task.status for task in found] == ["COMPLETED", "NEW", "WAITING"]


def test_a_task_is_recorded_with_its_stage_counters_and_error() -> None:
    full = ObservedTask(
        id="t", status="FAILED", stage=ForeignText("Writing"), processed=3, total=9, error=ForeignText("disk full")
    )
    assert tasks.recorded(full, NOTHING_SECRET) == TaskStatus(
        id="t", status="FAILED", stage="Writing", processed=3, total=9, error="disk full"
    )
    assert tasks.recorded(ObservedTask(id="t", status="FAILED"), NOTHING_SECRET) == TaskStatus(id="t", status="FAILED")


def test_progress_is_the_sum_over_the_sibling_tasks() -> None:
    found = tasks.progress(counted((10, 40), (20, 60)), {}, T0)
    assert (found.processed, found.total, found.percent, found.summary) == (30, 100, 30, "30% (30/100)")


def test_a_task_that_has_not_counted_yet_adds_nothing() -> None:
    found = tasks.progress(counted((None, 40), (20, 60)), {}, T0)
    assert (found.processed, found.percent) == (20, 20)


@pytest.mark.parametrize("unknown", [None, 0])
def test_without_the_total_of_each_task_there_is_no_percentage(unknown: int | None) -> None:
    found = tasks.progress(counted((10, 40), (20, unknown)), {}, T0)
    assert (found.processed, found.total, found.percent, found.summary) == (30, None, None, "30")


def test_without_tasks_nothing_is_processed() -> None:
    found = tasks.progress([], {}, T0)
    assert (found.processed, found.total, found.percent, found.summary) == (0, None, None, "0")


@pytest.mark.parametrize(("processed", "percent"), [(0, 0), (1, 0), (199, 99), (200, 100), (201, 100), (400, 100)])
def test_the_percentage_is_rounded_down_and_never_above_100(processed: int, percent: int) -> None:
    assert tasks.progress(counted((processed, 200)), {}, T0).percent == percent


def test_the_rate_is_the_sum_and_the_end_is_that_of_the_slowest_task() -> None:
    seen = {
        "task-0": ObservedTask(id="task-0", status="PROCESSING", rate=10.2, eta_seconds=60),
        "task-1": ObservedTask(id="task-1", status="PROCESSING", rate=20.2, eta_seconds=300),
        "other": ObservedTask(id="other", status="PROCESSING", rate=99, eta_seconds=999),
    }
    found = tasks.progress(counted((1, 2), (1, 2), (1, 2)), seen, T0)
    assert found.objects_per_second == 30
    assert found.estimated_completion_time == T0 + timedelta(seconds=300)


def test_without_a_rate_and_an_estimate_neither_is_shown() -> None:
    seen = {"task-0": ObservedTask(id="task-0", status="PROCESSING")}
    found = tasks.progress(counted((1, 2)), seen, T0)
    assert (found.objects_per_second, found.estimated_completion_time) == (None, None)
