"""How operators of two releases recognise each other by the names that they write to a target."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import target
from clocks import FakeClock
from reltio_export_operator.api.conditions import is_true
from reltio_export_operator.api.target import ExportTarget
from reltio_export_operator.controllers.targets.overlap import CONDITION, QUIET_SECONDS, RECLAIM_SECONDS, Overlaps

OURS, THEIRS = "ops/exports", "other/exports"


class Shared:
    """A target that operators reconcile in turn, with the writes of each."""

    def __init__(self, operator: str | None = None) -> None:
        self.clock = FakeClock()
        found = target()
        self.stored = msgspec.structs.replace(found, status=msgspec.structs.replace(found.status, operator=operator))
        self.writes = 0

    def operator(self, release: str) -> Overlaps:
        return Overlaps(self.clock, release)

    def reconcile(self, overlaps: Overlaps, *, lost: bool = False) -> ExportTarget:
        """One reconcile. A `lost` write fails with a conflict."""
        before = self.stored
        status = overlaps.status_of(before, before.status)
        if lost:
            return before
        self.writes += status.operator != before.status.operator
        self.stored = msgspec.structs.replace(before, status=status)
        overlaps.observe(before, self.stored)
        return self.stored

    @property
    def is_reported(self) -> bool:
        return is_true(self.stored.status.conditions, CONDITION)


@pytest.mark.parametrize("before", [None, OURS, THEIRS, "no name"])
def test_an_operator_that_is_alone_reports_nothing_about_a_name_from_before(before: str | None) -> None:
    world = Shared(before)
    ours = world.operator(OURS)
    for _ in range(5):
        assert world.reconcile(ours).status.operator == OURS
        assert not world.is_reported
        world.clock.advance(RECLAIM_SECONDS)
    assert world.writes == (before != OURS)
    assert ours.count == 0
    assert ours.seconds_until_due(world.stored) is None


@pytest.mark.parametrize("started", [0.0, 5.0, 3_600.0])
def test_two_operators_report_each_other_and_both_count_it(started: float) -> None:
    world = Shared()
    ours, theirs = world.operator(OURS), world.operator(THEIRS)
    world.reconcile(ours)
    world.clock.advance(started)
    for _ in range(4):
        world.reconcile(theirs)
        world.reconcile(ours)
        world.clock.advance(RECLAIM_SECONDS)
    assert world.is_reported
    (found,) = [one for one in world.stored.status.conditions if one.type == CONDITION]
    assert f"Leases {OURS} and {THEIRS}" in found.message
    assert ours.count == theirs.count == 1


def test_two_operators_write_their_names_once_a_minute_at_most() -> None:
    world = Shared()
    both = [world.operator(OURS), world.operator(THEIRS)]
    for _ in range(600):
        for overlaps in both:
            world.reconcile(overlaps)
        world.clock.advance(1)
    assert world.writes <= 2 * 600 / RECLAIM_SECONDS + 2


def test_the_report_ends_when_the_other_operator_has_been_silent() -> None:
    world = Shared()
    ours, theirs = world.operator(OURS), world.operator(THEIRS)
    for overlaps in (ours, theirs, ours):
        world.reconcile(overlaps)
    world.clock.advance(RECLAIM_SECONDS)
    world.reconcile(ours)
    assert world.stored.status.operator == OURS
    world.clock.advance(QUIET_SECONDS - 1)
    world.reconcile(ours)
    assert world.is_reported
    due = ours.seconds_until_due(world.stored)
    assert due == 1
    world.clock.advance(due)
    world.reconcile(ours)
    assert not world.is_reported
    assert ours.count == 0


def test_a_process_that_starts_while_the_report_stands_ends_it_only_after_the_same_time() -> None:
    world = Shared()
    ours, theirs = world.operator(OURS), world.operator(THEIRS)
    for overlaps in (ours, theirs, ours):
        world.reconcile(overlaps)
    restarted = world.operator(OURS)
    world.reconcile(restarted)
    assert restarted.count == 1
    world.clock.advance(QUIET_SECONDS - 1)
    world.reconcile(restarted)
    assert world.is_reported
    world.clock.advance(1)
    world.reconcile(restarted)
    assert not world.is_reported


def test_a_write_that_failed_claims_nothing() -> None:
    world = Shared(THEIRS)
    ours = world.operator(OURS)
    world.reconcile(ours, lost=True)
    world.reconcile(ours)
    assert not world.is_reported


def test_a_target_that_was_created_again_is_not_taken_for_the_one_before() -> None:
    world = Shared()
    ours = world.operator(OURS)
    world.reconcile(ours)
    again = msgspec.structs.replace(world.stored.metadata, uid="another")
    status = msgspec.structs.replace(world.stored.status, operator=THEIRS)
    world.stored = msgspec.structs.replace(world.stored, metadata=again, status=status)
    world.reconcile(ours)
    assert not world.is_reported


def test_names_that_are_lost_are_written_again_without_a_report() -> None:
    world = Shared()
    ours = world.operator(OURS)
    world.reconcile(ours)
    cleared = msgspec.structs.replace(world.stored.status, operator=None)
    world.stored = msgspec.structs.replace(world.stored, status=cleared)
    world.clock.advance(RECLAIM_SECONDS)
    assert world.reconcile(ours).status.operator == OURS
    assert not world.is_reported


def test_without_a_name_nothing_is_written() -> None:
    world = Shared(THEIRS)
    before: Any = world.stored
    assert world.reconcile(world.operator("")) == before
