"""kopf gets of an object what its handlers read, and of a large object nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.controllers.manager import Manager
from reltio_export_operator.kube.slim import slim_event, slim_list
from reltio_export_operator.runtime.answers import SLICE_BYTES
from reltio_export_operator.runtime.slices import Steps

Raw = dict[str, Any]

_META: Raw = {
    "name": "n",
    "namespace": "team-a",
    "uid": "u",
    "resourceVersion": "7",
    "generation": 2,
    "finalizers": ["other", FINALIZER],
}
_JOB: Raw = {
    "apiVersion": "export.reltio.com/v1alpha1",
    "kind": "ExportJob",
    "metadata": {**_META, "labels": {"a": "b"}, "managedFields": [{"manager": "kubectl"}]},
    "spec": {"ttlSecondsAfterFinished": 60, "export": {"type": "Entities", "filter": "x" * 1000}},
    "status": {
        "observedGeneration": 2,
        "conditions": [{"type": "Complete", "status": "True", "message": "x" * 1000}],
        "tasks": [{"id": "1"}],
    },
}
_SLIM: Raw = {
    "apiVersion": "export.reltio.com/v1alpha1",
    "kind": "ExportJob",
    "metadata": {**_META, "finalizers": [FINALIZER]},
    "spec": {"ttlSecondsAfterFinished": 60},
    "status": {"observedGeneration": 2, "conditions": [{"type": "Complete", "status": "True"}]},
}


def _event(raw: object, type_: str = "MODIFIED") -> Raw:
    line = slim_event(json.dumps({"type": type_, "object": raw}).encode() + b"\n")
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found: Raw = json.loads(line)
    return found


def _list(page: Raw) -> tuple[Raw, int]:
    """The list, and the number of slices."""
    steps, count = slim_list(json.dumps(page).encode()), 1
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return json.loads(end.value), count
        count += 1


def test_an_event_keeps_what_the_handlers_read() -> None:
    assert _event(_JOB) == {"type": "MODIFIED", "object": _SLIM}


def test_a_list_keeps_what_the_handlers_read() -> None:
    page = {"kind": "ExportJobList", "apiVersion": "v1", "items": [_JOB, _JOB]}
    metadata = {"resourceVersion": "9", "continue": "more", "remainingItemCount": 4}
    kept = {**page, "items": [_SLIM, _SLIM], "metadata": {"resourceVersion": "9", "continue": "more"}}
    assert _list({**page, "metadata": metadata})[0] == kept


def test_objects_of_a_list_are_given_to_who_takes_them_and_the_page_is_empty() -> None:
    taken: list[Raw] = []
    page = {"metadata": {"resourceVersion": "9", "continue": "more"}, "items": [_JOB, _JOB]}
    steps = slim_list(json.dumps(page).encode(), listed=taken.append)
    left = json.loads(drained(steps))
    assert taken == [_SLIM, _SLIM]
    assert left == {"metadata": {"resourceVersion": "9", "continue": "more"}, "items": []}


def drained(steps: Steps[bytes]) -> bytes:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bytes(end.value)


def test_an_empty_list_is_one() -> None:
    assert _list({"metadata": {"resourceVersion": "9"}, "items": []})[0]["items"] == []
    assert _list({"metadata": {"resourceVersion": "9"}})[0]["items"] == []


@pytest.mark.parametrize(
    ("type_", "raw"),
    [
        ("BOOKMARK", {"kind": "ExportJob", "metadata": {"resourceVersion": "12"}}),
        ("ERROR", {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"}),
    ],
)
def test_events_without_an_object_of_a_kind_are_kept(type_: str, raw: Raw) -> None:
    assert _event(raw, type_) == {"type": type_, "object": raw}


def test_large_parts_are_left_out() -> None:
    large = {f"k{number}": [1.5] for number in range(20_000)}
    names = [f"f{number}" for number in range(10_000)]
    raw = {**_JOB, "metadata": {**_META, "labels": large, "annotations": large, "finalizers": names}, "more": large}
    assert len(json.dumps(_event(raw))) < 1000


def test_a_list_is_made_slim_in_slices() -> None:
    jobs = [{**_JOB, "more": "x" * SLICE_BYTES}] * 5
    assert _list({"items": jobs})[1] >= len(jobs)


@pytest.mark.parametrize("part", ["spec", "status"])
@pytest.mark.parametrize("value", [None, 1, "x", [], {"conditions": {}}, {"conditions": [1]}, {"conditions": None}])
def test_a_part_of_another_form_is_as_if_absent(part: str, value: object) -> None:
    kept = _event({**_JOB, part: value})["object"]
    assert not kept.get(part)
    assert Manager.needs_reconcile(kept)


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"null", b'{"object":1}', b'{"object":{"metadata":[]}}', b"{" * 9999]
)
def test_what_is_not_an_event_is_an_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="not an event"):
        slim_event(line)


@pytest.mark.parametrize("content", [b"", b"x", b"[]", b'{"items":1}', b'{"items":[1]}'])
def test_what_is_not_a_list_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a list"):
        list(slim_list(content))


_STATUSES = st.fixed_dictionaries(
    {},
    optional={
        "observedGeneration": st.sampled_from([1, 2]),
        "conditions": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["Complete", "Failed", "StatusInvalid", "Ready"])},
                optional={"status": st.sampled_from(["True", "False"]), "message": st.text()},
            ),
            max_size=3,
        ),
    },
)


@given(
    st.lists(st.sampled_from(["other", FINALIZER]), max_size=2),
    st.booleans(),
    st.sampled_from([{}, {"ttlSecondsAfterFinished": 5}, {"ttlSecondsAfterFinished": None}]),
    _STATUSES,
)
def test_a_slim_job_needs_a_reconcile_exactly_when_the_job_does(
    finalizers: list[str], deleted: bool, spec: Raw, status: Raw
) -> None:
    meta = {**_META, "finalizers": finalizers, **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {})}
    raw = {"metadata": meta, "spec": spec, "status": status}
    assert Manager.needs_reconcile(_event(raw)["object"]) == Manager.needs_reconcile(raw)
