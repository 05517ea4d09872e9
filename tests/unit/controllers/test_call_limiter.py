"""Concurrent calls are limited for each tenant and host, and who waits is woken: no wake-up is lost."""

from __future__ import annotations

import pytest

from clocks import FakeClock
from reltio_export_operator.controllers.call_limiter import CallLimiter, CallLimits
from reltio_export_operator.runtime.circuits import Circuits, Endpoint

Key = tuple[str, str]


class Stage:
    def __init__(self, **limits: int) -> None:
        self.clock = FakeClock()
        self.circuits = Circuits(self.clock)
        self.woken: list[Key] = []
        self.limiter: CallLimiter[Key] = CallLimiter(self.circuits, self.woken.append, CallLimits(**limits))

    def endpoint(self, tenant: str = "acme01", host: str = "reltio.test") -> Endpoint:
        return self.circuits.endpoint(f"https://{host}/jobs", tenant)

    def proven(self, tenant: str = "acme01", host: str = "reltio.test") -> Endpoint:
        endpoint = self.endpoint(tenant, host)
        with endpoint.call() as call:
            call.answered()
        return endpoint


def job(name: str, namespace: str = "mdm") -> Key:
    return namespace, name


def test_calls_above_the_limit_are_refused_and_woken_when_a_call_has_ended() -> None:
    stage = Stage(tenant=1)
    endpoint, limiter = stage.proven(), stage.limiter
    with limiter.enter(endpoint, job("first")) as first:
        with limiter.enter(endpoint, job("second")) as second, limiter.enter(endpoint, job("third")) as third:
            assert (first, second, third) == (True, False, False)
        with limiter.enter(stage.endpoint("other"), job("fourth")) as fourth:
            assert fourth
        assert stage.woken == []
    assert stage.woken == [job("second")]
    with limiter.enter(endpoint, job("second")) as second:
        assert second
    assert stage.woken == [job("second"), job("third")]


def test_a_tenant_that_was_never_called_gets_one_call_and_more_once_it_answers() -> None:
    stage = Stage(tenant=3)
    endpoint, limiter = stage.endpoint(), stage.limiter
    with limiter.enter(endpoint, job("first")) as first, limiter.enter(endpoint, job("second")) as second:
        assert (first, second) == (True, False)
        with limiter.enter(endpoint, job("third")) as third, limiter.enter(endpoint, job("fourth")) as fourth:
            assert (third, fourth) == (False, False)
        stage.proven()
        assert stage.woken == [job("second"), job("third")]
    assert stage.woken == [job("second"), job("third"), job("fourth")]


def test_dead_tenants_of_one_host_do_not_use_up_the_calls_of_a_new_tenant_at_it() -> None:
    stage = Stage(unproven=256)
    stage.proven("healthy")
    dead = [stage.limiter.enter(stage.endpoint(f"dead-{number}"), job(str(number), "dead")) for number in range(200)]
    assert all(each.__enter__() for each in dead)
    with stage.limiter.enter(stage.endpoint("new"), job("job")) as allowed:
        assert allowed


def test_a_host_that_was_never_reached_gets_few_calls_however_many_tenants_it_has() -> None:
    stage = Stage(tenant=4)
    calls = [stage.limiter.enter(stage.endpoint(str(number)), job(str(number))) for number in range(10)]
    assert sum(each.__enter__() for each in calls) == 4


def test_the_calls_to_all_silent_tenants_together_are_limited_and_others_are_not() -> None:
    stage = Stage(unproven=10)
    healthy = stage.proven("healthy", "healthy.test")
    calls = [stage.limiter.enter(stage.endpoint("t", f"dead-{n}.test"), job(str(n), "dead")) for n in range(12)]
    assert sum(each.__enter__() for each in calls) == 10
    with stage.limiter.enter(healthy, job("job")) as allowed:
        assert allowed
    with stage.limiter.enter(stage.endpoint("t", "new.test"), job("job", "new")) as allowed:
        assert not allowed
    calls[0].__exit__(None, None, None)
    assert stage.woken == [job("10", "dead")]
    calls[1].__exit__(None, None, None)
    assert stage.woken[1:] == [job("job", "new")], "namespaces take turns"


def test_a_wake_up_that_is_not_used_is_passed_on() -> None:
    """The job has changed meanwhile, and needs no call any more."""
    stage = Stage(tenant=1)
    endpoint, limiter = stage.proven(), stage.limiter
    with limiter.enter(endpoint, job("first")):
        for name in ("second", "third"):
            with limiter.turn(job(name)), limiter.enter(endpoint, job(name)) as allowed:
                assert not allowed
    assert stage.woken == [job("second")]
    with limiter.turn(job("second")):
        assert stage.woken == [job("second")], "its turn has not ended"
    assert stage.woken == [job("second"), job("third")]


def test_a_key_that_gets_its_call_by_itself_waits_no_longer() -> None:
    """A change of the object woke it, so the wake-up of the limiter is not for it: it went to nobody before."""
    stage = Stage(tenant=2)
    endpoint, limiter = stage.proven(), stage.limiter
    with limiter.enter(endpoint, job("first")):
        with limiter.enter(endpoint, job("other")), limiter.enter(endpoint, job("second")) as second:
            assert not second
        with limiter.enter(endpoint, job("second")) as second, limiter.enter(endpoint, job("third")) as third:
            assert (second, third) == (True, False)
        assert stage.woken == [job("second"), job("third")]


def test_a_reservation_is_not_taken_by_one_that_came_later() -> None:
    stage = Stage(tenant=1)
    endpoint, limiter = stage.proven(), stage.limiter
    with limiter.enter(endpoint, job("first")), limiter.enter(endpoint, job("second")):
        pass
    with limiter.enter(endpoint, job("late")) as late, limiter.enter(endpoint, job("second")) as second:
        assert (late, second) == (False, True)


@pytest.mark.parametrize("when", ["waiting", "woken"])
def test_a_key_that_is_forgotten_holds_up_nobody(when: str) -> None:
    stage = Stage(tenant=1)
    endpoint, limiter = stage.proven(), stage.limiter
    with limiter.enter(endpoint, job("first")):
        for name in ("second", "third"):
            with limiter.enter(endpoint, job(name)) as allowed:
                assert not allowed
        if when == "waiting":
            limiter.forget(job("second"))
    if when == "woken":
        limiter.forget(job("second"))
    assert stage.woken[-1] == job("third")
    limiter.forget(job("third"))
    assert limiter.waiting == 0
    assert not limiter._pools


def test_a_failed_call_does_not_count_any_more() -> None:
    stage = Stage(tenant=1)
    endpoint, limiter = stage.proven(), stage.limiter
    with pytest.raises(ConnectionError), limiter.enter(endpoint, job("first")):
        raise ConnectionError
    with limiter.enter(endpoint, job("second")) as second:
        assert second


def test_a_block_that_makes_no_more_calls_gives_its_place_to_others() -> None:
    stage = Stage(tenant=1)
    endpoint, limiter = stage.proven(), stage.limiter
    with limiter.enter(endpoint, job("first")) as first:
        with limiter.enter(endpoint, job("second")) as second:
            assert (first, second) == (True, False)
        limiter.leave(job("first"))
        assert stage.woken == [job("second")]
        with limiter.enter(endpoint, job("second")) as second, limiter.enter(endpoint, job("third")) as third:
            assert (second, third) == (True, False)
        assert stage.woken == [job("second"), job("third")]
    assert stage.woken == [job("second"), job("third")], "the place is given back once"
    limiter.leave(job("unknown"))
