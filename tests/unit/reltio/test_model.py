"""Tasks are read tolerantly: keys may be missing or of another type."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.api.foreign import ForeignText
from reltio_export_operator.api.task import ObservedTask
from reltio_export_operator.reltio.model import id_text, parse_submitted, parse_task

FULL = {
    "id": "012b",
    "groupId": "27e1",
    "createdTime": 1925000000000,
    "status": "PROCESSING",
    "name": "entity-export-task[nightly_d2d375]",
    "startTime": "1925000005024",
    "endTime": 1925000025508,
    "error": "Disk full",
    "parameters": {"exportName": "nightly", "ovOnly": "true"},
    "currentState": {
        "statusId": "60",
        "status": "Exporting...",
        "numberOfProcessedObjects": 5,
        "etaMillis": 1503000,
        "globalStatus": {"entitiesTotal": 397, "entitiesNumber": "100", "overallThroughput": 13.5},
    },
    "brandNewKey": [1, 2],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = ["status", "name", "startTime", "endTime", "createdTime", "error", "etaMillis", "parameters", "groupId"]
COUNTERS = ["entitiesNumber", "entitiesTotal", "relationsTotal", "overallThroughput", "etaMillis"]
STATES = st.fixed_dictionaries(
    {},
    optional={
        "statusId": JSON,
        "status": JSON,
        "globalStatus": JSON | st.dictionaries(st.sampled_from(COUNTERS), JSON),
    },
)


def test_all_keys_of_a_task_are_read() -> None:
    assert parse_task(FULL) == ObservedTask(
        id="012b",
        status="PROCESSING",
        name="entity-export-task[nightly_d2d375]",
        export_name="nightly",
        group_id="27e1",
        stage_id=60,
        stage=ForeignText("Exporting..."),
        processed=100,
        total=397,
        rate=13.5,
        eta_seconds=1503.0,
        created_ms=1925000000000,
        started_ms=1925000005024,
        ended_ms=1925000025508,
        error=ForeignText("Disk full"),
    )


def test_only_the_id_is_required() -> None:
    assert parse_task({"id": 7}) == ObservedTask(id="7", status="")


@pytest.mark.parametrize(
    ("raw", "attribute", "expected"),
    [
        ({"startTime": "11-13-2017 11.41"}, "started_ms", None),
        ({"startTime": -1}, "started_ms", None),
        ({"createdTime": True}, "created_ms", None),
        ({"endTime": 10**400}, "ended_ms", None),
        ({"etaMillis": 10**18}, "eta_seconds", 366 * 86400.0),
        ({"etaMillis": 0}, "eta_seconds", None),
        ({"name": "x" * 5000}, "name", "x" * 1024),
        ({"error": {"no": "text"}}, "error", None),
        ({"internalErrorDetails": "inner"}, "error", ForeignText("inner")),
        ({"currentState": "odd"}, "stage", None),
        ({"currentState": {"globalStatus": {"relationsTotal": 9, "relationsNumber": 4}}}, "total", 9),
        ({"currentState": {"globalStatus": {"relationsTotal": 9, "relationsNumber": 4}}}, "processed", 4),
        ({"currentState": {"numberOfProcessedObjects": "12"}}, "processed", 12),
        ({"currentState": {"globalStatus": {"entitiesNumber": 0}}}, "processed", 0),
        ({"currentState": {"globalStatus": {"entitiesTotal": 0}}}, "total", None),
        ({"currentState": {"globalStatus": {"entitiesTotal": "nan"}}}, "total", None),
        ({"currentState": {"globalStatus": {"lastFiveMinThroughput": 8}}}, "rate", 8.0),
    ],
)
def test_values_of_another_type_are_converted_or_ignored(raw: dict[str, Any], attribute: str, expected: object) -> None:
    assert getattr(parse_task({"id": "t", **raw}), attribute) == expected


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), JSON), JSON | STATES)
def test_any_json_object_with_an_id_can_be_read(raw: dict[str, Any], state: Any) -> None:
    task = parse_task({**raw, "currentState": state, "id": "t"})
    numbers = (task.processed, task.total, task.rate, task.eta_seconds, task.started_ms)
    assert all(number is None or 0 <= number < 2**63 for number in numbers)


@pytest.mark.parametrize(
    ("name", "export_name", "given"),
    [
        ("mdm.a-u-1-1", None, {"mdm.a-u-1-1"}),
        (None, "mdm.a-u-1-1", {"mdm.a-u-1-1"}),
        ("entity-export-task[mdm.a-u-1-1_0a1b2c]", None, {"entity-export-task[mdm.a-u-1-1_0a1b2c]", "mdm.a-u-1-1"}),
        ("entity-export-task[mdm.a-u-1-1_0a1b2c]x", None, {"entity-export-task[mdm.a-u-1-1_0a1b2c]x"}),
        ("x entity-export-task[mdm.a-u-1-1_0a1b2c]", None, {"x entity-export-task[mdm.a-u-1-1_0a1b2c]"}),
        ("other", "another", {"other", "another"}),
        (None, None, set()),
    ],
)
def test_a_name_is_taken_as_a_whole_from_where_the_service_puts_it(
    name: str | None, export_name: str | None, given: set[str]
) -> None:
    assert ObservedTask(id="t", status="", name=name, export_name=export_name).given_names == given


@pytest.mark.parametrize("name", ["external id: 7-u-1-1", " mdm.a-u-1-1 "])
def test_a_name_is_read_as_it_was_sent(name: str) -> None:
    task = parse_task({"id": "t", "name": name, "parameters": {"exportName": name}})
    assert (task.name, task.export_name) == (name.strip(), name.strip())


@pytest.mark.parametrize("id_", [17, 17.0, "17", " 17 "], ids=repr)
def test_an_id_is_the_same_text_whatever_its_json_type(id_: object) -> None:
    assert parse_task({"id": id_}).id == "17"
    for answer in ({"taskIds": [id_]}, {"taskIds": id_}, {"taskId": id_}, {"taskIds": [{"id": id_}]}):
        submitted = parse_submitted({**answer, "groupId": id_})
        assert submitted is not None
        assert (submitted.task_ids, submitted.group_id) == (("17",), "17")


@pytest.mark.parametrize("value", [None, True, "", " ", [], {}, float("nan"), 1.5], ids=repr)
def test_what_cannot_be_an_id_is_none(value: object) -> None:
    assert id_text(value) is None
    assert parse_submitted({"taskIds": [value]}) is None


def test_an_id_that_is_named_twice_is_one_task() -> None:
    submitted = parse_submitted({"taskIds": ["a", 7, "7", None, "a"]})
    assert submitted is not None
    assert submitted.task_ids == ("a", "7")


@pytest.mark.parametrize(("status", "read"), [("completed", "COMPLETED"), (" Waiting ", "WAITING"), (None, "")])
def test_a_status_is_read_in_any_case(status: object, read: str) -> None:
    assert parse_task({"id": "a", "status": status}).status == read


@pytest.mark.parametrize(("value", "read"), [(True, True), ("false", False), (None, None), ("maybe", None)])
def test_parallel_execution_is_read_if_it_is_there(value: object, read: bool | None) -> None:
    assert parse_task({"id": "a", "parallelExecution": value}).is_parallel is read
