"""Calls of the Export Service: requests, retries and answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from clocks import FakeClock
from reltio_export_operator.reltio import errors
from reltio_export_operator.reltio.auth import TokenSource
from reltio_export_operator.reltio.client import ReltioClient
from reltio_export_operator.reltio.model import WireRequest

BASE = "https://na99-prod.reltio.com/jobs"
TOKEN_URL = "https://auth.reltio.com/oauth/token"
SUBMISSION = WireRequest("entities", {"name": "nightly {{n}}"}, {"s3Bucket": "lake", "externalId": "ext"}, None)
Answer = httpx.Response | type[httpx.RequestError]


class Service:
    """Returns the answers in order, and the last one from then on. Sleeping advances the clock."""

    def __init__(self, *answers: Answer, base: str = BASE, tenant: str = "acme01") -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.issued = 0
        self.clock = FakeClock()
        self.slept = self.clock.slept
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer), follow_redirects=True)
        tokens = TokenSource(TOKEN_URL, "client", "secret", http=http, clock=self.clock)
        self.client = ReltioClient(base, tenant, tokens, http=http, clock=self.clock)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKEN_URL:
            self.issued += 1
            return httpx.Response(200, json={"access_token": f"t{self.issued}", "expires_in": 3599})
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx.Response):
            return answer
        raise answer("boom", request=request)


ACCEPTED = httpx.Response(200, json={"taskIds": ["a", "b"], "groupId": "g", "version": "v2"})
EXPIRED = httpx.Response(401, json={"error": "invalid_token", "error_description": "Token is invalid: t1"})
DONE = httpx.Response(200, json={"status": "success"})
CALLS: dict[str, Callable[[ReltioClient], Any]] = {
    "task": lambda client: client.task("t/1"),
    "pause": lambda client: client.pause("t/1"),
    "resume": lambda client: client.resume("t/1"),
    "stop": lambda client: client.stop("t/1"),
    "ping": lambda client: client.ping_tenant(),
    "submit": lambda client: client.submit(SUBMISSION),
}
RETRIED = [call for call in CALLS if call != "submit"]


@pytest.mark.parametrize("base", [BASE, BASE + "/"])
@pytest.mark.parametrize("body", [None, {"ovOnly": False}])
async def test_a_submission_has_query_headers_body_and_token(base: str, body: dict[str, Any] | None) -> None:
    service = Service(ACCEPTED, base=base)
    wire = WireRequest(SUBMISSION.endpoint, SUBMISSION.query, SUBMISSION.headers, body)
    submitted = await service.client.submit(wire)
    assert (submitted.task_ids, submitted.group_id, submitted.version) == (("a", "b"), "g", "v2")
    (request,) = service.requests
    assert request.method == "POST"
    assert request.url.copy_with(query=None) == f"{BASE}/export/acme01/entities"
    assert dict(request.url.params) == {"name": "nightly {{n}}"}
    assert json.loads(request.content) == (body or {})
    sent = {name: request.headers[name] for name in ("Authorization", "s3Bucket", "externalId", "Content-Type")}
    assert sent == {
        "Authorization": "Bearer t1",
        "s3Bucket": "lake",
        "externalId": "ext",
        "Content-Type": "application/json",
    }


@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        ("task", "GET", "tasks/t%2F1"),
        ("pause", "PUT", "tasks/t%2F1/_pause"),
        ("resume", "PUT", "tasks/t%2F1/_resume"),
        ("stop", "PUT", "tasks/t%2F1/_stop"),
        ("ping", "GET", "tasks/_total"),
    ],
)
async def test_calls_use_the_paths_of_the_tenant(call: str, method: str, path: str) -> None:
    service = Service(httpx.Response(200, json={"id": "t/1", "total": 3}), tenant="a?b")
    await CALLS[call](service.client)
    (request,) = service.requests
    assert (request.method, request.url.raw_path.decode()) == (method, f"/jobs/a%3Fb/{path}")


@pytest.mark.parametrize(("body", "total"), [({"total": 4}, 4), ({"value": 0}, 0)])
async def test_a_count_is_read_under_either_of_its_names(body: dict[str, int], total: int) -> None:
    assert await Service(httpx.Response(200, json=body)).client.ping_tenant() == total


@pytest.mark.parametrize("call", CALLS)
async def test_a_rejected_token_is_replaced_once(call: str) -> None:
    good = ACCEPTED if call == "submit" else httpx.Response(200, json={"id": "t", "total": 1})
    service = Service(EXPIRED, good)
    await CALLS[call](service.client)
    assert [request.headers["Authorization"] for request in service.requests] == ["Bearer t1", "Bearer t2"]
    service = Service(EXPIRED)
    with pytest.raises(errors.TokenRejected):
        await CALLS[call](service.client)
    assert len(service.requests) == 2


FAILURES: list[Answer] = [
    *(httpx.Response(status) for status in (429, 500, 502, 503, 504)),
    httpx.ReadTimeout,
    httpx.ConnectError,
    httpx.RemoteProtocolError,
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_a_submission_is_never_retried(failure: Answer) -> None:
    service = Service(failure, ACCEPTED)
    with pytest.raises(errors.ReltioError):
        await service.client.submit(SUBMISSION)
    assert len(service.requests) == 1
    assert service.slept == []


@pytest.mark.parametrize("call", RETRIED)
@pytest.mark.parametrize("failure", [httpx.Response(503), httpx.ReadTimeout, httpx.ConnectError], ids=str)
async def test_reads_and_control_calls_are_retried(call: str, failure: Answer) -> None:
    service = Service(failure, failure, httpx.Response(200, json={"id": "t", "total": 1}))
    await CALLS[call](service.client)
    assert service.slept == [1.0, 3.0]


@pytest.mark.parametrize(
    ("failure", "slept"),
    [
        (httpx.Response(500), []),
        (httpx.Response(404), []),
        (httpx.Response(503), [1.0, 3.0, 7.0]),
        (httpx.Response(503, headers={"Retry-After": "8"}), [8.0, 8.0]),
        (httpx.Response(429, headers={"Retry-After": "60"}), []),
    ],
)
async def test_retries_end_after_the_time_for_retries(failure: httpx.Response, slept: list[float]) -> None:
    service = Service(failure)
    with pytest.raises(errors.ReltioError):
        await service.client.task("t")
    assert service.slept == slept


@pytest.mark.parametrize(
    ("answer", "expected", "ambiguous"),
    [
        (httpx.Response(200, text="<html>Sign in</html>"), errors.UnexpectedAnswer, True),
        (httpx.Response(200, json={"status": "scheduled"}), errors.AnswerLost, True),
        (httpx.Response(200, json={"taskIds": []}), errors.AnswerLost, True),
        (httpx.Response(204), errors.AnswerLost, True),
        (httpx.Response(500), errors.ServerError, True),
        (httpx.ReadTimeout, errors.AnswerLost, True),
        (httpx.ConnectError, errors.Unreachable, False),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example/"}), errors.UnexpectedAnswer, False),
        (httpx.Response(429), errors.RateLimited, False),
    ],
)
async def test_a_failed_submission_is_ambiguous_if_the_export_may_run(
    answer: Answer, expected: type[errors.ReltioError], ambiguous: bool
) -> None:
    service = Service(answer)
    with pytest.raises(errors.ReltioError) as caught:
        await service.client.submit(SUBMISSION)
    assert (type(caught.value), caught.value.ambiguous) == (expected, ambiguous)
    assert len(service.requests) == 1


@pytest.mark.parametrize("value", ["ext-9\u00e9", "ext-9\nb", " ext-9", "ext-9\x7f"])
async def test_a_header_that_http_cannot_encode_is_refused_before_sending(value: str) -> None:
    service = Service(ACCEPTED)
    with pytest.raises(errors.InvalidParameter) as caught:
        await service.client.submit(WireRequest("entities", {}, {"externalId": value}, None))
    assert caught.value.parameter == "externalId"
    assert "ext-9" not in str(caught.value)
    assert service.requests == []


@pytest.mark.parametrize("call", ["pause", "resume", "stop"])
async def test_a_control_call_may_have_an_empty_answer(call: str) -> None:
    service = Service(httpx.Response(204))
    await CALLS[call](service.client)
    assert len(service.requests) == 1


@pytest.mark.parametrize("call", ["task", "ping"])
@pytest.mark.parametrize("body", [[], {}, "x", None], ids=repr)
async def test_an_answer_of_the_wrong_type_is_an_error(call: str, body: object) -> None:
    with pytest.raises(errors.UnexpectedAnswer):
        await CALLS[call](Service(httpx.Response(200, json=body)).client)


async def test_authenticating_only_requests_a_token() -> None:
    service = Service(DONE)
    await service.client.authenticate()
    assert (service.issued, service.requests) == (1, [])


class Listening:
    """A server on loopback that accepts every export and counts the bytes that reach it."""

    def __init__(self) -> None:
        self.bytes = 0

    @asynccontextmanager
    async def at(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jobs"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.bytes += len(data)
            if b"\r\n\r\n" in data:
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"taskIds":["a"]}')
        writer.close()


class KnownToken(TokenSource):
    async def token(self) -> str:
        return "t1"


@pytest.mark.parametrize("allowed", [True, False])
async def test_may_send_is_called_once_after_connecting_and_before_sending(allowed: bool) -> None:
    server, asked = Listening(), []

    def may_send() -> bool:
        asked.append(server.bytes)
        return allowed

    async with server.at() as url, httpx.AsyncClient() as http:
        client = ReltioClient(url, "acme01", KnownToken(TOKEN_URL, "client", "secret", http=http), http=http)
        if allowed:
            assert (await client.submit(SUBMISSION, may_send)).task_ids == ("a",)
        else:
            with pytest.raises(errors.SubmissionWithheld) as withheld:
                await client.submit(SUBMISSION, may_send)
            assert not withheld.value.ambiguous
    assert asked == [0]
    assert (server.bytes > 0) is allowed
