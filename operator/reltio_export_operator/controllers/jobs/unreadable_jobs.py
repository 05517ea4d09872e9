"""Jobs that this release cannot decode: held, counted, reported, and released when they are deleted."""

from __future__ import annotations

from ...api.decoding import decode_status
from ...api.foreign import KNOWN, PROCESS, Quoted, quote
from ...api.job import JobStatus
from ...api.meta import FINALIZER
from ...api.reasons import ConditionReason
from ...jobs import messages, tasks
from ...kube.client import KubeApi, Raw
from ...runtime.clock import Clock
from ..cache import JobCache
from ..unreadable import UnreadableObjects, key_of
from .state_timer import StateTimer

_REQUEUE_SECONDS = 300.0  # in case the event of a change is lost


class UnreadableJobs(UnreadableObjects):
    """The jobs that cannot be decoded. `bound_seconds`: how long our finalizer may keep one that is deleted."""

    def __init__(
        self, kube: KubeApi, clock: Clock, cache: JobCache, timer: StateTimer, *, bound_seconds: float
    ) -> None:
        super().__init__(kube, clock, "ExportJob")
        self._cache = cache
        self._timer = timer
        self._bound_seconds = bound_seconds

    async def hold(self, raw: Raw, error: Exception) -> float:
        """Report the job, or release it. Returns the seconds after which to reconcile it again."""
        key, meta = key_of(raw), raw["metadata"]
        self._cache.put_unreadable(raw)
        is_held = bool(meta.get("deletionTimestamp")) and FINALIZER in (meta.get("finalizers") or ())
        elapsed = self._timer.elapsed(key, "deletion", meta["uid"] if is_held else None)
        if is_held and elapsed >= self._bound_seconds:
            await self.release(raw, messages.CLEANUP_UNREADABLE(seconds=self._bound_seconds, uid=meta["uid"]))
            return _REQUEUE_SECONDS
        text, half = quote(error, KNOWN.of([PROCESS, key[0]])), self._bound_seconds / 2
        if not is_held or elapsed < half:
            await self.report(raw, messages.SPEC_NOT_UNDERSTOOD(error=text))
            return min(_REQUEUE_SECONDS, half - elapsed) if is_held else _REQUEUE_SECONDS
        await self.report(raw, self._may_still_run(raw, text))
        return min(_REQUEUE_SECONDS, self._bound_seconds - elapsed)

    def _may_still_run(self, raw: Raw, error: Quoted) -> ConditionReason:
        """What the status says of the export, as far as it can be read: it goes with the job."""
        status, _ = decode_status(raw, JobStatus)
        unfinished = tasks.unfinished(status.tasks + status.duplicates)
        return messages.UNREADABLE_MAY_STILL_RUN(
            error=error,
            tasks=", ".join(task.id for task in unfinished) or "unknown",
            destination=status.submission.destination if status.submission else "unknown",
            seconds=self._bound_seconds,
            uid=raw["metadata"]["uid"],
        )
