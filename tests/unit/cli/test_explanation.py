"""The explanation of a job: history, what it waits for, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from builders import condition, job, running, stamp, submission, target
from reltio_export_operator.cli.explanation import explain


@pytest.mark.parametrize(
    ("state", "waiting_for", "action"),
    [
        pytest.param({}, "the operator. Check that it runs", None, id="no status"),
        pytest.param(
            {"phase": "Queued", "queuePosition": 3, "conditions": [condition("Reconciling", reason="Queued")]},
            "Queued:  (since 2031-01-15T03:00:00Z) Position 3.",
            None,
            id="queued",
        ),
        pytest.param(
            {"phase": "Pending", "conditions": [condition("Reconciling", reason="TargetNotReady")]},
            "The target reports Because",
            "kubectl reltio-export verify lake -n mdm",
            id="target not ready",
        ),
        pytest.param(
            {"phase": "Suspended", "conditions": [condition("Suspended", reason="JobSuspended")]},
            "JobSuspended",
            None,
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
            "If it does not run in Reltio's console: kubectl reltio-export cancel nightly -n mdm",
            id="vanished",
        ),
        pytest.param(
            running("COMPLETED", conditions=[condition("Complete", reason="Delivered")]), None, None, id="complete"
        ),
        pytest.param(
            running("FAILED", conditions=[condition("Failed", reason="DeliveryMismatch")]),
            None,
            None,
            id="mismatch",
        ),
    ],
)
def test_each_state_is_explained_with_what_it_waits_for_and_what_to_do(
    state: dict[str, Any], waiting_for: str | None, action: str | None
) -> None:
    explanation = explain(job(status=state), target(ready=False))
    assert explanation.action == action
    if waiting_for is None:
        assert explanation.waiting_for is None
    else:
        assert explanation.waiting_for is not None
        assert waiting_for in explanation.waiting_for


def test_the_history_is_in_the_order_of_time() -> None:
    failure = {"attempt": 1, "reason": "TaskFailed", "message": "disk full", "time": stamp(60)}
    state = running(
        "PROCESSING",
        submission=submission(attempt=2, intendedTime=stamp(120), submittedTime=stamp(121), adopted=True),
        failures=[failure],
        conditions=[condition("DuplicateDetected", lastTransitionTime=stamp(130))],
    )
    events = ({"time": None, "type": "Warning", "reason": "CleanupIncomplete", "message": "Gone."},)
    history = [entry.message for entry in explain(job(status=state), events=events).history]
    assert history[0] == "CleanupIncomplete: Gone."
    assert [text.split()[0] for text in history[1:]] == ["Created", "Attempt", "Attempt", "Found", "DuplicateDetected:"]


def test_the_first_line_is_the_job_and_its_phase() -> None:
    lines = explain(job(status={"phase": "Queued"})).lines()
    assert lines[0] == "ExportJob mdm/nightly: Queued"
