"""Counts the tasks of others in a tenant. Jobs share a count, so calls grow with tenants, not jobs."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from ...jobs.ownership import is_of_a_job
from ...jobs.policies.starting import FOREIGN_TASKS_SECONDS
from ...reltio.client import ReltioClient
from ...runtime.clock import Clock


class _Count:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.taken_at = float("-inf")
        self.tasks = 0


class ForeignTasks:
    """The active tasks of each tenant that are not of an ExportJob."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: WeakKeyDictionary[ReltioClient, _Count] = WeakKeyDictionary()

    async def count(self, client: ReltioClient) -> int:
        """How many there were at most half of the time between two counts ago. Raises ReltioError."""
        known = self._counts.setdefault(client, _Count())
        async with known.lock:
            if self._clock.monotonic() - known.taken_at > FOREIGN_TASKS_SECONDS / 2:
                known.tasks = sum([not is_of_a_job(task) async for task in client.active_tasks(thorough=False)])
                known.taken_at = self._clock.monotonic()
            return known.tasks
