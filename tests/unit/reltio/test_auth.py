"""Tokens are cached until shortly before they expire, and requested rarely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from clocks import FakeClock
from reltio_export_operator.reltio import errors
from reltio_export_operator.reltio.auth import TokenSource

URL = "https://auth.reltio.com/oauth/token"


class Service:
    """A token endpoint that returns the answers in order, and the last one from then on."""

    def __init__(self, *answers: httpx.Response | Callable[[httpx.Request], httpx.Response]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.clock = FakeClock()
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer), follow_redirects=True)
        self.tokens = TokenSource(URL, "client", "s3cret", http=http, clock=self.clock)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request) if callable(answer) else answer


def granted(token: object = "t1", lifetime: object = 3599) -> httpx.Response:  # noqa: S107 - no secret
    return httpx.Response(200, json={"access_token": token, "token_type": "bearer", "expires_in": lifetime})


async def test_a_token_is_requested_with_basic_authentication_and_a_form() -> None:
    service = Service(granted())
    assert await service.tokens.token() == "t1"
    (request,) = service.requests
    assert request.headers["Authorization"] == "Basic Y2xpZW50OnMzY3JldA=="
    assert request.content == b"grant_type=client_credentials"


@pytest.mark.parametrize(("lifetime", "cached_for"), [(3600, 3539), ("3600", 3539), (100, 89), (5, 4)])
async def test_a_token_is_cached_until_shortly_before_it_expires(lifetime: object, cached_for: float) -> None:
    service = Service(granted("t1", lifetime), granted("t2"))
    await service.tokens.token()
    service.clock.seconds += cached_for
    assert await service.tokens.token() == "t1"
    service.clock.seconds += 1
    assert await service.tokens.token() == "t2"


@pytest.mark.parametrize("lifetime", [None, "soon", 0, -5, True, [], "Infinity", "NaN"], ids=repr)
async def test_a_token_without_a_usable_lifetime_is_used_for_a_few_minutes(lifetime: object) -> None:
    first = httpx.Response(200, json={"access_token": "t1"}) if lifetime is None else granted("t1", lifetime)
    service = Service(first, granted("t2"))
    assert await service.tokens.token() == "t1"
    service.clock.seconds += 200
    assert await service.tokens.token() == "t1"
    service.clock.seconds += 100
    assert await service.tokens.token() == "t2"


async def test_concurrent_callers_share_one_request() -> None:
    service = Service(granted())
    assert await asyncio.gather(*(service.tokens.token() for _ in range(20))) == ["t1"] * 20
    assert len(service.requests) == 1


async def test_concurrent_callers_share_one_failure() -> None:
    service = Service(httpx.Response(503))
    results = await asyncio.gather(*(service.tokens.token() for _ in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {errors.ServiceUnavailable}
    assert len(service.requests) == 1


@pytest.mark.parametrize(("headers", "seconds"), [({}, 1), ({"Retry-After": "9"}, 9)])
async def test_no_token_is_requested_for_a_while_after_a_failure(headers: dict[str, str], seconds: float) -> None:
    service = Service(httpx.Response(429, headers=headers), granted())
    for _ in range(2):
        with pytest.raises(errors.RateLimited):
            await service.tokens.token()
    service.clock.seconds += seconds - 0.5
    with pytest.raises(errors.RateLimited):
        await service.tokens.token()
    service.clock.seconds += 0.5
    assert await service.tokens.token() == "t1"
    assert len(service.requests) == 2


async def test_invalidating_a_token_does_not_remove_a_newer_one() -> None:
    service = Service(granted("t1"), granted("t2"))
    await service.tokens.token()
    service.tokens.invalidate("t1")
    assert await service.tokens.token() == "t2"
    service.tokens.invalidate("t1")
    assert await service.tokens.token() == "t2"
    assert len(service.requests) == 2


def lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow", request=request)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            httpx.Response(401, json={"error": "unauthorized", "error_description": "s3cret"}),
            errors.CredentialsRejected,
        ),
        (httpx.Response(400, json={"error": "invalid_grant"}), errors.CredentialsRejected),
        (httpx.Response(429), errors.RateLimited),
        (httpx.Response(500), errors.ServerError),
        (httpx.Response(404), errors.UnexpectedAnswer),
        (httpx.Response(307, headers={"Location": "https://elsewhere.example/"}), errors.UnexpectedAnswer),
        (httpx.Response(200, text="<html>Welcome</html>"), errors.UnexpectedAnswer),
        (httpx.Response(200, json=["t"]), errors.UnexpectedAnswer),
        (httpx.Response(200, json={"expires_in": 60}), errors.UnexpectedAnswer),
        (granted(None), errors.UnexpectedAnswer),
        (lost, errors.AnswerLost),
    ],
)
async def test_each_failure_has_its_error_and_is_not_ambiguous(
    answer: httpx.Response, expected: type[errors.ReltioError]
) -> None:
    service = Service(answer)
    with pytest.raises(errors.ReltioError) as caught:
        await service.tokens.token()
    assert type(caught.value) is expected
    assert not caught.value.ambiguous
    assert "s3cret" not in f"{caught.value} {service.tokens!r}"
    assert len(service.requests) == 1
