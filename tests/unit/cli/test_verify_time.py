"""`verify -f` has a bound on time: what was found before it is shown, and the next check has failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from reltio_export_operator.api.target import Check
from reltio_export_operator.cli import targets
from reltio_export_operator.targets.readiness import check_passed

NAMES = ["ReltioReachable", "ReltioToken", "ReltioTenant"]


async def hanging(*passed: str) -> AsyncIterator[Check]:
    for name in passed:
        yield check_passed(name)
    await asyncio.Event().wait()


@pytest.mark.parametrize("passed", [0, 1, 2, 3])
async def test_the_check_that_hangs_has_failed_and_those_before_it_count(
    passed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_VERIFY_TIMEOUT_SECONDS", 0.0)
    found = await targets._within(hanging(*NAMES[:passed]), NAMES)
    shown = [(check.name, check.status, check.reason) for check in found]
    failed = [(name, "False", "ProbeTimeout") for name in NAMES[passed : passed + 1]]
    assert shown == [(name, "True", "Passed") for name in NAMES[:passed]] + failed


async def test_checks_that_end_in_time_are_all_there_is() -> None:
    async def quick() -> AsyncIterator[Check]:
        for name in NAMES:
            yield check_passed(name)

    assert [check.name for check in await targets._within(quick(), NAMES)] == NAMES
