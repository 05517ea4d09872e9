"""Retries follow the documented table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.reltio.retry import backoff, next_delay


def test_the_backoff_is_the_documented_sequence() -> None:
    documented = [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047, 4095]
    assert [backoff(attempt) for attempt in range(1, 13)] == documented


@given(st.integers(1, 10_000))
def test_the_backoff_grows_and_is_bounded(attempt: int) -> None:
    assert backoff(attempt) <= backoff(attempt + 1) <= 4095


@pytest.mark.parametrize(
    ("status", "attempts"),
    [(502, 10), (503, 12), (504, 5), (429, 12), (None, 5), (500, 1), (400, 1), (401, 1), (403, 1), (404, 1), (302, 1)],
)
def test_each_status_has_its_documented_number_of_attempts(status: int | None, attempts: int) -> None:
    delays = [next_delay(status, attempt) for attempt in range(1, attempts + 1)]
    assert None not in delays[:-1]
    assert delays[-1] is None


@pytest.mark.parametrize(("retry_after", "delay"), [(None, 3.0), (1.0, 3.0), (40.0, 40.0)])
def test_a_longer_retry_after_wins(retry_after: float | None, delay: float) -> None:
    assert next_delay(503, 2, retry_after) == delay
