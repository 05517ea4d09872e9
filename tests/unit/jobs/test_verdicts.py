"""What a delivery means for its job: a condition says what was proved, and a person accepts what has no manifest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import GOOD_MANIFEST, STORED_FILES, T0, job, running, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.meta import to_wire
from reltio_export_operator.delivery.manifest import Delivery, FileReport, StoredFile
from reltio_export_operator.jobs import results
from reltio_export_operator.jobs.observation import Decision, Observation


def on_delivery_read(obs: Observation, delivery: Delivery) -> Decision:
    submission = obs.status.submission
    assert submission is not None
    return results.on_delivery_read(obs, submission, delivery)


def finished() -> Observation:
    return Observation(job=job(status=running("COMPLETED")), now=T0, target=target())


def later(status: Any, minutes: float, **more: Any) -> Observation:
    """A finished export with this status, so many minutes after T0."""
    return Observation(job=job(status=to_wire(status), **more), now=T0 + timedelta(minutes=minutes), target=target())


def shown(decision: Decision, type_: str) -> tuple[str, str] | None:
    found = find(decision.status.conditions, type_)
    return (found.status, found.reason) if found else None


UNLISTED = {"part-00000.gz": StoredFile(100), "manifest.json": StoredFile(9), "_SUCCESS": StoredFile(0)}


@pytest.mark.parametrize("delivery", [Delivery(None, UNLISTED), Delivery("text", UNLISTED), Delivery({}, UNLISTED)])
def test_a_manifest_with_a_list_of_files_is_waited_for_an_hour_and_then_a_person(delivery: Delivery) -> None:
    decision = on_delivery_read(finished(), delivery)
    assert (shown(decision, "Reconciling"), shown(decision, "Stalled")) == (("True", "ManifestPending"), None)
    decision = on_delivery_read(later(decision.status, 59), delivery)
    assert (shown(decision, "Reconciling"), shown(decision, "Stalled")) == (("True", "ManifestPending"), None)
    for minutes in (61, 600):
        decision = on_delivery_read(later(decision.status, minutes), delivery)
        assert shown(decision, "Stalled") == ("True", "ManifestMissing")
        assert decision.status.phase == "Verifying"
        assert decision.requeue_after
    stalled = find(decision.status.conditions, "Stalled")
    assert stalled is not None
    assert "1 objects of 100 bytes: part-00000.gz" in stalled.message
    assert "kubectl annotate exportjob nightly -n mdm export.reltio.com/accept-delivery=true" in stalled.message
    completed = on_delivery_read(later(decision.status, 700), Delivery(GOOD_MANIFEST, STORED_FILES))
    assert completed.status.phase == "Complete"


def test_a_person_accepts_what_is_there_once_the_manifest_counts_as_missing() -> None:
    accepts = {"metadata": {"annotations": {"export.reltio.com/accept-delivery": "true"}}}
    delivery = Delivery(None, UNLISTED)
    decision = on_delivery_read(later(finished().status, 0, **accepts), delivery)
    assert decision.status.phase == "Verifying"
    decision = on_delivery_read(later(decision.status, 61, **accepts), delivery)
    output = decision.status.output
    assert output is not None
    assert (output.verified, output.files, output.bytes, output.objects) == ("None", 1, 100, None)
    assert shown(decision, "Complete") == ("True", "DeliveryAccepted")
    assert shown(decision, "DeliveryVerified") == ("False", "DeliveryAccepted")


def test_an_export_that_was_not_successful_fails_without_a_list_of_files() -> None:
    decision = on_delivery_read(finished(), Delivery({"success": False}, UNLISTED))
    assert shown(decision, "Failed") == ("True", "DeliveryMismatch")


@pytest.mark.parametrize(
    ("manifest", "reports", "verified"),
    [
        (
            GOOD_MANIFEST,
            {name: FileReport(sha256="1", records=6) for name in GOOD_MANIFEST["files"]},
            ("True", "FilesVerified"),
        ),
        (GOOD_MANIFEST, {}, ("Unknown", "CountsOpen")),
        ({**GOOD_MANIFEST, "totalObjects": None}, {}, ("Unknown", "DeliveryUncertain")),
    ],
)
def test_a_condition_says_whether_the_delivery_is_verified(
    manifest: dict[str, Any], reports: dict[str, FileReport], verified: tuple[str, str]
) -> None:
    decision = on_delivery_read(finished(), Delivery(manifest, STORED_FILES, reports, countable=True))
    assert shown(decision, "DeliveryVerified") == verified
    assert shown(decision, "Complete") == ("True", "Delivered")
    warned = [event.reason for event in decision.events if event.type == "Warning"]
    assert warned == ([verified[1]] if verified[1] == "DeliveryUncertain" else [])


def test_a_smallest_number_of_objects_that_cannot_be_compared_is_named() -> None:
    given = Observation(
        job=job(spec={"delivery": {"minObjects": 5}}, status=running("COMPLETED")), now=T0, target=target()
    )
    decision = on_delivery_read(given, Delivery({**GOOD_MANIFEST, "totalObjects": "many"}, STORED_FILES))
    condition = find(decision.status.conditions, "DeliveryVerified")
    assert condition is not None
    assert "spec.delivery.minObjects" in condition.message
