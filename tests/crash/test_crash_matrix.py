"""One ExportJob is one export, wherever the operator dies and whatever strikes it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from .clock import Killed
from .matrix import Run, baselines, cells, is_over, losing, play
from .run_result import check_run
from .scenarios import LOSING, SCENARIOS, Scenario
from .wire import Strike
from .world import SETTINGS

pytestmark = pytest.mark.usefixtures("quietly")

PLAIN = SCENARIOS[0]


def problems(runs: Iterator[Run]) -> list[str]:
    return [f"{run}: {result}" for run in runs if not (result := play(run)).is_good]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_a_kill_at_every_step_of_a_job_leaves_one_export_and_a_true_status(scenario: Scenario) -> None:
    steps = baselines((scenario,))[scenario.name].steps
    every = 1 if scenario is PLAIN else 7
    assert problems(Run(scenario, kill_at=step) for step in range(0, steps, every)) == []


def test_a_sample_of_the_matrix_of_kills_and_faults_holds() -> None:
    assert problems(cells(baselines(), every=97)) == []


@pytest.mark.parametrize("scenario", LOSING, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_whatever_is_lost_at_a_step_leaves_one_export(scenario: Scenario) -> None:
    every = 13 if scenario is PLAIN else 79
    assert problems(itertools.islice(losing(baselines((scenario,)), (scenario,)), 0, None, every)) == []


@pytest.mark.parametrize("spacing", [0.0, 0.003, 0.05, 1.0])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_two_operators_at_once_never_make_two_exports(scenario: Scenario, spacing: float) -> None:
    world = scenario.world()
    world.run(lambda: is_over(world), operators=2, spacing=spacing)
    assert str(check_run(scenario, world)) == "good"


def test_an_operator_that_is_killed_repeatedly_finishes_the_job() -> None:
    world = PLAIN.world()
    lives = 0
    while not is_over(world):
        lives += 1
        assert lives < 400
        try:
            world.run(lambda: is_over(world), last_step=150)
        except Killed:
            world.rest(5)
    assert lives >= 3
    assert str(check_run(PLAIN, world)) == "good"


def test_the_matrix_notices_a_protocol_that_does_not_wait_out_its_doubts() -> None:
    """Without the settling time, a submission that is still on its way when its sender dies makes a second export."""
    hasty = msgspec.structs.replace(SETTINGS, submit_settle_seconds=0.01)
    steps = baselines((PLAIN,))["plain"].steps
    results = [
        play(Run(PLAIN, kill_at=step, strike=Strike(request, "late-effect")), hasty)
        for request in range(4)
        for step in range(0, steps, 5)
    ]
    assert any("duplicate" in result.counts for result in results)
