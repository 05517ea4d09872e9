"""Looks at deliveries beside the queue: reading files may take hours, and nothing else is to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..api.job import ExportJob
from ..jobs.delivery import Delivery
from ..jobs.outcomes import Findings, Refusal
from .registry import Key

AT_ONCE = 4  # deliveries that are read at the same time
_FULL_AT_ONCE = 2  # those of which every byte is read, which may take hours, besides


@dataclass(frozen=True)
class Inspected:
    """What an inspection brought. `findings` where the service was searched for doubles as well."""

    delivery: Delivery
    findings: Findings | None = None


@dataclass
class _Running:
    marker: str
    task: asyncio.Task[Inspected | Refusal]


class Inspections:
    """Starts one inspection for an attempt at a time, and wakes the job when its result is there to be taken."""

    def __init__(
        self, inspect: Callable[[ExportJob], Awaitable[Inspected | Refusal]], wake: Callable[[Key], None]
    ) -> None:
        self._inspect = inspect
        self._wake = wake
        self._running: dict[Key, _Running] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._full_places = asyncio.Semaphore(_FULL_AT_ONCE)

    def result(self, job: ExportJob) -> Inspected | Refusal | None:
        """The result of the inspection of this attempt, once; None while it runs, which it does from now on."""
        submission = job.status.submission
        assert submission is not None
        key = job.metadata.key
        running = self._running.get(key)
        if running is None or running.marker != submission.id:
            self.forget(key)
            task = asyncio.create_task(self._work(job))
            task.add_done_callback(lambda _: self._wake(key))
            self._running[key] = _Running(submission.id, task)
            return None
        if not running.task.done():
            return None
        del self._running[key]
        return running.task.result()

    def forget(self, key: Key) -> None:
        """The job is gone, or needs no inspection any more."""
        running = self._running.pop(key, None)
        if running is not None:
            running.task.cancel()

    async def stop(self) -> None:
        tasks = [running.task for running in self._running.values()]
        for key in list(self._running):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, job: ExportJob) -> Inspected | Refusal:
        async with self._full_places if job.spec.delivery.verify == "Full" else self._places:
            return await self._inspect(job)
