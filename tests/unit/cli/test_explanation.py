"""The explanation of a job: history, what it waits for, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from click import unstyle

from builders import T0, condition, job, running, stamp, submission, target
from reltio_export_operator.api.conditions import Condition
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.reasons import Reason
from reltio_export_operator.aws import messages as of_aws
from reltio_export_operator.cli.explanation import explain
from reltio_export_operator.cli.remedies import remedy
from reltio_export_operator.jobs import messages
from reltio_export_operator.reltio import messages as of_reltio

CONTINUES = "No action is needed. The operator continues by itself."
MISMATCH = messages.DELIVERY_MISMATCH(destination="s3://b/p/", differences=own("a file is missing"))


@pytest.mark.parametrize(
    ("state", "waiting_for", "action"),
    [
        pytest.param({}, "the operator. Check that it runs", None, id="no status"),
        pytest.param(
            {
                "phase": "Queued",
                "queuePosition": 3,
                "conditions": [condition("Reconciling", reason="Queued", message="Waiting.")],
                "reasonTimes": [{"type": "Reconciling", "since": stamp(60)}],
            },
            "Queued: Waiting. (since 2031-01-15T03:01:00Z) Position 3.",
            CONTINUES,
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
            "Set spec.suspend to false to continue.",
            id="suspended",
        ),
        pytest.param(
            running("PROCESSING", phase="Running", progress={"summary": "50% (5/10)"})
            | {"conditions": [condition("Reconciling", reason="ExportRunning")]},
            "50% (5/10).",
            CONTINUES,
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
            running("FAILED", conditions=[condition("Failed", reason="DeliveryMismatch", message=MISMATCH.message)]),
            None,
            "Create a new ExportJob to export again.",
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
    assert unstyle(lines[0]) == "ExportJob mdm/nightly: Queued"


REASONS = [
    (value, type_)
    for module in (messages, of_reltio, of_aws)
    for value in vars(module).values()
    if isinstance(value, Reason) and value.name
    for type_ in ("Stalled", "Reconciling", "Failed")
]


class Anything(dict[str, Any]):
    """A value for each field of a template."""

    def __missing__(self, key: str) -> Any:
        return 7 if key in ("seconds", "count", "minutes", "attempts") else f"<{key}>"


@pytest.mark.parametrize(("reason", "type_"), REASONS, ids=lambda value: getattr(value, "name", value))
def test_every_reason_has_an_action_and_it_is_that_of_the_message(reason: Reason, type_: str) -> None:
    action = reason.action.format_map(Anything())
    message = f"{reason.text.format_map(Anything())} {action}".strip()
    shown = remedy(
        Condition(type=type_, status="True", reason=reason.name, message=message, last_transition_time=T0),
        name="nightly",
        namespace="mdm",
        target="lake",
    )
    assert shown
    if action and reason.name not in ("TargetNotReady", "TaskVanished"):
        assert action.endswith(shown) or shown == action
