"""Access tokens of one API client, shared by everybody who uses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx

from .errors import CredentialsRejected, ReltioError, UnexpectedAnswer, error_from_response, error_from_transport

_EARLY = 60.0  # renew this long before the end, or a tenth of the life when that is less
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
_REST = 1.0  # seconds between failures: the service counts token requests per source address, ten a second


class TokenSource:
    """Fetches a token by client credentials and keeps it until shortly before it expires.

    Until then the service hands out the same token again with the life that is left, so a short `expires_in` is
    normal. Callers that come while a token is being fetched wait for that one and share its failure.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        http: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._auth = httpx.BasicAuth(client_id, client_secret)
        self._http = http
        self._clock = clock
        self._token = ""
        self._renew_at = 0.0
        self._failure: ReltioError | None = None
        self._ask_again_at = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """A valid access token. Raises ReltioError."""
        async with self._lock:
            if self._token and self._clock() < self._renew_at:
                return self._token
            if self._failure is not None and self._clock() < self._ask_again_at:
                raise self._failure.with_traceback(None)
            try:
                self._token, self._renew_at = await self._fetch()
            except ReltioError as failure:
                self._failure = failure
                self._ask_again_at = self._clock() + max(failure.retry_after or 0.0, _REST)
                raise
            self._failure = None
            return self._token

    def invalidate(self, token: str) -> None:
        """Forget this token: the service has refused it. A newer one is kept."""
        if token == self._token:
            self._token = ""

    async def _fetch(self) -> tuple[str, float]:
        """A token and the time to renew it."""
        asked = self._clock()
        try:
            response = await self._http.post(
                self._url,
                data={"grant_type": "client_credentials"},
                auth=self._auth,
                timeout=_TIMEOUT,
                follow_redirects=False,
            )
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError) as error:
            raise error_from_transport(error) from None
        if response.status_code in (400, 401):
            raise CredentialsRejected(
                "The token service rejects the client's credentials.", status=response.status_code
            )
        if response.status_code != 200:
            refusal = error_from_response(response)
            if refusal.transient:
                raise refusal
            raise UnexpectedAnswer(refusal.message, status=response.status_code)
        try:
            body = response.json()
            token, life = body["access_token"], float(body["expires_in"])
        except (ValueError, KeyError, TypeError, RecursionError):
            token, life = None, 0.0
        if not token or not isinstance(token, str):
            raise UnexpectedAnswer("The token service did not answer with a token.", status=200)
        return token, asked + life - min(_EARLY, life / 10)
