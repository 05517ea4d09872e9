"""A client of the Export Service of one tenant."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote as percent_encoded

import httpx

from ..api.foreign import KNOWN, MAX_SCOPES, PROCESS, own
from ..api.task import ObservedTask
from ..runtime.bounds import Answer
from ..runtime.circuits import Circuits, Endpoint
from ..runtime.clock import SYSTEM_CLOCK, Clock
from ..runtime.lru import LruCache
from ..runtime.slices import Steps, in_turns, parse_in_slices
from .answers import ANSWER
from .auth import TokenSource
from .errors import (
    AnswerLost,
    CallsPaused,
    ReltioError,
    SubmissionWithheld,
    TokenRejected,
    UnexpectedAnswer,
    error_from_response,
    invalid_parameter,
)
from .history import RecentHistory
from .messages import NO_TASK_IDS, UNENCODABLE_HEADER
from .model import Submitted, WireRequest, id_text, parse_submitted, parse_task
from .paging import TaskList
from .retry import next_delay
from .sending import paused_error, send

_READ_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_SUBMIT_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
# As AWS allows: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_TASKS_OF_A_SLICE = 500  # that are read without a pause: some milliseconds
_MAX_ID = 256  # characters; those of Reltio have 36


class ReltioClient:
    """Calls of the tenant-scoped API of the Export Service. Every method raises ReltioError.

    Reads and control calls are retried for at most `retry_seconds` (see retry.py). A submission never is: Reltio has
    no idempotency key, so a second one may start a second export.
    """

    def __init__(
        self,
        export_service_url: str,
        tenant: str,
        tokens: TokenSource,
        *,
        http: httpx.AsyncClient,
        endpoint: Endpoint | None = None,
        retry_seconds: float = 20.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._base = export_service_url.rstrip("/")
        self._tenant = percent_encoded(tenant, safe="")
        self._tokens = tokens
        self._http = http
        self._endpoint = endpoint or Circuits(clock).endpoint(export_service_url, tenant)
        self._retry_seconds = retry_seconds
        # That use this client: Reltio may repeat their secrets.
        self.namespaces: LruCache[str, None] = LruCache(MAX_SCOPES)
        self._clock = clock

    def paused(self) -> CallsPaused | None:
        """Why no call may be made now; None if one may."""
        paused = self._endpoint.paused()
        return paused_error(paused) if paused else self._tokens.paused()

    async def authenticate(self) -> None:
        """Get an access token."""
        await self._tokens.token()

    async def ping_tenant(self) -> int:
        """The number of active tasks: a cheap call that fails without access to the tenant."""
        body = await self._with_retries("GET", f"{self._tenant}/tasks/_total")
        count = body.get("total", body.get("value")) if isinstance(body, Mapping) else None
        if isinstance(count, bool) or not isinstance(count, int | float | str) or not str(count).strip().isdecimal():
            raise UnexpectedAnswer(status=200, detail=own("there is no number of tasks"))
        return int(count)

    async def submit(self, request: WireRequest, may_send: Callable[[], bool] = lambda: True) -> Submitted:
        """Start an export. After an error that is `ambiguous`, it may be running.

        `may_send` is called right before the request is written to the connection, because it can take long to get a
        token and to connect. If it returns False, nothing is sent and SubmissionWithheld is raised.
        """
        _check_headers(request.headers)

        async def trace(event: str, _: object) -> None:
            if event.endswith("send_request_headers.started") and not may_send():
                raise SubmissionWithheld

        body = await self._authorized(
            "POST",
            f"export/{self._tenant}/{request.endpoint}",
            params=dict(request.query),
            headers=dict(request.headers),
            json=dict(request.body) if request.body is not None else {},
            timeout=_SUBMIT_TIMEOUT,
            extensions={ANSWER: Answer.SUBMISSION, "trace": trace},
        )
        submitted = parse_submitted(body)
        if submitted is None:
            raise AnswerLost(entry=NO_TASK_IDS, ambiguous=True)
        try:
            for id_ in submitted.task_ids:
                _check_id(id_)
        except UnexpectedAnswer:
            raise AnswerLost(entry=NO_TASK_IDS, ambiguous=True) from None
        return submitted

    async def active_tasks(self, *, thorough: bool = True) -> AsyncIterator[ObservedTask]:
        """Every active task of the tenant. `thorough`: also if Reltio lists them in another order each time."""
        async for task in self._list(f"{self._tenant}/tasks").tasks(thorough=thorough):
            yield task

    async def history(self, since_ms: int | None = None) -> AsyncIterator[ObservedTask]:
        """The finished tasks of the tenant; those that were created since then, and some older ones, if it is given.

        Raises SearchIncomplete when not all of them can be read.
        """
        is_complete = RecentHistory(since_ms) if since_ms is not None else None
        async for task in self._list(f"{self._tenant}/tasks/history").tasks(is_complete):
            yield task

    async def task(self, task_id: str) -> ObservedTask:
        """One task, active or finished. Raises ObjectNotFound."""
        return _parsed(await self._with_retries("GET", self._task_path(task_id)))

    async def pause(self, task_id: str) -> None:
        await self._with_retries("PUT", f"{self._task_path(task_id)}/_pause")

    async def resume(self, task_id: str) -> None:
        await self._with_retries("PUT", f"{self._task_path(task_id)}/_resume")

    async def stop(self, task_id: str) -> None:
        await self._with_retries("PUT", f"{self._task_path(task_id)}/_stop")

    async def new_external_id(self) -> str:
        """An external ID for a trust policy, another one with each call. Only the tools of Reltio have it.

        Copy of 2026-07-10, without a tenant in path and answer:
        https://docs.reltio.com/en/developer-resources/system-administration-apis/system-administration-apis-at-a-glance/tools-api/generate-external-id
        """
        body = await self._with_retries("GET", "api/v1/tools/externalId")
        value = body.get("externalId") if isinstance(body, Mapping) else None
        if not isinstance(value, str) or not _EXTERNAL_ID.fullmatch(value):
            raise UnexpectedAnswer(status=200, detail=own("there is no external ID"))
        return value

    def _task_path(self, task_id: str) -> str:
        return f"{self._tenant}/tasks/{percent_encoded(task_id, safe='')}"

    def _list(self, path: str) -> TaskList:
        async def page(offset: int, size: int) -> list[ObservedTask]:
            body = await self._with_retries("GET", path, params={"max": size, "offset": offset})
            if not isinstance(body, list):
                raise UnexpectedAnswer(status=200, detail=own("there is no list of tasks"))
            return await in_turns(_tasks(body))

        return TaskList(page)

    async def _with_retries(self, method: str, path: str, **more: Any) -> Any:
        started = self._clock.monotonic()
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._authorized(method, path, **more)
            except ReltioError as error:
                retried = error.transient and not isinstance(error, CallsPaused)
                delay = next_delay(error.status, attempt, error.retry_after) if retried else None
                if delay is None or self._clock.monotonic() - started + delay > self._retry_seconds:
                    raise
            await self._clock.sleep(delay)

    async def _authorized(self, method: str, path: str, **more: Any) -> Any:
        """One call, repeated once with a new token if Reltio rejects the token; the first one then had no effect."""
        token = await self._tokens.token()
        try:
            return await self._call(method, path, token, **more)
        except TokenRejected:
            self._tokens.invalidate(token)
        return await self._call(method, path, await self._tokens.token(), **more)

    async def _call(
        self, method: str, path: str, token: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Any:
        mutating = method != "GET"
        more.setdefault("timeout", _READ_TIMEOUT)
        more.setdefault("extensions", {ANSWER: Answer.RELTIO})
        response = await send(
            self._endpoint,
            lambda: self._http.request(
                method,
                f"{self._base}/{path}",
                headers={**(headers or {}), "Authorization": f"Bearer {token}"},
                follow_redirects=False,
                **more,
            ),
            mutating=mutating,
        )
        if not response.is_success:
            raise error_from_response(response, KNOWN.of([PROCESS, *self.namespaces]), mutating=mutating)
        if not response.content:
            return None
        try:
            return await parse_in_slices(response.content)
        except ValueError:
            raise UnexpectedAnswer(status=200, detail=own("it is not JSON"), ambiguous=mutating) from None


def _tasks(listed: list[object]) -> Steps[list[ObservedTask]]:
    tasks = []
    for number, raw in enumerate(listed, 1):
        tasks.append(_parsed(raw))
        if number % _TASKS_OF_A_SLICE == 0:
            yield
    return tasks


def _parsed(raw: object) -> ObservedTask:
    if not isinstance(raw, Mapping) or id_text(raw.get("id")) is None:
        raise UnexpectedAnswer(status=200, detail=own("a task has no id"))
    _check_id(id_text(raw.get("id")))
    return parse_task(raw)


def _check_id(id_: object) -> None:
    """An id is shown and stored as it is, and is part of URLs."""
    text = str(id_)
    if len(text) > _MAX_ID or not (text.isascii() and text.isprintable() and " " not in text):
        raise UnexpectedAnswer(status=200, detail=own("a task has an id that cannot be used"))


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise invalid_parameter(name, entry=UNENCODABLE_HEADER)
