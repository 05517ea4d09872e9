"""What is written to an ExportJob: its status, its finalizer, and the events about it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...api.attempt import AttemptRecord, record_of
from ...api.decoding import with_report
from ...api.job import ExportJob, Submission
from ...api.meta import ATTEMPT_ANNOTATION, FINALIZER, JOBS
from ...api.status_patch import status_patch
from ...jobs import messages
from ...jobs.events import events_of
from ...jobs.observation import Decision, Event
from ...kube.client import ConflictError, KubeApi
from ...runtime.clock import Clock
from ...runtime.failures import explain
from ...runtime.logs import object_fields
from .. import transitions
from ..cache import Key
from .loaded import Loaded

_log = logging.getLogger(__name__)


class JobStatusWriter:
    """Writes that test the version that was read. Each raises ConflictError when the object has changed."""

    def __init__(
        self,
        kube: KubeApi,
        clock: Clock,
        *,
        progress_interval_seconds: float,
        on_written: Callable[[ExportJob], None],
        count_event: Callable[[str], None],
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._progress_interval = progress_interval_seconds
        self._on_written = on_written
        self._count_event = count_event
        self._progress_written: dict[Key, float] = {}

    def progress_due(self, key: Key) -> bool:
        """Whether a change of counters alone may be written again."""
        written = self._progress_written.get(key)
        return written is None or self._clock.monotonic() - written >= self._progress_interval

    def forget(self, key: Key) -> None:
        self._progress_written.pop(key, None)

    async def write_status(self, loaded: Loaded, decision: Decision) -> Loaded:
        """Write what the decision changes in the status, then post its events. Returns the version written."""
        job = loaded.job
        status = with_report(job, decision.status, messages.STATUS_VALUES_IGNORED, self._clock.utc_now())
        change = status_patch(loaded.raw.get("status"), job.status, status)
        if change:
            patched = await self._kube.patch_status(JOBS, loaded.raw, change)
            if patched is None:
                raise ConflictError(job.metadata.name)
            loaded = Loaded.of(patched)
            transitions.log_job(job, status)
            if "progress" in change or "tasks" in change:
                self._progress_written[job.metadata.key] = self._clock.monotonic()
            self._on_written(loaded.job)
            for event in events_of(job.status, status):
                await self._post(loaded, event)
        transitions.log_job_events(job, decision.events)
        for event in decision.events:
            await self._post(loaded, event)
        return loaded

    async def _post(self, loaded: Loaded, event: Event) -> None:
        self._count_event(event.reason)
        now = self._clock.utc_now()
        try:
            await self._kube.post_event("ExportJob", loaded.raw, event.type, event.reason, event.message, now)
        except Exception as error:
            meta = loaded.job.metadata
            _log.warning(
                "Cannot post event %s about ExportJob %s/%s: %s.",
                event.reason,
                *meta.key,
                explain(error),
                extra=object_fields("ExportJob", *meta.key, meta.uid),
            )

    async def mark(self, loaded: Loaded, submission: Submission) -> Loaded:
        """Add the finalizer and the annotation: from now on there is something outside the cluster to clean up.

        Both are put back when somebody has removed them. A status that is lost can be recovered from the annotation.
        """
        meta = loaded.raw["metadata"]
        finalizers, record = meta.get("finalizers", []), AttemptRecord.of(loaded.job, submission)
        if FINALIZER in finalizers and record.is_same(record_of(loaded.job)):
            return loaded
        patched = await self._kube.set_finalizers(
            JOBS,
            loaded.raw,
            finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER],
            annotations={ATTEMPT_ANNOTATION: record.encoded()},
        )
        if patched is None:
            raise ConflictError(loaded.job.metadata.name)
        return Loaded.of(patched)

    async def unmark(self, marked: Loaded, before: Loaded, submission: Submission) -> None:
        """Undo `mark`, because the intent was not written: without it the annotation would be a doubt.

        The version is tested, so nothing else was written since. An annotation of an earlier attempt is put back.
        """
        earlier = before.raw["metadata"].get("annotations", {}).get(ATTEMPT_ANNOTATION)
        if AttemptRecord.of(before.job, submission).is_same(record_of(before.job)):
            earlier = None
        rest = [name for name in marked.raw["metadata"].get("finalizers", []) if name != FINALIZER]
        await self._kube.set_finalizers(JOBS, marked.raw, rest, annotations={ATTEMPT_ANNOTATION: earlier})

    async def remove_finalizer(self, loaded: Loaded) -> Loaded | None:
        """Returns the version written; None when there was nothing to remove, or the object is gone."""
        finalizers = loaded.raw["metadata"].get("finalizers", [])
        if FINALIZER not in finalizers:
            return None
        rest = [name for name in finalizers if name != FINALIZER]
        patched = await self._kube.set_finalizers(JOBS, loaded.raw, rest)
        return Loaded.of(patched) if patched is not None else None
