"""No history of a schedule loses a version of an object, or gives a slot two jobs."""

from __future__ import annotations

import os

import pytest

from .history import play

# `make schedule-histories` plays 10,000.
_HISTORIES = int(os.environ.get("HISTORIES", "600"))
_PARTS = 12


@pytest.mark.parametrize("part", range(_PARTS))
def test_every_version_is_exported_whatever_happens(part: int) -> None:
    complete = 0
    for seed in range(part, _HISTORIES, _PARTS):
        world = play(seed)
        assert not world.problems, f"seed {seed}: {world.problems[:3]}"
        complete += sum(job.is_finished and job.succeeds for job in world.ever)
    assert complete, "no export was complete: the histories prove nothing"
