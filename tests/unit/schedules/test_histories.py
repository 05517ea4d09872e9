"""No history of a schedule loses a version of an object, or gives a slot two jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from reltio_export_operator.api.schedule import ScheduleStatus
from reltio_export_operator.schedules import observation, outcomes, runs

from .history import play

_HISTORIES = 600  # `make schedule-histories` plays 10,000
_PARTS = 12
_CONTROLS = 150
HAPPENS = frozenset(
    {
        *("complete job", "failed job", "version replaced", "write in conflict", "action late", "action lost"),
        *("job found", "job collected", "status lost", "clock stepped"),
        *("edit of template", "edit of schedule", "edit of zone", "edit of suspend", "edit of trigger"),
        *("RunsSkipped", "RunMissed", "JobActive"),
        *("Incremental", "FirstRun", "FullSchedule", "TemplateChanged"),
    }
)


@pytest.mark.parametrize("part", range(_PARTS))
def test_every_version_is_exported_whatever_happens(part: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(part, _HISTORIES, _PARTS):
        world = play(seed)
        assert not world.problems, f"seed {seed}: {world.problems[:3]}"
        seen += world.seen
    assert seen.keys() >= HAPPENS, HAPPENS - seen.keys()


def without_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "parse_duration", lambda text: 0.0)


def with_failed_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watermark follows jobs that have failed too."""
    advance = outcomes._with_outcome

    def always(status: ScheduleStatus, child: observation.Child) -> ScheduleStatus:
        status = advance(status, child)
        if child.run is None or child.data_time is None:
            return status
        return msgspec.structs.replace(
            status, incremental=outcomes._advanced(status.incremental, child.run, child.data_time)
        )

    monkeypatch.setattr(outcomes, "_with_outcome", always)


def with_clocks_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window of a run ends when the operator's clock says, although it may be ahead."""
    monkeypatch.setattr(
        observation.Child, "data_time", property(lambda child: child.run.window_end if child.run else None)
    )
    monkeypatch.setattr(outcomes, "_not_ahead", lambda status, now: status)


@pytest.mark.parametrize("fault", [without_overlap, with_failed_jobs, with_clocks_believed])
def test_the_histories_find_a_fault(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    assert any(play(seed).problems for seed in range(_CONTROLS))
