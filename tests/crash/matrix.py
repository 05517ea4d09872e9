"""Kills the operator at every await, and strikes every request with every fault.

    python -m crash.matrix [--every N] [--workers N]

First each scenario runs undisturbed, which shows its steps (a step is what a task does from one await to the next) and
its requests. Then it runs again for each step, killed right before it and started again; for each request and kind of
fault; and for each request and fault with a kill in each of some steps after it. Nothing is drawn by lot.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace

from reltio_export_operator.runtime.settings import Settings

from . import kubefaults
from .clock import Killed, Stalled
from .losses import LOSSES, LOSSES_WHILE_DEAD
from .run_result import RunResult, check_run
from .scenarios import LOSING, SCENARIOS, Scenario
from .wire import SERVICE_FAULTS, Strike
from .world import SETTINGS, World, quiet

CROSSED = 6  # kills for each fault, spread over the run
RESTART = 2.0  # seconds between a death and the next life


@dataclass(frozen=True)
class Run:
    """One cell of the matrix."""

    scenario: Scenario
    kill_at: int | None = None
    strike: Strike | None = None
    kube_fault: tuple[int, str] | None = None
    loss: str | None = None  # what is lost right before `lose_at`, or while the operator is dead if that is None
    lose_at: int | None = None

    def __str__(self) -> str:
        parts = [self.scenario.name]
        if self.strike:
            parts.append(f"request {self.strike.request} {self.strike.kind}")
        if self.kube_fault:
            parts.append(f"API call {self.kube_fault[0]} {self.kube_fault[1]}")
        if self.loss:
            parts.append(self.loss + (f" at step {self.lose_at}" if self.lose_at is not None else " while dead"))
        if self.kill_at is not None:
            parts.append(f"killed at step {self.kill_at}")
        return ", ".join(parts)


@dataclass
class Baseline:
    """What an undisturbed run of a scenario does."""

    steps: int
    requests: int
    calls: int
    places: list[str | None] = field(default_factory=list)


def undisturbed(scenario: Scenario) -> Baseline:
    world = scenario.world()
    loop = world.run(lambda: is_over(world), record=True)
    result = check_run(scenario, world)
    assert result.is_good, f"{scenario.name}, undisturbed: {result}"
    return Baseline(loop.steps, len(world.wire.log), world.kube.calls, loop.places)


def play(run: Run, settings: Settings = SETTINGS) -> RunResult:
    """One run from the first sight of the job to its end."""
    world = run.scenario.world(settings)
    if run.strike:
        world.wire.strikes[run.strike.request] = run.strike.kind
    if run.kube_fault:
        kubefaults.arm(world, *run.kube_fault)
    lose = LOSSES_WHILE_DEAD.get(run.loss or "")
    interrupt = (run.lose_at, lambda: lose(world)) if lose and run.lose_at is not None else None
    with contextlib.suppress(Stalled):
        try:
            world.run(lambda: is_over(world), last_step=run.kill_at, interrupt=interrupt)
        except Killed:
            world.rest(RESTART)
            if lose and run.lose_at is None:
                lose(world)
            world.run(lambda: is_over(world))
        if not is_over(world) and interrupt is not None:
            world.run(lambda: is_over(world))  # it was lost in the last steps, when the run was about to end
    return check_run(run.scenario, world)


def is_over(world: World) -> bool:
    """The job is finished and has no finalizer, and users plan nothing more."""
    raw = world.job()
    if raw is None or world.expecting:
        return not world.expecting
    conditions = raw["status"].get("conditions", [])
    done = any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
    return done and not raw["metadata"].get("finalizers")


def cells(known: Mapping[str, Baseline], every: int, offset: int = 0) -> Iterator[Run]:
    """All runs, or each `every`-th of them."""
    return itertools.islice(_all(known), offset, None, every)


def _all(known: Mapping[str, Baseline]) -> Iterator[Run]:
    yield from losing(known)
    for scenario in SCENARIOS:
        base = known[scenario.name]
        for step in range(base.steps):
            yield Run(scenario, kill_at=step)
        strikes = [
            Run(scenario, strike=Strike(request, kind)) for request in range(base.requests) for kind in SERVICE_FAULTS
        ]
        faults = [Run(scenario, kube_fault=(call, kind)) for call in range(base.calls) for kind in kubefaults.KINDS]
        for struck in strikes + faults:
            yield struck
            for step in range(0, base.steps, max(1, base.steps // CROSSED)):
                yield replace(struck, kill_at=step)


def losing(known: Mapping[str, Baseline], scenarios: Sequence[Scenario] = LOSING) -> Iterator[Run]:
    """Something is lost at each step, before the eyes of the operator and while it is dead."""
    for scenario in scenarios:
        for step in range(known[scenario.name].steps):
            for loss in LOSSES:
                yield Run(scenario, loss=loss, lose_at=step)
            for loss in LOSSES_WHILE_DEAD:
                yield Run(scenario, loss=loss, kill_at=step)


def baselines(scenarios: Sequence[Scenario] = SCENARIOS) -> dict[str, Baseline]:
    return {scenario.name: undisturbed(scenario) for scenario in scenarios}


def share(every: int, offset: int) -> tuple[Counter[str], list[str]]:
    """What one worker plays: each `every`-th run from the offset on."""
    tally: Counter[str] = Counter()
    bad: list[str] = []
    with quiet():
        for run in cells(baselines(), every, offset):
            result = play(run)
            tally["runs"] += 1
            tally.update(result.counts)
            if not result.is_good:
                bad.append(f"{run}: {result}")
    return tally, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="play each N-th run only")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    started = time.monotonic()
    with quiet():
        known = baselines()
    tally: Counter[str] = Counter()
    bad: list[str] = []
    with ProcessPoolExecutor(chosen.workers) as pool:
        stride = chosen.every * chosen.workers
        shares = [pool.submit(share, stride, chosen.every * worker) for worker in range(chosen.workers)]
        for done in shares:
            counts, problems = done.result()
            tally += counts
            bad += problems
    for line in bad[:40]:
        print(line)
    points = {place for base in known.values() for place in base.places if place}
    print(f"runs                  {tally['runs']}, of {len(SCENARIOS)} scenarios")
    print(f"points                {sum(base.steps for base in known.values())} steps at {len(points)} awaits")
    print(f"duplicates            {tally['duplicate']}")
    print(f"lost                  {tally['lost']}")
    print(f"tasks of others       {tally['foreign']} runs in which some were stopped")
    print(f"stuck or untrue       {tally['stuck'] + tally['untrue']}")
    print(f"waiting for a person  {tally['person']}")
    print(f"time                  {time.monotonic() - started:.0f} s on {chosen.workers} processes")
    return 1 if bad or tally["person"] > tally["runs"] / 100 else 0


if __name__ == "__main__":
    sys.exit(main())
