"""Tasks live as the service documents it, on a clock that only the tests move."""

from __future__ import annotations

from typing import Any

import pytest

from reltio_export_sandbox.reltio import Behaviour, SimulatorConfig, Tenant
from reltio_export_sandbox.reltio.tasks import Task

from .driver import Driver

# Stages of two seconds after a pick-up at five; ten rows at one a second, in files of four.
SLOW: dict[str, Any] = {"objects_per_second": 1.0, "objects_per_file": 4}


def slow(**more: Any) -> Driver:
    return Driver(SimulatorConfig(**SLOW, **more), Tenant("acme01", entities=10))


def walked(driver: Driver, task_id: str) -> list[tuple[str, int]]:
    """The states of the task, one after the other, until it has ended."""
    seen: list[tuple[str, int]] = []
    while not seen or seen[-1][0] != "COMPLETED":
        task = driver.task(task_id)
        state = (task["status"], task["currentState"]["statusId"])
        if state not in seen[-1:]:
            seen.append(state)
        driver.advance(0.5)
    return seen


def test_a_csv_export_collects_headers_and_a_json_export_does_not() -> None:
    csv, json = (
        walked(driver, driver.started(fileFormat=form)) for driver, form in ((slow(), "csv"), (slow(), "json"))
    )
    start, end = [("SCHEDULED", 0), ("PROCESSING", 0), ("PROCESSING", 10)], [("PROCESSING", 60), ("PROCESSING", 70)]
    headers = [("PROCESSING", stage) for stage in (20, 30, 40, 50)]
    assert csv == [*start, *headers, *end, ("COMPLETED", 90)]
    assert json == [*start, *end, ("COMPLETED", 90)]


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (0, "Not started yet..."),
        (60, "Exporting..."),
        (70, "Completing upload"),
        (90, "Completed"),
    ],
)
def test_a_stage_has_its_documented_text(stage: int, text: str) -> None:
    driver = slow()
    task_id = driver.started()
    while driver.task(task_id)["currentState"]["statusId"] != stage:
        driver.advance(1)
    assert driver.task(task_id)["currentState"]["status"] == text


def test_progress_and_the_estimated_time_are_returned_while_it_exports() -> None:
    driver = slow()
    task_id = driver.started()
    driver.advance(9 + 5)
    state = driver.task(task_id)["currentState"]
    assert state["globalStatus"] == {"entitiesTotal": 10, "entitiesNumber": 5, "overallThroughput": 1}
    assert (state["eta"], state["etaMillis"]) == ("5s", 5000)
    driver.advance(60)
    assert "eta" not in driver.task(task_id)["currentState"]


def test_no_entities_are_counted_while_headers_are_collected() -> None:
    driver = slow()
    task_id = driver.started(fileFormat="csv")
    driver.advance(9 + 3)
    overall = driver.task(task_id)["currentState"]["globalStatus"]
    assert (overall["entitiesNumber"], overall["headerNumber"]) == (0, 10)


def test_parameters_are_all_strings() -> None:
    driver = Driver()
    answer = driver.submit(
        body={"updateTimeFilter": {"since": 1, "to": 2}, "includeType": ["configuration/entityTypes/HCP"]},
        filter="equals(a,'b')",
    )
    parameters = driver.task(answer.body["taskIds"][0])["parameters"]
    assert {type(value) for value in parameters.values()} == {str}
    assert parameters["updatedSince"] == "1"
    assert parameters["includeType"] == '["configuration/entityTypes/HCP"]'
    assert parameters["queryParams"] == '{"filter": "equals(a,\'b\')"}'


def test_pause_and_stop_are_answered_at_once_and_take_effect_later() -> None:
    driver = slow()
    task_id = driver.started()
    driver.advance(10)
    assert driver.control(task_id, "_pause").body == {"status": "success"}
    assert driver.status(task_id) == "PAUSING"
    driver.advance(2)
    assert driver.status(task_id) == "PAUSED"
    driver.advance(1000)
    assert driver.status(task_id) == "PAUSED"
    driver.control(task_id, "_resume")
    assert driver.status(task_id) == "SCHEDULED"
    driver.advance(5)
    task = driver.task(task_id)
    assert (task["status"], task["currentState"]["restored"]) == ("PROCESSING", True)
    driver.control(task_id, "_stop")
    assert driver.status(task_id) == "CANCELING"
    driver.advance(2)
    assert driver.status(task_id) == "CANCELED"


def test_a_paused_export_delivers_each_row_once() -> None:
    driver = slow()
    task_id = driver.started()
    driver.advance(9 + 5)
    driver.control(task_id, "_pause")
    driver.advance(10)
    driver.control(task_id, "_resume")
    driver.advance(60)
    assert driver.status(task_id) == "COMPLETED"
    assert driver.manifest()["totalObjects"] == 10
    assert driver.delivered() == ["manifest.json", "part-00000.gz", "part-00001.gz", "part-00002.gz"]


def test_a_forced_stop_acts_at_once() -> None:
    driver = slow()
    task_id = driver.started()
    driver.reltio.engine.stop(driver.reltio.engine.tasks[task_id], at_once=True)
    assert driver.status(task_id) == "CANCELED"


def test_a_large_export_is_cut_into_siblings_that_wait_for_each_other() -> None:
    driver = Driver(SimulatorConfig(objects_per_task=4, objects_per_file=4), Tenant("acme01", entities=10))
    ids = driver.submit().body["taskIds"]
    assert len(ids) == 3
    tasks = [driver.task(id_) for id_ in ids]
    assert len({task["groupId"] for task in tasks}) == 1
    assert sum(task["currentState"]["numberOfObjects"] for task in tasks) == 10
    driver.advance(8)
    driver.control(ids[0], "_pause")
    driver.advance(60)
    assert [driver.status(id_) for id_ in ids] == ["PAUSED", "WAITING", "WAITING"]
    driver.control(ids[0], "_resume")
    driver.advance(60)
    assert [driver.status(id_) for id_ in ids] == ["COMPLETED"] * 3
    assert driver.manifest()["totalObjects"] == 10


def test_siblings_of_a_stopped_task_do_not_wait_forever() -> None:
    driver = slow()
    driver.reltio.behaviours.append(Behaviour(tasks=2))
    first, second = driver.submit().body["taskIds"]
    driver.control(first, "_stop")
    driver.advance(60)
    assert (driver.status(first), driver.status(second)) == ("CANCELED", "COMPLETED")


def test_quirks_change_what_tasks_show_and_nothing_else() -> None:
    driver = slow(wrap_names=True, clock_skew=-3600, counter_scale=10**12, group_id=False)
    task_id = driver.started(name="nightly")
    task = driver.task(task_id)
    assert task["name"] == f"entity-export-task[nightly_{task_id[:6]}]"
    assert task["parameters"]["exportName"] == "acme01_entities_1", "generated, although a name was given"
    assert task["createdTime"] == (driver.reltio.clock() - 3600) * 1000
    assert task["currentState"]["numberOfObjects"] == 10**13
    assert "groupId" not in task
    driver.advance(60)
    assert driver.manifest()["totalObjects"] == 10


def test_lists_may_leave_out_names_and_waiting_tasks_and_come_in_any_order() -> None:
    driver = slow(names_in_lists=False, list_waiting=False, shuffled_lists=True)
    ids = [driver.started(name=f"n{n}", s3Path=f"p/{n}") for n in range(20)]
    tasks = driver.call("GET", "/acme01/tasks").body
    assert {task["id"] for task in tasks} == set(ids)
    assert [task["id"] for task in tasks] != ids
    assert not any("name" in task for task in tasks)
    assert driver.task(ids[0])["name"] == "n0"
    driver.reltio.engine.force(driver.reltio.engine.tasks[ids[0]], "WAITING")
    assert len(driver.call("GET", "/acme01/tasks").body) == 19
    assert driver.status(ids[0]) == "WAITING"


def test_ids_may_be_numbers() -> None:
    driver = slow(numeric_ids=True)
    answer = driver.submit().body
    (id_,) = answer["taskIds"]
    assert isinstance(id_, int)
    assert driver.task(str(id_))["id"] == id_


def test_an_answer_may_name_some_tasks_only_and_tasks_that_run_may_show_an_end() -> None:
    driver = slow()
    driver.reltio.behaviours.append(Behaviour(tasks=3, answered=1, early_end_time=True))
    answer = driver.submit().body
    assert len(answer["taskIds"]) == 1
    driver.advance(6)
    shown = driver.call("GET", "/acme01/tasks").body
    assert [(task["status"], "endTime" in task) for task in shown] == [("PROCESSING", True)] * 3


def test_tasks_of_a_serial_tenant_run_one_after_the_other() -> None:
    driver = slow(serial=True)
    first, second = driver.started(s3Path="a"), driver.started(s3Path="b")
    driver.advance(6)
    assert (driver.status(first), driver.status(second)) == ("PROCESSING", "SCHEDULED")
    assert driver.task(first)["parallelExecution"] is False
    driver.advance(200)
    assert (driver.status(first), driver.status(second)) == ("COMPLETED", "COMPLETED")


def test_a_manifest_may_come_after_the_end_of_the_tasks() -> None:
    driver = slow()
    driver.reltio.behaviours.append(Behaviour(manifest_after=300))
    task_id = driver.started()
    driver.advance(100)
    assert driver.status(task_id) == "COMPLETED"
    assert "manifest.json" not in driver.delivered()
    driver.advance(300)
    assert driver.manifest()["totalObjects"] == 10


def test_tasks_that_wait_are_not_touched_as_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(None, Tenant("acme01", entities=1, max_tasks=10_000))
    driver.reltio.behaviours.extend(Behaviour(stuck=True) for _ in range(10_000))
    for number in range(10_000):
        driver.started(s3Path=f"p/{number}")
    touched: list[str] = []
    monkeypatch.setattr(Task, "__getattribute__", lambda _, name: touched.append(name))
    driver.advance(100_000)
    monkeypatch.undo()
    assert touched == []
    assert len(driver.reltio.engine.active("acme01")) == 10_000
