"""Events of the watch may be late, and may come after the answers to later writes: the job is still one export."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from .matrix import baselines, cells, is_over, play
from .run_result import check_run
from .scenarios import SCENARIOS, Scenario
from .world import SETTINGS, World

pytestmark = pytest.mark.usefixtures("quietly")

LAGS = (0.003, 0.3, 12.0)  # shorter than a write, longer than one, longer than the gap between polls


def late(scenario: Scenario, lag: float) -> Scenario:
    def arrange(world: World) -> None:
        world.lag = lag
        scenario.arrange(world)

    return dataclasses.replace(scenario, arrange=arrange)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_a_job_ends_well_however_late_its_events_are(scenario: Scenario, lag: float) -> None:
    world = late(scenario, lag).world()
    world.run(lambda: is_over(world))
    assert str(check_run(scenario, world)) == "good"


def test_a_sample_of_kills_and_faults_holds_with_late_events() -> None:
    scenarios = [late(scenario, lag) for scenario, lag in zip(SCENARIOS, itertools.cycle(LAGS), strict=False)]
    runs = cells(baselines(scenarios), every=397)
    assert [f"{run}: {result}" for run in runs if not (result := play(run)).is_good] == []


def test_a_job_whose_deletion_nobody_heard_of_is_noticed_by_the_next_list(world: World) -> None:
    world.submit_job(suspend=True)
    world.start()
    world.wait(lambda: (world.job() or {}).get("status", {}).get("phase") == "Suspended")
    manager = world._managers[0]
    world.cut_watch(30.0)
    world.forget_job()
    world.wait(lambda: False, within=10)
    assert manager._cache.all_counts() == (0, 1)
    world.wait(lambda: False, within=60)
    assert manager._cache.all_counts() == (0, 0)


def test_a_job_that_meets_no_trouble_has_five_writes_two_events_and_no_read(quietly: None) -> None:
    """None waits, is retried, or outlasts a progress interval."""
    world = World(msgspec.structs.replace(SETTINGS, progress_interval_seconds=60))
    world.furnish()
    world.start()
    world.wait(lambda: False, within=30)
    calls: Counter[str] = Counter()
    for name in ("get", "patch_status", "set_finalizers", "post_event"):
        setattr(world.kube, name, _counted(calls, name, getattr(world.kube, name)))
    world.submit_job()
    world.wait(lambda: is_over(world) and not world.job()["metadata"].get("finalizers"))  # type: ignore[index]
    world.wait(lambda: False, within=600)
    world.kill()
    assert calls["get exportjobs"] == 0
    assert calls["patch_status exportjobs"] == 3, "the intent, the tasks, the end"
    assert calls["set_finalizers exportjobs"] == 2
    assert calls["post_event ExportJob"] == 2


def _counted(calls: Counter[str], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def counted(kind: str, *arguments: Any, **options: Any) -> Any:
        calls[f"{name} {kind}"] += 1
        return call(kind, *arguments, **options)

    return counted
