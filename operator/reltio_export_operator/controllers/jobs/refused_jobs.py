"""Jobs whose writes the API server refuses: reported, and retried with a backoff."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import msgspec

from ...api.decoding import decode_job
from ...api.foreign import own
from ...api.job import ExportJob
from ...api.meta import ATTEMPT_ANNOTATION
from ...jobs import identity, messages
from ...jobs.observation import Limits
from ...kube.client import InvalidError, KubeApi, Raw
from ...runtime.clock import Clock
from ..cache import JobCache, Key
from ..unreadable import UnreadableObjects, key_of

_SOON_SECONDS = 0.1


@dataclass
class _Refusal:
    times: int  # in a row
    until: float  # on the monotonic clock; nothing is written before
    version: Hashable  # of what users write


class RefusedJobs(UnreadableObjects):
    """A job without an intent lets others go first. A job with an intent keeps its place.

    Events of the watch do not shorten the backoff: the operator's own writes cause some. A change by a user does.
    """

    def __init__(self, kube: KubeApi, clock: Clock, cache: JobCache, *, limits: Limits):
        super().__init__(kube, clock, "ExportJob")
        self._cache = cache
        self._limits = limits
        self._refusals: dict[Key, _Refusal] = {}  # an entry goes with its job, or when a status is accepted

    def forget(self, key: Key) -> None:
        super().forget(key)
        self._refusals.pop(key, None)

    def accepted(self, job: ExportJob) -> None:
        """A status was accepted. If the job only waits or continues, the next may be refused again."""
        waits = job.status.submission is None and not job.is_finished
        reconciling = job.condition("Reconciling")
        only_continues = reconciling is not None and reconciling.reason == messages.WRITE_ACCEPTED.name
        if job.metadata.key in self._refusals and not waits and not only_continues:
            self.forget(job.metadata.key)
            self._cache.take_turn(job)

    def requeue_after(self, key: Key, after: float | None) -> float | None:
        """When to reconcile again after a reconcile without refusal: it may have written nothing.

        A job whose turn was given up is not woken with those that wait for theirs.
        """
        refusal = self._refusals.get(key)
        if refusal is None:
            return after
        delay = self._delay(refusal.times)
        return delay if after is None else min(after, delay)

    def seconds_left(self, raw: Raw) -> float:
        """How long nothing is to be written to the job; 0 when a user has changed it since it was refused."""
        refusal = self._refusals.get(key_of(raw))
        if refusal is None or refusal.version != _version_of(raw):
            return 0.0
        return max(0.0, refusal.until - self._clock.monotonic())

    async def hold(self, before: Raw, error: InvalidError) -> float:
        """Report the refusal. Returns the seconds after which to try again.

        The job is read again: it may have an intent since it was read as `before`.
        """
        key = key_of(before)
        raw = await self._kube.get(self._plural, *key)
        if raw is None:
            return _SOON_SECONDS
        try:
            job = decode_job(raw)
        except msgspec.ValidationError:
            return _SOON_SECONDS  # the next reconcile reports it
        earlier = self._refusals.get(key)
        times = earlier.times + 1 if earlier else 1
        delay = self._delay(times)
        self._refusals[key] = _Refusal(times, self._clock.monotonic() + delay, _version_of(raw))
        if not job.is_finished and not identity.takes_place(job):
            self._cache.give_up_turn(job)
        await self.report(raw, messages.WRITE_REFUSED(error=own(error)))
        return delay

    def _delay(self, times: int) -> float:
        return min(self._limits.retry_cap_seconds, self._limits.retry_base_seconds * 2.0 ** min(times - 1, 20))


def _version_of(raw: Raw) -> Hashable:
    """What differs after a user has changed the job. The operator's own writes do not change it."""
    meta = raw["metadata"]
    annotations = {name: value for name, value in (meta.get("annotations") or {}).items() if name != ATTEMPT_ANNOTATION}
    parts = (meta.get("labels") or {}, annotations)
    return (
        meta["uid"],
        meta.get("generation"),
        meta.get("deletionTimestamp"),
        *(tuple(sorted(part.items())) for part in parts),
    )
