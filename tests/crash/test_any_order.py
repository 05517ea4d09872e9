"""Whatever users, the service, the API server and death do in whatever order: one job is one export."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from . import kubefaults
from .clock import Killed, Stalled
from .wire import SERVICE_FAULTS
from .world import NAMESPACE, TARGET, World, quiet

Raw = dict[str, Any]
NAMES = ("a", "b", "c")


class AnyOrder(RuleBasedStateMachine):
    """Jobs of one target. `self.allowed` is the model: how each job may end, by uid, given what was done to it."""

    jobs = Bundle("jobs")

    @initialize()
    def begin(self) -> None:
        self._quiet = quiet()
        self._quiet.__enter__()
        self.world = World()
        self.world.furnish()
        self.secret = dict(self.world.kube.secrets[NAMESPACE, "reltio-api"])
        self.allowed: dict[str, set[str]] = {}
        self.gone: set[str] = set()
        self.failing = 0
        self.world.start()

    # -- users

    @rule(target=jobs, name=st.sampled_from(NAMES))
    def create(self, name: str) -> str:
        if self.world.job(name) is None:
            raw = self.world.submit_job(name)
            self.allowed[raw["metadata"]["uid"]] = {"Delivered"}
            self._forgive()
        return name

    @rule(name=jobs)
    def suspend(self, name: str) -> None:
        self.world.edit_job({"spec": {"suspend": True}}, name)

    @rule(name=jobs)
    def resume(self, name: str) -> None:
        self.world.edit_job({"spec": {"suspend": False}}, name)

    @rule(name=jobs, by_annotation=st.booleans())
    def cancel(self, name: str, by_annotation: bool) -> None:
        self._allow(name, "Cancelled")
        mark = {"metadata": {"annotations": {"export.reltio.com/cancel": "true"}}}
        self.world.edit_job(mark if by_annotation else {"spec": {"cancel": True}}, name)

    @rule(name=jobs)
    def delete(self, name: str) -> None:
        raw = self.world.job(name)
        if raw is not None:
            self.gone.add(raw["metadata"]["uid"])
            self.world.delete_job(name)

    @rule(name=jobs, number=st.integers(0, 9))
    def label(self, name: str, number: int) -> None:
        self.world.edit_job({"metadata": {"labels": {"number": str(number)}}}, name)

    @rule(path=st.sampled_from(["/out/", "/elsewhere/"]), places=st.integers(1, 4))
    def edit_target(self, path: str, places: int) -> None:
        change = {"spec": {"maxConcurrentJobs": places, "s3": {"path": path}}}
        self.world.kube.change("exporttargets", NAMESPACE, TARGET, change)

    @rule(lost=st.booleans())
    def lose_or_find_the_secret(self, lost: bool) -> None:
        self.world.kube.secrets.clear()
        if not lost:
            self.world.kube.secrets[NAMESPACE, "reltio-api"] = dict(self.secret)

    # -- the world

    @rule(parts=st.integers(1, 3), fails=st.booleans())
    def prepare_the_next_export(self, parts: int, fails: bool) -> None:
        self.world.service.behave(tasks=parts, **({"fail": "disk full"} if fails else {}))
        self.failing += fails
        self._forgive()

    @rule(kind=st.sampled_from(SERVICE_FAULTS), ahead=st.integers(0, 4))
    def strike_a_request(self, kind: str, ahead: int) -> None:
        self.world.wire.strikes[len(self.world.wire.log) + ahead] = kind

    @rule(kind=st.sampled_from(kubefaults.KINDS), ahead=st.integers(0, 4))
    def strike_an_api_call(self, kind: str, ahead: int) -> None:
        kubefaults.arm(self.world, self.world.kube.calls + ahead, kind)

    @rule(hours=st.sampled_from([-48, -1, 0, 1, 48]))
    def set_the_clock(self, hours: int) -> None:
        self.world.skew = timedelta(hours=hours)

    @rule(seconds=st.sampled_from([0.01, 0.05, 0.5, 4.0, 15.0, 60.0, 300.0]))
    def pass_time(self, seconds: float) -> None:
        self._live(seconds)

    @rule(steps=st.integers(0, 120))
    def die_within_steps(self, steps: int) -> None:
        loop = self.world._loop
        assert loop is not None
        loop.last_step = loop.steps + steps
        with contextlib.suppress(Killed):
            self._live(30.0)
        self.world.kill()
        self.world.rest(1.0)
        self.world.start()

    # -- what must hold

    @invariant()
    def no_job_has_two_exports_at_once_or_one_twice(self) -> None:
        if not hasattr(self, "world"):
            return
        for uid in self.allowed:
            exports = self.world.service.exports_of(uid)
            assert sum(export.is_complete for export in exports) <= 1, f"{uid} was exported twice"
            assert sum(export.is_active for export in exports) <= 1, f"{uid} runs twice"
            paths = [export.path for export in exports]
            assert len(set(paths)) == len(paths), f"{uid} took a directory twice"

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._end()
        finally:
            self.world.kill()
            self._quiet.__exit__(None, None, None)

    def _end(self) -> None:
        """Everything that users can correct is corrected; then each job ends as the model allows."""
        self.lose_or_find_the_secret(lost=False)
        self.world.wire.strikes.clear()
        self.world.kube.fault = lambda number, call, when: None
        for name in NAMES:
            self.resume(name)
        self._live(3 * 3600.0)
        self.no_job_has_two_exports_at_once_or_one_twice()
        for (plural, _, name), raw in self.world.kube.objects.items():
            if plural != "exportjobs":
                continue
            uid = raw["metadata"]["uid"]
            assert uid not in self.gone, f"{name} still has its finalizer"
            ended = [c["reason"] for c in raw["status"]["conditions"] if c["type"] in ("Complete", "Failed")]
            assert ended, f"{name} is stuck: {raw['status']}"
            assert ended[0] in self.allowed[uid], f"{name} ended as {ended[0]}: {raw['status']['conditions']}"
            assert not raw["metadata"].get("finalizers"), f"{name} is still held"
            complete = [export for export in self.world.service.exports_of(uid) if export.is_complete]
            assert (ended[0] == "Delivered") <= (len(complete) == 1)
            assert not any(export.is_active for export in self.world.service.exports_of(uid))
        for uid in self.gone:
            assert not any(export.is_active for export in self.world.service.exports_of(uid)), f"{uid} runs on"

    def _live(self, seconds: float) -> None:
        until = self.world.clock.now + seconds
        try:
            self.world.wait(lambda: self.world.clock.now >= until, within=seconds)
        except Stalled:
            self.world.clock.now = until

    def _allow(self, name: str, reason: str) -> None:
        raw = self.world.job(name)
        if raw is not None:
            self.allowed[raw["metadata"]["uid"]].add(reason)

    def _forgive(self) -> None:
        """Whom a failure that was prepared will meet is not known: any unfinished job may fail of enough of them."""
        if self.failing >= 3:
            for reasons in self.allowed.values():
                reasons.add("BackoffLimitExceeded")


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
