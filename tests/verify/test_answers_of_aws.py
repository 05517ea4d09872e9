"""What a target shows for each answer of AWS, and that the remedy it names makes it Ready."""

from __future__ import annotations

import pytest

from reltio_export_operator.api.conditions import find
from reltio_export_operator.api.target import ExportTarget

from .answers import FAULTS, OUTAGES, Fault
from .world import World


def failing(target: ExportTarget) -> dict[str, str]:
    return {check.name: check.reason for check in target.status.checks if check.status == "False"}


def due(world: World) -> None:
    """The next verification is due."""
    world.kube.objects["exporttargets", "mdm", "lake"]["status"].pop("lastVerificationTime")


def test_there_are_enough_rows() -> None:
    assert len(FAULTS) >= 80
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_an_answer_fails_its_check_and_the_remedy_makes_the_target_ready(fault: Fault) -> None:
    world = World()
    fault.arrange(world)
    target = await world.verify()
    assert failing(target) == {fault.check: fault.reason}
    (check,) = [check for check in target.status.checks if check.status == "False"]
    assert fault.advice in check.remedy
    stalled = find(target.status.conditions, "Stalled")
    assert (stalled is None) == (fault.transient or fault.reason == "ClockSkewed")
    fault.remedy(world)
    due(world)
    assert (await world.verify()).is_ready


@pytest.mark.parametrize("fault", OUTAGES, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_a_transient_answer_leaves_a_ready_target_ready(fault: Fault) -> None:
    world = World()
    assert (await world.verify()).is_ready
    fault.arrange(world)
    due(world)
    target = await world.verify()
    assert target.is_ready
    assert failing(target) == {fault.check: fault.reason}


@pytest.mark.parametrize(("percent", "policy"), [(0, "Path"), (74, "Bucket"), (95, "None")])
async def test_the_session_policy_that_fits_is_shown(percent: int, policy: str) -> None:
    world = World()
    world.aws.own_tags_take = percent
    target = await world.verify()
    assert target.is_ready
    assert target.status.session_policy == policy
    (check,) = [check for check in target.status.checks if check.name == "AssumeRole"]
    assert ("session" in check.message) == (policy != "Path")


async def test_tags_that_fill_the_session_are_reported() -> None:
    world = World()
    world.aws.own_tags_take = 112
    assert failing(await world.verify()) == {"AssumeRole": "SessionTooLarge"}
