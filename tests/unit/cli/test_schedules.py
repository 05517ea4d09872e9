"""`kubectl reltio-export schedule` and `trigger`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reltio_export_operator.api.decoding import decode_schedule
from reltio_export_operator.cli import schedules
from reltio_export_operator.cli.main import plugin

Raw = dict[str, Any]
NOW = datetime(2031, 1, 17, 10, 30, tzinfo=UTC)  # a Friday


class Namespace:
    """A namespace with one schedule. It records what is changed."""

    namespace = "mdm"

    def __init__(self, found: Raw) -> None:
        self.found = found
        self.changes: list[Raw] = []

    def get(self, plural: str, name: str) -> Raw:
        assert plural == "exportschedules"
        return self.found

    def patch(self, plural: str, name: str, change: Raw) -> None:
        self.changes.append(change)


def schedule(status: Raw | None = None, **spec: Any) -> Raw:
    return {
        "apiVersion": "export.reltio.com/v1alpha1",
        "kind": "ExportSchedule",
        "metadata": {"name": "people", "namespace": "mdm", "uid": "u"},
        "spec": {
            "schedule": "0 * * * *",
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}},
            **spec,
        },
        "status": status or {},
    }


def call(monkeypatch: pytest.MonkeyPatch, found: Raw, *arguments: str) -> tuple[Result, list[Raw]]:
    namespace = Namespace(found)
    monkeypatch.setattr(schedules, "connect", lambda context, name: namespace)
    return CliRunner().invoke(plugin, list(arguments)), namespace.changes


def runs(found: Raw, number: int = 10) -> list[Raw]:
    return list(schedules.next_runs(decode_schedule(found), NOW, number))


def test_the_next_runs_are_shown_in_the_zone_and_in_utc() -> None:
    listed = runs(schedule(schedule="0 2 * * *", timeZone="Europe/Berlin"), 2)
    assert [(one["time"], one["localTime"]) for one in listed] == [
        ("2031-01-18 01:00:00", "2031-01-18 02:00:00 CET"),
        ("2031-01-19 01:00:00", "2031-01-19 02:00:00 CET"),
    ]
    assert {one["mode"] for one in listed} == {"Full"}


def test_each_window_begins_where_the_one_before_ends_less_the_overlap() -> None:
    status = {"incremental": {"watermark": "2031-01-17T10:00:01Z"}, "dataTime": "2031-01-17T10:00:01Z"}
    found = schedule(status, incremental={"overlap": "5m", "fullSchedule": "0 13 * * 5"})
    listed = runs(found, 4)
    assert [(one["mode"], one["windowStart"], one["windowEnd"]) for one in listed] == [
        ("Incremental", "2031-01-17T09:55:01Z", "2031-01-17T11:00:00Z"),
        ("Incremental", "2031-01-17T10:55:00Z", "2031-01-17T12:00:00Z"),
        ("Full", None, "2031-01-17T13:00:00Z"),
        ("Incremental", "2031-01-17T12:55:00Z", "2031-01-17T14:00:00Z"),
    ]


def test_the_first_run_is_full_or_begins_where_the_spec_says() -> None:
    assert [one["mode"] for one in runs(schedule(incremental={}), 2)] == ["Full", "Incremental"]
    since = {"initial": {"mode": "Since", "since": "2031-01-01T00:00:00Z"}}
    assert runs(schedule(incremental=since), 1)[0]["windowStart"] == "2031-01-01T00:00:00Z"


def test_a_run_that_waits_comes_first_and_runs_now() -> None:
    listed = runs(schedule({"nextScheduleTime": "2031-01-17T10:00:00Z"}), 2)
    assert [(one["scheduledTime"], one["time"]) for one in listed] == [
        ("2031-01-17T10:00:00Z", "2031-01-17 10:30:00"),
        ("2031-01-17T11:00:00Z", "2031-01-17 11:00:00"),
    ]


def test_the_jitter_is_part_of_the_start() -> None:
    (one,) = runs(schedule(jitterSeconds=600), 1)
    assert one["scheduledTime"] < one["time"].replace(" ", "T") + "Z" < "2031-01-17T11:10:00Z"


def test_ten_runs_are_shown_and_suspension_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = call(monkeypatch, schedule(suspend=True), "schedule", "people")
    assert result.exit_code == 0
    assert result.output.count("Full") == 10
    assert "Set spec.suspend to false" in result.output
    result, _ = call(monkeypatch, schedule(), "schedule", "people", "--runs", "3", "-o", "json")
    assert len(json.loads(result.output)["runs"]) == 3


def test_a_schedule_that_cannot_be_used_is_an_error_that_names_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = call(monkeypatch, schedule(timeZone="Europe/Nowhere"), "schedule", "people")
    assert result.exit_code == 2
    assert "timeZone" in result.output


def test_a_trigger_gets_a_new_value(monkeypatch: pytest.MonkeyPatch) -> None:
    result, changes = call(monkeypatch, schedule(trigger="before"), "trigger", "people")
    assert result.exit_code == 0
    assert changes[0]["spec"]["trigger"] != "before"
    _, changes = call(monkeypatch, schedule(), "trigger", "people", "after the migration")
    assert changes == [{"spec": {"trigger": "after the migration"}}]


def test_a_value_that_starts_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    result, changes = call(monkeypatch, schedule(trigger="a"), "trigger", "people", "a")
    assert (result.exit_code, changes) == (2, [])
    assert "Choose another VALUE" in result.output


def test_a_trigger_that_will_wait_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = call(monkeypatch, schedule({"active": [{"name": "people-1"}]}), "trigger", "people")
    assert "waits for ExportJob people-1" in result.output
