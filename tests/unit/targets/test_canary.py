"""A target is shown to deliver by one tiny export, once for each change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import T0, condition, job, target
from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.foreign import own
from reltio_export_operator.api.target import ExportTarget, TargetStatus
from reltio_export_operator.targets import canary

NAME = "lake-canary-1"


def subject(*conditions: dict[str, Any], wanted: bool = True, canary_job: str = NAME) -> ExportTarget:
    bare = target(spec={"verification": {"canary": wanted}})
    status = {"conditions": list(conditions), "canaryJob": canary_job}
    return msgspec.structs.replace(bare, status=msgspec.convert(status, TargetStatus))


def asked(given: ExportTarget, request: str) -> ExportTarget:
    annotations = {"export.reltio.com/verify-requested-at": request}
    return msgspec.structs.replace(given, metadata=msgspec.structs.replace(given.metadata, annotations=annotations))


READY = condition("Ready")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param(subject(READY), True, id="ready and not shown yet"),
        pytest.param(subject(READY, wanted=False), False, id="not asked for"),
        pytest.param(subject(condition("Ready", "False")), False, id="not ready: a job would wait"),
        pytest.param(subject(READY, condition("Delivered", "Unknown")), True, id="running"),
        pytest.param(subject(READY, condition("Delivered")), False, id="shown"),
        pytest.param(subject(READY, condition("Delivered", "False")), False, id="shown not to"),
        pytest.param(
            asked(subject(READY, condition("Delivered", "False")), "again"), True, id="shown not to, and asked again"
        ),
        pytest.param(asked(subject(READY, condition("Delivered")), "again"), False, id="shown, and asked again"),
        pytest.param(subject(READY, condition("Delivered", observedGeneration=0)), True, id="changed since"),
    ],
)
def test_when_a_canary_is_sent(given: ExportTarget, wanted: bool) -> None:
    assert canary.is_wanted(given, given.status) is wanted


@pytest.mark.parametrize(
    ("state", "truth"),
    [
        ({"conditions": [condition("Complete")]}, "True"),
        ({"conditions": [condition("Failed")]}, "False"),
        ({"phase": "Running"}, "Unknown"),
    ],
)
def test_the_status_of_its_job_is_the_outcome(state: dict[str, Any], truth: str) -> None:
    given = subject(READY)
    owned = {"ownerReferences": [{"kind": "ExportTarget", "name": "lake", "uid": given.metadata.uid}]}
    of_it = job(status=state, metadata=owned)
    delivered = find(canary.status_from_job(given, given.status, NAME, of_it, T0).conditions, "Delivered")
    assert delivered is not None
    assert delivered.status == truth


def test_a_job_of_another_owner_with_its_name_is_ignored() -> None:
    given = subject(READY)
    theirs = job(status={"conditions": [condition("Complete")]})
    delivered = find(canary.status_from_job(given, given.status, NAME, theirs, T0).conditions, "Delivered")
    assert delivered is not None
    assert (delivered.status, delivered.reason) == ("Unknown", "CanaryNameTaken")


def test_its_name_is_that_of_the_generation_and_never_too_long() -> None:
    given = subject(READY)
    assert canary.name_of(given, given.status) == NAME
    long = msgspec.structs.replace(given, metadata=msgspec.structs.replace(given.metadata, name="x" * 253))
    assert len(canary.name_of(long, given.status)) == 253
    cut = msgspec.structs.replace(
        given, metadata=msgspec.structs.replace(given.metadata, name="x" * 243 + "." + "y" * 9)
    )
    assert canary.name_of(cut, given.status) == "x" * 243 + "-canary-1"
    assert canary.manifest_of(given, NAME)["metadata"]["name"] == NAME


def test_one_that_runs_is_followed_though_another_is_asked_for() -> None:
    running = asked(subject(READY, condition("Delivered", "Unknown")), "again")
    assert canary.name_of(running, running.status) == NAME
    failed = asked(subject(READY, condition("Delivered", "False")), "again")
    assert canary.name_of(failed, failed.status).startswith(f"{NAME}-")


def test_one_that_cannot_be_created_says_why_and_is_tried_again() -> None:
    given = subject(READY)
    status = canary.not_created_status(given, given.status, NAME, own("quota exceeded"), T0)
    delivered = find(status.conditions, "Delivered")
    assert delivered is not None
    assert (delivered.status, delivered.reason) == ("Unknown", "CanaryNotCreated")
    assert "quota exceeded" in delivered.message
    assert canary.is_wanted(given, status)


def test_the_condition_goes_when_it_is_no_longer_asked_for() -> None:
    given = subject(READY, condition("Delivered"), wanted=False)
    assert find(canary.status_without(given, given.status, T0).conditions, "Delivered") is None


def test_the_job_of_a_canary_belongs_to_its_target_and_blocks_no_deletion() -> None:
    (owner,) = canary.manifest_of(subject(READY), "lake-canary-1")["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == ("t-1", True, False)
