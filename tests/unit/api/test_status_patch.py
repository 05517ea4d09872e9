"""A write changes what the operator means to change, and keeps what another version wrote."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import T0, condition, running, stamp
from mutations import JSON, mutations, paths, replaced
from reltio_export_operator.api.conditions import Condition
from reltio_export_operator.api.decoding import decode_status
from reltio_export_operator.api.job import JobStatus, TaskStatus
from reltio_export_operator.api.meta import LIST_KEYS
from reltio_export_operator.api.status_patch import status_patch
from reltio_export_operator.api.target import TargetStatus
from schemas import nodes, schema_of

Raw = dict[str, Any]
UNLIMITED = settings(deadline=None, suppress_health_check=list(HealthCheck))
STORED: Raw = running(
    "PROCESSING",
    "SCHEDULED",
    phase="Running",
    conditions=[condition("Reconciling"), condition("Suspended", "False")],
    progress={"processed": 4, "summary": "4"},
    failures=[{"attempt": 1, "reason": "A", "message": "", "time": stamp()}],
)


def decoded(stored: Any) -> JobStatus:
    return decode_status({"status": stored}, JobStatus)[0]


def written(stored: Any, **changes: Any) -> Any:
    """What is stored after these fields of a status were written."""
    before = decoded(stored)
    return merged(stored, status_patch(stored, before, msgspec.structs.replace(before, **changes)))


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386, as an API server applies it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def test_the_keys_of_lists_are_those_of_the_definitions() -> None:
    keyed = {
        path.rpartition(".")[2]: node["x-kubernetes-list-map-keys"]
        for plural in ("exportjobs", "exportschedules", "exporttargets")
        for path, node in nodes(schema_of(plural)["properties"]["status"])
        if "x-kubernetes-list-map-keys" in node
    }
    assert keyed == {name: [key] for name, key in LIST_KEYS.items()}


def test_nothing_is_written_when_nothing_changes() -> None:
    assert status_patch(STORED, decoded(STORED), decoded(STORED)) == {}


def test_only_what_changes_is_written() -> None:
    before = decoded(STORED)
    assert before.progress is not None
    after = msgspec.structs.replace(before, progress=msgspec.structs.replace(before.progress, processed=5))
    assert status_patch(STORED, before, after) == {"progress": {"processed": 5}}


def test_a_field_that_is_cleared_is_removed() -> None:
    assert "progress" not in written(STORED, progress=None)
    assert "tasks" not in written(STORED, tasks=())


@pytest.mark.parametrize(
    "place",
    [(), ("submission",), ("submission", "s3"), ("progress",), ("conditions", 0), ("tasks", 1), ("failures", 0)],
)
def test_an_unknown_field_stays_beside_what_is_written(place: tuple[str | int, ...]) -> None:
    stored = replaced(STORED, (*place, "addedLater"), {"by": "a newer version"})
    before = decoded(stored)
    failure = msgspec.structs.replace(before.failures[0], attempt=2)
    assert before.submission is not None
    assert before.progress is not None
    result = written(
        stored,
        phase="Verifying",
        conditions=tuple(msgspec.structs.replace(one, observed_generation=9) for one in before.conditions),
        tasks=tuple(msgspec.structs.replace(one, status="COMPLETED") for one in before.tasks),
        submission=msgspec.structs.replace(before.submission, group_id="g"),
        progress=msgspec.structs.replace(before.progress, processed=9),
        failures=(*before.failures, failure),
    )
    for key in place:
        result = result[key]
    assert result["addedLater"] == {"by": "a newer version"}


def test_an_item_that_goes_takes_its_unknown_fields_with_it() -> None:
    stored = replaced(STORED, ("conditions", 0, "addedLater"), 1)
    kept = [one for one in decoded(stored).conditions if one.type != "Reconciling"]
    assert written(stored, conditions=tuple(kept))["conditions"] == [STORED["conditions"][1]]


def test_items_are_found_by_their_key_when_the_order_changes() -> None:
    stored = replaced(STORED, ("tasks", 0, "addedLater"), 1)
    first, second = decoded(stored).tasks
    changed = (TaskStatus(id="new"), second, msgspec.structs.replace(first, status="COMPLETED"))
    assert written(stored, tasks=changed)["tasks"] == [
        {"id": "new"},
        {"id": "task-1", "status": "SCHEDULED"},
        {"id": "task-0", "status": "COMPLETED", "addedLater": 1},
    ]


def test_a_value_that_is_not_understood_stays_until_it_is_written_again() -> None:
    stored = {**STORED, "phase": ["a"], "waits": "many"}
    assert written(stored, start_time=None)["waits"] == "many"
    result = written(stored, waits=2)
    assert (result["waits"], result["phase"]) == (2, ["a"])


def test_an_unknown_status_of_a_condition_survives_a_write_to_its_neighbour() -> None:
    stored = replaced(STORED, ("conditions", 1, "status"), "Maybe")
    first, second = decoded(stored).conditions
    result = written(stored, conditions=(msgspec.structs.replace(first, message="new"), second))
    assert [one["status"] for one in result["conditions"]] == ["True", "Maybe"]


def test_an_item_without_a_key_stays_behind_the_others() -> None:
    stored = {**STORED, "tasks": [{"status": "who knows"}, *STORED["tasks"]]}
    changed = tuple(msgspec.structs.replace(one, status="COMPLETED") for one in decoded(stored).tasks)
    ids = [one.get("id") for one in written(stored, tasks=changed)["tasks"]]
    assert ids == ["task-0", "task-1", None]


def test_a_condition_is_added_to_a_list_that_is_none() -> None:
    added = Condition(type="A", status="True", last_transition_time=T0, reason="B", message="")
    assert [one["type"] for one in written({"conditions": "none"}, conditions=(added,))["conditions"]] == ["A"]


@given(first=mutations(STORED), second=mutations(STORED))
@UNLIMITED
def test_after_a_write_the_status_is_decoded_as_it_was_meant(first: tuple[Any, Any], second: tuple[Any, Any]) -> None:
    """Whatever is stored, unless a value stands there that is not understood: that is then kept."""
    stored, wanted = first[1], decoded(second[1])
    result = merged(stored, status_patch(stored, decoded(stored), wanted))
    if not decode_status({"status": stored}, JobStatus)[1]:
        assert decoded(result) == wanted


@given(place=st.sampled_from([one for one in paths(STORED) if one]), value=JSON)
@UNLIMITED
def test_an_unknown_field_anywhere_survives_a_write_of_other_fields(place: tuple[str | int, ...], value: Any) -> None:
    parent: Any = STORED
    for key in place[:-1]:
        parent = parent[key]
    if not isinstance(parent, dict) or value is None:
        return
    stored = replaced(STORED, (*place[:-1], "addedLater"), value)
    before = decoded(stored)
    after = msgspec.structs.replace(before, phase="Other", waits=3, start_time=None, conditions=before.conditions[::-1])
    result: Any = merged(stored, status_patch(stored, before, after))
    assert any(one and one[-1] == "addedLater" for one in paths(result))


def test_targets_are_written_the_same_way() -> None:
    stored = {"checks": [{"name": "A", "status": "True", "addedLater": 1}], "conditions": []}
    before, _ = decode_status({"status": stored}, TargetStatus)
    check = msgspec.structs.replace(before.checks[0], status="False")
    patch = status_patch(stored, before, msgspec.structs.replace(before, checks=(check,), active_jobs=1))
    assert patch == {"checks": [{"name": "A", "status": "False", "addedLater": 1}], "activeJobs": 1}
