"""Concurrent calls are limited for each tenant; a tenant that hangs does not delay others."""

from __future__ import annotations

from reltio_export_operator.controllers.jobs.limiter import KeyedLimiter


def test_calls_above_the_limit_are_refused_and_woken_when_a_call_has_ended() -> None:
    woken: list[str] = []
    limiter: KeyedLimiter[str] = KeyedLimiter(1, woken.append)
    with limiter.acquire("tenant", "first") as first:
        with limiter.acquire("tenant", "second") as second, limiter.acquire("tenant", "third") as third:
            assert (first, second, third) == (True, False, False)
        with limiter.acquire("another tenant", "fourth") as fourth:
            assert fourth
        assert woken == []
    assert woken == ["second"]
    with limiter.acquire("tenant", "second") as second:
        assert second
    assert woken == ["second", "third"]


def test_a_failed_call_does_not_count_any_more() -> None:
    limiter: KeyedLimiter[str] = KeyedLimiter(1, lambda key: None)
    try:
        with limiter.acquire("tenant", "first"):
            raise ConnectionError
    except ConnectionError:
        pass
    with limiter.acquire("tenant", "second") as second:
        assert second


def test_a_key_that_is_forgotten_does_not_wait_any_more() -> None:
    woken: list[str] = []
    limiter: KeyedLimiter[str] = KeyedLimiter(1, woken.append)
    with limiter.acquire("tenant", "first"):
        for key in ("second", "third"):
            with limiter.acquire("tenant", key) as allowed:
                assert not allowed
        limiter.forget("second")
    assert woken == ["third"]
    limiter.forget("third")
    assert not limiter._waiting
