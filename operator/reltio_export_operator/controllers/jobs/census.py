"""Searches for exports of jobs that neither status nor annotation say anything of.

An object that was restored without both looks like a new one. So the jobs in the first list of a process that have no
record are searched for before they are submitted. All of them share one reading of each tenant's tasks, and a job that
is created later needs none.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from ...api.job import ExportJob
from ...api.task import ObservedTask
from ...jobs import identity
from ...jobs.ownership import earliest_ms
from ...reltio.client import ReltioClient
from ..cache import Key

_UID = re.compile(r"-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-[0-9]+$")  # of a job, in the name of an attempt

_MAX_READINGS = 1000  # of tenants: each holds the tasks of jobs that are searched for

Found = tuple[ObservedTask, ...]


@dataclass(frozen=True)
class _Reading:
    """One reading of a tenant's tasks for these jobs."""

    uids: frozenset[str]
    tasks: asyncio.Task[dict[str, Found]]


class Census:
    """The jobs that are to be searched for, and what was read for them."""

    def __init__(self) -> None:
        self._expected: dict[Key, tuple[str, datetime | None]] = {}  # uid and time of creation: jobs are large
        self._searched: dict[Key, str] = {}  # uid by key
        self._readings: dict[ReltioClient, _Reading] = {}

    def expect(self, job: ExportJob) -> None:
        """The job is in the first list of this process."""
        if identity.is_unmarked(job):
            self._expected[job.metadata.key] = job.metadata.uid, job.metadata.creation_timestamp

    def is_open(self, job: ExportJob) -> bool:
        """Whether the job has to be searched for. A finalizer without a record shows that an attempt was begun."""
        key, uid = job.metadata.key, job.metadata.uid
        expected = self._expected.get(key)
        if not identity.is_unmarked(job):
            return False
        is_expected = expected is not None and expected[0] == uid
        return is_expected or (job.holds_finalizer and self._searched.get(key) != uid)

    def close(self, job: ExportJob) -> None:
        """Reltio has no export of the job."""
        self.forget(job.metadata.key)
        self._searched[job.metadata.key] = job.metadata.uid

    def forget(self, key: Key) -> None:
        self._searched.pop(key, None)
        self._expected.pop(key, None)
        if not self._expected:
            self._readings.clear()

    async def tasks_of(self, client: ReltioClient, job: ExportJob) -> Found:
        """Tasks whose name ends with an attempt id of this job. Raises ReltioError."""
        uid = job.metadata.uid
        reading = self._readings.get(client)
        if reading is None or uid not in reading.uids or _has_failed(reading.tasks):
            jobs = [*self._expected.values(), (uid, job.metadata.creation_timestamp)]
            uids = frozenset(expected for expected, _ in jobs)
            since_ms = min(earliest_ms(made) for _, made in jobs if made is not None)
            reading = _Reading(uids, asyncio.create_task(_read(client, uids, since_ms)))
            self._readings[client] = reading
            self._evict()
        return (await asyncio.shield(reading.tasks)).get(uid, ())

    def _evict(self) -> None:
        """Drop the oldest readings that have ended, such as those with earlier credentials of a tenant."""
        excess = len(self._readings) - _MAX_READINGS
        ended = [client for client, reading in self._readings.items() if reading.tasks.done()]
        for client in ended[: max(0, excess)]:
            del self._readings[client]

    async def stop(self) -> None:
        """Cancel the readings."""
        running = [reading.tasks for reading in self._readings.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _read(client: ReltioClient, uids: frozenset[str], since_ms: int) -> dict[str, Found]:
    found: dict[str, dict[str, ObservedTask]] = defaultdict(dict)
    for listing in (client.active_tasks(), client.history(since_ms)):
        async for task in listing:
            for name in task.given_names:
                match = _UID.search(name)
                if match is not None and match[1] in uids:
                    found[match[1]][task.id] = task
    return {uid: tuple(tasks.values()) for uid, tasks in found.items()}


def _has_failed(task: asyncio.Task[dict[str, Found]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
