"""Namespaces take turns in a queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.runtime.fair import FairQueue

Key = tuple[str, str]
KEYS = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2", "3", "4"]))


def queue_of(*keys: Key) -> FairQueue[Key]:
    queue: FairQueue[Key] = FairQueue()
    for key in keys:
        queue.push(key)
    return queue


def drained(queue: FairQueue[Key]) -> list[Key]:
    return [queue.pop() for _ in range(len(queue))]


def test_a_namespace_with_many_keys_delays_another_by_one_key() -> None:
    queue = queue_of(*(("busy", str(number)) for number in range(5_000)))
    queue.push(("quiet", "job"))
    assert queue.pop() == ("busy", "0")
    assert queue.pop() == ("quiet", "job")


def test_keys_of_a_namespace_keep_their_order() -> None:
    assert drained(queue_of(("a", "2"), ("b", "9"), ("a", "1"))) == [("a", "2"), ("b", "9"), ("a", "1")]


def test_other_keys_than_pairs_are_one_group() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("second")
    queue.push("first")
    assert [queue.pop(), queue.pop()] == ["second", "first"]


def test_an_empty_queue_has_no_next_item() -> None:
    with pytest.raises(IndexError):
        queue_of().pop()


@given(st.lists(st.tuples(st.sampled_from(["push", "discard", "pop"]), KEYS)))
def test_each_item_comes_out_once_and_no_group_waits_for_a_second_turn_of_another(steps: list[tuple[str, Key]]) -> None:
    queue, model = queue_of(), set[Key]()
    turns: dict[str, int] = {}  # of other groups since the first item of a group came in
    for step, key in steps:
        if step == "push":
            turns.setdefault(key[0], 0)
            queue.push(key)
            model.add(key)
        elif step == "discard":
            queue.discard(key)
            model.discard(key)
        elif model:
            popped = queue.pop()
            model.remove(popped)
            turns = {group: count + 1 for group, count in turns.items()} | {popped[0]: 0}
        turns = {group: count for group, count in turns.items() if any(group == each[0] for each in model)}
        assert all(count <= 2 for count in turns.values())
        assert set(queue) == model
        assert len(queue) == len(model)
        assert all((each in queue) == (each in model) for each in [key, ("c", "1")])
    assert sorted(drained(queue)) == sorted(model)
