"""Deletes what failed attempts wrote, outside of the work queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ...api.foreign import own
from ...api.job import ExportJob, S3Snapshot
from ...aws.errors import AwsError
from ...aws.store import PROBE_PREFIX, ObjectStore, StoredObject
from ...delivery import limits
from ...jobs.cleanup import Cleaned, is_of_attempt
from ...jobs.observation import CleanUp
from ...runtime.logs import object_fields
from ...runtime.slots import SlotLimits, Slots
from ..cache import Key

_log = logging.getLogger(__name__)

_LIMITS = SlotLimits(place=2, total=3, silent=4)
_NAMED = 6  # objects that are not the attempt's
_MAX_DELETED = 1_000  # objects in one pass, after which the status says how many


class Cleanups:
    """Runs one pass for a job at a time, and wakes the job when its result is available."""

    def __init__(
        self,
        clean: Callable[[ExportJob, CleanUp], Awaitable[Cleaned]],
        wake: Callable[[Key], None],
        new_slots: Callable[[SlotLimits], Slots[str]] = Slots,
        region_of: Callable[[S3Snapshot], str] = lambda s3: s3.region or "",
    ) -> None:
        self._clean = clean
        self._wake = wake
        self._passes: dict[Key, tuple[str, asyncio.Task[Cleaned]]] = {}
        self._slots = new_slots(_LIMITS)
        self._region_of = region_of

    def result(self, job: ExportJob, action: CleanUp) -> Cleaned | None:
        """The result of a pass for this attempt, returned once. None while it runs; starts it if it does not."""
        key = job.metadata.key
        attempt, task = self._passes.get(key, ("", None))
        if task is None or attempt != action.submission.id:
            self.forget(key)
            task = asyncio.create_task(self._work(job, action))
            task.add_done_callback(lambda _: self._wake(key))
            self._passes[key] = (action.submission.id, task)
            return None
        if not task.done():
            return None
        del self._passes[key]
        return task.result()

    def forget(self, key: Key) -> None:
        """The job was deleted: what was not deleted yet stays."""
        _, task = self._passes.pop(key, ("", None))
        if task is not None:
            task.cancel()

    async def stop(self) -> None:
        tasks = [task for _, task in self._passes.values()]
        for key in list(self._passes):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, job: ExportJob, action: CleanUp) -> Cleaned:
        try:
            async with self._slots.slot(self._region_of(action.submission.s3), job.metadata.namespace):
                return await self._clean(job, action)
        except Exception as error:
            meta = job.metadata
            _log.exception(
                "Cannot delete what a failed attempt of ExportJob %s/%s wrote.",
                *meta.key,
                extra=object_fields("ExportJob", *meta.key, meta.uid),
            )
            return Cleaned(error=own(f"{type(error).__name__}; see the log of the operator."))


async def clean_directory(store: ObjectStore, action: CleanUp) -> Cleaned:
    """One pass: list the directory, then delete up to `_MAX_DELETED` objects that the attempt wrote.

    Requests: one LIST for each 1,000 objects, one DELETE for each object. An object that has changed since it was
    listed ends the pass, as an outage does. Objects of versioned buckets get a delete marker.
    """
    submission = action.submission
    own_objects: list[StoredObject] = []
    others: list[str] = []
    listed, deleted = 0, 0
    try:
        async for item in store.list(submission.path):
            listed += 1
            if listed > limits.LIMITS.objects:
                return Cleaned(error=own(f"the directory has more than {limits.LIMITS.objects:,} objects."))
            name = item.key.removeprefix(submission.path)
            if PROBE_PREFIX in name or not is_of_attempt(name, item.modified, submission, action.until):
                others += [name] if len(others) < _NAMED else []
            elif len(own_objects) > _MAX_DELETED:
                break
            else:
                own_objects.append(item)
        for item in own_objects[:_MAX_DELETED]:
            deleted += await store.delete_listed(item)
    except AwsError as error:
        return Cleaned(deleted, error=error.text, transient=error.transient)
    return Cleaned(deleted, tuple(others), is_whole=len(own_objects) <= _MAX_DELETED)
