"""When a schedule runs, compared with a library that shares no code and with definitions minute by minute."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, takewhile
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from reltio_export_operator.schedules.timetable import ALIASES, InvalidSchedule, Timetable

# Both hemispheres, half-hour and quarter-hour offsets, a half-hour change, changes at midnight, and none at all.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Santiago",
    "Asia/Beirut",
    "Africa/Casablanca",
)
FIXED = ("30 2 * * *", "0 0 * * *", "15,45 1-3 * * *", "0 3 * * 0", "30 0 1 * *", "5 0-23/6 * 3,10 SUN", "0 2 13 * FRI")
WILDCARD = ("*/20 * * * *", "7 * * * *", "*/30 2 * * *", "* 0 * 3 *", "0 */5 * * *", "10 * * * MON-FRI")
START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Year:
    """Each minute of the year in UTC, with what a clock on the wall shows."""

    def __init__(self, zone: str) -> None:
        info = ZoneInfo(zone)
        self.moments = [START + MINUTE * number for number in range(int((END - START) / MINUTE))]
        self.walls = [moment.astimezone(info).replace(tzinfo=None) for moment in self.moments]
        self.reached = list(accumulate(self.walls, max))
        self.shown: dict[datetime, list[datetime]] = {}
        for moment, wall in zip(self.moments, self.walls, strict=True):
            self.shown.setdefault(wall, []).append(moment)
        self.changes = [
            index for index in range(1, len(self.walls)) if self.walls[index] - self.walls[index - 1] != MINUTE
        ]


year = cache(Year)


@cache
def local_times(expression: str) -> list[datetime]:
    """Local times by croniter, which knows nothing of zones here."""
    days = expression.split()[2::2]
    first, last = (moment.replace(tzinfo=None) for moment in (START, END))
    slots = croniter(expression, first - DAY, day_or=not any(field.startswith("*") for field in days))
    return list(takewhile(lambda slot: slot < last + DAY, iter(lambda: slots.get_next(datetime), None)))


@cache
def expected(expression: str, zone: str) -> list[datetime]:
    shown = year(zone)
    if any(field.startswith("*") for field in expression.split()[:2]):
        return sorted(moment for local in local_times(expression) for moment in shown.shown.get(local, []))
    # Once for each local time: when the clock first shows it, or first shows a later one.
    due = [local for local in local_times(expression) if shown.walls[0] <= local <= shown.reached[-1]]
    return sorted({shown.moments[bisect_left(shown.reached, local)] for local in due})


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", FIXED + WILDCARD)
def test_a_year_of_slots_is_what_each_minute_of_it_says(expression: str, zone: str) -> None:
    table, slots = Timetable(expression, zone), []
    slot = table.next_after(START - MINUTE)
    while slot is not None and slot < END:
        slots.append(slot)
        slot = table.next_after(slot)
    assert slots == expected(expression, zone)


@given(
    zone=st.sampled_from(ZONES),
    expression=st.sampled_from(FIXED + WILDCARD),
    second=st.integers(40 * 86400, 364 * 86400),
)
@settings(max_examples=400, deadline=None)
def test_the_latest_slot_is_the_one_that_came_last(zone: str, expression: str, second: int) -> None:
    moment = START + timedelta(seconds=second)
    slots = expected(expression, zone)
    before = bisect_right(slots, moment)
    latest = Timetable(expression, zone).latest(moment)
    assert latest is not None
    if before:
        assert latest == slots[before - 1]
    else:
        assert latest < START


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", FIXED + WILDCARD)
def test_the_latest_slot_is_right_around_each_change_of_the_clock(expression: str, zone: str) -> None:
    table, slots = Timetable(expression, zone), expected(expression, zone)
    for change in year(zone).changes:
        for offset in range(-150, 150, 7):
            moment = year(zone).moments[change] + MINUTE * offset
            before = bisect_right(slots, moment)
            if before:
                assert table.latest(moment) == slots[before - 1]


def test_a_day_that_a_zone_leaves_out_moves_its_slot_to_the_next_moment() -> None:
    # Samoa had no 30 December 2011.
    table = Timetable("0 12 * * *", "Pacific/Apia")
    day = datetime(2011, 12, 29, 22, 0, tzinfo=UTC)  # 12:00 on the 29th
    assert table.next_after(day - MINUTE) == day
    assert table.next_after(day) == datetime(2011, 12, 30, 10, 0, tzinfo=UTC)  # 00:00 on the 31st
    assert table.latest(datetime(2011, 12, 30, 9, 59, tzinfo=UTC)) == day


@pytest.mark.parametrize(
    ("expression", "zone", "words"),
    [
        ("@every 1h", "UTC", "not known"),
        ("@reboot", "UTC", "not known"),
        ("TZ=UTC 0 3 * * *", "UTC", "spec.timeZone"),
        ("CRON_TZ=UTC 0 3 * * *", "UTC", "spec.timeZone"),
        ("0 0 3 * * *", "UTC", "five fields"),
        ("0 3 * *", "UTC", "five fields"),
        ("", "UTC", "five fields"),
        ("0 " * 500, "UTC", "five fields"),
        ("0 3 L * *", "UTC", "Field 3"),
        ("0 3 * * MON#2", "UTC", "Field 5"),
        ("0 3 ? * *", "UTC", "Field 3"),
        ("0 3 * JANUARY *", "UTC", "Field 4"),
        ("MON 3 * * *", "UTC", "Field 1"),
        ("60 3 * * *", "UTC", "minute"),
        ("*/0 3 * * *", "UTC", "minute"),
        ("5-1 3 * * *", "UTC", "minute"),
        ("0 3 30 2 *", "UTC", "day-of-month"),
        ("0 3 31 4,6 *", "UTC", "day-of-month"),
        ("٣ 3 * * *", "UTC", "Field 1"),
        ("0 3 * * *", "Local", "Time zone"),
        ("0 3 * * *", "../../etc/passwd", "Time zone"),
        ("0 3 * * *", "/etc/localtime", "Time zone"),
        ("0 3 * * *", "Mars/Olympus", "Time zone"),
        ("0 3 * * *", "", "Time zone"),
        ("0 3 * * *", "Europe", "Time zone"),
        ("0 3 * * *", "a\0b", "Time zone"),
    ],
)
def test_what_is_not_a_schedule_is_refused_with_a_sentence(expression: str, zone: str, words: str) -> None:
    with pytest.raises(InvalidSchedule, match=words) as caught:
        Timetable(expression, zone)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("alias", "fields"), ALIASES.items())
def test_an_alias_means_its_five_fields(alias: str, fields: str) -> None:
    moment = datetime(2025, 5, 17, 11, 11, tzinfo=UTC)
    assert Timetable(alias).next_after(moment) == Timetable(fields).next_after(moment)


@given(st.text(alphabet="0123456789*,/-@LW#? MONJAN", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_schedule_or_is_refused(expression: str) -> None:
    try:
        table = Timetable(expression)
    except InvalidSchedule:
        return
    moment = datetime(2025, 5, 17, 11, 11, tzinfo=UTC)
    slot = table.next_after(moment)
    assert slot is not None
    assert table.latest(slot) == slot


def test_the_shortest_interval_bounds_the_jitter() -> None:
    assert Timetable("*/15 * * * *").shortest_interval() == timedelta(minutes=15)
    assert Timetable("0,1 3 * * *").shortest_interval() == timedelta(minutes=1)
