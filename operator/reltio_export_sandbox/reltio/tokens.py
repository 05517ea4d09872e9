"""The authentication service: grants, tokens and their lives."""

from __future__ import annotations

import base64
import binascii
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .config import Client, SimulatorConfig
from .errors import NO_CREDENTIALS, Refusal, unauthorized
from .messages import Call

_REFRESH_LIFE = 28 * 86400.0
_SCOPE = "clients_api configuration_api entities_api graphs_api groups_api interactions_api relations_api users_api"


@dataclass(frozen=True)
class Token:
    """A token and whom it stands for. `expires` in simulated seconds since the epoch."""

    value: str
    client: Client
    expires: float
    user: str = ""


class Tokens:
    """Issues tokens and knows the valid ones."""

    def __init__(self, config: SimulatorConfig, clients: Mapping[str, Client], seed: int | None) -> None:
        self._config = config
        self._clients = clients
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self._current: dict[str, Token] = {}  # by client: what client_credentials returns again
        self._asked: deque[float] = deque()
        self._random = random.Random(seed)

    def grant(self, call: Call, now: float) -> dict[str, Any]:
        """The answer of the token endpoint. Raises Refusal."""
        self._count(now)
        client = self._client(call)
        form = {**call.query, **call.form}
        match form.get("grant_type"):
            case "client_credentials":
                return self._shown(self._shared(client, now), now)
            case "password" if (user := form.get("username", "")) in client.users:
                if client.users[user] == form.get("password"):
                    return self._with_refresh(client, user, now)
            case "refresh_token" if (known := self._refresh.get(form.get("refresh_token", ""))) and known.expires > now:
                if known.client is client:
                    return self._with_refresh(client, known.user, now)
        raise Refusal(400, {"error": "invalid_grant", "error_description": "Invalid Username or Password"})

    def holder(self, call: Call, now: float) -> Token:
        """Whom the request's bearer token stands for. Raises Refusal."""
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise unauthorized("unauthorized", NO_CREDENTIALS)
        token = self._access.get(value)
        if token is None or token.expires <= now:
            raise unauthorized("invalid_token", f"Token is invalid: {value}")
        return token

    def _count(self, now: float) -> None:
        """Refuse what comes too often. The service counts by source address: here there is one."""
        most = self._config.tokens_per_second
        if most is None:
            return
        while self._asked and self._asked[0] <= now - 1:
            self._asked.popleft()
        self._asked.append(now)
        if len(self._asked) > most:
            raise Refusal(429, {"error": "too_many_requests", "error_description": "Too Many Requests"})

    def revoke_all(self) -> None:
        """End all tokens at once, before their time."""
        self._access.clear()
        self._current.clear()

    def _client(self, call: Call) -> Client:
        scheme, _, given = call.headers.get("authorization", "").partition(" ")
        try:
            id_, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            id_ = secret = ""
        client = self._clients.get(id_)
        if scheme.lower() != "basic" or client is None or client.secret != secret:
            raise unauthorized("unauthorized", NO_CREDENTIALS)
        return client

    def _shared(self, client: Client, now: float) -> Token:
        """The token that is still valid is returned again, unless the client may have several."""
        current = self._current.get(client.id)
        if current is None or current.expires <= now or self._config.multi_token:
            current = self._current[client.id] = self._issue(client, "", now)
        return current

    def _issue(self, client: Client, user: str, now: float) -> Token:
        self._access = {value: token for value, token in self._access.items() if token.expires > now}
        token = Token(self._value(), client, now + self._config.token_life, user)
        self._access[token.value] = token
        return token

    def _with_refresh(self, client: Client, user: str, now: float) -> dict[str, Any]:
        refresh = Token(self._value(), client, now + _REFRESH_LIFE, user)
        self._refresh[refresh.value] = refresh
        return {**self._shown(self._issue(client, user, now), now), "refresh_token": refresh.value}

    def _value(self) -> str:
        """Opaque: 32 hexadecimal digits, or as long as the JWTs that the service has moved to."""
        plain = f"{self._random.getrandbits(128):032x}"
        return plain if not self._config.long_tokens else f"eyJ{plain}.{plain * 90}.{plain}"

    def _shown(self, token: Token, now: float) -> dict[str, Any]:
        life = max(1, int(token.expires - now))
        found = {"access_token": token.value, "token_type": "bearer", "scope": _SCOPE}
        return found if self._config.token_without_lifetime else {**found, "expires_in": life}
