"""What an earlier version wrote, and what it can read: its jobs in every phase, and its schemas of status.

`make upgrade-test` plays upgrade and rollback with both versions, and records the jobs where RECORD_STATUS says.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from builders import target
from reltio_export_operator.api.decoding import decode_job
from reltio_export_operator.api.job import ExportJob
from reltio_export_operator.api.status_patch import status_patch
from reltio_export_operator.jobs import identity
from reltio_export_operator.jobs.observation import (
    CheckDelivery,
    ControlTasks,
    Observation,
    Search,
    Submit,
    Wait,
)
from reltio_export_operator.jobs.policies import decide
from schemas import nodes, schema_of

Raw = dict[str, Any]
RECORDS = sorted(Path(__file__).parent.glob("*.json"))
NEXT: dict[str, type[object]] = {
    "complete": Wait,
    "failed": Wait,
    "pending": Wait,
    "queued": Submit,  # there is room now
    "running": Wait,
    "running-too": Wait,
    "suspended": Wait,
    "deleted": ControlTasks,
    "verifying": CheckDelivery,
    "submitting": Search,
}


@cache
def recorded(path: Path) -> Raw:
    found: Raw = json.loads(path.read_text())
    return found


def cases() -> list[Any]:
    return [pytest.param(path, name, id=f"{path.stem}-{name}") for path in RECORDS for name in recorded(path)["jobs"]]


def observed(job: ExportJob) -> Observation:
    known = None if job.metadata.name.endswith("pending") else target()
    return Observation(job=job, now=datetime(2026, 11, 25, 15, tzinfo=UTC), target=known)


@pytest.mark.parametrize(("path", "name"), cases())
def test_a_job_of_an_earlier_version_continues_where_it_was(path: Path, name: str) -> None:
    raw = recorded(path)["jobs"][name]
    job = decode_job(raw)
    assert job.status_problems == ()
    assert list(identity.doubts(job)) == []
    assert identity.awaits_choice(job) is None
    assert status_patch(raw["status"], job.status, job.status) == {}
    decision = decide(observed(job))
    assert isinstance(decision.action, NEXT[name])
    if job.status.submission is not None:
        assert decision.status.submission == job.status.submission


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_phase_was_recorded(path: Path) -> None:
    assert set(recorded(path)["jobs"]) == set(NEXT)


@pytest.mark.parametrize("plural", ["exportjobs", "exporttargets"])
@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_an_earlier_version_admits_every_value_of_a_status(path: Path, plural: str) -> None:
    """After a rollback its API server validates the whole status with each write, and its operator decodes it.

    What it does not know is dropped or kept. A new value of a field that it knows would hold up the object.
    """
    now = dict(nodes(schema_of(plural)["properties"]["status"]))
    for where, before in nodes(recorded(path)["statusSchemas"][plural]):
        assert where in now, f"{where} was removed; the earlier version may need it"
        schema = now[where]
        assert schema["type"] == before["type"], where
        assert set(before.get("required", ())) <= set(schema.get("required", ())), where
        for bound, tightened in _BOUNDS:
            if bound in before:
                assert bound in schema, (where, bound)
                assert not tightened(before[bound], schema[bound]), (where, bound)


def _differs(before: Any, now: Any) -> bool:
    return bool(before != now)


_BOUNDS: tuple[tuple[str, Any], ...] = (
    ("enum", lambda before, now: not set(now) <= set(before)),
    ("maxLength", lambda before, now: now > before),
    ("maxItems", lambda before, now: now > before),
    ("maximum", lambda before, now: now > before),
    ("minimum", lambda before, now: now < before),
    ("minLength", lambda before, now: now < before),
    ("pattern", _differs),
    ("format", _differs),
)
