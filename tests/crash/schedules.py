"""The controller of schedules on the simulated clock: its world, its scenarios, and what must hold after each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reltio_export_operator.api.decoding import decode_job, decode_schedule
from reltio_export_operator.api.meta import CANCEL_ANNOTATION
from reltio_export_operator.api.schedule import ExportSchedule, Run, run_of
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.controllers.cache import Key
from reltio_export_operator.controllers.manager import Manager
from reltio_export_operator.controllers.schedules.reconciler import ScheduleController
from reltio_export_operator.kube.client import InvalidError
from reltio_export_operator.kube.workqueue import WorkQueue
from reltio_export_operator.schedules.observation import Child

from .clock import START
from .kube import MemoryKube, Raw
from .world import NAMESPACE, TARGET, OperatorClock, World

SCHEDULE = "changes"
END = 2_600.0  # 03:43:20 in the world, which begins at 03:16:40
SETTLED = 400.0  # seconds after it for the jobs to end and the old ones to be collected


@dataclass(frozen=True)
class Scenario:
    """A schedule, how long its jobs run and which of them fail, and what users do at which second."""

    name: str
    spec: Mapping[str, Any]
    job_seconds: float = 60.0
    failing: frozenset[int] = frozenset()  # numbers of jobs in the order of their creation
    users: tuple[tuple[float, Callable[[ScheduleWorld], None]], ...] = ()
    slots: int = 5  # how many have a job when nothing disturbs the operator
    triggers: int = 0
    windows: bool = False

    def world(self) -> ScheduleWorld:
        world = ScheduleWorld(self)
        world.furnish()
        for second, act in self.users:
            world.clock.at(second, lambda act=act: act(world))  # type: ignore[misc]
        world.clock.at(END, lambda: world.edit({"suspend": True}))
        world.kube.user_create("exportschedules", NAMESPACE, SCHEDULE, _complete(self.spec))
        return world


@dataclass
class Created:
    """A job that was created, which may have been collected since."""

    name: str
    at: float
    run: Run | None
    uid: str


class JobsKube(MemoryKube):
    """Shows each job to the world, whether an operator lives or not."""

    world: ScheduleWorld
    refused_until = 0.0  # the API server refuses jobs until then

    def _notify(self, type_: str, plural: str, raw: Raw) -> None:
        if plural == "exportjobs":
            self.world.on_job(type_, raw)
        super()._notify(type_, plural, raw)

    async def create(self, plural: str, body: Raw) -> Raw | None:
        if self._clock.now < self.refused_until:
            raise InvalidError("exceeded quota.")
        return await super().create(plural, body)


class NoPointers:
    """For schedules without `latestPointer`."""

    def take(self, key: Key) -> None:
        return None

    def forget(self, key: Key) -> None:
        pass

    def read(self, schedule: ExportSchedule, target: ExportTarget) -> None:
        raise NotImplementedError

    def write(self, schedule: ExportSchedule, target: ExportTarget, children: tuple[Child, ...]) -> None:
        raise NotImplementedError


class ScheduleWorld(World):
    """Schedules, and jobs that end by themselves."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self.scenario = scenario
        self.kube = self.jobs_kube = JobsKube(self.clock, self.true_time)
        self.jobs_kube.world = self
        self.created: list[Created] = []
        self.latest: dict[str, Raw] = {}  # by uid, also of jobs that were collected
        self.lost_at: float | None = None

    def on_job(self, type_: str, raw: Raw) -> None:
        meta = raw["metadata"]
        self.latest[meta["uid"]] = raw
        if type_ == "ADDED" and meta.get("ownerReferences"):
            number = len(self.created)
            self.created.append(Created(meta["name"], self.clock.now, run_of(meta["annotations"]), meta["uid"]))
            ending = "Failed" if number in self.scenario.failing else "Complete"
            self.clock.after(self.scenario.job_seconds, lambda: self._end(meta["name"], meta["uid"], ending))
        elif type_ == "MODIFIED" and meta.get("annotations", {}).get(CANCEL_ANNOTATION):
            self.clock.after(10.0, lambda: self._end(meta["name"], meta["uid"], "Failed"))

    def _end(self, name: str, uid: str, ending: str) -> None:
        raw = self.job(name)
        if raw is None or raw["metadata"]["uid"] != uid or decode_job(raw).is_finished:
            return
        time = self.true_time().strftime("%Y-%m-%dT%H:%M:%SZ")
        done = {"type": ending, "status": "True", "lastTransitionTime": time, "reason": "Done", "message": "Done."}
        status = {"conditions": [done], "completionTime": time, "observedGeneration": 1}
        self.kube.change("exportjobs", NAMESPACE, name, {"status": status})

    @property
    def schedule(self) -> Raw:
        return self.kube.objects["exportschedules", NAMESPACE, SCHEDULE]

    def edit(self, spec: Raw) -> None:
        self.kube.change("exportschedules", NAMESPACE, SCHEDULE, {"spec": spec})

    def lose_status(self) -> None:
        self.lost_at = self.clock.now
        empty = dict.fromkeys(self.schedule["status"])
        self.kube.change("exportschedules", NAMESPACE, SCHEDULE, {"status": {**empty, "observedGeneration": -1}})

    def is_over(self) -> bool:
        return self.clock.now >= max(END, self.lost_at or 0.0) + SETTLED

    async def _operate(self, later: float) -> None:
        clock = OperatorClock(self)
        await clock.sleep(later)
        controller = ScheduleController(self.kube, NoPointers(), clock)
        queue: WorkQueue[tuple[str, str]] = WorkQueue(controller.reconcile, workers=2, kind="ExportSchedule")

        def hear(plural: str, raw: Raw) -> None:
            meta = raw["metadata"]
            if not self._watching:
                return
            if plural == "exportschedules":
                queue.add((meta["namespace"], meta["name"]))
            elif plural == "exportjobs":
                is_deleted = (plural, meta["namespace"], meta["name"]) not in self.kube.objects
                if (key := Manager.schedule_to_wake(raw, is_deleted=is_deleted)) is not None:
                    queue.add(key)

        self.kube.listeners.append(hear)
        for plural, namespace, name in list(self.kube.objects):
            if plural == "exportschedules":
                queue.add((namespace, name))  # a process lists everything when it starts
        await queue.run()


def problems(world: ScheduleWorld, expected: frozenset[datetime]) -> Iterator[str]:
    """What does not hold after a run. `expected` are the slots that have a job when nothing disturbs the operator."""
    yield from _of_slots(world, expected)
    yield from _of_status(world)
    if world.scenario.windows:
        yield from _of_windows(world)


def slots_of(world: ScheduleWorld) -> frozenset[datetime]:
    return frozenset(job.run.scheduled_time for job in world.created if job.run and job.run.scheduled_time)


def _of_slots(world: ScheduleWorld, expected: frozenset[datetime]) -> Iterator[str]:
    by_slot = Counter(job.run.scheduled_time for job in world.created if job.run and job.run.scheduled_time)
    names = Counter(job.name for job in world.created)
    for slot, number in by_slot.items():
        if number > 1:
            yield f"twice: {slot}"
    for name, number in names.items():
        if number > 1:
            yield f"twice: {name}"
    lost = set(expected) - by_slot.keys()
    if world.lost_at is not None:
        # Nobody knows any more that a slot was due, and whether it had a job that was collected.
        moment = START + timedelta(seconds=world.lost_at)
        lost = {slot for slot in lost if not timedelta() <= moment - slot <= timedelta(minutes=5)}
        if world.scenario.job_seconds > 300 and decode_schedule(world.schedule).spec.concurrency_policy == "Forbid":
            lost = set()  # the runs after it start at other times, so others wait for an active job at the end
    for slot in sorted(lost):
        yield f"lost: {slot}"
    triggers = sum(job.run is not None and job.run.trigger is not None for job in world.created)
    # A trigger that is not handled yet when the status is lost counts as handled.
    fewest = 0 if world.lost_at is not None else world.scenario.triggers
    if not fewest <= triggers <= world.scenario.triggers:
        yield f"{'lost' if triggers < fewest else 'twice'}: {triggers} triggered jobs"


def _of_status(world: ScheduleWorld) -> Iterator[str]:
    schedule = decode_schedule(world.schedule)
    status, spec = schedule.status, schedule.spec
    children = [
        Child.of(decode_job(raw))
        for (plural, _, _), raw in world.kube.objects.items()
        if plural == "exportjobs" and raw["metadata"].get("ownerReferences")
    ]
    active = {child.name for child in children if child.is_active}
    if status.starting is not None or {job.name for job in status.active} != active:
        yield f"untrue: starting {status.starting}, active {status.active}, but {active} are"
    newest = max((job.at, job.name) for job in world.created)[1] if world.created else None
    if status.last_job is None or status.last_job.name != newest or status.last_job.outcome == "Active":
        yield f"untrue: last job {status.last_job}, but {newest} is"
    complete = [child for child in children if child.job.is_complete]
    proven = max((child.data_time for child in complete if child.data_time), default=None)
    if status.data_time != proven:
        yield f"untrue: data time {status.data_time}, but {proven} is"
    if len(complete) > max(spec.successful_jobs_history_limit, 1) + 1:
        yield f"untrue: {len(complete)} complete jobs are kept"
    if not any(condition.type == "Ready" and condition.status == "True" for condition in status.conditions):
        yield f"untrue: {[(one.type, one.status, one.reason) for one in status.conditions]}"


def _of_windows(world: ScheduleWorld) -> Iterator[str]:
    """Each window begins where the complete ones before it ended, less the overlap."""
    overlap = timedelta(minutes=5)
    proven: datetime | None = None
    for job in sorted(world.created, key=lambda job: job.at):
        child = Child.of(decode_job(world.latest[job.uid]))
        if child.run is None or child.data_time is None:
            yield f"untrue: {job.name} has no run"
        elif child.run.mode == "Incremental" and (
            proven is None or child.run.window_start is None or child.run.window_start > proven - overlap
        ):
            yield f"gap: {job.name} begins at {child.run.window_start}, and {proven} is proven"
        elif child.job.is_complete:
            proven = max(child.data_time, proven or child.data_time)


def _complete(spec: Mapping[str, Any]) -> dict[str, Any]:
    """With the defaults that an API server fills in, and a template."""
    template = {"spec": {"targetRef": {"name": TARGET}, "export": {"type": "Entities", "fileFormat": "JSON"}}}
    return {"schedule": "*/5 * * * *", "jobTemplate": template, **spec}
