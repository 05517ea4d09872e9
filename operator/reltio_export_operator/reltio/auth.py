"""A cache of the access token of one API client."""

from __future__ import annotations

import asyncio
import logging

import httpx

from ..api.foreign import own
from ..runtime.answers import parse_json
from ..runtime.bounds import Answer
from ..runtime.circuits import Circuits, Endpoint
from ..runtime.clock import SYSTEM_CLOCK, Clock
from .answers import ANSWER
from .errors import (
    CallsPaused,
    CredentialsRejected,
    ReltioError,
    UnexpectedAnswer,
    answer_of,
    error_from_response,
)
from .sending import paused_error, send

_log = logging.getLogger(__name__)

_RENEW_BEFORE_SECONDS = 60.0  # or a tenth of the lifetime, if that is less
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
# After a failure: Reltio limits token requests to ten a second from one address. Copy of 2026-07-10:
# https://docs.reltio.com/en/developer-resources/system-administration-apis/system-administration-apis-at-a-glance/authentication-api/obtaining-access-tokens-with-client-credentials-grant-type
_MIN_RETRY_SECONDS = 1.0
# `expires_in` is only recommended (RFC 6749, section 5.1). Reltio returns the same token until it expires, and a token
# that it rejects is replaced, so a short guess costs little.
_LIFETIME_SECONDS = 300.0
_MAX_LIFETIME_SECONDS = 24 * 3600.0


class TokenSource:
    """Fetches a token with the client credentials and caches it until shortly before it expires.

    Reltio returns the same token until it expires, with the rest of its lifetime in `expires_in`, so a short one is
    normal (copy of 2026-07-10, see above). Concurrent callers share one request and its result.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        http: httpx.AsyncClient,
        endpoint: Endpoint | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._url = url
        self._auth = httpx.BasicAuth(client_id, client_secret)
        self._http = http
        self._endpoint = endpoint or Circuits(clock).endpoint(url, client_id)
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._failure: ReltioError | None = None
        self._retry_at = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """A valid access token. Raises ReltioError."""
        async with self._lock:
            if self._token and self._clock.monotonic() < self._renew_at:
                return self._token
            if self._failure is not None and self._clock.monotonic() < self._retry_at:
                raise self._failure.with_traceback(None)
            try:
                self._token, self._renew_at = await self._fetch()
            except CallsPaused:
                raise
            except ReltioError as failure:
                self._failure = failure
                self._retry_at = self._clock.monotonic() + max(failure.retry_after or 0.0, _MIN_RETRY_SECONDS)
                raise
            self._failure = None
            return self._token

    def paused(self) -> CallsPaused | None:
        """Why no token can be got now; None if there is one, or if it can be fetched."""
        if self._token and self._clock.monotonic() < self._renew_at:
            return None
        paused = self._endpoint.paused()
        return paused_error(paused) if paused else None

    def invalidate(self, token: str) -> None:
        """Remove this token from the cache; Reltio rejected it. A newer one stays."""
        if token == self._token:
            self._token = ""

    async def _fetch(self) -> tuple[str, float]:
        """A token, and when to renew it by `clock`."""
        sent_at = self._clock.monotonic()
        response = await send(
            self._endpoint,
            lambda: self._http.post(
                self._url,
                data={"grant_type": "client_credentials"},
                auth=self._auth,
                timeout=_TIMEOUT,
                follow_redirects=False,
                extensions={ANSWER: Answer.TOKEN},
            ),
        )
        if response.status_code in (400, 401):
            raise CredentialsRejected(status=response.status_code)
        if response.status_code != 200:
            failure = error_from_response(response)
            if failure.transient:
                raise failure
            detail = own(f"the token service returned {answer_of(response)}")
            raise UnexpectedAnswer(status=response.status_code, detail=detail)
        try:
            body = parse_json(response.content)
            token, lifetime = body["access_token"], _lifetime(body.get("expires_in"))
        except (ValueError, KeyError, TypeError, AttributeError):
            token, lifetime = None, 0.0
        if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
            raise UnexpectedAnswer(status=200, detail=own("the token service returned no token"))
        return token, sent_at + lifetime - min(_RENEW_BEFORE_SECONDS, lifetime / 10)


def _lifetime(value: object) -> float:
    """Seconds that a token is valid. A guess if the service does not say."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        _log.debug("The token service did not return how long the token is valid.")
        return _LIFETIME_SECONDS
    return min(seconds, _MAX_LIFETIME_SECONDS)
