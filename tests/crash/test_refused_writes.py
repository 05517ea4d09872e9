"""Jobs whose writes the API server refuses: those without an intent let others go first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from reltio_export_operator.api.meta import ATTEMPT_ANNOTATION
from reltio_export_operator.kube.client import InvalidError

from .matrix import is_over
from .test_unreadable_objects import conditions, events
from .world import JOB, NAMESPACE, TARGET, World, quiet

pytestmark = pytest.mark.usefixtures("quietly")

Raw = dict[str, Any]
Refuses = Callable[[Raw, Raw], bool]
REFUSED = "first"  # sorts before JOB, so it is the first in the queue
LATE = 3600.0


class Policy:
    """An admission policy that refuses writes to the job REFUSED. It counts what it refused."""

    def __init__(self, world: World, refuses: Refuses, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuses: Refuses | None = refuses
        self.refused: Counter[str] = Counter()
        patch = world.kube._patch

        def admit(plural: str, raw: Raw, change: Raw) -> Raw | None:
            mine = plural == "exportjobs" and raw["metadata"]["name"] == REFUSED
            if mine and self.refuses is not None and self.refuses(raw, change):
                self.refused["status" if "status" in change else "metadata"] += 1
                raise InvalidError("exceeded quota")
            return patch(plural, raw, change)

        monkeypatch.setattr(world.kube, "_patch", admit)


def everything(raw: Raw, change: Raw) -> bool:
    return True


def metadata(raw: Raw, change: Raw) -> bool:
    return "status" not in change


def status(raw: Raw, change: Raw) -> bool:
    return "status" in change


def intents(raw: Raw, change: Raw) -> bool:
    return bool(change.get("status", {}).get("submission"))


def limit(world: World, jobs: int = 1) -> None:
    world.kube.change("exporttargets", NAMESPACE, TARGET, {"spec": {"maxConcurrentJobs": jobs}})


def is_delivered(world: World, name: str = JOB) -> bool:
    """Complete, and nothing is left of what was reported on the way."""
    found = conditions(world.job(name))
    return found.pop("Complete", None) == ("True", "Delivered") and found.keys() <= {"DeliveryVerified"}


def has_status(world: World, field: str) -> bool:
    return bool((world.job(REFUSED) or {}).get("status", {}).get(field))


@pytest.mark.parametrize("refuses", [everything, metadata, status, intents])
def test_a_job_whose_intent_is_refused_lets_others_go_first_and_is_submitted_once_it_is_admitted(
    world: World, monkeypatch: pytest.MonkeyPatch, refuses: Refuses
) -> None:
    limit(world)
    policy = Policy(world, refuses, monkeypatch)
    world.submit_job(REFUSED)
    world.submit_job()
    world.start()
    world.wait(lambda: is_over(world), within=LATE)
    assert is_delivered(world)
    world.wait(lambda: False, within=LATE)
    refused = world.job(REFUSED) or {}
    assert events(world, refused) == ["WriteRefused"]
    assert ATTEMPT_ANNOTATION not in refused["metadata"].get("annotations", {})
    assert not refused["metadata"].get("finalizers")
    assert len(world.service.exports) == 1
    assert policy.refused.total() < 2 * LATE / world.settings.retry_cap_seconds + 30  # as often as the backoff says
    policy.refuses = None
    world.wait(lambda: "Complete" in conditions(world.job(REFUSED)), within=LATE)
    assert is_delivered(world, REFUSED)
    assert len(world.service.exports) == 2


def test_the_condition_says_why_where_the_policy_accepts_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Policy(world, intents, monkeypatch)
    world.submit_job(REFUSED)
    world.start()
    world.wait(lambda: False, within=LATE)
    assert conditions(world.job(REFUSED)) == {"Stalled": ("True", "WriteRefused")}


def test_many_refused_jobs_hold_up_no_other_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(world)
    for number in range(20):
        world.submit_job(f"a{number:02}")
    patch = world.kube._patch

    def admit(plural: str, raw: Raw, change: Raw) -> Raw | None:
        if raw["metadata"]["name"].startswith("a"):
            raise InvalidError("exceeded quota")
        return patch(plural, raw, change)

    monkeypatch.setattr(world.kube, "_patch", admit)
    world.submit_job()
    world.submit_job("other")
    world.start()
    world.wait(lambda: is_over(world) and "Complete" in conditions(world.job("other")), within=LATE)
    assert is_delivered(world)
    assert is_delivered(world, "other")
    assert len(world.service.exports) == 2


def test_a_change_of_the_job_ends_the_backoff(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy(world, everything, monkeypatch)
    world.submit_job(REFUSED)
    world.start()
    world.wait(lambda: False, within=LATE)
    policy.refuses = None
    world.edit_job({"metadata": {"labels": {"cost-centre": "7"}}}, REFUSED)
    world.wait(lambda: has_status(world, "submission"), within=5)
    assert has_status(world, "submission")


def test_a_job_with_an_intent_keeps_its_place_while_its_writes_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(world)
    policy = Policy(world, lambda raw, change: bool(raw["status"].get("tasks")), monkeypatch)
    world.submit_job(REFUSED)
    world.submit_job()
    world.start()
    world.wait(lambda: False, within=LATE)
    assert len(world.service.exports) == 1
    assert events(world, world.job(REFUSED)).count("WriteRefused") == 1
    assert conditions(world.job())["Reconciling"] == ("True", "Queued")
    policy.refuses = None
    world.wait(lambda: is_over(world), within=LATE)
    assert is_delivered(world, REFUSED)
    assert is_delivered(world)
    assert len(world.service.exports) == 2


def number_of_writes() -> int:
    """How many writes a job of its own needs."""
    writes: list[Raw] = []

    def record(raw: Raw, change: Raw) -> bool:
        writes.append(change)
        return False

    with quiet(), pytest.MonkeyPatch.context() as monkeypatch:
        world = World()
        world.furnish()
        Policy(world, record, monkeypatch)
        world.submit_job(REFUSED)
        world.run(lambda: "Complete" in conditions(world.job(REFUSED)))
    return len(writes)


@pytest.mark.parametrize("first", range(number_of_writes()))
@pytest.mark.parametrize("lasting", [1, 1000])
def test_a_job_refused_from_any_of_its_writes_on_has_one_export_and_holds_up_others_only_with_an_intent(
    world: World, monkeypatch: pytest.MonkeyPatch, first: int, lasting: int
) -> None:
    limit(world)
    written = [0]

    def refuses(raw: Raw, change: Raw) -> bool:
        written[0] += 1
        return first < written[0] <= first + lasting

    policy = Policy(world, refuses, monkeypatch)
    world.submit_job(REFUSED)
    world.submit_job()
    world.start()
    world.wait(lambda: is_over(world), within=LATE)
    if lasting == 1000:
        refused = world.job(REFUSED) or {}
        # An annotation that can neither be followed by an intent nor be removed is a doubt, and keeps the place too.
        may_run = has_status(world, "submission") or ATTEMPT_ANNOTATION in refused["metadata"].get("annotations", {})
        keeps_place = may_run and not has_status(world, "completionTime")
        assert ("Complete" in conditions(world.job())) is not keeps_place
        assert events(world, refused).count("WriteRefused") == 1
        policy.refuses = None
    world.wait(lambda: is_over(world) and "Complete" in conditions(world.job(REFUSED)), within=LATE)
    assert is_delivered(world, REFUSED)
    assert is_delivered(world)
    assert len(world.service.exports) == 2
