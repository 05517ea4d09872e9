"""Patches that the recorded answers do not hold."""

from __future__ import annotations

from typing import Any

import pytest

from reltio_export_sandbox.apiserver.errors import ApiError
from reltio_export_sandbox.apiserver.patches import json_patch, strategic_merge_patch

OWNERS = {"ownerReferences": [{"uid": "1", "name": "a"}, {"uid": "2", "name": "b"}]}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"ownerReferences": [{"uid": "2", "name": "c"}]}, [{"uid": "1", "name": "a"}, {"uid": "2", "name": "c"}]),
        ({"ownerReferences": [{"uid": "1", "$patch": "delete"}]}, [{"uid": "2", "name": "b"}]),
        ({"ownerReferences": [{"uid": "3"}]}, [{"uid": "3"}, *OWNERS["ownerReferences"]]),
        ({"$setElementOrder/ownerReferences": [{"uid": "2"}]}, OWNERS["ownerReferences"]),
    ],
)
def test_lists_of_built_in_kinds_are_combined_by_their_key(patch: Any, expected: Any) -> None:
    assert strategic_merge_patch(OWNERS, patch)["ownerReferences"] == expected


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"data": {"$patch": "replace", "b": "2"}}, {"data": {"b": "2"}}),
        ({"data": {"$patch": "delete"}}, {"data": {}}),
        ({"data": None}, {}),
        ({"data": {"a": None, "b": "2"}}, {"data": {"b": "2"}}),
        ({"other": [1]}, {"data": {"a": "1"}, "other": [1]}),
    ],
)
def test_directives_say_what_becomes_of_a_map(patch: Any, expected: Any) -> None:
    assert strategic_merge_patch({"data": {"a": "1"}}, patch) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{"op": "add", "path": "/list/-", "value": 3}], [1, 2, 3]),
        ([{"op": "add", "path": "/list/0", "value": 0}], [0, 1, 2]),
        ([{"op": "remove", "path": "/list/0"}], [2]),
        ([{"op": "move", "from": "/list/0", "path": "/list/-"}], [2, 1]),
        (
            [{"op": "replace", "path": "/list/1", "value": {"a~/b": 1}}, {"op": "remove", "path": "/list/1/a~0~1b"}],
            [1, {}],
        ),
    ],
)
def test_lists_are_patched_by_index(steps: Any, expected: Any) -> None:
    before = {"list": [1, 2]}
    assert json_patch(before, steps) == {"list": expected}
    assert before == {"list": [1, 2]}


@pytest.mark.parametrize(
    "step",
    [
        {"op": "test", "path": "/list", "value": [1, 2.0]},
        {"op": "test", "path": "/list/0", "value": True},
        {"op": "add", "path": "/list/7", "value": 0},
        {"op": "remove", "path": "/list/7"},
        {"op": "add", "path": "list", "value": 0},
        {"op": "add", "path": "/list/0/x", "value": 0},
        {"op": "add", "path": "/x"},
        {"path": "/x"},
    ],
)
def test_a_step_that_does_not_apply_refuses_the_whole_patch(step: Any) -> None:
    with pytest.raises(ApiError) as refused:
        json_patch({"list": [1, 2]}, [{"op": "add", "path": "/y", "value": 1}, step])
    assert refused.value.code == 422
