"""Random histories of a schedule: time, objects in Reltio, edits, failures, lost status, wrong clocks, two operators.

The world has one true clock, that of the API server and of Reltio. Each operator has one of its own, which may be
wrong. What an operator does after writing a status may happen later, after other operators have acted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from reltio_export_operator.api.conditions import Condition
from reltio_export_operator.api.decoding import decode_job, decode_schedule, decode_target
from reltio_export_operator.api.job import JobStatus
from reltio_export_operator.api.meta import to_wire
from reltio_export_operator.api.schedule import Run, ScheduleStatus, run_of
from reltio_export_operator.schedules import runs
from reltio_export_operator.schedules.observation import CancelJob, Child, CreateJob, DeleteJob, Observation
from reltio_export_operator.schedules.policy import decide

_NEVER = datetime.max.replace(tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
START = datetime(2026, 3, 20, 0, 0, tzinfo=UTC)
OVERLAP = 5 * MINUTE
LAG = 4 * MINUTE  # until an object shows up in exports; less than the overlap

TARGET = decode_target(
    {
        "metadata": {"name": "lake", "namespace": "default"},
        "spec": {
            "reltio": {
                "environment": "test",
                "tenant": "acme",
                "credentialsSecretRef": {"name": "reltio"},
            },
            "s3": {"bucket": "lake", "roleARN": "arn:aws:iam::111122223333:role/exports", "path": "exports"},
        },
    }
)


@dataclass
class Version:
    """A version of an object in Reltio, until it is replaced."""

    updated: datetime
    replaced: datetime = _NEVER
    exported: bool = False

    def is_shown(self, now: datetime) -> bool:
        return self.updated + LAG <= now and now < self.replaced


@dataclass
class Export:
    """A job, and the export that it runs."""

    raw: dict[str, Any]
    run: Run
    created: datetime
    reads: datetime  # when Reltio reads the objects
    ends: datetime
    succeeds: bool
    read: list[Version] = field(default_factory=list)
    is_read: bool = False
    is_finished: bool = False

    def window(self) -> tuple[datetime, datetime]:
        export = self.raw["spec"]["export"]
        since, before = export.get("updatedSince"), export.get("updatedBefore")
        far = datetime.max.replace(tzinfo=UTC)
        return (
            datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC),
            datetime.fromisoformat(before) if before else far,
        )


class World:
    """The API server, Reltio, and what was ever created."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = START + SECOND * self.random.randrange(86400)
        self.version = 1
        self.generation = 1
        self.status: dict[str, Any] = {}
        self.spec = self._spec()
        self.jobs: dict[str, Export] = {}
        self.ever: list[Export] = []
        self.objects: list[list[Version]] = [[] for _ in range(6)]
        self.skew = {"a": timedelta(), "b": timedelta()}
        self.first_seen: dict[tuple[str, str], datetime] = {}  # by operator and job
        self.late: list[Callable[[], None]] = []
        self.created = self.now
        self.problems: list[str] = []
        self.seen: Counter[str] = Counter()  # what has happened, so that a test can show that it does

    def _spec(self) -> dict[str, Any]:
        pick = self.random.choice
        incremental: dict[str, Any] = {"overlap": "5m"}
        if self.random.random() < 0.6:
            incremental["fullSchedule"] = pick(["0 3 * * *", "30 */7 * * *", "15 12 * * *"])
        return {
            "schedule": pick(["*/30 * * * *", "@hourly", "17 */2 * * *", "0,45 * * * *"]),
            "timeZone": pick(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
            "jobTemplate": {"spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}},
            "startingDeadlineSeconds": pick([None, 600]),
            "jitterSeconds": pick([0, 0, 300]),
            "successfulJobsHistoryLimit": pick([0, 1, 3]),
            "failedJobsHistoryLimit": pick([0, 1]),
            "incremental": incremental,
        }

    def schedule(self) -> dict[str, Any]:
        meta = {
            "name": "hourly",
            "namespace": "default",
            "uid": "6c9c8f9e-1b7a-4f6d-8a8e-0d9a3f6e7c11",
            "generation": self.generation,
            "creationTimestamp": self.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        spec = {name: value for name, value in self.spec.items() if value is not None}
        return {"metadata": meta, "spec": spec, "status": self.status}

    # -- what operators do

    def observe(self, operator: str) -> tuple[int, Observation]:
        children = tuple(self._child(operator, job.raw) for job in self.jobs.values())
        now = self.now + self.skew[operator]
        schedule = decode_schedule(self.schedule())
        assert not schedule.status_problems
        return self.version, Observation(schedule=schedule, now=now, children=children, target=TARGET)

    def _child(self, operator: str, raw: dict[str, Any]) -> Child:
        seen = self.first_seen.setdefault((operator, raw["metadata"]["uid"]), self.now)
        return Child.of(decode_job(raw), (self.now - seen).total_seconds())

    def act(self, observed: tuple[int, Observation]) -> None:
        """Write what is decided, unless the schedule has changed, and carry it out now, later or never."""
        version, obs = observed
        decision = decide(obs)
        if version != self.version:
            self.seen["write in conflict"] += 1
            return
        self.seen.update(event.why.reason for event in decision.events)
        if decision.status != obs.status:
            self.status = to_wire(decision.status)
            self.version += 1
        for action in decision.actions:
            chance = self.random.random()
            perform = self._performing(obs, action)
            if chance < 0.8:
                perform()
            elif chance < 0.9:
                self.seen["action late"] += 1
                self.late.append(perform)
            else:
                self.seen["action lost"] += 1

    def _performing(self, obs: Observation, action: object) -> Callable[[], None]:
        if isinstance(action, CreateJob):
            manifest = runs.manifest(obs.schedule, action.run)
            return lambda: self.create(manifest)
        if isinstance(action, DeleteJob):
            return lambda: self.delete(action.child.name)
        assert isinstance(action, CancelJob)
        return lambda: None

    def create(self, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            self.seen["job found"] += 1
            return
        if any(job.raw["metadata"]["name"] == name for job in self.ever):
            self.problems.append(f"{name} was created twice")
        run = run_of(manifest["metadata"]["annotations"])
        assert run is not None
        starts = self.now + SECOND * self.random.choice([1, 30, 900])
        raw = {
            "metadata": {
                **manifest["metadata"],
                "uid": f"uid-{len(self.ever)}",
                "generation": 1,
                "creationTimestamp": self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "spec": manifest["spec"],
        }
        ends = starts + SECOND * self.random.choice([1, 300, 2400, 5000])
        job = Export(raw, run, self.now, starts, ends, succeeds=self.random.random() < 0.7)
        self.jobs[name] = job
        self.ever.append(job)
        self.seen[run.full_reason or run.mode] += 1
        self.seen["complete job" if job.succeeds else "failed job"] += 1

    def delete(self, name: str) -> None:
        if self.jobs.pop(name, None) is not None:
            self.seen["job collected"] += 1

    # -- what happens by itself

    def advance(self, by: timedelta) -> None:
        """Let time pass in steps, so that exports read and end at their moments."""
        end = self.now + by
        while True:
            moments = [job.reads for job in self.jobs.values() if not job.is_read]
            moments += [job.ends for job in self.jobs.values() if not job.is_finished]
            moment = min((moment for moment in moments if moment <= end), default=end)
            self.now = max(self.now, moment)
            for job in self.jobs.values():
                self._progress(job)
            if moment == end:
                return

    def _progress(self, job: Export) -> None:
        if not job.is_read and job.reads <= self.now:
            job.is_read = True
            since, before = job.window()
            job.read = [
                version
                for versions in self.objects
                for version in versions
                if version.is_shown(self.now) and since <= version.updated < before
            ]
        if not job.is_finished and job.ends <= self.now:
            job.is_finished = True
            for version in job.read if job.succeeds else ():
                version.exported = True
            done = Condition(
                type="Complete" if job.succeeds else "Failed",
                status="True",
                last_transition_time=self.now,
                reason="Done",
                message="Done.",
            )
            job.raw["status"] = to_wire(JobStatus(conditions=(done,), completion_time=self.now))

    def finish_late_actions(self) -> None:
        """A process that is late is late by less than the time for which a young job is kept."""
        self.advance(MINUTE)
        for _ in range(self.random.choice([0, 4])):
            self.act(self.observe(self.random.choice("ab")))
        while self.late:
            self.late.pop()()

    def change_object(self) -> None:
        versions = self.random.choice(self.objects)
        if versions:
            versions[-1].replaced = self.now
            self.seen["version replaced"] += 1
        versions.append(Version(updated=self.now))

    def edit(self) -> None:
        """Edit the spec: its times, its template, suspension, or a trigger."""
        kind = self.random.choice(["suspend", "trigger", "schedule", "template", "zone"])
        self.seen[f"edit of {kind}"] += 1
        if kind == "suspend":
            self.spec["suspend"] = not self.spec.get("suspend", False)
        elif kind == "trigger":
            self.spec["trigger"] = self.random.choice(["x", "y", "z"])
        elif kind == "schedule":
            self.spec["schedule"] = self.random.choice(["*/30 * * * *", "@hourly", "5 * * * *"])
        elif kind == "zone":
            self.spec["timeZone"] = self.random.choice(["UTC", "America/St_Johns"])
        else:
            export = {"type": "Entities", "fileFormat": self.random.choice(["CSV", "JSON"])}
            self.spec["jobTemplate"] = {"spec": {"targetRef": {"name": "lake"}, "export": export}}
        self.generation += 1
        self.version += 1

    def lose_status(self) -> None:
        self.status = {}
        self.version += 1
        self.seen["status lost"] += 1
        if self.random.random() < 0.3:
            # With a wrong clock too, nothing would be left that knows which slots had their job.
            self.skew = {"a": timedelta(), "b": timedelta()}
            for name in [name for name, job in self.jobs.items() if job.is_finished]:
                self.delete(name)
            self.act(self.observe("a"))

    # -- what must hold

    def decoded_status(self) -> ScheduleStatus:
        return msgspec.convert(self.status, ScheduleStatus)

    def check(self) -> None:
        """No slot has two jobs, windows were decided on before they were read, and no version is missing."""
        problems = self.problems
        for job in self.ever:
            if min(job.run.window_end, job.created) > job.reads:
                problems.append(f"{job.run.name} was read before its window ended")
        complete = [job for job in self.ever if job.is_finished and job.succeeds]
        state = self.decoded_status().incremental
        for versions in self.objects:
            for version in versions:
                covering = [
                    job
                    for job in complete
                    if min(job.run.window_end, job.created).replace(microsecond=0) >= version.updated + OVERLAP
                ]
                first = min(covering, key=lambda job: min(job.run.window_end, job.created), default=None)
                if first is not None and version.is_shown(first.reads) and not version.exported:
                    problems.append(f"the version of {version.updated} was never exported")
                is_promised = (
                    state is not None and state.watermark is not None and version.updated + OVERLAP <= state.watermark
                )
                if is_promised and not covering and version.replaced > self.now:
                    problems.append(
                        f"the watermark {state and state.watermark} promises the version of {version.updated}"
                    )


def play(seed: int, steps: int = 60) -> World:
    """One history."""
    world = World(seed)
    held: list[tuple[int, Observation]] = []
    for _ in range(steps):
        _step(world, held)
    world.advance(3 * HOUR)
    for _ in range(6):
        world.act(world.observe("a"))
    world.check()
    return world


def _step(world: World, held: list[tuple[int, Observation]]) -> None:
    """What happens next. Each number is the part of all steps that are of this kind or of one before."""
    pick, chance = world.random.choice, world.random.random()
    if chance < 0.45:
        for _ in range(pick([1, 3])):
            world.act(world.observe(pick("aab")))
    elif chance < 0.50:
        held.append(world.observe("b"))
    elif chance < 0.54 and held:
        world.act(held.pop())
    elif chance < 0.58 and world.late:
        world.late.pop(0)()
    elif chance < 0.72:
        world.change_object()
    elif chance < 0.76:
        world.edit()
    elif chance < 0.775:
        world.lose_status()
    elif chance < 0.80:
        world.skew[pick("ab")] = MINUTE * pick([-90, -10, 0, 0, 7, 45])
        world.seen["clock stepped"] += 1
    elif world.late:
        world.finish_late_actions()
    else:
        world.advance(SECOND * pick([1, 20, 300, 1800, 3600, 14400]))
