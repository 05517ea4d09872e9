"""Work queue, call limiter and circuits together, in any order of events.

No key is lost or reconciled twice at once, no wake-up is lost, and every permit and place comes back. A key that is
refused returns no time after which to reconcile it again, so nothing but its wake-up brings it back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crash.clock import Clock, MortalLoop
from reltio_export_operator.controllers.call_limiter import CallLimiter, CallLimits
from reltio_export_operator.kube.workqueue import WorkQueue
from reltio_export_operator.runtime.circuits import Call, CircuitLimits, Circuits, Endpoint, PausedError
from reltio_export_operator.runtime.clock import SystemClock
from reltio_export_operator.runtime.permits import without_permit

Key = tuple[str, str]
WORKERS = 2
LIMITS = CallLimits(tenant=3, host=6, unproven=3)
# The tenant of each key: three tenants at two hosts, which the namespaces share.
ENDPOINTS = {
    (namespace, name): (f"https://host{index % 2}.test", f"tenant{index}")
    for namespace in "abc"
    for index, name in enumerate("123")
}
KEYS = st.sampled_from(sorted(ENDPOINTS))

OUTCOMES: dict[str, Callable[[Call], object]] = {
    "answered": Call.answered,
    "not connected": lambda call: call.not_connected("ConnectTimeout"),
    "not answered": lambda call: call.not_answered("ReadTimeout"),
    "lost": lambda call: None,
}


class LoopClock(SystemClock):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        return self._clock.now


class Calls(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.loop = MortalLoop(self.clock)
        self.circuits = Circuits(LoopClock(self.clock), CircuitLimits(failures=2, first_seconds=5, cap_seconds=20))
        self.wanted: Counter[Key] = Counter()
        self.running: Counter[Key] = Counter()
        self.calls: dict[Key, asyncio.Future[str]] = {}
        self.unseen: set[Key] = set()  # keys of changes after which there was no reconcile yet
        self.queue: WorkQueue[Key] = WorkQueue(self.reconcile, workers=WORKERS)
        self.limiter: CallLimiter[Key] = CallLimiter(self.circuits, self.queue.add, LIMITS)
        self.task = self.loop.create_task(self.queue.run())
        self.settle()

    def endpoint(self, key: Key) -> Endpoint:
        return self.circuits.endpoint(*ENDPOINTS[key])

    async def reconcile(self, key: Key) -> float | None:
        self.running[key] += 1
        assert self.running[key] == 1, "a key is reconciled twice at once"
        self.unseen.discard(key)
        try:
            with self.limiter.turn(key):
                await asyncio.sleep(0)  # the object is read
                return await self.call(key) if self.wanted[key] else None
        finally:
            self.running[key] -= 1

    async def call(self, key: Key) -> float | None:
        endpoint = self.endpoint(key)
        if paused := endpoint.paused():
            return paused.retry_after
        with self.limiter.enter(endpoint, key) as may_call:
            if not may_call:
                return None
            await asyncio.sleep(0)  # the intent is written
            try:
                async with without_permit():
                    with endpoint.call() as call:
                        self.calls[key] = self.loop.create_future()
                        try:
                            outcome = await self.calls[key]
                        finally:
                            del self.calls[key]
                        OUTCOMES[outcome](call)
            except PausedError as paused:
                return paused.retry_after
            await asyncio.sleep(0)  # the result is written
        if outcome == "lost":
            raise ConnectionError
        self.wanted[key] = max(0, self.wanted[key] - (outcome == "answered"))
        return 0 if self.wanted[key] else None

    def settle(self, seconds: float = 0.0) -> None:
        """Let time pass, and then everything happen that can happen without any."""

        async def passes() -> None:
            await asyncio.sleep(seconds)
            for _ in range(60):
                await asyncio.sleep(0)

        self.loop.run_until_complete(passes())
        assert not self.task.done()

    # -- what may happen

    @rule(key=KEYS, times=st.integers(1, 3))
    def wants_calls(self, key: Key, times: int) -> None:
        self.wanted[key] += times
        self.queue.add(key)
        self.settle()

    @rule(keys=st.lists(KEYS, min_size=1, max_size=9))
    def many_want_calls_at_once(self, keys: list[Key]) -> None:
        for key in keys:
            self.wanted[key] += 1
            self.queue.add(key)
        self.settle()

    @rule(key=KEYS)
    def is_changed(self, key: Key) -> None:
        self.unseen.add(key)
        self.queue.add(key)
        self.settle()

    @rule(key=KEYS)
    def wants_no_call_any_more(self, key: Key) -> None:
        self.wanted[key] = 0
        self.queue.add(key)
        self.settle()

    @rule(key=KEYS)
    def is_deleted(self, key: Key) -> None:
        if key not in self.calls:
            self.wanted[key] = 0
            self.limiter.forget(key)
            self.settle()

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), outcome=st.sampled_from([*OUTCOMES, "cancelled"]))
    def a_call_ends(self, data: Any, outcome: str) -> None:
        future = self.calls[data.draw(st.sampled_from(sorted(self.calls)))]
        future.cancel() if outcome == "cancelled" else future.set_result(outcome)
        self.settle()

    @rule(key=KEYS, outcome=st.sampled_from(sorted(OUTCOMES)))
    def something_else_calls_the_tenant(self, key: Key, outcome: str) -> None:
        """The poll of running tasks, which the limiter does not count."""
        endpoint = self.endpoint(key)
        if endpoint.paused() is None:
            with endpoint.call() as call:
                OUTCOMES[outcome](call)
        self.settle()

    @rule(seconds=st.sampled_from([0.5, 3.0, 12.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.settle(seconds)

    # -- what always holds

    @invariant()
    def a_reconcile_that_waits_for_a_call_holds_no_permit(self) -> None:
        assert self.queue._permits.free == WORKERS
        assert self.queue._busy == set(self.calls)

    @invariant()
    def no_wake_up_is_lost(self) -> None:
        for name, pool in self.limiter._pools.items():
            assert not pool.waiting or pool.held + len(pool.woken) >= pool.limit(), name
            assert not pool.woken, "each key that was woken has had its turn by now"

    @invariant()
    def the_limits_hold(self) -> None:
        tenants = Counter(ENDPOINTS[key] for key in self.calls)
        hosts = Counter(ENDPOINTS[key][0] for key in self.calls)
        assert all(count <= LIMITS.tenant for count in tenants.values())
        assert all(count <= LIMITS.host for count in hosts.values())

    def teardown(self) -> None:
        """Once all tenants answer, every key gets all its calls, and nothing is left."""
        try:
            for _ in range(200):
                for future in list(self.calls.values()):
                    future.set_result("answered")
                self.settle(0.0 if self.calls else 61.0)
                if not +self.wanted and not self.calls:
                    break
            assert not +self.wanted, f"lost: {+self.wanted}"
            assert not self.unseen, "a change was lost"
            assert not self.limiter._pools
            assert self.limiter.waiting == 0
            self.is_cancelled_in_calls()
        finally:
            self.loop.close()

    def is_cancelled_in_calls(self) -> None:
        for key in ENDPOINTS:
            self.wanted[key] += 1
            self.queue.add(key)
        self.settle()
        assert self.calls
        self.task.cancel()
        self.loop.run_until_complete(asyncio.wait([self.task]))
        assert not self.calls
        assert self.queue._permits.free == WORKERS
        assert all(pool.held == 0 for pool in self.limiter._pools.values())


TestCallsInAnyOrder = Calls.TestCase
TestCallsInAnyOrder.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
