"""Polls the active tasks of each tenant, and notifies the jobs that they belong to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ...api.foreign import KNOWN, PROCESS
from ...api.job import ServiceSnapshot, Submission
from ...api.reasons import ConditionReason
from ...api.task import ObservedTask
from ...jobs import tasks
from ...jobs.messages import OPERATOR_ERROR
from ...jobs.ownership import TaskIndex
from ...reltio.client import ReltioClient
from ...reltio.errors import ObjectNotFound, ReltioError
from ...runtime.clock import SYSTEM_CLOCK, Clock
from ...runtime.failures import explain
from ..cache import Key

_log = logging.getLogger(__name__)
_LOST_AFTER_MISSES = 3  # polls in a row that did not find a task before it counts as lost
_UNLISTED_POLL_SECONDS = 30.0  # between polls by id for a task that has not ended and is in no list
_LOST_TASK_POLL_SECONDS = 300.0  # between polls for a lost task
_MAX_FAILURES = 3  # of calls for single tasks in one poll, so that a few bad tasks do not delay the others

ClientFor = Callable[[str, ServiceSnapshot], Awaitable[ReltioClient]]


@dataclass
class Watch:
    """A job whose tasks are polled, and their last observation."""

    key: Key
    submission: Submission
    task_ids: frozenset[str]
    observed: dict[str, ObservedTask] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)  # of tasks that were observed
    misses: dict[str, int] = field(default_factory=dict)
    missing_since: dict[str, float] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()  # not among the active tasks in the last listing
    fetched_at: dict[str, float] = field(default_factory=dict)
    untracked_tasks: tuple[ObservedTask, ...] = ()
    watch_error: ConditionReason | None = None
    own_error: ConditionReason | None = None  # that concerns a task of this job only
    last_notified: object = None
    last_notified_at: float = float("-inf")

    def is_for(self, submission: Submission) -> bool:
        """Whether it is for this attempt at this service."""
        return (self.submission.id, self.submission.service) == (submission.id, submission.service)

    @property
    def missing(self) -> frozenset[str]:
        """Tasks that Reltio did not know when it was asked last."""
        return frozenset(self.misses)

    def was_found(self, id_: str, task: ObservedTask) -> None:
        self.observed[id_] = task
        self.misses.pop(id_, None)
        self.missing_since.pop(id_, None)
        self.lost -= {id_}

    def was_missed(self, id_: str, now: float, settle_seconds: float) -> None:
        """Reltio does not know the task. It is lost after some polls and the time in which a new task may show up."""
        self.misses[id_] = self.misses.get(id_, 0) + 1
        since = self.missing_since.setdefault(id_, now)
        if self.misses[id_] >= _LOST_AFTER_MISSES and now - since >= settle_seconds:
            self.lost |= {id_}

    def should_notify(self, now: float, interval: float) -> bool:
        """Whether to reconcile the job: a status or error has changed, or progress is due. Records it."""
        statuses = sorted((id_, task.status) for id_, task in self.observed.items())
        fingerprint = (
            statuses,
            self.lost,
            self.missing,
            self.unlisted,
            sorted(task.id for task in self.untracked_tasks),
            self.watch_error,
        )
        if fingerprint == self.last_notified and now - self.last_notified_at < interval:
            return False
        self.last_notified, self.last_notified_at = fingerprint, now
        return True


class TaskTracker:
    """Polls the tasks of all running jobs. The number of calls grows with tenants and pages, not with jobs.

    A task that has left the list of active tasks is fetched by its id until it has ended.
    """

    def __init__(
        self,
        client_for: ClientFor,
        wake: Callable[[Key], None],
        *,
        interval: float,
        progress_interval: float = 30.0,
        settle_seconds: float = 0.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._client_for = client_for
        self._wake = wake
        self._interval = interval
        self._progress_interval = progress_interval
        self._settle_seconds = settle_seconds
        self._clock = clock
        self._watches: dict[Key, Watch] = {}
        self._tenants: dict[ReltioClient, asyncio.Task[None]] = {}
        self._problems: dict[ReltioClient, str] = {}  # why the tasks of a tenant cannot be listed
        self._members: dict[ReltioClient, dict[Key, Watch]] = {}

    async def follow(self, key: Key, submission: Submission, task_ids: frozenset[str]) -> Watch:
        """Poll these tasks for the job until `forget`. Raises SecretError, UnusableURL."""
        watch = self._watches.get(key)
        if watch is None or not watch.is_for(submission):
            self.forget(key)
            watch = self._watches[key] = Watch(key, submission, task_ids)
        watch.submission, watch.task_ids = submission, task_ids
        client = await self._client_for(key[0], submission.service)
        if self._watches.get(key) is not watch:
            return watch  # forgotten or replaced while the Secret was read
        if key not in self._members.get(client, {}):
            self._leave(key)
            self._members.setdefault(client, {})[key] = watch
            if client not in self._tenants:
                self._tenants[client] = asyncio.create_task(self._poll(client))
        return watch

    def forget(self, key: Key) -> None:
        """Stop polling for the job."""
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
                await self._clock.sleep(self._interval)
                members = dict(self._members.get(client, {}))
                watch_error = await self._poll_once(client, members)
                for watch in members.values():
                    watch.watch_error = watch_error or watch.own_error
                    if watch.should_notify(self._clock.monotonic(), self._progress_interval):
                        self._wake(watch.key)
        finally:
            self._tenants.pop(client, None)
            self._problems.pop(client, None)
            if not self._members.get(client):
                self._members.pop(client, None)

    async def _poll_once(self, client: ReltioClient, members: dict[Key, Watch]) -> ConditionReason | None:
        """Update the watches. Returns the error, if there was one."""
        try:
            await self._update(client, members)
        except ReltioError as error:
            self._report(client, members, error.reason, error.text)
            return ConditionReason(error.reason, error.text)
        except Exception as error:
            self._report(
                client, members, OPERATOR_ERROR.name, explain(error, KNOWN.of([PROCESS, *client.namespaces])), error
            )
            return OPERATOR_ERROR()
        self._report(client, members)
        return None

    def _report(
        self,
        client: ReltioClient,
        members: dict[Key, Watch],
        reason: str = "",
        text: str = "",
        unexpected: Exception | None = None,
    ) -> None:
        """Log that the tasks of a tenant cannot be listed, once for each reason, and that they can be listed again."""
        before = self._problems.pop(client, "")
        tenant = next((watch.submission.service.tenant for watch in members.values()), "")
        if reason:
            self._problems[client] = reason
        if reason == before:
            return
        if reason:
            _log.warning(
                "Cannot list the tasks of tenant %s: %s",
                tenant,
                text,
                exc_info=unexpected,
                extra={"reason": reason, "tenant": tenant},
            )
        else:
            _log.info("The tasks of tenant %s can be listed again.", tenant, extra={"tenant": tenant})

    async def _update(self, client: ReltioClient, members: dict[Key, Watch]) -> None:
        wanted = {id_: watch for watch in members.values() for id_ in watch.task_ids}
        # Tasks that a list without an order leaves out are fetched by their ids.
        active = TaskIndex([task async for task in client.active_tasks(thorough=False)])
        for watch in members.values():
            own = active.tasks_of(watch.submission, watch.task_ids, watch.groups)
            watch.groups |= {task.group_id for task in own if task.group_id}
            watch.untracked_tasks = tuple(
                task for task in own if task.id not in watch.task_ids and task.id not in watch.observed
            )
            watch.own_error = None
        listed = {id_: active.by_id[id_] for id_ in wanted if id_ in active.by_id}
        for watch in members.values():
            watch.unlisted = watch.task_ids - listed.keys()
        for id_, task in listed.items():
            wanted[id_].was_found(id_, task)
            wanted[id_].fetched_at.pop(id_, None)
        failed: list[ReltioError] = []
        for id_, watch in wanted.items():
            if id_ in listed:
                continue
            try:
                if len(failed) >= _MAX_FAILURES:
                    raise failed[-1]  # each may take long to fail; the others are fetched in a later poll
                await self._fetch_task(client, watch, id_)
            except ReltioError as error:
                failed.append(error)
                watch.own_error = ConditionReason(error.reason, error.text)

    async def _fetch_task(self, client: ReltioClient, watch: Watch, id_: str) -> None:
        """Fetch a task that has left the list of active tasks."""
        known = watch.observed.get(id_)
        if known is not None and known.status in tasks.ENDED:
            return  # endTime does not count: a task that still runs may have one
        if self._clock.monotonic() - watch.fetched_at.get(id_, float("-inf")) < self._pause(watch, id_):
            return
        try:
            task = await client.task(id_)
        except ObjectNotFound:
            watch.was_missed(id_, self._clock.monotonic(), self._settle_seconds)
            watch.fetched_at[id_] = self._clock.monotonic()
        else:
            watch.was_found(id_, task)
            watch.fetched_at[id_] = self._clock.monotonic()

    @staticmethod
    def _pause(watch: Watch, id_: str) -> float:
        """The seconds between fetches of a task that is not listed."""
        if id_ in watch.lost:
            return _LOST_TASK_POLL_SECONDS
        return _UNLISTED_POLL_SECONDS if id_ in watch.fetched_at and id_ not in watch.misses else 0.0
