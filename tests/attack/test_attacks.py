"""One attack for each defence, against the real operator: it gains nothing, and would gain something without it."""

from __future__ import annotations

import pytest

from .catalogue import ROWS
from .defences import PRELUDES
from .rows import Row, run


def _sample() -> list[Row]:
    """The first row of each defence, and of the limits on answers one more, which is of AWS."""
    chosen = {row.defence: row for row in reversed(ROWS)}
    return [*chosen.values(), *[row for row in ROWS if row.name == "STS: deep answer"]]


@pytest.mark.parametrize("row", _sample(), ids=lambda row: row.name)
async def test_an_attack_gains_nothing_and_would_without_its_defence(row: Row) -> None:
    assert (await run(row)).damage == ""
    assert (await run(row, defended=False)).damage != ""


def test_each_defence_has_an_attack() -> None:
    assert {row.defence for row in ROWS} == set(PRELUDES)


def test_no_two_attacks_have_the_same_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
