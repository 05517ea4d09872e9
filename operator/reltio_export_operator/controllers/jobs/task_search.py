"""Searches for the tasks of attempts. Concurrent searches share a listing, so calls grow with tenants, not jobs."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict

from ...api.job import Submission
from ...api.task import ObservedTask
from ...jobs.ownership import TaskIndex, earliest_creation_ms
from ...reltio.client import ReltioClient
from ...reltio.errors import ObjectNotFound

Tasks = tuple[ObservedTask, ...]
Found = tuple[Tasks, Tasks]  # tasks of the attempt; tasks without a name that may be of it
Requests = dict[str, tuple[Submission, asyncio.Future[Found]]]

_LOOKED_UP = 20  # tasks of one search that are asked for by id


class TaskSearch:
    """Finds the active and finished tasks of an attempt. Lists the tasks of a tenant once at a time."""

    def __init__(self) -> None:
        self._requests: dict[ReltioClient, Requests] = defaultdict(dict)
        self._listings: dict[ReltioClient, asyncio.Task[None]] = {}

    async def tasks_of(self, client: ReltioClient, submission: Submission) -> Found:
        """The tasks of this attempt, from a listing that began after this call. Raises ReltioError.

        Where lists leave names out, up to `_LOOKED_UP` tasks are asked for by their ids, which may show them.
        """
        mine, unnamed = await self._listed(client, submission)
        if mine or not unnamed:
            return mine, ()
        known = {task.id: task for task in unnamed}
        for task in unnamed[:_LOOKED_UP]:
            with contextlib.suppress(ObjectNotFound):  # it still may be the export
                known[task.id] = await client.task(task.id)
        index = TaskIndex(known.values())
        mine = index.tasks_of(submission)
        return mine, () if mine else index.unnamed(submission)

    async def _listed(self, client: ReltioClient, submission: Submission) -> Found:
        requests = self._requests[client]
        if submission.id not in requests:
            requests[submission.id] = (submission, asyncio.get_running_loop().create_future())
        _, result = requests[submission.id]
        if client not in self._listings:
            self._listings[client] = asyncio.create_task(self._list_for_all(client))
        return await asyncio.shield(result)

    async def stop(self) -> None:
        """Cancel the listings."""
        listings = list(self._listings.values())
        for task in listings:
            task.cancel()
        await asyncio.gather(*listings, return_exceptions=True)

    async def _list_for_all(self, client: ReltioClient) -> None:
        requests: Requests = {}
        try:
            while requests := self._requests.pop(client, {}):
                try:
                    since_ms = min(earliest_creation_ms(submission) for submission, _ in requests.values())
                    index = await _recent_tasks(client, since_ms)
                except Exception as error:
                    for _, result in requests.values():
                        result.set_exception(error)
                        result.exception()  # the caller may have been cancelled
                else:
                    for submission, result in requests.values():
                        result.set_result((index.tasks_of(submission), index.unnamed(submission)))
        finally:
            self._listings.pop(client, None)
            for _, result in requests.values():
                result.cancel()


async def _recent_tasks(client: ReltioClient, since_ms: int) -> TaskIndex:
    """All tasks that were created since then. Active ones first: one that ends in between is in the history."""
    index = TaskIndex([task async for task in client.active_tasks()])
    async for task in client.history(since_ms):
        if task.created_ms is None or task.created_ms >= since_ms:
            index.add(task)
    return index
