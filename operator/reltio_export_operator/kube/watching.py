"""The HTTP session that kopf watches with, and what is measured at it.

kopf drops bookmarks before it calls a handler, and ends when a list or a watch is refused for long: one namespace
without rights would then end the watch of all others. So a refusal is waited out here, below kopf, and every byte of a
stream is noted here.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
from kubernetes.aio import client

from ..api.meta import GROUP, JOBS, VERSION
from ..runtime.failures import explain, explain_status
from ..runtime.slices import Steps
from .answers import AnswerRefused, check_discovery, is_watch, replace_body
from .notices import JobNotices, is_last
from .slim import Listed, slim_event, slim_list

_log = logging.getLogger(__name__)
_PATH = re.compile(rf"/apis/{re.escape(GROUP)}/{VERSION}/(?:namespaces/(?P<namespace>[^/]+)/)?(?P<plural>[a-z]+)$")
# The API server sends a bookmark about once a minute, and kopf asks again after 70 s without one.
_FRESH_SECONDS = 90.0
# A watch ends by itself after 330 s, and kopf pauses for a minute at most before it asks again.
_STUCK_SECONDS = 400.0
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 1.0, 30.0
_BLIP_SECONDS = 5.0  # a failure that is over within this time is not logged
_LASTING = (401, 403, 404)  # except for those that do not pass by themselves
_GONE = 410  # the list must be read again, which kopf does from its beginning

Key = tuple[str, str | None]  # plural name, and namespace or None for all


@dataclass
class Stream:
    """The list and watch of one kind in one namespace, or in all. Times are on the monitor's clock."""

    heard: float
    active: float
    listed: bool = False
    problem: str | None = None
    failing_since: float = 0.0
    reported: str | None = None  # the problem as it was logged


class WatchMonitor:
    """Knows whether the kinds are watched: for readiness, for liveness, and to notice CRDs that are gone."""

    def __init__(self, wanted: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = sorted(wanted)
        self._clock = clock
        self._streams: dict[Key, Stream] = {}
        self._began: float | None = None
        self._ended: str | None = None
        self.not_found = asyncio.Event()  # the API server said that there is no such kind

    def begin(self) -> None:
        """A watch begins: its streams are new ones."""
        self._streams.clear()
        self._ended = None
        self._began = self._clock()
        self.not_found.clear()

    def end(self, problem: str | None = None) -> None:
        """Nothing is watched until the next `begin`. `problem` is why, as a sentence."""
        self._streams.clear()
        self._began = None
        self._ended = problem

    def unready(self) -> str | None:
        """Why some kind is not watched anywhere."""
        if self._ended is not None:
            return self._ended
        for plural in self._wanted:
            streams = [stream for (kind, _), stream in self._streams.items() if kind == plural]
            problems = [self._unready(stream) for stream in streams]
            if not streams:
                return f"The watch of {plural} has not begun."
            if all(problems):
                return f"{plural} are not watched: {problems[0]}."
        return None

    def failing(self) -> frozenset[str]:
        """Namespaces of which a kind cannot be watched; an empty name stands for all namespaces."""
        return frozenset(namespace or "" for (_, namespace), stream in self._streams.items() if stream.problem)

    def stuck(self) -> str | None:
        """Whether a watch hangs in this process: one that fails and is tried again does not."""
        if self._began is None:
            return None
        last = {_where(key): stream.active for key, stream in self._streams.items()}
        for plural in self._wanted:
            if not any(kind == plural for kind, _ in self._streams):
                last[plural] = self._began
        for what, active in last.items():
            age = self._clock() - active
            if age > _STUCK_SECONDS:
                return f"The watch of {what} has hung for {age:.0f} s."
        return None

    def _unready(self, stream: Stream) -> str | None:
        if not stream.listed:
            return stream.problem or "their list has not been read yet"
        age = self._clock() - stream.heard
        if age <= _FRESH_SECONDS:
            return None
        return f"nothing was received for {age:.0f} s" + (f" ({stream.problem})" if stream.problem else "")

    # -- reported by the session

    def asked(self, key: Key) -> None:
        now = self._clock()
        self._streams.setdefault(key, Stream(heard=now, active=now)).active = now

    def heard(self, key: Key) -> None:
        if stream := self._streams.get(key):
            stream.heard = stream.active = self._clock()

    def answered(self, key: Key, *, watch: bool) -> None:
        """A list or a watch was accepted. A watch is asked for once the list has been read to its end."""
        if not (stream := self._streams.get(key)):
            return
        self.heard(key)
        stream.listed = stream.listed or watch
        if stream.reported is not None:
            _log.info("%s can be watched again.", _where(key))
        stream.problem = stream.reported = None

    def failed(self, key: Key, problem: str, status: int | None = None) -> None:
        if not (stream := self._streams.get(key)):
            return
        stream.active = now = self._clock()
        if stream.problem is None:
            stream.failing_since = now
        stream.problem = problem
        lasts = status in _LASTING or now - stream.failing_since >= _BLIP_SECONDS
        if lasts and stream.reported != problem:
            _log.warning("%s cannot be watched: %s. Retrying.", _where(key), problem)
            stream.reported = problem
        if status == 404:
            self.not_found.set()


def watch_session(
    api: client.ApiClient,
    monitor: WatchMonitor,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    *,
    jobs: JobNotices | None = None,
    listed: Mapping[str, Listed] | None = None,
) -> aiohttp.ClientSession:
    """A session for kopf that reaches the API server as `api` does: same certificates, proxy and credentials.

    `jobs` gets every job that a list or a watch shows. kopf gets no event that says nothing new. Objects of lists of
    the kinds in `listed`, by plural name, are given to its function and not to kopf, which would keep a task for each
    of them for a while, and all lists in memory.
    """
    takers = _Takers(jobs, listed or {})
    rest = api.rest_client

    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        key = _key_of(request)
        delay = _RETRY_SECONDS
        while True:
            # Asked for each time, as tokens expire.
            authorization = await api.configuration.get_api_key_with_prefix("BearerToken")
            if authorization:
                request.headers["Authorization"] = authorization
            response, problem = await _asked(monitor, key, request, handler, takers)
            if response is not None and problem is None:
                return response
            if key is not None:
                monitor.failed(key, problem or "", response.status if response is not None else None)
            await sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY_SECONDS)

    # The limits are innermost, so that they hold for what is logged here too.
    options = dict(api.configuration.client_session_kwargs or {})
    options.setdefault("trust_env", False)
    options["middlewares"] = (middleware, *options.get("middlewares", ()))
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=rest.ssl_context), proxy=rest.proxy, **options
    )


@dataclass(frozen=True)
class _Takers:
    """Who gets what lists and watches show, besides kopf or in its place."""

    jobs: JobNotices | None
    listed: Mapping[str, Listed]


async def _asked(
    monitor: WatchMonitor,
    key: Key | None,
    request: aiohttp.ClientRequest,
    handler: aiohttp.ClientHandlerType,
    takers: _Takers,
) -> tuple[aiohttp.ClientResponse | None, str | None]:
    """The response, and why it has to be asked for again. Raises what kopf repeats the request for."""
    if key is None:
        response = await handler(request)
    else:
        monitor.asked(key)
        try:
            response = await handler(request)
        except AnswerRefused as error:  # kopf would end, and with it the watches of all other namespaces
            return None, str(error).rstrip(".")
        except (aiohttp.ClientError, OSError) as error:
            monitor.failed(key, explain(error))
            raise
    if key is None and response.status != 401:
        return response, None
    if response.status >= 400 and response.status != _GONE:
        return response, explain_status(response.status, response.reason, await _body(response))
    if response.status >= 400:
        return response, None
    try:
        await _replace(monitor, key, request, response, takers)
    except AnswerRefused as error:
        return None, str(error).rstrip(".")
    if key is not None:
        monitor.answered(key, watch=is_watch(request))
    return response, None


async def _replace(
    monitor: WatchMonitor,
    key: Key | None,
    request: aiohttp.ClientRequest,
    response: aiohttp.ClientResponse,
    takers: _Takers,
) -> None:
    """Put what kopf is to get in the place of what was sent. Raises AnswerRefused."""
    jobs = takers.jobs if key and key[0] == JOBS else None
    if key is None:
        await check_discovery(response)
    elif is_watch(request):
        response.content = _Heard(response.content, lambda: monitor.heard(key), jobs)  # type: ignore[assignment]
    elif jobs is None:
        await replace_body(response, partial(slim_list, listed=takers.listed.get(key[0])))
    else:
        if "continue" not in request.url.query:
            jobs.list_begins(key[1])
        await replace_body(response, partial(_slim_jobs, jobs, takers.listed.get(key[0]), key[1]))


def _slim_jobs(jobs: JobNotices, listed: Listed | None, namespace: str | None, content: bytes) -> Steps[bytes]:
    page = yield from slim_list(content, jobs.item, listed)
    if is_last(page):
        jobs.list_ends(namespace)
    return page


class _Heard:
    """The content of a watch, without what kopf needs not know. Reports each line that is read from it."""

    def __init__(self, content: aiohttp.StreamReader, heard: Callable[[], None], jobs: JobNotices | None) -> None:
        self._content = content
        self._report = heard
        self._jobs = jobs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        async for line in self._content.iter_chunked(size):
            self._report()
            try:
                if line.isspace():
                    yield line
                elif self._jobs is None or self._jobs.is_news(line):
                    yield slim_event(line)
            except ValueError as error:
                _log.warning("A line of a watch is left out: %s.", error, extra={"reason": "WatchLineNotUnderstood"})
            await asyncio.sleep(0)  # lines that have arrived already would be handled without a pause


def _key_of(request: aiohttp.ClientRequest) -> Key | None:
    found = _PATH.search(request.url.path) if request.method == "GET" else None
    return (found["plural"], found["namespace"]) if found else None


async def _body(response: aiohttp.ClientResponse) -> str | None:
    try:
        return (await response.read())[:4096].decode(errors="replace")
    except (aiohttp.ClientError, OSError):
        return None
    finally:
        response.release()


def _where(key: Key) -> str:
    return f"{key[0]} in {f'namespace {key[1]}' if key[1] else 'all namespaces'}"
