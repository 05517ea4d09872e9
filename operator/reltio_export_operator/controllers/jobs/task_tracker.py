"""One poller a tenant: the list of active tasks, page by page, handed out to the jobs that wait for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ...api.job import ServiceSnapshot
from ...api.task import TaskView
from ...jobs.observation import Says
from ...reltio.client import ReltioClient
from ...reltio.errors import ObjectNotFound, ReltioError
from ..cache import Key

_log = logging.getLogger(__name__)
_GONE_AFTER = 3  # looks in a row that did not find a task before it counts as vanished
_GONE_LOOK = 300.0  # seconds between looks for one that did
_FAILURES = 3  # look-ups that may fail in one round: what goes wrong with a few tasks must not hide the others

ClientFor = Callable[[str, ServiceSnapshot], Awaitable[ReltioClient]]


@dataclass
class Watch:
    """A job whose tasks are followed, and what was last seen of them."""

    key: Key
    service: ServiceSnapshot
    task_ids: frozenset[str]
    marker: str
    seen: dict[str, TaskView] = field(default_factory=dict)
    misses: dict[str, int] = field(default_factory=dict)
    strangers: tuple[TaskView, ...] = ()
    trouble: Says | None = None
    own_trouble: Says | None = None  # with a task of this job alone
    missed_at: float = float("-inf")
    told: object = None
    told_at: float = float("-inf")

    @property
    def missing(self) -> frozenset[str]:
        return frozenset(id_ for id_, count in self.misses.items() if count >= _GONE_AFTER)

    def is_news(self, now: float, interval: float) -> bool:
        """Whether the job should look: something changed that it acts on, or its progress is due."""
        words = sorted((id_, task.status) for id_, task in self.seen.items())
        gist = (words, self.missing, sorted(task.id for task in self.strangers), self.trouble)
        if gist == self.told and now - self.told_at < interval:
            return False
        self.told, self.told_at = gist, now
        return True


class TenantPollers:
    """Follows the tasks of all running jobs. Calls grow with tenants and pages of their lists, not with jobs.

    A task that has left the list of active tasks is looked up by its id until its end is seen.
    """

    def __init__(
        self,
        client_for: ClientFor,
        wake: Callable[[Key], None],
        *,
        interval: float,
        progress_interval: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client_for = client_for
        self._wake = wake
        self._interval = interval
        self._progress_interval = progress_interval
        self._clock = clock
        self._watches: dict[Key, Watch] = {}
        self._tenants: dict[ReltioClient, asyncio.Task[None]] = {}
        self._members: dict[ReltioClient, dict[Key, Watch]] = {}

    async def follow(self, key: Key, service: ServiceSnapshot, task_ids: frozenset[str], marker: str) -> Watch:
        """Follow these tasks for the job, from now on until `forget`. Raises SecretError."""
        watch = self._watches.get(key)
        if watch is None or watch.marker != marker or watch.service != service:
            self.forget(key)
            watch = self._watches[key] = Watch(key, service, task_ids, marker)
        watch.task_ids = task_ids
        client = await self._client_for(key[0], service)
        if self._watches.get(key) is not watch:
            return watch  # forgotten, or replaced, while the client was made
        if key not in self._members.get(client, {}):
            self._leave(key)
            self._members.setdefault(client, {})[key] = watch
            if client not in self._tenants:
                self._tenants[client] = asyncio.create_task(self._poll(client))
        return watch

    def forget(self, key: Key) -> None:
        """The job needs no more observations."""
        if self._watches.pop(key, None) is not None:
            self._leave(key)

    async def stop(self) -> None:
        running = list(self._tenants.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _leave(self, key: Key) -> None:
        for members in self._members.values():
            members.pop(key, None)

    async def _poll(self, client: ReltioClient) -> None:
        try:
            while self._members.get(client):
                await asyncio.sleep(self._interval)
                members = dict(self._members.get(client, {}))
                trouble = await self._look(client, members)
                for watch in members.values():
                    watch.trouble = trouble or watch.own_trouble
                    if watch.is_news(self._clock(), self._progress_interval):
                        self._wake(watch.key)
        finally:
            self._tenants.pop(client, None)
            if not self._members.get(client):
                self._members.pop(client, None)

    async def _look(self, client: ReltioClient, members: dict[Key, Watch]) -> Says | None:
        """Bring the watches up to date. Answers with what is in the way, if anything is."""
        try:
            await self._update(client, members)
        except ReltioError as error:
            _log.warning("Cannot see the tasks of a tenant: %s", error)
            return Says(error.reason, str(error))
        except Exception:
            _log.exception("Polling a tenant failed")
            return Says("OperatorError", "The operator failed to look; see its log.")
        return None

    async def _update(self, client: ReltioClient, members: dict[Key, Watch]) -> None:
        wanted = {id_: watch for watch in members.values() for id_ in watch.task_ids}
        marked = {watch.marker: watch for watch in members.values()}
        listed: dict[str, TaskView] = {}
        strangers: dict[Key, list[TaskView]] = {watch.key: [] for watch in members.values()}
        async for task in client.active_tasks():
            if task.id in wanted:
                listed[task.id] = task
                continue
            for marker in task.markers & marked.keys():
                if task.id not in marked[marker].seen:
                    strangers[marked[marker].key].append(task)
        for watch in members.values():
            watch.strangers = tuple(strangers[watch.key])
            watch.own_trouble = None
        for id_, seen in listed.items():
            wanted[id_].misses.pop(id_, None)
            wanted[id_].seen[id_] = seen
        failed: list[ReltioError] = []
        for id_, watch in wanted.items():
            if id_ in listed:
                continue
            try:
                if len(failed) >= _FAILURES:
                    raise failed[-1]  # each takes its time to fail: the rest have their turn in a later round
                await self._look_up(client, watch, id_)
            except ReltioError as error:
                failed.append(error)
                watch.own_trouble = Says(error.reason, str(error))

    async def _look_up(self, client: ReltioClient, watch: Watch, id_: str) -> None:
        """Ask for a task that is on the list no more."""
        ended = watch.seen.get(id_)
        if ended is not None and ended.ended_ms is not None:
            return
        misses = watch.misses.get(id_, 0)
        if misses >= _GONE_AFTER and self._clock() - watch.missed_at < _GONE_LOOK:
            return
        try:
            watch.seen[id_] = await client.task(id_)
            watch.misses.pop(id_, None)
        except ObjectNotFound:
            watch.misses[id_] = misses + 1
            watch.missed_at = self._clock()
