"""Whether a run ended as it must."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .scenarios import Scenario
from .world import World


@dataclass(frozen=True)
class RunResult:
    """What is wrong with the end of a run; nothing, if all is well."""

    problems: tuple[tuple[str, str], ...]  # kind and text
    person: bool = False  # the job says that it waits for a person

    @property
    def is_good(self) -> bool:
        return not self.problems

    @property
    def counts(self) -> list[str]:
        return [kind for kind, _ in self.problems] + (["person"] if self.person else [])

    def __str__(self) -> str:
        return "; ".join(f"{kind}: {text}" for kind, text in self.problems) or "good"


def check_run(scenario: Scenario, world: World) -> RunResult:
    """Exactly one export completed for the job, its status reports it, and nothing holds the object."""
    problems = list(_problems_of_service(world))
    raw = world.job()
    uid = raw["metadata"]["uid"] if raw else world.first_uid
    exports = [export for known in (uid, *world.ancestors) for export in world.service.exports_of(known)]
    complete = [export for export in exports if export.is_complete]
    active = [export for export in exports if export.is_active]
    paths = [export.path for export in exports]
    if len(complete) > 1 or len(set(paths)) < len(paths) or len(exports) > scenario.exports:
        problems.append(("duplicate", f"exports {[(e.path[-4:], [t.status for t in e.tasks]) for e in exports]}"))
    if raw is None:
        if "deleted" not in scenario.outcomes:
            problems.append(("lost", "the object is gone"))
        if active and scenario.spec.get("deletionPolicy") != "Orphan":
            problems.append(("lost", "an export runs on without its job"))
        return RunResult(tuple(problems))
    conditions = {c["type"]: c for c in raw["status"].get("conditions", []) if c["status"] == "True"}
    ended = conditions.get("Complete") or conditions.get("Failed")
    if ended is None:
        stalled = conditions.get("Stalled")
        if stalled:
            return RunResult((*problems,), person=True)
        problems.append(("stuck", f"{raw['status'].get('phase')}, {conditions.get('Reconciling')}"))
        return RunResult(tuple(problems))
    if raw["metadata"].get("finalizers"):
        problems.append(("stuck", "the finalizer is still there"))
    if ended["reason"] not in scenario.outcomes:
        problems.append(("untrue", f"{ended['type']} {ended['reason']}: {ended['message']}"))
    if ended["type"] == "Complete" and len(complete) != 1:
        problems.append(("lost", "Complete, but no export is"))
    if ended["type"] == "Failed" and active:
        problems.append(("untrue", "Failed, but an export runs on"))
    if ended["type"] == "Failed" and complete and ended["reason"] in ("Cancelled", "DeadlineExceeded"):
        pass  # it was too late to stop it
    return RunResult(tuple(problems))


def _problems_of_service(world: World) -> Iterator[tuple[str, str]]:
    """What must never happen at the service, whatever job asked for it."""
    if world.service.stopped:
        yield "foreign", f"tasks of others were stopped: {world.service.stopped}"
    failed = tuple(f"{e.path}/" for e in world.service.exports if not e.is_active and not e.is_complete)
    if others := [key for key in world.bucket.deleted if not key.startswith(failed)]:
        yield "foreign", f"objects were deleted that no failed attempt wrote: {others}"
    paths = [export.path for export in world.service.exports]
    if len(set(paths)) < len(paths):
        yield "duplicate", "two exports in one directory"
