"""A tenant that hangs takes its own places and nobody else's."""

from __future__ import annotations

from reltio_export_operator.controllers.jobs.limiter import KeyedLimiter


def test_a_full_place_turns_others_away_and_wakes_them_when_there_is_room() -> None:
    woken: list[str] = []
    slots: KeyedLimiter[str] = KeyedLimiter(1, woken.append)
    with slots.acquire("tenant", "first") as first:
        with slots.acquire("tenant", "second") as second, slots.acquire("tenant", "third") as third:
            assert (first, second, third) == (True, False, False)
        with slots.acquire("another tenant", "fourth") as fourth:
            assert fourth
        assert woken == []
    assert woken == ["second"]
    with slots.acquire("tenant", "second") as second:
        assert second
    assert woken == ["second", "third"]


def test_a_call_that_fails_leaves_its_place() -> None:
    slots: KeyedLimiter[str] = KeyedLimiter(1, lambda key: None)
    try:
        with slots.acquire("tenant", "first"):
            raise ConnectionError
    except ConnectionError:
        pass
    with slots.acquire("tenant", "second") as second:
        assert second
