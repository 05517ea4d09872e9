"""Exports that go wrong, each in one way."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from reltio_export_sandbox.reltio import Behaviour, SimulatorConfig, Tenant

from .driver import BUCKET, PATH, Driver

LONG = 3000.0


def after(behaviour: Behaviour, seconds: float = LONG) -> tuple[Driver, list[str]]:
    """A driver and the tasks of one odd export, some time after its submission."""
    driver = Driver(SimulatorConfig(objects_per_file=4), Tenant("acme01", entities=10))
    driver.reltio.behaviours.append(behaviour)
    ids = list(driver.submit(name="odd").body["taskIds"])
    driver.advance(seconds)
    return driver, ids


@pytest.mark.parametrize(
    ("behaviour", "seconds", "statuses"),
    [
        (Behaviour(), LONG, ["COMPLETED"]),
        (Behaviour(stuck=True), LONG, ["SCHEDULED"]),
        (Behaviour(status="REBALANCING"), LONG, ["REBALANCING"]),
        (Behaviour(tasks=3, fail="disk full"), LONG, ["COMPLETED", "COMPLETED", "FAILED"]),
        (Behaviour(paused_after=1), LONG, ["PAUSED"]),
        (Behaviour(canceled_after=1), LONG, ["CANCELED"]),
        (Behaviour(throttled=100), 60, ["THROTTLING"]),
        (Behaviour(throttled=100), 200, ["COMPLETED"]),
        (Behaviour(out_of_credits=True), 300, ["WAITING_FOR_RESOURCE"]),
        (Behaviour(out_of_credits=True), 605.5, ["SCHEDULED_POLL"]),
        (Behaviour(out_of_credits=True), LONG, ["COMPLETED"]),
    ],
)
def test_its_tasks_get_there(behaviour: Behaviour, seconds: float, statuses: list[str]) -> None:
    driver, ids = after(behaviour, seconds)
    assert [driver.status(id_) for id_ in ids] == statuses


@pytest.mark.parametrize(
    ("behaviour", "seconds", "listed", "found"),
    [
        (Behaviour(hidden="lists", hidden_after=10), 9, True, True),
        (Behaviour(hidden="lists", hidden_after=10), 11, False, True),
        (Behaviour(hidden="everywhere"), 1, False, False),
        (Behaviour(appears_after=10), 9, False, False),
        (Behaviour(appears_after=10), 11, True, True),
        (Behaviour(lost_after=10), 11, False, False),
    ],
)
def test_its_task_is_seen_or_not(behaviour: Behaviour, seconds: float, listed: bool, found: bool) -> None:
    driver, (task_id,) = after(behaviour, seconds)
    assert (task_id in driver.listed() + driver.listed("/history")) == listed
    assert (driver.call("GET", f"/acme01/tasks/{task_id}").status == 200) == found


def test_a_lost_export_frees_its_place_and_a_hidden_one_holds_it() -> None:
    odd = [Behaviour(lost_after=1), Behaviour(hidden="everywhere")]
    assert [after(behaviour, 1)[0].submit().status for behaviour in odd] == [200, 400]


def test_without_a_manifest_the_parts_alone_are_there() -> None:
    driver, _ = after(Behaviour(no_manifest=True))
    assert driver.delivered() == ["part-00000.gz", "part-00001.gz", "part-00002.gz"]


def test_a_failed_sibling_leaves_no_manifest() -> None:
    driver, _ = after(Behaviour(tasks=2, fail="disk full"))
    assert "manifest.json" not in driver.delivered()


@pytest.mark.parametrize(
    ("behaviour", "key", "value"),
    [
        (Behaviour(), "success", True),
        (Behaviour(unsuccessful=True), "success", False),
        (Behaviour(total_off_by=3), "totalObjects", 13),
        (Behaviour(rows=0), "totalObjects", 0),
        (Behaviour(rows=0), "files", []),
        (Behaviour(rows=5), "totalNumberOfFiles", 2),
        (Behaviour(outside_file="../other/part-00000.gz", rows=0), "files", ["../other/part-00000.gz"]),
    ],
)
def test_its_manifest_says(behaviour: Behaviour, key: str, value: Any) -> None:
    assert after(behaviour)[0].manifest()[key] == value


def test_a_missing_and_an_extra_file() -> None:
    missing, _ = after(Behaviour(missing_file=True))
    assert set(missing.manifest()["files"]) - set(missing.delivered()) == {"part-00002.gz"}
    extra, _ = after(Behaviour(extra_file=True))
    assert set(extra.delivered()) - set(extra.manifest()["files"]) == {"manifest.json", "part-99999.gz"}


def test_a_truncated_file_cannot_be_read_to_its_end() -> None:
    driver, _ = after(Behaviour(truncated_file=True))
    with pytest.raises((EOFError, zlib.error)):
        gzip.decompress(driver.content("part-00002.gz"))


def test_ten_thousand_tiny_files() -> None:
    driver = Driver(SimulatorConfig(objects_per_second=1e6), Tenant("acme01", entities=10_000))
    driver.reltio.behaviours.append(Behaviour(rows_per_file=1))
    driver.started()
    driver.advance(LONG)
    assert driver.manifest()["totalNumberOfFiles"] == 10_000
    assert (
        json.loads(gzip.decompress(driver.reltio.objects[BUCKET, f"{PATH}/part-09999.gz"]))["uri"] == "entities/0009999"
    )


def test_a_behaviour_waits_for_the_export_that_it_names() -> None:
    driver = Driver()
    driver.reltio.behaviours.append(Behaviour(name="second", stuck=True))
    first = driver.started(name="the first")
    driver.advance(60)
    second = driver.started(name="the second")
    driver.advance(60)
    assert (driver.status(first), driver.status(second)) == ("COMPLETED", "SCHEDULED")
