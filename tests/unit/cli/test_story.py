"""What a person on call reads about a job."""

from __future__ import annotations

from typing import Any

import pytest

from builders import condition, job, running, stamp, submission, target
from reltio_export_operator.cli.story import tell


@pytest.mark.parametrize(
    ("state", "waits", "todo"),
    [
        pytest.param({}, "the operator: it has not seen", None, id="not seen"),
        pytest.param(
            {"phase": "Queued", "queuePosition": 3, "conditions": [condition("Reconciling", reason="Queued")]},
            "Queued:  (since 2031-01-15T03:00:00Z) Position 3.",
            None,
            id="queued",
        ),
        pytest.param(
            {"phase": "Pending", "conditions": [condition("Reconciling", reason="TargetNotReady")]},
            "Its target says Because",
            "kubectl reltio-export verify lake -n mdm",
            id="target not ready",
        ),
        pytest.param(
            {"phase": "Suspended", "conditions": [condition("Suspended", reason="JobSuspended")]},
            "JobSuspended",
            "Set spec.suspend of ExportJob nightly to false.",
            id="suspended",
        ),
        pytest.param(
            running("PROCESSING", phase="Running", progress={"summary": "50% (5/10)"})
            | {"conditions": [condition("Reconciling", reason="ExportRunning")]},
            "50% (5/10).",
            None,
            id="running",
        ),
        pytest.param(
            running("PROCESSING", conditions=[condition("Stalled", reason="TaskVanished")]),
            "TaskVanished",
            "kubectl reltio-export cancel nightly -n mdm, if it does not run in Reltio's console.",
            id="vanished",
        ),
        pytest.param(
            running("COMPLETED", conditions=[condition("Complete", reason="Delivered")]), None, None, id="complete"
        ),
        pytest.param(
            running("FAILED", conditions=[condition("Failed", reason="DeliveryMismatch")]),
            None,
            "Compare the directory with its manifest; create a new ExportJob to export again.",
            id="mismatch",
        ),
    ],
)
def test_what_it_waits_for_and_what_to_do(state: dict[str, Any], waits: str | None, todo: str | None) -> None:
    story = tell(job(status=state), target(ready=False))
    assert story.to_do == todo
    if waits is None:
        assert story.waits_for is None
    else:
        assert story.waits_for is not None
        assert waits in story.waits_for


def test_what_happened_is_told_in_order_with_its_times() -> None:
    failure = {"attempt": 1, "reason": "TaskFailed", "message": "disk full", "time": stamp(60)}
    state = running(
        "PROCESSING",
        submission=submission(attempt=2, intendedTime=stamp(120), submittedTime=stamp(121), adopted=True),
        failures=[failure],
        conditions=[condition("DuplicateDetected", lastTransitionTime=stamp(130))],
    )
    events = ({"time": None, "type": "Warning", "reason": "CleanupIncomplete", "message": "Let go."},)
    told = [one.text for one in tell(job(status=state), events=events).happened]
    assert told[0] == "CleanupIncomplete: Let go."
    assert [text.split()[0] for text in told[1:]] == ["created", "attempt", "attempt", "found", "DuplicateDetected:"]


def test_the_lines_begin_with_the_job_and_its_state() -> None:
    lines = tell(job(status={"phase": "Queued"})).lines()
    assert lines[0] == "ExportJob mdm/nightly: Queued"
