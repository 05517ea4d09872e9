"""Who holds the Lease, who takes it over, and when its holder must stop."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.aio.client.exceptions import ApiException

from reltio_export_operator.kube.election import Elector, LeadershipLostError

Raw = dict[str, Any]
DURATION = 15.0


class Time:
    """A clock that only sleeping, or a test, moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds
        await asyncio.sleep(0)


class Server:
    """One Lease with a resourceVersion. `fault` may raise before or after a call has its effect."""

    name = "exports/operator"

    def __init__(self) -> None:
        self.lease: Raw | None = None
        self.version = 0
        self.calls: list[str] = []
        self.events: list[str] = []
        self.fault: Callable[[str, str], None] = lambda call, when: None

    async def get(self) -> Raw | None:
        return self._call("get", lambda: None)

    async def create(self, spec: Raw) -> Raw:
        def effect() -> None:
            if self.lease is not None:
                raise ApiException(status=409, reason="AlreadyExists")
            self._store({"metadata": {"name": "operator"}, "spec": spec})

        return self._call("create", effect) or {}

    async def replace(self, lease: Raw) -> Raw:
        def effect() -> None:
            assert self.lease is not None
            if lease["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                raise ApiException(status=409, reason="Conflict")
            self._store(lease)

        return self._call("replace", effect) or {}

    async def announce(self, lease: Raw, message: str) -> None:
        self.events.append(message)

    def edit(self, **spec: Any) -> None:
        """Somebody else writes."""
        assert self.lease is not None
        self._store({**self.lease, "spec": {**self.lease["spec"], **spec}})

    @property
    def spec(self) -> Raw:
        assert self.lease is not None
        return dict(self.lease["spec"])

    def _store(self, lease: Raw) -> None:
        self.version += 1
        self.lease = copy.deepcopy(lease)
        self.lease["metadata"]["resourceVersion"] = str(self.version)

    def _call(self, name: str, effect: Callable[[], None]) -> Raw | None:
        self.calls.append(name)
        self.fault(name, "before")
        effect()
        self.fault(name, "after")
        return copy.deepcopy(self.lease)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def server() -> Server:
    return Server()


def elector(server: Server, time: Time, identity: str = "a", duration: float = DURATION) -> Elector:
    return Elector(server, identity, duration_seconds=duration, clock=time, sleep=time.sleep, jitter=lambda: 1.0)


async def events_of(server: Server) -> list[str]:
    for _ in range(3):
        await asyncio.sleep(0)
    return server.events


async def test_the_first_replica_creates_the_lease_and_posts_an_event(server: Server, time: Time) -> None:
    first = elector(server, time)
    assert not first.is_leader
    await first.acquire()
    assert first.is_leader
    assert server.spec["holderIdentity"] == "a"
    assert server.spec["leaseDurationSeconds"] == 15
    assert server.spec["leaseTransitions"] == 0
    assert len(server.spec["renewTime"]) == len("2031-01-15T03:00:00.000000Z")
    assert await events_of(server) == ["a became leader"]


async def test_a_follower_takes_over_only_after_it_saw_one_record_for_the_whole_duration(
    server: Server, time: Time
) -> None:
    await elector(server, time).acquire()
    server.edit(renewTime="1970-01-01T00:00:00.000000Z")  # its times count for nothing: clocks differ
    seen = time.now
    second = elector(server, time, "b")
    await second.acquire()
    assert time.now - seen >= DURATION
    assert server.spec["holderIdentity"] == "b"
    assert server.spec["leaseTransitions"] == 1


async def test_a_follower_waits_as_long_as_the_holder_asked_for(server: Server, time: Time) -> None:
    await elector(server, time, duration=60.0).acquire()
    seen = time.now
    await elector(server, time, "b", duration=15.0).acquire()
    assert time.now - seen >= 60


async def test_a_follower_that_slept_does_not_take_over_what_was_renewed_meanwhile(server: Server, time: Time) -> None:
    first, second = elector(server, time), elector(server, time, "b")
    await first.acquire()
    taking = asyncio.create_task(second.acquire())
    for _ in range(40):
        server.edit(renewTime=f"renewed at {time.now}")
        time.now += 30.0  # longer than the Lease lasts
        await asyncio.sleep(0)
    assert server.calls.count("get") > 10
    assert server.spec["holderIdentity"] == "a"
    taking.cancel()


async def test_a_released_lease_is_taken_at_the_next_retry(server: Server, time: Time) -> None:
    first, second = elector(server, time), elector(server, time, "b")
    await first.acquire()
    taking = asyncio.create_task(second.acquire())
    await asyncio.sleep(0)
    before = time.now
    assert await first.release()
    assert not first.is_leader
    assert server.spec["holderIdentity"] == ""
    assert server.spec["leaseDurationSeconds"] == 1
    await taking
    assert second.is_leader
    assert time.now - before <= 2.0
    assert await events_of(server) == ["a became leader", "a stopped leading", "b became leader"]


async def test_a_renewal_is_one_call(server: Server, time: Time) -> None:
    first = elector(server, time)
    await first.acquire()
    server.calls.clear()
    holding = asyncio.create_task(first.hold())
    for _ in range(6):
        await asyncio.sleep(0)
    holding.cancel()
    assert set(server.calls) == {"replace"}
    assert first.is_leader


async def test_the_holder_stops_before_anybody_can_take_over_when_the_server_is_unavailable(
    server: Server, time: Time
) -> None:
    first = elector(server, time)
    await first.acquire()
    renewed = time.now

    def away(call: str, when: str) -> None:
        if when == "before":
            time.now += 1.0
            raise OSError("connection refused")

    server.fault = away
    with pytest.raises(LeadershipLostError, match=r"not renewed for 10 s.*connection refused"):
        await first.hold()
    assert not first.is_leader
    assert time.now - renewed < DURATION


async def test_a_process_that_was_frozen_does_not_lead_any_more_before_it_has_asked_anybody(
    server: Server, time: Time
) -> None:
    first = elector(server, time)
    await first.acquire()
    server.calls.clear()
    time.now += 10.0
    assert not first.is_leader
    with pytest.raises(LeadershipLostError, match="suspended"):
        await first.hold()
    assert server.calls == []


async def test_the_age_of_a_renewal_counts_from_when_it_was_asked_for(server: Server, time: Time) -> None:
    first = elector(server, time)

    def slow(call: str, when: str) -> None:
        if call != "get":
            time.now += 4.0

    server.fault = slow
    await first.acquire()
    time.now += 2.0
    assert not first.is_leader  # 4 s before the effect and 4 s after it were also its time


async def test_a_lost_answer_to_a_renewal_is_not_the_end(server: Server, time: Time) -> None:
    first = elector(server, time)
    await first.acquire()
    struck: list[str] = []

    def once(call: str, when: str) -> None:
        if call == "replace" and when == "after" and not struck:
            struck.append(call)
            raise TimeoutError

    server.fault = once
    holding = asyncio.create_task(first.hold())
    for _ in range(10):
        await asyncio.sleep(0)
    assert struck
    assert not holding.done()
    assert first.is_leader
    holding.cancel()


@pytest.mark.parametrize("holder", ["b", ""])
async def test_a_holder_whose_lease_somebody_took_is_lost_even_where_it_could_take_it_back(
    server: Server, time: Time, holder: str
) -> None:
    first = elector(server, time)
    await first.acquire()
    server.edit(holderIdentity=holder)
    with pytest.raises(LeadershipLostError):
        await first.hold()
    assert not first.is_leader
    assert server.spec["holderIdentity"] == holder


async def test_a_lease_that_somebody_else_holds_is_not_released(server: Server, time: Time) -> None:
    first = elector(server, time)
    await first.acquire()
    server.edit(holderIdentity="b")
    assert not await first.release()
    assert server.spec["holderIdentity"] == "b"


async def test_a_release_takes_precedence_over_a_renewal_that_was_under_way(server: Server, time: Time) -> None:
    first = elector(server, time)
    await first.acquire()
    server.edit(renewTime="later")  # its answer has not come back
    assert await first.release()
    assert server.spec["holderIdentity"] == ""


async def test_a_replica_that_stops_while_it_is_being_elected_gives_back_what_it_got(
    server: Server, time: Time
) -> None:
    first = elector(server, time)

    def lost(call: str, when: str) -> None:
        if when == "after" and call == "create":
            raise asyncio.CancelledError

    server.fault = lost
    with pytest.raises(asyncio.CancelledError):
        await first.acquire()
    assert server.spec["holderIdentity"] == "a"
    assert await first.release()
    assert server.spec["holderIdentity"] == ""


async def test_a_follower_that_stops_writes_nothing(server: Server, time: Time) -> None:
    await elector(server, time).acquire()
    second = elector(server, time, "b")
    taking = asyncio.create_task(second.acquire())
    await asyncio.sleep(0)
    taking.cancel()
    server.calls.clear()
    assert not await second.release()
    assert server.calls == []


async def test_fields_that_others_put_into_the_lease_stay(server: Server, time: Time) -> None:
    first = elector(server, time)
    await first.acquire()
    await first.release()
    server.edit(strategy="OldestEmulationVersion")
    await elector(server, time, "b").acquire()
    assert server.spec["strategy"] == "OldestEmulationVersion"


async def test_who_cannot_read_the_lease_says_why_and_is_not_ready(
    server: Server, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(call: str, when: str) -> None:
        error = ApiException(status=403, reason="Forbidden")
        error.body = '{"message": "leases is forbidden"}'
        raise error

    server.fault = forbidden
    first = elector(server, time)
    assert "has not been read yet" in (first.unready() or "")
    taking = asyncio.create_task(first.acquire())
    for _ in range(60):
        await asyncio.sleep(0)
    taking.cancel()
    assert "HTTP 403 Forbidden: leases is forbidden" in (first.unready() or "")
    lines = [record.getMessage() for record in caplog.records if "leases is forbidden" in record.getMessage()]
    assert 1 <= len(lines) <= 3  # at once, and then once a minute


async def test_a_follower_that_has_read_the_lease_lately_is_ready(server: Server, time: Time) -> None:
    await elector(server, time).acquire()
    second = elector(server, time, "b")
    taking = asyncio.create_task(second.acquire())
    await asyncio.sleep(0)
    taking.cancel()
    assert second.unready() is None
    time.now += DURATION
    assert "was last read" in (second.unready() or "")
