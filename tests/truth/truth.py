"""A possible truth about the service, and the life of a job under it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crash.world import JOB

from .world import TruthWorld

Raw = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """One answer to an open question.

    `config` and `behaviour` are switches of the simulator. `ending` is type and reason of the condition with which the
    job ends, or waits for a person (Stalled). `also` are conditions that the user sees on the way or with it. A job
    must never be Stalled on the way to its end, unless that is in `also`.
    """

    question: str
    truth: str
    ending: str = "Complete Delivered"
    also: tuple[str, ...] = ()
    config: Raw = field(default_factory=dict)
    behaviour: Raw = field(default_factory=dict)
    spec: Raw = field(default_factory=dict)
    arrange: Callable[[TruthWorld], None] = lambda world: None
    exports: int = 1
    within: float = 2 * 3600.0  # seconds

    @property
    def id(self) -> str:
        return f"{self.question}-{self.truth}".replace(" ", "-").replace(",", "")


@dataclass(frozen=True)
class Seen:
    """What a user saw of a job, and how many exports there were."""

    ending: str
    message: str
    on_the_way: tuple[str, ...]
    exports: int

    def problems(self, truth: Truth) -> list[str]:
        """In what it differs from what must be; nothing if all is well."""
        found = []
        if self.ending != truth.ending:
            found.append(f"{self.ending}: {self.message}")
        if self.exports != truth.exports:
            found.append(f"{self.exports} exports")
        found += [f"without {wanted}" for wanted in truth.also if wanted not in self.on_the_way]
        alarms = [seen for seen in self.on_the_way if seen.startswith("Stalled") and seen not in truth.also]
        if not truth.ending.startswith(("Stalled", "Failed")):
            found += alarms
        return found


def play(truth: Truth) -> Seen:
    """Live through the job."""
    world = TruthWorld(**truth.config)
    world.furnish()
    if truth.behaviour:
        world.simulator.behave(**truth.behaviour)
    truth.arrange(world)
    world.submit_job(**truth.spec)
    world.play(until=truth.ending.split()[0], within=truth.within)
    conditions = world.conditions()
    ended = next((conditions[type_] for type_ in ("Complete", "Failed", "Stalled") if type_ in conditions), None)
    ended = ended or conditions.get("Reconciling") or {"type": "Nothing", "reason": "Seen", "message": ""}
    job = world.job(JOB)
    assert job is not None
    return Seen(
        f"{ended['type']} {ended['reason']}",
        ended["message"],
        tuple(world.seen),
        world.simulator.exports_of(job["metadata"]["uid"]),
    )
