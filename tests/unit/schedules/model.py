"""What a schedule must start in a year, by a model that shares no code with the operator.

It uses croniter on wall clocks, each minute of the year, and zoneinfo for what a clock shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
Interval = tuple[datetime, datetime]


@dataclass(frozen=True)
class Plan:
    """A schedule, how long its jobs run, which of them fail, and when no operator runs."""

    expression: str
    zone: str
    full: str | None = None
    is_incremental: bool = False
    deadline: timedelta | None = None
    job: timedelta = timedelta(seconds=20)
    long_job: timedelta = timedelta(seconds=20)  # of each 40th
    failing: int = 0  # each job of this number fails; none if 0
    outages: tuple[Interval, ...] = ()

    def ends(self, number: int, start: datetime) -> datetime:
        return start + (self.long_job if number % 40 == 39 else self.job)

    def fails(self, number: int) -> bool:
        return self.failing > 0 and number % self.failing == self.failing - 1


@dataclass(frozen=True)
class Started:
    """A job: of which slot, when it was created, and from when on it exports, if not everything."""

    slot: datetime
    at: datetime
    window_start: datetime | None = None


def slots(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """The moments of an expression: a fixed time once on each local day, others as the clock shows them."""
    is_fixed = not any(field.startswith("*") for field in expression.split()[:2])
    found = _fixed(expression, ZoneInfo(zone), start, end) if is_fixed else _by_clock(expression, zone, start, end)
    return sorted({slot for slot in found if start < slot <= end})


def _by_clock(expression: str, zone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    local, moment = ZoneInfo(zone), start.replace(second=0, microsecond=0)
    everything = expression == "* * * * *"
    while moment <= end:
        if everything or croniter.match(expression, moment.astimezone(local).replace(tzinfo=None)):
            yield moment
        moment += MINUTE


def _fixed(expression: str, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Each time on the wall of each day: the first moment that shows it, or the first one after a gap over it."""
    first = (start - 2 * DAY).astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    times = croniter(expression, first - MINUTE)
    wall = times.get_next(datetime)
    while wall <= end.replace(tzinfo=None) + 2 * DAY:
        moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) != wall:  # no clock shows it
            moment -= timedelta(hours=3)
            while moment.astimezone(zone).replace(tzinfo=None) < wall:
                moment += MINUTE
        yield moment
        wall = times.get_next(datetime)


def started(plan: Plan, start: datetime, end: datetime, overlap: timedelta) -> list[Started]:
    """The jobs that must be created, in their order."""
    full = slots(plan.full, plan.zone, start, end) if plan.full else []
    due = sorted({*slots(plan.expression, plan.zone, start, end), *full})
    jobs: list[Started] = []
    free, proven, position, at_full = start, None, 0, 0
    pending: tuple[datetime, datetime] | None = None  # when the newest job ends, and what it then proves
    while position < len(due):
        moment = _awake(max(due[position], free), plan.outages)
        if moment > end:
            break
        last = position
        while last + 1 < len(due) and due[last + 1] <= moment:
            last += 1
        is_full = any(due[position] <= slot <= due[last] for slot in full[at_full:])
        while at_full < len(full) and full[at_full] <= due[last]:
            at_full += 1
        position = last + 1
        if pending is not None and pending[0] <= moment:
            proven, pending = pending[1], None
        if plan.deadline is not None and moment > due[last] + plan.deadline:
            continue
        since = proven - overlap if plan.is_incremental and proven is not None and not is_full else None
        number = len(jobs)
        jobs.append(Started(due[last], moment, since))
        free = plan.ends(number, moment)
        if not plan.fails(number):
            pending = (free, moment)
    return jobs


def _awake(moment: datetime, outages: Iterable[Interval]) -> datetime:
    return next((ends for begins, ends in outages if begins <= moment < ends), moment)
