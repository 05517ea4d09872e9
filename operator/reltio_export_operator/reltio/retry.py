"""When to try again, as the service's documentation asks (its table of API error codes)."""

from __future__ import annotations

# Attempts after which to give up, by HTTP status. A status that is not listed is not tried again.
ATTEMPTS = {429: 12, 502: 10, 503: 12, 504: 5}
_ATTEMPTS_WITHOUT_ANSWER = 5
_LONGEST = 4095.0


def backoff(attempt: int) -> float:
    """Seconds after the attempt of this number (from 1): 1, 3, 7, 15, … up to 4095."""
    return min(2.0 ** min(attempt, 12) - 1, _LONGEST)


def next_delay(status: int | None, attempt: int, retry_after: float | None = None) -> float | None:
    """Seconds to wait before trying again, or None to give up. `status` None: there was no answer."""
    allowed = _ATTEMPTS_WITHOUT_ANSWER if status is None else ATTEMPTS.get(status, 1)
    if attempt >= allowed:
        return None
    return max(backoff(attempt), retry_after or 0.0)
