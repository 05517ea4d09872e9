"""Jobs that this release cannot decode: held, counted, reported, and released when they are deleted."""

from __future__ import annotations

from ...api.foreign import KNOWN, PROCESS, quote
from ...api.meta import FINALIZER
from ...jobs import messages
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
        await self.report(raw, messages.SPEC_NOT_UNDERSTOOD(error=quote(error, KNOWN.of([PROCESS, key[0]]))))
        return min(_REQUEUE_SECONDS, self._bound_seconds - elapsed) if is_held else _REQUEUE_SECONDS
