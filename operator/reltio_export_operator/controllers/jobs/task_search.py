"""Searches for the tasks of attempts. Concurrent searches share a listing, so calls grow with tenants, not jobs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Set

from ...api.task import ObservedTask
from ...reltio.client import ReltioClient

Found = tuple[ObservedTask, ...]


class TaskSearch:
    """Finds the active and finished tasks of an attempt. Lists the tasks of a tenant once at a time."""

    def __init__(self) -> None:
        self._requests: dict[ReltioClient, dict[str, asyncio.Future[Found]]] = defaultdict(dict)
        self._listings: dict[ReltioClient, asyncio.Task[None]] = {}

    async def tasks_of(self, client: ReltioClient, attempt_id: str) -> Found:
        """The tasks with this attempt id, from a listing that began after this call. Raises ReltioError."""
        requests = self._requests[client]
        if attempt_id not in requests:
            requests[attempt_id] = asyncio.get_running_loop().create_future()
        result = requests[attempt_id]
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
        requests: dict[str, asyncio.Future[Found]] = {}
        try:
            while requests := self._requests.pop(client, {}):
                try:
                    found = await _tasks_by_attempt(client, requests.keys())
                except Exception as error:
                    for result in requests.values():
                        result.set_exception(error)
                        result.exception()  # the caller may have been cancelled
                else:
                    for attempt_id, result in requests.items():
                        result.set_result(tuple(found[attempt_id].values()))
        finally:
            self._listings.pop(client, None)
            for result in requests.values():
                result.cancel()


async def _tasks_by_attempt(client: ReltioClient, wanted: Set[str]) -> dict[str, dict[str, ObservedTask]]:
    """Tasks by attempt id and task id. Active ones first: one that finishes in between is in the history."""
    found: dict[str, dict[str, ObservedTask]] = {attempt_id: {} for attempt_id in wanted}
    for listing in (client.active_tasks, client.history):
        async for task in listing():
            for attempt_id in task.attempt_ids & wanted:
                found[attempt_id][task.id] = task
    return found
