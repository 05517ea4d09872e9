"""A stop at any step: nothing is submitted after it, and the next process makes one export of the job."""

from __future__ import annotations

import contextlib

import pytest

from .clock import Stalled
from .matrix import baselines, is_over
from .run_result import check_run
from .scenarios import SCENARIOS, Scenario
from .world import World

pytestmark = pytest.mark.usefixtures("quietly")

PLAIN = SCENARIOS[0]
DRAIN = 10.0  # seconds that the process gives to submissions under way
LOOK = 0.1  # seconds after which the test looks whether the stop has come


def submissions(world: World) -> int:
    return sum(line.startswith("POST") and "/export/" in line for line in world.wire.sent)


def stopped(scenario: Scenario, step: int, *, lose: bool) -> tuple[World, int]:
    """The world after a stop right before this step, and the submissions that left after it.

    `lose`: the process is gone at once, as when the Lease is lost, and not after what was under way.
    """
    world = scenario.world()
    before: list[int] = []

    def stop() -> None:
        world.gate.close()
        before.append(submissions(world))

    world.start(interrupt=(step, stop))
    with contextlib.suppress(Stalled):
        while not (before or is_over(world)):
            world.wait(lambda: bool(before), within=LOOK)
        end = world.clock.now + (0 if lose else DRAIN)
        while world.gate.under_way and world.clock.now < end:
            world.wait(lambda: not world.gate.under_way, within=LOOK)
    after = submissions(world) - before[0] if before else 0
    world.kill()
    world.rest(1.0)
    with contextlib.suppress(Stalled):
        world.run(lambda: is_over(world))
    return world, after


@pytest.mark.parametrize("lose", [False, True], ids=["drained", "abandoned"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_a_stop_at_any_step_is_the_last_submission_and_no_job_is_lost(scenario: Scenario, lose: bool) -> None:
    steps = baselines((scenario,))[scenario.name].steps
    bad = []
    for step in range(0, steps, 3 if scenario is PLAIN else 31):
        world, after = stopped(scenario, step, lose=lose)
        result = check_run(scenario, world)
        if after or not result.is_good:
            bad.append(f"stopped at step {step}: {after} submissions after it; {result}")
    assert bad == []
