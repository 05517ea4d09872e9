"""No slot of a schedule has two jobs, and none that must run is lost, wherever the operator dies."""

from __future__ import annotations

import itertools
from dataclasses import replace

import msgspec
import pytest

from reltio_export_operator.api.schedule import ExportSchedule, Run, ScheduleStatus
from reltio_export_operator.schedules import outcomes, policy, runs
from reltio_export_operator.schedules.observation import Observation
from reltio_export_operator.schedules.slots import Slots

from .kube import MemoryKube
from .schedule_matrix import SCENARIOS, SPACINGS, Cell, cells, play, undisturbed
from .schedules import Scenario
from .world import quiet

EVERY = 499  # cells for each that is played in CI


def by_name(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


@pytest.mark.usefixtures("quietly")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_two_operators_at_once_start_each_run_once(scenario: Scenario) -> None:
    base = undisturbed(scenario)
    assert [found for spacing in SPACINGS for found in play(Cell(scenario, spacing=spacing), base)] == []


@pytest.mark.usefixtures("quietly")
def test_a_sample_of_the_matrix_of_schedules_holds() -> None:
    known = {scenario.name: undisturbed(scenario) for scenario in SCENARIOS}
    bad = [(str(cell), found) for cell in cells(known, EVERY) if (found := play(cell, known[cell.scenario.name]))]
    assert bad == []


def test_the_matrix_finds_two_jobs_when_neither_names_nor_versions_prevent_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each alone is enough: the matrix shows nothing when only one of them is missing."""
    scenario, real, numbers = by_name("complete jobs"), runs.slot_name, itertools.count()
    monkeypatch.setattr(runs, "slot_name", lambda schedule, slot: f"{real(schedule, slot)}-{next(numbers)}")
    with quiet():
        base = undisturbed(scenario)
        assert [found for spacing in SPACINGS for found in play(Cell(scenario, spacing=spacing), base)] == []
        monkeypatch.setattr(MemoryKube, "_check", staticmethod(lambda found, meta: None))
        found = [found for spacing in SPACINGS for found in play(Cell(scenario, spacing=spacing), base)]
    assert any(one.startswith("twice") for one in found)


def test_the_matrix_finds_a_slot_that_is_handled_before_its_job_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    start, scenario = policy._start, by_name("complete jobs")

    def too_early(obs: Observation, run: Run) -> object:
        step = start(obs, run)
        handled = policy._handled(step.status, obs.schedule, run, Slots(obs.schedule))
        return replace(step, status=handled)

    with quiet():
        base = undisturbed(scenario)
        monkeypatch.setattr(policy, "_start", too_early)
        found = [one for step in range(0, base.steps, 3) for one in play(Cell(scenario, kill_at=step), base)]
    assert any(one.startswith("lost") for one in found)


def test_the_matrix_finds_windows_that_leave_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watermark that follows the runs, not those that are complete."""
    handled = policy._handled

    def ahead(status: ScheduleStatus, schedule: ExportSchedule, run: Run, slots: Slots) -> ScheduleStatus:
        status = handled(status, schedule, run, slots)
        return msgspec.structs.replace(status, incremental=outcomes._advanced(status.incremental, run, run.window_end))

    monkeypatch.setattr(policy, "_handled", ahead)
    with quiet():
        scenario = by_name("windows and failures")
        with pytest.raises(AssertionError, match="gap"):
            undisturbed(scenario)
