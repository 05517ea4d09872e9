"""Calls to a host without connections, and to a tenant without answers, are paused; one at a time is tried."""

from __future__ import annotations

import contextlib

import pytest

from clocks import FakeClock
from reltio_export_operator.runtime.circuits import CircuitLimits, Circuits, Endpoint, PausedError

URL = "https://reltio.test/jobs"


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.circuits = Circuits(self.clock, CircuitLimits(failures=3, first_seconds=5, cap_seconds=60))
        self.endpoint = self.circuits.endpoint(URL, "acme01")

    def other(self, tenant: str) -> Endpoint:
        return self.circuits.endpoint(URL, tenant)


def not_connected(endpoint: Endpoint, times: int = 1) -> None:
    for _ in range(times):
        with endpoint.call() as call:
            call.not_connected("ConnectTimeout")


def not_answered(endpoint: Endpoint, times: int = 1) -> None:
    for _ in range(times):
        with endpoint.call() as call:
            call.not_answered("ReadTimeout")


def answered(endpoint: Endpoint) -> None:
    with endpoint.call() as call:
        call.answered()


def given_up(stage: Stage, seconds: float) -> None:
    """The caller's own timeout ends the call."""
    with contextlib.suppress(TimeoutError), stage.endpoint.call():
        stage.clock.advance(seconds)
        raise TimeoutError


def is_paused(endpoint: Endpoint) -> bool:
    return endpoint.paused() is not None


def test_calls_are_paused_after_failures_in_a_row_only() -> None:
    stage = Stage()
    not_connected(stage.endpoint, 2)
    answered(stage.endpoint)
    not_connected(stage.endpoint, 2)
    assert not is_paused(stage.endpoint)
    not_connected(stage.endpoint)
    with pytest.raises(PausedError) as caught, stage.endpoint.call():
        raise AssertionError("the call was made")
    assert caught.value.retry_after == 5
    assert caught.value.error == "ConnectTimeout"


def test_a_host_without_connections_is_paused_for_all_its_tenants() -> None:
    stage = Stage()
    not_connected(stage.endpoint, 3)
    assert is_paused(stage.other("umbrella"))
    assert not is_paused(stage.circuits.endpoint("https://other.test", "acme01"))


def test_a_tenant_without_answers_is_paused_and_the_others_of_its_host_are_not() -> None:
    stage = Stage()
    not_connected(stage.endpoint, 2)
    not_answered(stage.endpoint, 3)
    assert is_paused(stage.endpoint)
    assert not is_paused(stage.other("umbrella"))


def test_one_probe_is_made_at_a_time_and_its_success_ends_the_pause() -> None:
    stage = Stage()
    not_connected(stage.endpoint, 3)
    stage.clock.advance(5)
    with stage.endpoint.call() as probe:
        assert is_paused(stage.endpoint)
        assert stage.circuits.count("HalfOpen") == 1
        probe.answered()
    assert not is_paused(stage.endpoint)
    assert stage.circuits.count("Open") == stage.circuits.count("HalfOpen") == 0


def test_the_pause_grows_with_each_failed_probe_up_to_the_cap_and_starts_again_after_a_success() -> None:
    stage = Stage()
    not_answered(stage.endpoint, 3)
    pauses = []
    for _ in range(6):
        paused = stage.endpoint.paused()
        assert paused is not None
        pauses.append(paused.retry_after)
        stage.clock.advance(paused.retry_after)
        not_answered(stage.endpoint)
    assert pauses == [5, 10, 20, 40, 60, 60]
    stage.clock.advance(60)
    answered(stage.endpoint)
    not_answered(stage.endpoint, 3)
    paused = stage.endpoint.paused()
    assert paused is not None
    assert paused.retry_after == 5


def test_calls_that_began_before_the_pause_do_not_prolong_it() -> None:
    stage = Stage()
    with stage.endpoint.call() as early:
        not_connected(stage.endpoint, 3)
        stage.clock.advance(4)
        early.not_connected("ConnectTimeout")
    paused = stage.endpoint.paused()
    assert paused is not None
    assert paused.retry_after == 1


@pytest.mark.parametrize(("seconds", "paused"), [(1, False), (20, True)])
def test_a_caller_that_gave_up_after_a_long_wait_counts_as_one_without_an_answer(seconds: float, paused: bool) -> None:
    stage = Stage()
    for _ in range(3):
        given_up(stage, seconds)
    assert is_paused(stage.endpoint) == paused
    assert not is_paused(stage.other("umbrella"))


def test_a_probe_without_a_result_leaves_the_next_call_to_be_the_probe() -> None:
    stage = Stage()
    not_connected(stage.endpoint, 3)
    stage.clock.advance(5)
    with pytest.raises(ValueError, match="withheld"), stage.endpoint.call():
        raise ValueError("withheld")
    assert not is_paused(stage.endpoint)
    answered(stage.endpoint)
    assert stage.circuits.count("HalfOpen") == 0


def test_listeners_hear_of_first_answers_first_failures_pauses_and_their_ends() -> None:
    stage = Stage()
    heard: list[str] = []
    stage.circuits.subscribe(lambda circuit: heard.append(f"{circuit.name} {circuit.state}"))
    answered(stage.endpoint)
    answered(stage.endpoint)
    assert heard == ["https://reltio.test Closed", "https://reltio.test/acme01 Closed"]
    heard.clear()
    not_connected(stage.endpoint, 3)
    assert heard == ["https://reltio.test Closed", "https://reltio.test Open"]


@pytest.mark.parametrize("url", ["https://[::1/jobs", "", "https://reltio.test:port/jobs"])
def test_a_url_that_cannot_be_called_has_a_line(url: str) -> None:
    assert Stage().circuits.endpoint(url, "acme01").paused() is None


def test_a_circuit_is_overdue_or_silent_until_the_next_answer() -> None:
    circuit = Stage().circuits.circuit("S3 in eu-west-1")
    circuit.succeeded()
    assert (circuit.is_proven, circuit.is_overdue, circuit.is_silent) == (True, False, False)
    circuit.overdue()
    assert (circuit.is_proven, circuit.is_overdue, circuit.is_silent) == (True, True, False)
    circuit.failed(object(), "ReadTimeout")
    assert (circuit.is_proven, circuit.is_overdue, circuit.is_silent) == (False, True, True)
    assert not circuit.seconds_until_call
    circuit.succeeded()
    assert (circuit.is_proven, circuit.is_overdue, circuit.is_silent) == (True, False, False)
