"""What users do with one job, and what must hold in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reltio_export_operator.runtime.settings import Settings

from .world import JOB, NAMESPACE, SETTINGS, World

Raw = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """A story about one job: what is set up, what users do when, and how it may end."""

    name: str
    outcomes: frozenset[str]  # reasons of Complete or Failed; "deleted" when the object goes away
    exports: int = 1  # how many the service may have taken for the job
    spec: Raw = field(default_factory=dict)
    arrange: Callable[[World], None] = lambda world: None

    def world(self, settings: Settings = SETTINGS) -> World:
        world = World(settings)
        world.furnish()
        self.arrange(world)
        world.submit_job(**self.spec)
        return world


def _at(seconds: float, act: Callable[[World], None]) -> Callable[[World], None]:
    def arrange(world: World) -> None:
        world.expecting = True

        def happen() -> None:
            world.expecting = False
            act(world)

        world.clock.after(seconds, happen)

    return arrange


def _suspend_and_resume(world: World) -> None:
    world.clock.after(12, lambda: world.edit_job({"spec": {"suspend": True}}))
    _at(60, lambda w: w.edit_job({"spec": {"suspend": False}}))(world)


def _suspend_while_refused(world: World) -> None:
    world.service.full_until = world.clock.now + 60
    world.clock.after(20, lambda: world.edit_job({"spec": {"suspend": True}}))
    _at(200, lambda w: w.edit_job({"spec": {"suspend": False}}))(world)


def _edit_labels(world: World) -> None:
    """Somebody else writes to the object all the time."""

    def edit(number: int) -> None:
        world.edit_job({"metadata": {"labels": {"touched": str(number)}}})
        if number < 60:
            world.clock.after(0.013, lambda: edit(number + 1))

    world.clock.after(0.003, lambda: edit(0))


def _target_goes(world: World) -> None:
    """Once an intent is on record: without a target, a job that has none waits for one."""
    world.expecting = True

    def delete() -> None:
        if "submission" not in (world.job() or {}).get("status", {}):
            world.clock.after(1, delete)
            return
        world.kube.user_delete("exporttargets", NAMESPACE, "lake")
        world.expecting = False

    world.clock.after(12, delete)


def _secret_goes_and_comes(world: World) -> None:
    secret = world.kube.secrets[NAMESPACE, "reltio-api"]
    world.clock.after(8, world.kube.secrets.clear)
    _at(120, lambda w: w.kube.secrets.__setitem__((NAMESPACE, "reltio-api"), secret))(world)


def _recreate(world: World) -> None:
    world.expecting = True

    def again() -> None:
        if world.job() is None:
            world.submit_job()
            world.expecting = False
        else:
            world.clock.after(1, again)

    def delete() -> None:
        world.delete_job(JOB)
        again()

    world.clock.after(12, delete)


def _serve(**how: Any) -> Callable[[World], None]:
    """The service behaves like this for all exports."""

    def arrange(world: World) -> None:
        for name, value in how.items():
            assert hasattr(world.service, name)
            setattr(world.service, name, value)

    return arrange


def _partial_data(world: World) -> None:
    """The first attempt fails with files written, beside those of somebody else."""
    world.service.leaves_partial_data = True
    world.service.behave(tasks=2, fail="disk full")
    world.bucket.objects["out/mdm/nightly/readme.txt"] = b"not an export"


DELIVERED = frozenset({"Delivered"})
SCENARIOS = (
    Scenario("plain", DELIVERED),
    Scenario("siblings", DELIVERED, arrange=lambda w: w.service.behave(tasks=3)),
    Scenario("first attempt fails", DELIVERED, exports=2, arrange=lambda w: w.service.behave(fail="disk full")),
    Scenario("sibling fails", DELIVERED, exports=2, arrange=lambda w: w.service.behave(tasks=3, fail="disk full")),
    Scenario("suspended and resumed", DELIVERED, arrange=_suspend_and_resume),
    Scenario("suspended while refused", DELIVERED, arrange=_suspend_while_refused),
    Scenario("labels edited meanwhile", DELIVERED, arrange=_edit_labels),
    Scenario("target deleted meanwhile", DELIVERED | {"DeliveryUnverified"}, arrange=_target_goes),
    Scenario("secret lost and found", DELIVERED, arrange=_secret_goes_and_comes),
    Scenario(
        "cancelled",
        frozenset({"Cancelled", "Delivered"}),
        arrange=_at(12, lambda w: w.edit_job({"spec": {"cancel": True}})),
    ),
    Scenario("deleted", frozenset({"deleted"}), arrange=_at(12, lambda w: w.delete_job())),
    Scenario("deleted at once", frozenset({"deleted"}), arrange=_at(0.3, lambda w: w.delete_job())),
    Scenario(
        "orphaned",
        frozenset({"deleted"}),
        spec={"deletionPolicy": "Orphan"},
        arrange=_at(12, lambda w: w.delete_job()),
    ),
    Scenario("late", frozenset({"DeadlineExceeded", "Delivered"}), spec={"activeDeadlineSeconds": 15}),
    Scenario("recreated under the same name", DELIVERED, exports=1, arrange=_recreate),
    Scenario("tasks without names", DELIVERED, arrange=_serve(shows_names=False)),
    Scenario("names imitated by others", DELIVERED, arrange=_serve(is_imitated=True)),
    Scenario("history of 200000", DELIVERED, arrange=_serve(older_tasks=200_000)),
    Scenario("history without order", DELIVERED, arrange=_serve(older_tasks=450, is_ordered=False)),
    Scenario(
        "partial data deleted",
        DELIVERED,
        exports=2,
        spec={"delivery": {"cleanupFailedAttempts": True}},
        arrange=_partial_data,
    ),
)
# Those in which a lost status has no other end than a kept one.
LOSING = tuple(
    scenario
    for scenario in SCENARIOS
    if scenario.name
    in (
        "plain",
        "siblings",
        "first attempt fails",
        "sibling fails",
        "labels edited meanwhile",
        "names imitated by others",
        "history without order",
        "partial data deleted",
    )
)
