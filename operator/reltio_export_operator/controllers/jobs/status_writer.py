"""What is written to an ExportJob: its status, its finalizer, and the events about it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import msgspec

from ...api.conditions import Conditions
from ...api.decoding import decode_job, decode_status, with_report
from ...api.job import ExportJob, JobStatus
from ...api.meta import FINALIZER, JOBS
from ...api.status_patch import status_patch
from ...jobs import messages
from ...jobs.observation import Decision
from ...kube.client import ConflictError, KubeClient, Raw
from ...runtime.failures import explain
from ...runtime.logs import object_fields
from .. import transitions
from ..cache import Key

_log = logging.getLogger(__name__)


class JobStatusWriter:
    """Writes that test the version that was read. Each raises ConflictError when it is not the object's any more."""

    def __init__(
        self,
        kube: KubeClient,
        *,
        progress_interval: float,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        on_written: Callable[[ExportJob], None],
        count_event: Callable[[str], None],
    ) -> None:
        self._kube = kube
        self._progress_interval = progress_interval
        self._now = now
        self._clock = clock
        self._on_written = on_written
        self._count_event = count_event
        self._progress_written: dict[Key, float] = {}

    def progress_due(self, key: Key) -> bool:
        """Whether mere progress may be written again."""
        written = self._progress_written.get(key)
        return written is None or self._clock() - written >= self._progress_interval

    def forget(self, key: Key) -> None:
        self._progress_written.pop(key, None)

    async def write(self, raw: Raw, job: ExportJob, decision: Decision) -> Raw:
        """Write what a decision changes in the status of the job as it was read, then post its events."""
        status = with_report(job, decision.status, messages.STATUS_VALUES_IGNORED, self._now())
        change = status_patch(raw.get("status"), job.status, status)
        if change:
            patched = await self._kube.patch_status(JOBS, raw, change)
            if patched is None:
                raise ConflictError(job.metadata.name)
            raw = patched
            transitions.log_job(job, status)
            if "progress" in change or "tasks" in change:
                self._progress_written[job.metadata.key] = self._clock()
            self._on_written(decode_job(raw))
        transitions.log_job_events(job, decision.events)
        for event in decision.events:
            self._count_event(event.reason)
            try:
                await self._kube.post_event("ExportJob", raw, event.type, event.reason, event.message, self._now())
            except Exception as error:
                _log.warning(
                    "Cannot post event %s about ExportJob %s/%s: %s.",
                    event.reason,
                    *job.metadata.key,
                    explain(error),
                    extra=object_fields("ExportJob", *job.metadata.key, job.metadata.uid),
                )
        return raw

    async def report_invalid(self, raw: Raw, reason: str, message: str) -> None:
        """Say in the object what keeps it from being worked on, when its whole status cannot be written."""
        generation = raw["metadata"].get("generation", 0)
        before, _ = decode_status(raw, JobStatus)
        conditions = Conditions(before.conditions, generation=generation, now=self._now())
        conditions.put("Stalled", "True", reason, message)
        after = msgspec.structs.replace(before, conditions=conditions.result())
        change = status_patch(raw.get("status"), before, after)
        if change and await self._kube.patch_status(JOBS, raw, change) is not None:
            meta = raw["metadata"]
            transitions.log_job_invalid(meta["namespace"], meta["name"], meta["uid"], reason, message)

    async def add_finalizer(self, raw: Raw) -> Raw:
        """Put the finalizer on: from now on there is something outside to undo."""
        finalizers = raw["metadata"].get("finalizers", [])
        if FINALIZER in finalizers:
            return raw
        held = await self._kube.set_finalizers(JOBS, raw, [*finalizers, FINALIZER])
        if held is None:
            raise ConflictError(raw["metadata"]["name"])
        return held

    async def remove_finalizer(self, raw: Raw) -> None:
        """Take the finalizer off."""
        finalizers = raw["metadata"].get("finalizers", [])
        if FINALIZER in finalizers:
            await self._kube.set_finalizers(JOBS, raw, [name for name in finalizers if name != FINALIZER])
