"""What a target shows for each mistake and answer of AWS, and that following the remedy makes it Ready."""

from __future__ import annotations

import pytest

from reltio_export_operator.api.conditions import find

from .answers import ANSWERS, OUTAGES
from .cases import Case
from .matrix import ROWS, failing, play
from .world import World


def due(world: World) -> None:
    """The next verification is due."""
    world.kube.objects["exporttargets", "mdm", "lake"]["status"].pop("lastVerificationTime")


def test_there_are_enough_rows() -> None:
    assert len(ROWS) >= 150
    assert len({case.name for case in ROWS}) == len(ROWS)


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_mistake_lasts_until_its_remedy_is_followed_and_is_healed_by_it(case: Case) -> None:
    outcome = await play(case)
    assert outcome.right, outcome.shown
    assert outcome.lasts
    assert outcome.instructions, "no instruction of the remedy is known to tests/verify/remedies.py"
    assert outcome.healed, outcome.shown


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_target_is_stalled_only_by_what_does_not_pass_by_itself(case: Case) -> None:
    world = World(case.spec)
    case.arrange(world)
    target = await world.verify()
    assert (find(target.status.conditions, "Stalled") is None) == case.transient


@pytest.mark.parametrize("case", OUTAGES, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_transient_answer_leaves_a_ready_target_ready(case: Case) -> None:
    world = World()
    assert (await world.verify()).is_ready
    case.arrange(world)
    due(world)
    target = await world.verify()
    assert target.is_ready
    assert failing(target) == case.failing


@pytest.mark.parametrize(("percent", "policy"), [(0, "Path"), (74, "Bucket"), (95, "None")])
async def test_the_session_policy_that_fits_is_shown(percent: int, policy: str) -> None:
    world = World()
    world.aws.own_tags_take = percent
    target = await world.verify()
    assert target.is_ready
    assert target.status.session_policy == policy
    (check,) = [check for check in target.status.checks if check.name == "AssumeRole"]
    assert ("session" in check.message) == (policy != "Path")
