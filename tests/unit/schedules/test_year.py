"""What the operator starts in a year, with outages and changes of clocks, is what a model of its own expects."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from .model import Plan, started
from .year import OVERLAP, PLANS, START, YEAR, played

# `make schedule-year` plays a year of each.
PARTS = {"minute": timedelta(days=3), "hourly": timedelta(days=90)}


@pytest.mark.parametrize("name", PLANS)
def test_the_jobs_of_a_year_are_those_of_the_model(name: str) -> None:
    end = START + PARTS.get(name, YEAR)
    found = played(PLANS[name], end)
    assert found == started(PLANS[name], START, end, OVERLAP)
    assert len(found) > 300


@pytest.mark.parametrize(
    "change",
    [{"outages": ()}, {"expression": "31 2 * * *"}, {"zone": "Europe/London"}],
    ids=lambda change: next(iter(change)),
)
def test_the_comparison_finds_a_difference(change: dict[str, object]) -> None:
    plan: Plan = PLANS["daily in Berlin"]
    end = START + timedelta(days=120)
    assert played(plan, end) != started(replace(plan, **change), START, end, OVERLAP)  # type: ignore[arg-type]
