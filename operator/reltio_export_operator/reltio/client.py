"""The Export Service of one tenant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from ..api.task import ObservedTask
from .auth import TokenSource
from .errors import (
    AnswerLost,
    InvalidParameter,
    ReltioError,
    SubmissionWithheld,
    TokenRejected,
    UnexpectedAnswer,
    error_from_response,
    error_from_transport,
)
from .model import Submitted, WireRequest, parse_task
from .retry import next_delay

_READ = httpx.Timeout(30.0, connect=5.0)
_SUBMIT = httpx.Timeout(60.0, connect=5.0)
_PAGE = 100
_OVERLAP = 5
_MAX_PAGES = 2_000


class ReltioClient:
    """Calls of the tenant-scoped Export Service API. Each raises ReltioError.

    Reads and controls are repeated as the documentation asks, within `budget` seconds; a submission never is,
    because the service cannot tell a repeated one from a new one.
    """

    def __init__(
        self,
        export_service_url: str,
        tenant: str,
        tokens: TokenSource,
        *,
        http: httpx.AsyncClient,
        budget: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base = export_service_url.rstrip("/")
        self._tenant = quote(tenant, safe="")
        self._tokens = tokens
        self._http = http
        self._budget = budget
        self._clock = clock
        self._sleep = sleep

    async def authenticate(self) -> None:
        """Get a token, or fail saying why not."""
        await self._tokens.token()

    async def ping_tenant(self) -> int:
        """A cheap call that needs the tenant: the number of its active tasks."""
        body = await self._repeated("GET", f"{self._tenant}/tasks/_total")
        count = body.get("total", body.get("value")) if isinstance(body, Mapping) else None
        if not isinstance(count, int):
            raise UnexpectedAnswer("The service did not answer with a count of tasks.", status=200)
        return count

    async def submit(self, request: WireRequest, may_send: Callable[[], bool] = lambda: True) -> Submitted:
        """Start an export. An error that is `ambiguous` may hide an export that runs.

        `may_send` is asked right before the request is written to the connection: getting a token and connecting may
        have taken long. Where it says no, nothing is sent and SubmissionWithheld is raised.
        """
        _check_headers(request.headers)

        async def trace(event: str, _: object) -> None:
            if event.endswith("send_request_headers.started") and not may_send():
                raise SubmissionWithheld("The submission was not sent: this process is no longer the leader.")

        body = await self._authorized(
            "POST",
            f"export/{self._tenant}/{request.endpoint}",
            params=dict(request.query),
            headers=dict(request.headers),
            json=dict(request.body) if request.body is not None else {},
            timeout=_SUBMIT,
            extensions={"trace": trace},
        )
        ids = body.get("taskIds") if isinstance(body, Mapping) else None
        if not isinstance(ids, list) or not ids:
            raise AnswerLost("The service accepted the export without naming its tasks.", ambiguous=True)
        return Submitted(tuple(str(id_) for id_ in ids), body.get("groupId"), body.get("version"))

    async def active_tasks(self) -> AsyncIterator[ObservedTask]:
        """Every task of the tenant that has not ended."""
        async for task in self._pages(f"{self._tenant}/tasks"):
            yield task

    async def history(self) -> AsyncIterator[ObservedTask]:
        """Every task of the tenant that has ended."""
        async for task in self._pages(f"{self._tenant}/tasks/history"):
            yield task

    async def task(self, task_id: str) -> ObservedTask:
        """One task, active or ended. Raises ObjectNotFound."""
        return _parsed(await self._repeated("GET", self._task_path(task_id)))

    async def pause(self, task_id: str) -> None:
        await self._repeated("PUT", f"{self._task_path(task_id)}/_pause")

    async def resume(self, task_id: str) -> None:
        await self._repeated("PUT", f"{self._task_path(task_id)}/_resume")

    async def stop(self, task_id: str) -> None:
        await self._repeated("PUT", f"{self._task_path(task_id)}/_stop")

    def _task_path(self, task_id: str) -> str:
        return f"{self._tenant}/tasks/{quote(task_id, safe='')}"

    async def _pages(self, path: str) -> AsyncIterator[ObservedTask]:
        # Tasks leave the list while it is read, and later ones move forward over the place of the next page.
        # A page that starts with a task already seen proves that none was skipped; any other one is not taken,
        # and the reading goes back. New tasks move the known ones backward, and the service may cap `max`: so
        # neither a page of known tasks nor a short one is the end, only the overlap alone is.
        seen: set[str] = set()
        offset = 0
        for _ in range(_MAX_PAGES):
            page = await self._page(path, offset)
            if offset > 0 and not (page and page[0].id in seen):
                offset = max(0, offset - _PAGE)
                continue
            fresh = {task.id: task for task in page if task.id not in seen}
            if not fresh and len(page) <= _OVERLAP:
                return
            seen.update(fresh)
            for task in fresh.values():
                yield task
            offset += max(1, len(page) - _OVERLAP) if len(page) > 1 else 0
        raise UnexpectedAnswer(f"The list of tasks did not end within {_MAX_PAGES} pages.", status=200)

    async def _page(self, path: str, offset: int) -> list[ObservedTask]:
        body = await self._repeated("GET", path, params={"max": _PAGE, "offset": offset})
        if not isinstance(body, list):
            raise UnexpectedAnswer("The service did not answer with a list of tasks.", status=200)
        return [_parsed(raw) for raw in body]

    async def _repeated(self, method: str, path: str, **more: Any) -> Any:
        started = self._clock()
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._authorized(method, path, **more)
            except ReltioError as error:
                delay = next_delay(error.status, attempt, error.retry_after) if error.transient else None
                if delay is None or self._clock() - started + delay > self._budget:
                    raise
            await self._sleep(delay)

    async def _authorized(self, method: str, path: str, **more: Any) -> Any:
        """One call; with a new token once, when the service rejects the old one (which then had no effect)."""
        token = await self._tokens.token()
        try:
            return await self._call(method, path, token, **more)
        except TokenRejected:
            self._tokens.invalidate(token)
        return await self._call(method, path, await self._tokens.token(), **more)

    async def _call(
        self, method: str, path: str, token: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Any:
        effectful = method != "GET"
        more.setdefault("timeout", _READ)
        try:
            response = await self._http.request(
                method,
                f"{self._base}/{path}",
                headers={**(headers or {}), "Authorization": f"Bearer {token}"},
                follow_redirects=False,
                **more,
            )
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError) as error:
            raise error_from_transport(error, effectful=effectful) from None
        if not response.is_success:
            raise error_from_response(response, effectful=effectful)
        if not response.content:
            return None
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise UnexpectedAnswer(
                "The service answered 200 with something that is not JSON.", status=200, ambiguous=effectful
            ) from None


def _parsed(raw: object) -> ObservedTask:
    if not isinstance(raw, Mapping) or "id" not in raw:
        raise UnexpectedAnswer("The service showed a task without an id.", status=200)
    return parse_task(raw)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise InvalidParameter(f"Invalid export parameter: {name}. Reason: a header carries printable ASCII only.")
