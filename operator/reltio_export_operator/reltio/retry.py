"""How long to wait before a retry, and how often to retry.

Source of the numbers, copy of 2026-05-15:
https://docs.reltio.com/en/developer-resources/system-administration-apis/system-administration-apis-at-a-glance/search-using-activity-log-api/api-error-codes
"""

from __future__ import annotations

# Attempts by HTTP status; other statuses are not retried. The page has no number for 429.
MAX_ATTEMPTS = {429: 12, 502: 10, 503: 12, 504: 5}
_MAX_ATTEMPTS_WITHOUT_ANSWER = 5
_MAX_BACKOFF_SECONDS = 4095.0


def backoff(attempt: int) -> float:
    """Seconds to wait after this attempt, counted from 1: 1, 3, 7, 15, … up to 4095."""
    return min(2.0 ** min(attempt, 12) - 1, _MAX_BACKOFF_SECONDS)


def next_delay(status: int | None, attempt: int, retry_after: float | None = None) -> float | None:
    """Seconds to wait before the next attempt; None if there is none. `status` None: there was no answer."""
    attempts = _MAX_ATTEMPTS_WITHOUT_ANSWER if status is None else MAX_ATTEMPTS.get(status, 1)
    if attempt >= attempts:
        return None
    return max(backoff(attempt), retry_after or 0.0)
