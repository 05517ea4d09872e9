"""One poller a tenant: the list of active tasks, page by page, handed out to the jobs that wait for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..api.job import ServiceSnapshot
from ..api.observation import TaskView
from ..reltio.client import ReltioClient
from ..reltio.errors import ObjectNotFound, ReltioError
from .kube import SecretError
from .registry import Key

_log = logging.getLogger(__name__)
_GONE_AFTER = 3  # looks in a row that did not find a task before it counts as vanished

ClientFor = Callable[[str, ServiceSnapshot], Awaitable[ReltioClient]]


@dataclass
class Watch:
    """A job whose tasks are followed."""

    key: Key
    service: ServiceSnapshot
    task_ids: frozenset[str]
    seen: dict[str, TaskView] = field(default_factory=dict)
    misses: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> frozenset[str]:
        return frozenset(id_ for id_, count in self.misses.items() if count >= _GONE_AFTER)


class TenantPollers:
    """Follows the tasks of all running jobs. Calls grow with tenants and pages of their lists, not with jobs.

    A task that has left the list of active tasks is looked up once by its id.
    """

    def __init__(self, client_for: ClientFor, wake: Callable[[Key], None], *, interval: float) -> None:
        self._client_for = client_for
        self._wake = wake
        self._interval = interval
        self._watches: dict[Key, Watch] = {}
        self._tenants: dict[ReltioClient, asyncio.Task[None]] = {}
        self._members: dict[ReltioClient, dict[Key, Watch]] = {}

    async def follow(self, key: Key, service: ServiceSnapshot, task_ids: frozenset[str]) -> Watch:
        """Follow these tasks for the job, from now on until `forget`. Raises SecretError."""
        watch = self._watches.get(key)
        if watch is None or watch.task_ids != task_ids or watch.service != service:
            self.forget(key)
            watch = self._watches[key] = Watch(key, service, task_ids)
        client = await self._client_for(key[0], service)
        if key not in self._members.get(client, {}):
            self._leave(key)
            self._members.setdefault(client, {})[key] = watch
            if client not in self._tenants:
                self._tenants[client] = asyncio.create_task(self._poll(client))
        return watch

    def forget(self, key: Key) -> None:
        """The job needs no more observations."""
        self._watches.pop(key, None)
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
                try:
                    await self._look(client)
                except (ReltioError, SecretError) as error:
                    _log.warning("Cannot list the tasks of a tenant: %s", error)
                except Exception:
                    _log.exception("Polling a tenant failed")
        finally:
            self._tenants.pop(client, None)

    async def _look(self, client: ReltioClient) -> None:
        members = self._members.get(client, {})
        wanted = {id_: watch for watch in members.values() for id_ in watch.task_ids}
        listed = {task.id: task async for task in client.active_tasks() if task.id in wanted}
        for id_, watch in wanted.items():
            task = listed.get(id_) or await self._look_up(client, watch, id_)
            if task is not None:
                watch.misses.pop(id_, None)
                watch.seen[id_] = task
        for key in {watch.key for watch in wanted.values()}:
            self._wake(key)

    async def _look_up(self, client: ReltioClient, watch: Watch, id_: str) -> TaskView | None:
        ended = watch.seen.get(id_)
        if ended is not None and ended.ended_ms is not None:
            return ended
        try:
            return await client.task(id_)
        except ObjectNotFound:
            watch.misses[id_] = watch.misses.get(id_, 0) + 1
            return None
