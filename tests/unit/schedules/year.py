"""A year of a schedule on a virtual clock: the decisions of the operator, compared with a model.

python -m unit.schedules.year [NAME ...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from reltio_export_operator.api.decoding import decode_job, decode_schedule
from reltio_export_operator.api.job import ExportJob
from reltio_export_operator.api.meta import to_wire
from reltio_export_operator.api.schedule import ScheduleStatus
from reltio_export_operator.schedules import runs
from reltio_export_operator.schedules.observation import Child, CreateJob, DeleteJob, Observation
from reltio_export_operator.schedules.policy import decide

from .history import TARGET
from .model import Plan, Started, started

START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR, FORTNIGHT = timedelta(days=365), timedelta(days=14)
OVERLAP = timedelta(minutes=5)


def _outage(month: int, day: int, hour: int, hours: float) -> tuple[datetime, datetime]:
    begins = datetime(2026, month, day, hour, 0, 30, tzinfo=UTC)
    return begins, begins + timedelta(hours=hours)


OUTAGES = (
    _outage(1, 3, 4, 0.02),
    _outage(1, 9, 22, 7),
    _outage(3, 8, 6, 3),  # New York's clocks are put forward
    _outage(3, 28, 20, 30),  # Berlin's
    _outage(4, 4, 14, 1.3),  # Lord Howe's are put back
    _outage(7, 11, 0, 75),
    _outage(10, 3, 12, 5),
    _outage(10, 25, 0, 2),  # Berlin's
    _outage(11, 1, 5, 1),  # New York's
)
PLANS = {
    "minute": Plan("* * * * *", "UTC", outages=OUTAGES),
    "hourly": Plan(
        *("0 * * * *", "Europe/Berlin", "0 3 * * 0"),
        is_incremental=True,
        job=timedelta(minutes=12),
        long_job=timedelta(minutes=150),
        failing=17,
        outages=OUTAGES,
    ),
    "daily in Berlin": Plan("30 2 * * *", "Europe/Berlin", job=timedelta(minutes=40), outages=OUTAGES),
    "daily in New York": Plan("30 2 * * *", "America/New_York", deadline=timedelta(hours=2), outages=OUTAGES),
    "daily on Lord Howe": Plan("15 2 * * *", "Australia/Lord_Howe", failing=5, outages=OUTAGES),
}


def played(plan: Plan, end: datetime) -> list[Started]:
    """The jobs that the operator creates until a moment. Time goes from one thing that happens to the next."""
    return list(_Operator(plan).until(end))


class _Operator:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.now = START
        self.jobs: dict[str, tuple[ExportJob, datetime]] = {}  # with the time at which it ends
        self.known: dict[str, datetime] = {}
        self.numbers: dict[str, int] = {}  # in the order of their creation
        incremental = {"incremental": {"overlap": "5m", "fullSchedule": plan.full}} if plan.is_incremental else {}
        deadline = {"startingDeadlineSeconds": int(plan.deadline.total_seconds())} if plan.deadline else {}
        template = {"spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}}
        self.raw: dict[str, Any] = {
            "metadata": {
                "name": "s",
                "namespace": "default",
                "uid": "6c9c8f9e-1b7a-4f6d-8a8e-0d9a3f6e7c11",
                "generation": 1,
                "creationTimestamp": START.isoformat(),
            },
            "spec": {
                "schedule": plan.expression,
                "timeZone": plan.zone,
                "jobTemplate": template,
                **incremental,
                **deadline,
            },
        }
        self.status = ScheduleStatus()

    def until(self, end: datetime) -> Iterator[Started]:
        while self.now <= end:
            children = tuple(
                Child.of(job, (self.now - self.known[name]).total_seconds()) for name, (job, _) in self.jobs.items()
            )
            schedule = decode_schedule({**self.raw, "status": to_wire(self.status)})
            decision = decide(Observation(schedule, self.now, children, target=TARGET))
            self.status = decision.status
            for action in decision.actions:
                if isinstance(action, CreateJob):
                    yield self._create(schedule, action)
                elif isinstance(action, DeleteJob):
                    del self.jobs[action.child.name]
            self._pass_time(decision.requeue_after)

    def _create(self, schedule: Any, action: CreateJob) -> Started:
        manifest, run = runs.manifest(schedule, action.run), action.run
        manifest["metadata"] |= {"uid": run.name, "generation": 1, "creationTimestamp": self.now.isoformat()}
        self.known[run.name] = self.now
        self.jobs[run.name] = decode_job(manifest), self.plan.ends(len(self.numbers), self.now)
        self.numbers[run.name] = len(self.numbers)
        assert run.scheduled_time is not None
        return Started(run.scheduled_time, self.now, run.window_start)

    def _pass_time(self, requeue_after: float | None) -> None:
        """To the next thing that the operator hears of: its requeue, or the end of a job; later if none runs then."""
        moments = [self.now + timedelta(seconds=requeue_after)] if requeue_after is not None else []
        moments += [ends for job, ends in self.jobs.values() if not job.is_finished]
        self.now = max(self.now, min(moments))
        for begins, ends in self.plan.outages:
            if begins <= self.now < ends:
                self.now = ends
        for name, (job, ends) in list(self.jobs.items()):
            if not job.is_finished and ends <= self.now:
                self.jobs[name] = self._finished(job), ends

    def _finished(self, job: ExportJob) -> ExportJob:
        type_ = "Failed" if self.plan.fails(self.numbers[job.metadata.name]) else "Complete"
        time_ = self.now.isoformat()
        done = {"type": type_, "status": "True", "lastTransitionTime": time_, "reason": "Done", "message": "Done."}
        raw = to_wire(job.metadata) | {"annotations": job.metadata.annotations}
        return decode_job(
            {"metadata": raw, "spec": to_wire(job.spec), "status": {"conditions": [done], "completionTime": time_}}
        )


def main() -> int:
    bad = 0
    for name in sys.argv[1:] or PLANS:
        began = time.monotonic()
        plan, end = PLANS[name], START + YEAR
        found, expected = played(plan, end), started(plan, START, end, OVERLAP)
        differences = sum(one != other for one, other in zip(found, expected, strict=False))
        differences += abs(len(found) - len(expected))
        windows = sum(job.window_start is not None for job in found)
        seconds = time.monotonic() - began
        print(f"{name:20} {len(found):8,} jobs, {windows:6,} windows, {differences} differences, {seconds:.0f} s")
        bad += differences
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
