"""Parsers of what Reltio and its token service answer, and of any JSON and compressed body."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import httpx
from hypothesis import strategies as st

from reltio_export_operator.reltio.auth import TokenSource
from reltio_export_operator.reltio.client import ReltioClient
from reltio_export_operator.reltio.errors import ReltioError, error_from_response, retry_after
from reltio_export_operator.reltio.hosts import ReltioHosts
from reltio_export_operator.reltio.model import WireRequest, id_text, parse_submitted, parse_task
from reltio_export_operator.runtime.answers import BeyondLimitsError, Body, JsonGuard, parse_json
from reltio_export_operator.runtime.bounds import Answer

from .inputs import BYTES, DATES, OBJECTS, TEXTS, VALUES
from .parser import Parser, run

_TASK = {
    "id": "0b6d-17",
    "status": "PROCESSING",
    "name": "mdm.nightly",
    "type": "entities",
    "createdTime": 1_767_225_600_000,
    "startTime": 1_767_225_601_000,
    "endTime": None,
    "groupId": "g-1",
    "parallelExecution": "true",
    "parameters": {"exportName": "mdm.nightly-u-1-1", "s3Bucket": "lake"},
    "currentState": {
        "statusId": 3,
        "status": "Exporting",
        "numberOfProcessedObjects": 17,
        "etaMillis": "1200",
        "globalStatus": {"entitiesNumber": 1, "entitiesTotal": 9, "overallThroughput": 12.5},
    },
    "error": "none",
}
_TOKEN = {"access_token": "3f0a-9", "token_type": "bearer", "expires_in": 3599, "scope": "read"}
_SUBMITTED = {"taskIds": ["0b6d-17", 17, {"id": "x"}], "groupId": "g-1", "version": "2026.1", "taskId": "x"}
_ERRORS: tuple[dict[str, Any], ...] = (
    {"severity": "Error", "errorMessage": "Invalid parameter s3Bucket: Reason: not found", "errorCode": 549},
    {"errorMessage": "Another task 0b6d is already running for bucket lake and path x", "errorCode": 549},
    {"error": "invalid_client", "error_description": "Bad client credentials"},
    {"errorMessage": "TASK_LIMIT_EXCEEDED too many export tasks", "errorDetailMessage": "x", "errorCode": "429"},
    {"errorMessage": "Token is invalid: 0123", "message": "Bearer abc request id: 7f-1"},
)


def _bytes(*values: object) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


def _guarded(pieces: tuple[bytes, ...]) -> None:
    """The guard comes to the same depth and strings whatever the pieces are."""
    whole, parts = JsonGuard(Answer.API_SERVER), JsonGuard(Answer.API_SERVER)
    whole.add(b"".join(pieces))
    for piece in pieces:
        parts.add(piece)
    assert (whole._in_string, whole._backslash) == (parts._in_string, parts._backslash)


def _depth(value: Any) -> None:
    """The guard of valid JSON ends at its beginning, outside of strings."""
    guard = JsonGuard(Answer.API_SERVER)
    guard.add(json.dumps(value).encode())
    assert (guard._depth, guard._in_string) == (0, False)


def _body(given: tuple[str, bytes, bytes]) -> None:
    coding, *chunks = given
    body = Body(Answer.TOKEN, coding)
    for chunk in chunks:
        body.add(chunk)
    assert len(body.content()) <= 256 << 10


def _error(status_and_content: tuple[int, bytes]) -> None:
    status, content = status_and_content
    error = error_from_response(httpx.Response(300 + status % 300, content=content), mutating=True)
    assert len(str(error)) < 5000


def _task(raw: Any) -> None:
    if isinstance(raw, Mapping) and id_text(raw.get("id")) is not None:  # which the client has checked
        parse_task(raw)


def _retry(value: str) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is None or 0 <= seconds <= 3600


class _Answers:
    """What a service answers to the requests of one client, in place of a connection."""

    def __init__(self) -> None:
        self.answer = httpx.Response(200)
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: self.answer))

    def set(self, status: int, content: bytes) -> None:
        self.answer = httpx.Response(200 if status % 2 else 200 + status % 400, content=content)


_ANSWERS = _Answers()


class _Clock:
    """Time passes only with sleeping, which takes none."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def _token(status_and_content: tuple[int, bytes]) -> None:
    _ANSWERS.set(*status_and_content)
    source = TokenSource("https://auth.example/t", "client", "secret-secret", http=_ANSWERS.http, clock=_Clock())  # type: ignore[arg-type]
    token = run(source.token())
    assert token
    assert httpx.Headers({"Authorization": f"Bearer {token}"})


class _Token:
    async def token(self) -> str:
        return "t"

    def invalidate(self, token: str) -> None: ...


def _client() -> ReltioClient:
    return ReltioClient(
        "https://na.example/jobs",
        "acme01",
        _Token(),  # type: ignore[arg-type]
        http=_ANSWERS.http,
        retry_seconds=0,
        clock=_Clock(),  # type: ignore[arg-type]
    )


def _tasks(status_and_content: tuple[int, bytes]) -> None:
    _ANSWERS.set(*status_and_content)

    async def listed() -> None:
        read = 0
        async for task in _client().active_tasks(thorough=False):
            assert task.id.isascii()
            read += 1
            if read > 1000:
                return

    run(listed())


def _submit(status_and_content: tuple[int, bytes]) -> None:
    _ANSWERS.set(*status_and_content)
    submitted = run(_client().submit(WireRequest("entities", {}, {}, {})))
    assert submitted.task_ids


def _count(status_and_content: tuple[int, bytes]) -> None:
    _ANSWERS.set(*status_and_content)
    assert run(_client().ping_tenant()) >= 0


def _url(url: str) -> None:
    ReltioHosts(["*.reltio.com", "[::1]:8443", "10.0.0.1:*"], ["10.0.0.1:*"], ["10.0.0.0/8"]).check_url(url)
    host = httpx.URL(url).host  # which is allowed now: no other one may be reached
    assert host.endswith(".reltio.com") or host in ("::1", "10.0.0.1"), host


_ANSWER = st.tuples(st.integers(0, 999), BYTES)
_ANSWERED = (*_bytes(_TOKEN), *_bytes(_SUBMITTED), *_bytes([_TASK, {**_TASK, "id": 5}]), *_bytes({"total": 17}))
_TOKENS = [(1, one) for one in (*_bytes(_TOKEN), *_bytes(*_ERRORS))]
_URLS = (
    "https://na99-prod.reltio.com/jobs",
    "http://10.0.0.1:8080/x",
    "https://auth.reltio.com:443/oauth/token?a=b#c",
    "https://user:pass@x.reltio.com/",
    "https://[::1]:8443/",
    "https://bücher.reltio.com",
)

PARSERS = {
    "JSON": Parser(
        parse_json, _bytes(_TASK, _SUBMITTED, "\ud83d\ude00", [1.5e300, -0.0, 10**30]), BYTES, (ValueError,)
    ),
    "limits of JSON in pieces": Parser(
        _guarded,
        [(b'{"a":"\\', b'"b', b'","c":[1,2,{}]}'), tuple(_bytes(_TASK, _SUBMITTED))],
        st.lists(BYTES, max_size=5).map(tuple),
        (BeyondLimitsError,),
    ),
    "limits of valid JSON": Parser(_depth, [_TASK, _SUBMITTED, [["\\", '"', "\\\\"]]], VALUES, (BeyondLimitsError,)),
    "compressed body": Parser(
        _body,
        [(coding, packed[:9], packed[9:]) for coding, packed in {
            "gzip": zlib.compress(_bytes(_TASK)[0], 9, 31),
            "deflate": zlib.compress(_bytes(_TASK)[0]),
            "x-gzip": zlib.compress(b" " * 100_000, 9, 31),
            "br": b"x" * 20,
            "": _bytes(_TASK)[0],
        }.items()],
        st.tuples(st.sampled_from(["", "gzip", "deflate", "br", "gzip, gzip"]), BYTES, BYTES),
        (zlib.error, BeyondLimitsError),
    ),
    "error of Reltio": Parser(_error, [(at, *_bytes(one)) for at, one in enumerate(_ERRORS, 100)], _ANSWER),
    "task": Parser(_task, [_TASK], OBJECTS.map(lambda raw: {"id": 1, **raw})),
    "answer to a submission": Parser(parse_submitted, [_SUBMITTED], VALUES),
    "token endpoint": Parser(_token, _TOKENS, _ANSWER, (ReltioError,)),
    "list of tasks": Parser(_tasks, [(1, one) for one in (*_ANSWERED, *_bytes([_TASK]))], _ANSWER, (ReltioError,)),
    "submission": Parser(_submit, [(1, one) for one in _ANSWERED], _ANSWER, (ReltioError,)),
    "number of tasks": Parser(_count, [(1, one) for one in _ANSWERED], _ANSWER, (ReltioError,)),
    "Retry-After": Parser(_retry, ["Wed, 21 Oct 2026 07:28:00 GMT", "120", "Mon, 1 Jan 0001 00:00:00 +2359"], DATES),
    "URL of a target": Parser(_url, _URLS, TEXTS, (ReltioError,)),
}  # fmt: skip
