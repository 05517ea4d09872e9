"""The times at which a schedule runs.

Expressions have the five fields of batch/v1 CronJob. `cronsim` evaluates them: it is maintained, small, and follows
Debian's cron where clocks change. An entry with a fixed time runs once on each local day: at the first moment that
exists where its time is skipped, and the first time only where its time comes twice. An entry whose minute or hour
begins with `*` follows the clock. For these the library is asked for times without a zone, between two changes of the
clock: with a zone it steps over whole hours, and misses slots where a clock moves by half an hour.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EXPRESSION_LIMIT = 256
_FIELD = re.compile(r"[0-9A-Za-z*,/-]+")
_NAMES = re.compile(r"[A-Za-z]+")
_MONTHS = frozenset(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"])
_DAYS = frozenset(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
# Longer than any change of a zone's offset: Samoa left out a whole day.
_LONGEST_CHANGE = timedelta(hours=26)


class InvalidSchedule(ValueError):
    """The expression or the time zone cannot be used. The text says what to write instead; `field` is of the spec."""

    def __init__(self, text: str, field: str = "spec.schedule") -> None:
        super().__init__(text)
        self.field = field


class Timetable:
    """The slots of one expression in one time zone. All moments that it returns are in UTC, on whole minutes."""

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        """Raise InvalidSchedule if there is no such expression or zone."""
        self._fields = _checked(expression)
        self._zone = _zone(zone)
        self._is_fixed = not any(field.startswith("*") for field in self._fields.split()[:2])
        if self.next_after(datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise InvalidSchedule(f"{expression!r} never comes. Use a date that exists.")

    def next_after(self, moment: datetime) -> datetime | None:
        """The first slot after a moment; None if there is none within 50 years."""
        if self._is_fixed:
            slots = CronSim(self._fields, moment.astimezone(self._zone))
            # Where a clock is put back, slots of the first pass come up in the second one.
            return next((slot for slot in map(_utc, slots) if slot > moment), None)
        begin = moment.replace(microsecond=0) + _SECOND
        while True:
            offset = self._offset(begin)
            slot = next(CronSim(self._fields, _wall(begin + offset - _SECOND)), None)
            if slot is None:
                return None
            found = slot.replace(tzinfo=UTC) - offset
            change = self._first_change(begin, found)
            if change is None:
                return found
            begin = change

    def latest(self, moment: datetime) -> datetime | None:
        """The last slot at or before a moment; None if there is none within 50 years."""
        if self._is_fixed:
            start = moment + _SECOND
            if self._offset(moment - _LONGEST_CHANGE) != self._offset(moment + _LONGEST_CHANGE):
                # Local times do not say which pass of a repeated hour they are in: begin well after it.
                start = moment + _LONGEST_CHANGE
            slots = CronSim(self._fields, start.astimezone(self._zone), reverse=True)
            return next((slot for slot in map(_utc, slots) if slot <= moment), None)
        while True:
            offset = self._offset(moment)
            slot = next(CronSim(self._fields, _wall(moment + offset + _SECOND), reverse=True), None)
            if slot is None:
                return None
            found = slot.replace(tzinfo=UTC) - offset
            change = self._last_change(found, moment)
            if change is None:
                return found
            moment = change - _SECOND

    def shortest_interval(self) -> timedelta:
        """The shortest time between two of a hundred slots: the jitter must be smaller. Computed for one fixed year."""
        slots = [datetime(2024, 1, 1, tzinfo=UTC)]
        while len(slots) < 100 and (slot := self.next_after(slots[-1])) is not None:
            slots.append(slot)
        return min((later - earlier for earlier, later in pairwise(slots[1:])), default=timedelta(days=366))

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or timedelta()

    def _first_change(self, after: datetime, until: datetime) -> datetime | None:
        """The first moment in (after, until] at which the offset is no longer the one before."""
        while after < until:
            step = min(after + _DAY, until)
            if self._offset(step) != self._offset(after):
                return self._change_between(after, step)
            after = step
        return None

    def _last_change(self, after: datetime, until: datetime) -> datetime | None:
        """The last moment in (after, until] at which the offset is no longer the one before."""
        while after < until:
            step = max(until - _DAY, after)
            if self._offset(step) != self._offset(until):
                return self._change_between(step, until)
            until = step
        return None

    def _change_between(self, before: datetime, after: datetime) -> datetime:
        """The second of a change, of which there is one."""
        old = self._offset(before)
        while after - before > _SECOND:
            middle = before + (after - before) // 2
            before, after = (middle, after) if self._offset(middle) == old else (before, middle)
        return after.replace(microsecond=0)


@lru_cache(maxsize=1024)
def timetable(expression: str, zone: str) -> Timetable:
    """A shared timetable: schedules of the same time are common."""
    return Timetable(expression, zone)


def _wall(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _utc(slot: datetime) -> datetime:
    return slot.astimezone(UTC)


def _checked(expression: str) -> str:
    text = expression.strip()
    if text.startswith("@"):
        if text not in ALIASES:
            raise InvalidSchedule(f"{expression!r} is not known. Use one of {', '.join(ALIASES)}, or five fields.")
        return ALIASES[text]
    if text.upper().startswith(("TZ=", "CRON_TZ=")):
        raise InvalidSchedule("A time zone does not belong in the schedule. Set spec.timeZone.")
    fields = text.split()
    if len(fields) != 5 or len(text) > _EXPRESSION_LIMIT:
        raise InvalidSchedule(
            f"{expression[:_EXPRESSION_LIMIT]!r} does not have five fields. "
            "Write minute, hour, day of month, month and day of week, such as '0 3 * * *'."
        )
    for number, field in enumerate(fields):
        names = {name.upper() for name in _NAMES.findall(field)}
        allowed = (_MONTHS if number == 3 else _DAYS) if number >= 3 else frozenset[str]()
        if not _FIELD.fullmatch(field) or names - allowed:
            raise InvalidSchedule(f"Field {number + 1} of {expression!r}, {field!r}, is not one of cron.")
    joined = " ".join(fields)
    try:
        CronSim(joined, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InvalidSchedule(f"{expression!r} is not a cron expression: {error}.") from error
    return joined


def _zone(name: str) -> ZoneInfo:
    try:
        if name == "Local":
            raise ValueError(name)
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(
            f"Time zone {name[:64]!r} is not known. Use a name of IANA such as Europe/Berlin.", "spec.timeZone"
        ) from error
