"""Cells of the tables that kubectl prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reltio_export_sandbox.apiserver import builtin
from reltio_export_sandbox.apiserver.tables import age, lookup, table


@pytest.mark.parametrize(
    ("passed", "shown"),
    [
        (timedelta(seconds=119), "119s"),
        (timedelta(seconds=121), "2m1s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(minutes=170), "170m"),
        (timedelta(hours=7, minutes=59), "7h59m"),
        (timedelta(hours=20), "20h"),
        (timedelta(days=3, hours=4), "3d4h"),
        (timedelta(days=30), "30d"),
        (timedelta(days=800), "2y70d"),
        (timedelta(seconds=-60), "<invalid>"),
    ],
)
def test_an_age_is_shown_as_kubernetes_shows_it(passed: timedelta, shown: str) -> None:
    assert age((datetime.now(UTC) - passed).isoformat()) in (shown, shown.replace("119s", "2m"))


def test_the_columns_of_events_are_those_of_a_real_server() -> None:
    events = next(resource for resource in builtin.resources() if resource.plural == "events")
    event = {
        "metadata": {"name": "e", "creationTimestamp": "2020-01-01T00:00:00Z"},
        "involvedObject": {"kind": "ExportJob", "name": "people"},
        "type": "Normal",
        "reason": "Submitted",
        "message": " text\n",
        "source": {"component": "kopf"},
        "count": 2,
    }
    shown = table(events, [event], {}, "None")
    usual = {
        column["name"]: cell
        for column, cell in zip(shown["columnDefinitions"], shown["rows"][0]["cells"], strict=True)
        if not column["priority"]
    }
    assert usual == {
        "Last Seen": "<unknown>",
        "Type": "Normal",
        "Reason": "Submitted",
        "Object": "exportjob/people",
        "Message": "text",
    }


def test_a_condition_is_found_by_its_type() -> None:
    item = {"status": {"conditions": [{"type": "A", "status": "x"}, {"type": "B", "status": "y"}]}}
    assert lookup(item, '.status.conditions[?(@.type=="B")].status') == "y"
    assert lookup(item, '.status.conditions[?(@.type=="C")].status') is None
