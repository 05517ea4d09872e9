"""Names are sorted in parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.delivery import order
from reltio_export_operator.delivery.order import in_order


@given(st.lists(st.text(max_size=5), max_size=40))
def test_the_order_is_that_of_sorted(names: list[str]) -> None:
    before, order.SORTED_AT_ONCE = order.SORTED_AT_ONCE, 7
    try:
        assert list(in_order(names)) == sorted(names)
        assert list(in_order(names, key=len)) == sorted(names, key=len)
    finally:
        order.SORTED_AT_ONCE = before


def test_no_more_than_a_part_is_sorted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[int] = []

    def counting(names: Any, key: Any = None) -> list[str]:
        found: list[str] = list(names)
        parts.append(len(found))
        return sorted(found, key=key)

    monkeypatch.setattr(order, "sorted", counting, raising=False)
    names = [str(number) for number in range(10_000)]
    assert list(in_order(names)) == sorted(names)
    assert max(parts) == order.SORTED_AT_ONCE
