"""Keeps kopf watching while all kinds are served, and starts it again when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory  # exported nowhere else
from kubernetes.aio import client

from ..api.foreign import KNOWN, Quoted, quote
from ..kube.client import PAGE
from ..kube.discovery import Kinds
from ..kube.notices import JobNotices
from ..kube.slim import Listed
from ..kube.watching import WatchMonitor, watch_session

_log = logging.getLogger(__name__)
_RESTART_SECONDS, _LONGEST_RESTART_SECONDS = 1.0, 60.0
_KOPF = str(Path(kopf.__file__).parent)
_CALM_SECONDS = 300.0  # a watch that lasted as long as this is started again without a longer wait
# What these say, as errors and with tracebacks, is logged here and by the monitor, once for each change.
_QUIET = (
    "kopf._cogs.clients.api",
    "kopf._core.reactor.observation",
    "kopf._core.reactor.orchestration",
    "kopf._core.reactor.running",
)


class KopfWatch:
    """Runs kopf with the handlers of `registry`. What lists show is given to `listed`, by the plural name of the kind.

    The root tasks of kopf are supervised here and not with `kopf.run_tasks`, which cancels every task of the event
    loop that started later than kopf: submissions and the renewal of the Lease among them.
    """

    def __init__(
        self,
        registry: kopf.OperatorRegistry,
        namespaces: Sequence[str],
        api: client.ApiClient,
        kinds: Kinds,
        monitor: WatchMonitor,
        notices: JobNotices,
        listed: Mapping[str, Listed],
    ) -> None:
        self._registry = registry
        self._namespaces = namespaces
        self._kinds = kinds
        self._monitor = monitor
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)

        @kopf.on.login(registry=registry)
        async def log_in(**_: object) -> kopf.AiohttpSession:
            session = watch_session(api, monitor, jobs=notices, listed=listed)
            return kopf.AiohttpSession(server=api.configuration.host, aiohttp_session=session)

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_without_errors_of_kopf)
        pause = _RESTART_SECONDS
        while True:
            await self._kinds.until_served()
            began = loop.time()
            self._monitor.begin()
            try:
                await self._watch()
            except Exception as error:
                problem = f"The watch ended: {_last_line(error)}."
                _log.warning("%s It starts again in %.0f s.", problem, pause)
                self._monitor.end(problem)
            else:
                self._monitor.end()  # a kind is gone, which is waited for and reported above
                continue
            await asyncio.sleep(pause)
            calm = loop.time() - began > _CALM_SECONDS
            pause = _RESTART_SECONDS if calm else min(pause * 2, _LONGEST_RESTART_SECONDS)

    async def _watch(self) -> None:
        """Watch until a kind is gone. Raises what ends kopf."""
        tasks = await kopf.spawn_tasks(
            registry=self._registry,
            settings=_kopf_settings(),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
            memories=_NoMemories(),
        )
        gone = asyncio.create_task(self._until_gone())
        try:
            done, _ = await asyncio.wait({gone, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {gone}:
                task.result()
                raise RuntimeError(f"kopf's {task.get_name()} ended")
        finally:
            for task in (gone, *tasks):
                task.cancel()
            await asyncio.wait({gone, *tasks})

    async def _until_gone(self) -> None:
        while True:
            await self._monitor.not_found.wait()
            self._monitor.not_found.clear()
            if await self._kinds.are_gone():
                return


class _NoMemories(ResourceMemories):
    """kopf keeps a record of each object until it is deleted, for kinds of handlers that are not used here."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        return await super().recall(raw_body, **{**options, "ephemeral": True})


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # events are posted deliberately, by the controllers
    # Namespaces are given, and CRDs are asked for with discovery: no right at the level of the cluster is needed.
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = None  # the process has its own bound
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.networking.request_timeout = 60
    return settings


def _last_line(error: BaseException) -> Quoted:
    text = str(error)
    if (status := getattr(error, "status", None)) is not None:  # kopf's errors of the API show their whole answer
        text = f"HTTP {status} {getattr(error, 'message', None) or ''}"
    last = f"{type(error).__name__}: {text}".strip().rstrip(".:").splitlines()[-1]
    return quote(last, KNOWN.all(), limit=300)


def _without_errors_of_kopf(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave out errors of kopf's tasks that nobody awaits: one of them is logged as the end of the watch."""
    task = context.get("future")
    code = getattr(task.get_coro(), "cr_code", None) if isinstance(task, asyncio.Task) else None
    if code is not None and code.co_filename.startswith(_KOPF):
        _log.debug("A task of kopf ended: %s", _last_line(context["exception"]) if "exception" in context else "")
        return
    loop.default_exception_handler(context)
