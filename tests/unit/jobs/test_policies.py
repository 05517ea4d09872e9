"""The life of an export: which step follows from what is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import T0, between_attempts, condition, running, stamp, submission, target
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.meta import FINALIZER
from reltio_export_operator.api.reasons import ConditionReason
from reltio_export_operator.jobs.observation import Elapsed
from reltio_export_operator.jobs.policies import decide
from unit.jobs.steps import DELETED, obs, summary


@pytest.mark.parametrize(
    ("case", "action", "reason"),
    [
        pytest.param({}, "Submit", "Submitting", id="a new job whose turn it is begins"),
        pytest.param({"target": None}, "Wait", "TargetNotFound", id="no target"),
        pytest.param({"target": target(ready=False)}, "Wait", "TargetNotReady", id="target not ready"),
        pytest.param({"target": target(spec={"suspend": True})}, "Wait", "TargetSuspended", id="target suspended"),
        pytest.param({"queue_position": 3}, "Wait", "Queued", id="others come first"),
        pytest.param({"spec": {"suspend": True}}, "Wait", "JobSuspended", id="suspended before the start"),
        pytest.param({"spec": {"cancel": True}}, "Wait", "Cancelled", id="cancelled before the start"),
        pytest.param(
            {"metadata": {"annotations": {"export.reltio.com/cancel": "true"}}},
            "Wait",
            "Cancelled",
            id="cancelled by annotation",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission()}},
            "Search",
            "",
            id="an intent without answer is searched for, never sent blindly",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission()}, "target": None},
            "Search",
            "",
            id="an intent is searched for even when the target is gone",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(), "retryTime": stamp(30)}},
            "Wait",
            "",
            id="a search waits for its time",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(), "retryTime": stamp(86_400)}},
            "Search",
            "",
            id="a time further away than any wait is a clock that was set back",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(refusedTime=stamp()), "retryTime": stamp(30)}},
            "Wait",
            "",
            id="refused for now: it waits",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(refusedTime=stamp()), "retryTime": stamp(-1)}},
            "Submit",
            "Submitting",
            id="refused for now, waited: it is sent again without a search",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(refusedTime=stamp())}, "spec": {"cancel": True}},
            "Wait",
            "Cancelled",
            id="cancelled while the service does not have it",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission()}, "spec": {"cancel": True}},
            "Search",
            "Cancelled",
            id="cancelled in doubt: the service is asked first",
        ),
        pytest.param(
            {"target": target(metadata={"deletionTimestamp": stamp()})}, "Wait", "TargetDeleted", id="target deleted"
        ),
        pytest.param({"status": running("PROCESSING")}, "Wait", "ExportRunning", id="it runs"),
        pytest.param(
            {"status": running("SOMETHING_NEW")}, "Wait", "UnknownTaskStatus", id="an unknown status is shown"
        ),
        pytest.param(
            {"status": running("PROCESSING"), "watch_error": ConditionReason("Unreachable", own("No connection."))},
            "Wait",
            "Unreachable",
            id="the service cannot be seen",
        ),
        pytest.param({"status": running("CANCELED")}, "Wait", "TaskCanceled", id="somebody stopped it in the console"),
        pytest.param(
            {"status": running("FAILED", "PROCESSING"), "lost_task_ids": frozenset({"task-1"})},
            "CheckDelivery",
            "TaskVanished",
            id="a sibling failed and the other one vanished: it may run on, so there is no second export",
        ),
        pytest.param(
            {"status": running("PROCESSING", duplicates=[{"id": "z", "status": "PROCESSING"}])},
            "ControlTasks",
            "",
            id="a duplicate runs: it is stopped",
        ),
        pytest.param(
            {"status": running("COMPLETED", duplicates=[{"id": "z", "status": "CANCELING"}])},
            "Wait",
            "",
            id="a duplicate is being stopped: the delivery check waits for its end",
        ),
        pytest.param(
            {"status": running("COMPLETED", duplicates=[{"id": "z", "status": "CANCELED"}])},
            "CheckDelivery",
            "VerifyingDelivery",
            id="a duplicate has ended",
        ),
        pytest.param({"status": running("PAUSED")}, "Wait", "PausedAtService", id="paused in the console"),
        pytest.param(
            {"status": running("PROCESSING"), "spec": {"suspend": True}},
            "ControlTasks",
            "Pausing",
            id="suspended while it runs",
        ),
        pytest.param(
            {"status": running("PAUSING"), "spec": {"suspend": True}},
            "Wait",
            "JobSuspended",
            id="pausing already",
        ),
        pytest.param(
            {"status": running("PAUSED", conditions=[condition("Suspended")])},
            "ControlTasks",
            "Resuming",
            id="resumed",
        ),
        pytest.param(
            {"status": running("PAUSED", conditions=[condition("Suspended", "False")])},
            "ControlTasks",
            "",
            id="a pause that took effect after the resume is taken back",
        ),
        pytest.param(
            {"status": running("PAUSED", conditions=[condition("Suspended", "False")]), "now": T0 + timedelta(hours=1)},
            "Wait",
            "PausedAtService",
            id="paused in the console long after a resume",
        ),
        pytest.param(
            {"status": running("COMPLETED", "COMPLETED")}, "CheckDelivery", "VerifyingDelivery", id="all completed"
        ),
        pytest.param({"status": running("COMPLETED", "WAITING")}, "Wait", "ExportRunning", id="a sibling runs on"),
        pytest.param(
            {"status": running("FAILED", "PROCESSING")}, "ControlTasks", "SiblingFailed", id="a sibling failed"
        ),
        pytest.param(
            {"status": running("FAILED", "COMPLETED")}, "RemoveFinalizer", "RetryPending", id="an attempt failed"
        ),
        pytest.param(
            {"status": running("FAILED"), "spec": {"backoffLimit": 0}},
            "Wait",
            "TaskFailed",
            id="no retries",
        ),
        pytest.param({"status": running("FAILED", attempts=3)}, "Wait", "BackoffLimitExceeded", id="no retries left"),
        pytest.param({"status": between_attempts(retryTime=stamp(30))}, "Wait", "", id="the backoff runs"),
        pytest.param(
            {"status": between_attempts(retryTime=stamp(-1))},
            "Submit",
            "Submitting",
            id="the backoff is over",
        ),
        pytest.param(
            {"status": running("PROCESSING"), "spec": {"cancel": True}},
            "ControlTasks",
            "Cancelled",
            id="cancelled",
        ),
        pytest.param(
            {"status": running("CANCELED"), "spec": {"cancel": True}},
            "Wait",
            "Cancelled",
            id="cancel done",
        ),
        pytest.param(
            {"status": running("COMPLETED"), "spec": {"cancel": True}},
            "CheckDelivery",
            "VerifyingDelivery",
            id="cancelled too late",
        ),
        pytest.param(
            {"status": running("COMPLETED", waits=1), "spec": {"cancel": True}},
            "Wait",
            "Cancelled",
            id="cancelled while its delivery cannot be verified",
        ),
        pytest.param(
            {"status": {"attempts": 1, "submission": submission(refusedTime=stamp())}, "spec": {"suspend": True}},
            "Wait",
            "JobSuspended",
            id="suspended while the service does not have it: not sent again",
        ),
        pytest.param(
            {
                "status": {"attempts": 1, "submission": submission(refusedTime=stamp())},
                "target": target(spec={"suspend": True}),
            },
            "Wait",
            "TargetSuspended",
            id="target suspended while the service does not have it: not sent again",
        ),
        pytest.param(
            {
                "status": running("FAILED", "PROCESSING"),
                "spec": {"suspend": True},
                "lost_task_ids": frozenset({"task-1"}),
            },
            "CheckDelivery",
            "TaskVanished",
            id="suspended, and nothing is left to pause",
        ),
        pytest.param(
            {"spec": {"path": "a" * 1000}}, "Wait", "PathTooLong", id="a directory in which no file can have a key"
        ),
        pytest.param(
            {
                "status": running("PROCESSING"),
                "spec": {"activeDeadlineSeconds": 60},
                "now": T0 + timedelta(61),
            },
            "ControlTasks",
            "DeadlineExceeded",
            id="past its deadline",
        ),
        pytest.param(
            {"status": running("PROCESSING"), "lost_task_ids": frozenset({"task-0"}), "spec": {"cancel": True}},
            "Wait",
            "Cancelled",
            id="cancelled after it vanished",
        ),
        pytest.param(
            {"status": running("PROCESSING"), "spec": {"cancel": True}, "elapsed": Elapsed(ending=121)},
            "Wait",
            "Cancelled",
            id="cancelled, and it does not stop within the bound",
        ),
        pytest.param(
            {"status": running("PROCESSING"), "lost_task_ids": frozenset({"task-0"})},
            "CheckDelivery",
            "TaskVanished",
            id="a task vanished",
        ),
        pytest.param({"metadata": DELETED}, "RemoveFinalizer", "", id="deleted before the start"),
        pytest.param({"metadata": DELETED, "status": running("PROCESSING")}, "ControlTasks", "Deleting", id="deleted"),
        pytest.param(
            {"metadata": DELETED, "status": running("CANCELED")}, "RemoveFinalizer", "", id="deleted and stopped"
        ),
        pytest.param(
            {"metadata": DELETED, "status": {"attempts": 1, "submission": submission()}},
            "Search",
            "",
            id="deleted in doubt",
        ),
        pytest.param(
            {"metadata": DELETED, "status": running("PROCESSING"), "spec": {"deletionPolicy": "Orphan"}},
            "RemoveFinalizer",
            "",
            id="deleted as orphan",
        ),
        pytest.param(
            {"metadata": DELETED, "status": running("PROCESSING"), "elapsed": Elapsed(deletion=121)},
            "RemoveFinalizer",
            "",
            id="deletion never waits longer than the bound",
        ),
        pytest.param(
            {"metadata": DELETED, "status": running("PROCESSING"), "now": T0 + timedelta(minutes=3)},
            "ControlTasks",
            "Deleting",
            id="deleted while no operator ran: the stop is still requested",
        ),
        pytest.param(
            {
                "metadata": DELETED,
                "status": running("PROCESSING"),
                "now": T0 + timedelta(minutes=3),
                "elapsed": Elapsed(deletion=31),
            },
            "RemoveFinalizer",
            "",
            id="and then a quarter of the bound is waited for",
        ),
        pytest.param(
            {"metadata": DELETED, "status": {"attempts": 1, "submission": submission(), "retryTime": stamp(300)}},
            "Search",
            "",
            id="deleted in doubt: a wait chosen before does not count",
        ),
        pytest.param(
            {"metadata": DELETED, "status": {"attempts": 1, "submission": submission(), "retryTime": stamp(8)}},
            "Wait",
            "",
            id="deleted in doubt: looks keep a distance",
        ),
        pytest.param(
            {
                "metadata": DELETED,
                "status": running("PROCESSING"),
                "now": T0 - timedelta(days=1),
                "elapsed": Elapsed(deletion=121),
            },
            "RemoveFinalizer",
            "",
            id="nor when the clock was set back",
        ),
        pytest.param(
            {"metadata": DELETED, "status": {"attempts": 1, "submission": submission(refusedTime=stamp())}},
            "RemoveFinalizer",
            "",
            id="deleted while the service does not have it",
        ),
        pytest.param(
            {"metadata": DELETED, "status": running("PROCESSING"), "lost_task_ids": frozenset({"task-0"})},
            "RemoveFinalizer",
            "",
            id="deleted after it vanished",
        ),
        pytest.param(
            {
                "status": running("COMPLETED", conditions=[condition("Complete")]),
                "metadata": {"finalizers": [FINALIZER]},
            },
            "RemoveFinalizer",
            "Because",
            id="finished: the finalizer goes",
        ),
        pytest.param(
            {
                "status": running("COMPLETED", conditions=[condition("Complete")], completionTime=stamp()),
                "spec": {"ttlSecondsAfterFinished": 10},
                "now": T0 + timedelta(seconds=11),
            },
            "DeleteJob",
            "Because",
            id="finished: its time to live is over",
        ),
    ],
)
def test_next_step(case: dict[str, Any], action: str, reason: str) -> None:
    assert summary(decide(obs(**case))) == (action, reason)
