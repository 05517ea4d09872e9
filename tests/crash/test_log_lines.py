"""The log of one job's life: each transition once, in order, also when the process dies and starts again."""

from __future__ import annotations

import itertools
import json
import logging

import pytest

from .clock import Killed
from .matrix import is_over
from .scenarios import SCENARIOS, Scenario
from .world import World

LOGGER = "reltio_export_operator.controllers.transitions"
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, LOGGER)
    return caplog


def of_the_job(log: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in log.records if one.name == LOGGER and one.fields["kind"] == "ExportJob"]  # type: ignore[attr-defined]


def steps(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Phase and reason of each line about the job."""
    return [(one.fields.get("phase", ""), one.fields["reason"]) for one in of_the_job(log)]  # type: ignore[attr-defined]


PLAIN = [
    ("Submitting", "Submitting"),
    ("Running", "ExportRunning"),
    ("Complete", "Delivered"),
]


def test_a_job_that_meets_no_trouble_has_three_lines(log: pytest.LogCaptureFixture) -> None:
    world = BY_NAME["plain"].world()
    world.run(lambda: is_over(world))
    assert steps(log) == PLAIN
    first, second, *_ = (one.fields for one in of_the_job(log))  # type: ignore[attr-defined]
    assert {"namespace", "name", "uid", "kind", "target"} <= first.keys()
    assert second["attempt"] == 1
    assert second["taskIds"] == [task["id"] for task in world.job()["status"]["tasks"]]  # type: ignore[index]


def test_each_attempt_is_logged_with_its_number_and_the_reason_of_its_failure(log: pytest.LogCaptureFixture) -> None:
    world = BY_NAME["first attempt fails"].world()
    world.run(lambda: is_over(world))
    lines = [one.fields for one in of_the_job(log)]  # type: ignore[attr-defined]
    logged = [(line["phase"], line["reason"], line["attempt"]) for line in lines]
    assert logged == [
        ("Submitting", "Submitting", 1),
        ("Running", "ExportRunning", 1),
        ("Pending", "RetryPending", 1),
        ("Submitting", "Submitting", 2),
        ("Running", "ExportRunning", 2),
        ("Complete", "Delivered", 2),
    ]
    assert lines[2]["taskIds"] == lines[1]["taskIds"] != lines[4]["taskIds"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_line_repeats_the_one_before(log: pytest.LogCaptureFixture, scenario: Scenario) -> None:
    world = scenario.world()
    world.run(lambda: is_over(world))
    lines = [(one.fields["uid"], one.getMessage()) for one in of_the_job(log)]  # type: ignore[attr-defined]
    assert lines
    assert all(one != after for one, after in itertools.pairwise(lines))
    assert len(lines) <= 12, "a job's life is a matter of a few lines"


@pytest.mark.parametrize("step", range(40, 400, 24))
def test_a_restart_repeats_nothing(log: pytest.LogCaptureFixture, step: int) -> None:
    world = BY_NAME["plain"].world()
    try:
        world.run(lambda: is_over(world), last_step=step)
    except Killed:
        world.rest(20)
        world.run(lambda: is_over(world))
    logged = steps(log)
    # The line of the very last write may be missing, as the process did not live to log it. None is written twice.
    assert len(logged) >= len(PLAIN) - 1
    assert logged == [one for one in PLAIN if one in logged] or _is_resubmission(logged)


def _is_resubmission(logged: list[tuple[str, str]]) -> bool:
    """Killed between the intent and the response: the new process searches before it continues."""
    return ("Submitting", "AnswerUnknown") in logged and len(logged) == len(set(logged))


def test_an_operator_with_nothing_to_do_logs_nothing(log: pytest.LogCaptureFixture) -> None:
    world = BY_NAME["plain"].world()
    world.run(lambda: is_over(world))
    log.clear()
    _idle(world, 3600)
    assert of_the_job(log) == []


def test_progress_is_not_a_transition(log: pytest.LogCaptureFixture) -> None:
    world = BY_NAME["plain"].world()
    world.start()
    world.wait(lambda: bool(world.service.tasks))
    (task,) = world.service.tasks.values()
    task.left = 10_000.0
    world.wait(lambda: False, within=900)
    world.kill()
    assert steps(log) == PLAIN[:2]


def test_a_long_outage_of_reltio_is_logged_once(log: pytest.LogCaptureFixture) -> None:
    log.set_level(logging.INFO, "reltio_export_operator")
    world = World()
    world.furnish()
    world.submit_job()
    world.wire.strikes = dict.fromkeys(range(5, 5000), "503-html")
    world.start()
    world.wait(lambda: False, within=900)
    before = len(log.records)
    world.wait(lambda: False, within=3600)
    assert [one.getMessage() for one in log.records[before:]] == []
    world.delete_job()
    world.wait(lambda: world.job() is None)
    world.wait(lambda: False, within=60)
    world.kill()
    assert steps(log)[-5:] == [
        ("Deleting", "Deleting"),
        ("", "ServiceUnavailable"),
        ("Deleting", "ExportMayStillRun"),
        ("", "CleanupIncomplete"),
        ("", "FinalizerRemoved"),
    ]


def test_a_failed_job_is_a_warning(log: pytest.LogCaptureFixture) -> None:
    world = BY_NAME["late"].world()
    world.run(lambda: is_over(world))
    last = of_the_job(log)[-1]
    assert (last.levelname, last.fields["reason"]) == ("WARNING", "DeadlineExceeded")  # type: ignore[attr-defined]


def test_no_credential_gets_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for scenario in (BY_NAME["plain"], BY_NAME["secret lost and found"], BY_NAME["first attempt fails"]):
        world = scenario.world()
        world.kube.secrets["mdm", "reltio-api"] = {"clientID": "id-hunter2", "clientSecret": "secret-hunter2"}
        world.run(lambda world=world: is_over(world))  # type: ignore[misc]
    written = json.dumps([{**one.__dict__, "message": one.getMessage()} for one in caplog.records], default=str)
    assert "nightly" in written
    assert "hunter2" not in written


def _idle(world: World, seconds: float) -> None:
    world.start()
    try:
        end = world.clock.now + seconds
        world.wait(lambda: world.clock.now >= end, within=seconds)
    finally:
        world.kill()
