"""Searches for markers: whoever asks while a listing is read shares the next one, so calls grow with tenants."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Set

from ...api.task import ObservedTask
from ...reltio.client import ReltioClient

Found = tuple[ObservedTask, ...]


class TaskSearch:
    """Finds the tasks that carry a marker, active or ended. One reading of the tenant's lists at a time."""

    def __init__(self) -> None:
        self._waiting: dict[ReltioClient, dict[str, asyncio.Future[Found]]] = defaultdict(dict)
        self._reading: dict[ReltioClient, asyncio.Task[None]] = {}

    async def tasks_of(self, client: ReltioClient, attempt_id: str) -> Found:
        """Tasks that carry the marker, by lists that were read from their beginning after this call.

        Raises ReltioError.
        """
        waiting = self._waiting[client]
        if attempt_id not in waiting:
            waiting[attempt_id] = asyncio.get_running_loop().create_future()
        answer = waiting[attempt_id]
        if client not in self._reading:
            self._reading[client] = asyncio.create_task(self._read_for_all(client))
        return await asyncio.shield(answer)

    async def stop(self) -> None:
        """End what is being read."""
        reading = list(self._reading.values())
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    async def _read_for_all(self, client: ReltioClient) -> None:
        asked: dict[str, asyncio.Future[Found]] = {}
        try:
            while asked := self._waiting.pop(client, {}):
                try:
                    found = await _tasks_by_attempt(client, asked.keys())
                except Exception as error:
                    for answer in asked.values():
                        answer.set_exception(error)
                        answer.exception()  # nobody may wait for it any more
                else:
                    for attempt_id, answer in asked.items():
                        answer.set_result(tuple(found[attempt_id].values()))
        finally:
            self._reading.pop(client, None)
            for answer in asked.values():
                answer.cancel()


async def _tasks_by_attempt(client: ReltioClient, wanted: Set[str]) -> dict[str, dict[str, ObservedTask]]:
    """Tasks by marker and id. Active ones first: one that ends in between is in the history."""
    found: dict[str, dict[str, ObservedTask]] = {attempt_id: {} for attempt_id in wanted}
    for listing in (client.active_tasks, client.history):
        async for task in listing():
            for attempt_id in task.attempt_ids & wanted:
                found[attempt_id][task.id] = task
    return found
