"""Runs delivery checks outside the work queue, because they may take hours."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ...api.foreign import own
from ...api.job import ExportJob, S3Snapshot
from ...delivery.manifest import Delivery
from ...jobs.messages import INTERNAL_ERROR
from ...jobs.results import CallFailure, SearchResult
from ...runtime.clock import SYSTEM_CLOCK, Clock
from ...runtime.logs import object_fields
from ...runtime.slots import SlotLimits, Slots
from ..cache import Key
from .delivery_reader import Reports

_log = logging.getLogger(__name__)

_LIMITS = SlotLimits(place=4, total=5, silent=4)
_LIMITS_FULL = SlotLimits(place=2, total=3, silent=4)  # with spec.delivery.verify Full, in addition to the others
YOUNG_SECONDS = 1.0


@dataclass(frozen=True)
class CheckedDelivery:
    """The result of a delivery check. `found`: the result of a search for duplicates, if there was one."""

    delivery: Delivery
    found: SearchResult | None = None


@dataclass
class _Check:
    """The checks of one attempt. `known`: reports on files, so that the next check does not read them again."""

    attempt_id: str
    known: Reports = field(default_factory=dict)
    task: asyncio.Task[CheckedDelivery | CallFailure] | None = None
    began: float = 0.0  # on the monotonic clock


class DeliveryChecks:
    """Runs one check for an attempt at a time, and wakes the job when its result is available."""

    def __init__(
        self,
        inspect: Callable[[ExportJob, Reports], Awaitable[CheckedDelivery | CallFailure]],
        wake: Callable[[Key], None],
        new_slots: Callable[[SlotLimits], Slots[str]] = Slots,
        region_of: Callable[[S3Snapshot], str] = lambda s3: s3.region or "",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._inspect = inspect
        self._wake = wake
        self._clock = clock
        self._checks: dict[Key, _Check] = {}
        self._slots, self._full_slots = new_slots(_LIMITS), new_slots(_LIMITS_FULL)
        self._region_of = region_of

    def result(self, job: ExportJob) -> CheckedDelivery | CallFailure | None:
        """The result of the check of this attempt, returned once. None while it runs; starts it if it does not."""
        submission = job.status.submission
        assert submission is not None
        key = job.metadata.key
        check = self._checks.get(key)
        if check is None or check.attempt_id != submission.id:
            self.forget(key)
            check = self._checks[key] = _Check(submission.id)
        if check.task is None:
            check.task = asyncio.create_task(self._work(job, check.known))
            check.began = self._clock.monotonic()
            check.task.add_done_callback(lambda _: self._wake(key))
            return None
        if not check.task.done():
            return None
        result, check.task = check.task.result(), None
        return result

    def is_young(self, key: Key) -> bool:
        """Whether the check of this job began so recently that it may end before anybody has seen that it runs."""
        check = self._checks.get(key)
        return check is not None and self._clock.monotonic() - check.began < YOUNG_SECONDS

    def forget(self, key: Key) -> None:
        """The job was deleted, or needs no check any more."""
        check = self._checks.pop(key, None)
        if check is not None and check.task is not None:
            check.task.cancel()

    async def stop(self) -> None:
        tasks = [check.task for check in self._checks.values() if check.task is not None]
        for key in list(self._checks):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, job: ExportJob, known: Reports) -> CheckedDelivery | CallFailure:
        submission = job.status.submission
        assert submission is not None
        try:
            slots = self._full_slots if job.spec.delivery.verify == "Full" else self._slots
            async with slots.slot(self._region_of(submission.s3), job.metadata.namespace):
                return await self._inspect(job, known)
        except Exception as error:
            # A file may have any content: report the error on the job, which would otherwise wait forever.
            meta = job.metadata
            logged = any(condition.reason == INTERNAL_ERROR.name for condition in job.status.conditions)
            _log.log(
                logging.DEBUG if logged else logging.ERROR,
                "Cannot check the delivery of ExportJob %s/%s.",
                *meta.key,
                exc_info=True,
                extra=object_fields("ExportJob", *meta.key, meta.uid, reason=INTERNAL_ERROR.name),
            )
            why = INTERNAL_ERROR(error=own(type(error).__name__))
            return CallFailure(why.reason, why.message)
