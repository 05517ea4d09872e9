"""An attack for each defence, against the real operator: it gains nothing, and would gain something without it.

What tests/crash and tests/integration show of a defence as well is played by `make attack-matrix` only.
"""

from __future__ import annotations

import pytest

from .catalogue import ROWS
from .defences import PRELUDES
from .rows import Row, run

_IN_OTHER_TESTS = frozenset(
    {
        *("records of attempts name their object", "restored objects wait for a person", "the finalizer is put back"),
        *("the annotation keeps the attempt", "jobs without a record are searched for"),
        *("unreadable objects are isolated", "namespaces are listed one by one"),
        *("what a changed Secret made is dropped", "a refused job lets others go first"),
        *("a region that hangs takes no threads from others", "a call that waits holds no worker"),
    }
)


def _sample() -> list[Row]:
    """The first row of each defence, and of the limits on answers one more, which is of AWS."""
    chosen = {row.defence: row for row in reversed(ROWS) if row.defence not in _IN_OTHER_TESTS}
    return [*chosen.values(), *[row for row in ROWS if row.name == "STS: deep answer"]]


@pytest.mark.parametrize("row", _sample(), ids=lambda row: row.name)
async def test_an_attack_gains_nothing_and_would_without_its_defence(row: Row) -> None:
    assert (await run(row)).damage == ""
    assert (await run(row, defended=False)).damage != ""


def test_each_defence_has_an_attack() -> None:
    assert set(PRELUDES) >= _IN_OTHER_TESTS
    assert {row.defence for row in ROWS} == set(PRELUDES)


def test_no_two_attacks_have_the_same_name() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
