"""Looks at deliveries beside the queue: reading files may take hours, and nothing else is to wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ...api.job import ExportJob
from ...delivery.manifest import Delivery
from ...jobs.results import CallFailure, SearchResult
from ...runtime.logs import object_fields
from ..cache import Key
from .delivery_reader import Reports

_log = logging.getLogger(__name__)

AT_ONCE = 4  # deliveries that are read at the same time
_FULL_AT_ONCE = 2  # those of which every byte is read, which may take hours, besides


@dataclass(frozen=True)
class CheckedDelivery:
    """What an inspection brought. `findings` where the service was searched for doubles as well."""

    delivery: Delivery
    found: SearchResult | None = None


@dataclass
class _Check:
    """The looks at one attempt; what one has read of the files, the next does not read again."""

    attempt_id: str
    known: Reports = field(default_factory=dict)
    task: asyncio.Task[CheckedDelivery | CallFailure] | None = None


class DeliveryChecks:
    """Starts one inspection for an attempt at a time, and wakes the job when its result is there to be taken."""

    def __init__(
        self,
        inspect: Callable[[ExportJob, Reports], Awaitable[CheckedDelivery | CallFailure]],
        wake: Callable[[Key], None],
    ) -> None:
        self._inspect = inspect
        self._wake = wake
        self._checks: dict[Key, _Check] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._full_places = asyncio.Semaphore(_FULL_AT_ONCE)

    def result(self, job: ExportJob) -> CheckedDelivery | CallFailure | None:
        """The result of the inspection of this attempt, once; None while it runs, which it does from now on."""
        submission = job.status.submission
        assert submission is not None
        key = job.metadata.key
        look = self._checks.get(key)
        if look is None or look.attempt_id != submission.id:
            self.forget(key)
            look = self._checks[key] = _Check(submission.id)
        if look.task is None:
            look.task = asyncio.create_task(self._work(job, look.known))
            look.task.add_done_callback(lambda _: self._wake(key))
            return None
        if not look.task.done():
            return None
        result, look.task = look.task.result(), None
        return result

    def forget(self, key: Key) -> None:
        """The job is gone, or needs no inspection any more."""
        look = self._checks.pop(key, None)
        if look is not None and look.task is not None:
            look.task.cancel()

    async def stop(self) -> None:
        tasks = [look.task for look in self._checks.values() if look.task is not None]
        for key in list(self._checks):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, job: ExportJob, known: Reports) -> CheckedDelivery | CallFailure:
        try:
            async with self._full_places if job.spec.delivery.verify == "Full" else self._places:
                return await self._inspect(job, known)
        except Exception as error:
            # Whatever a file holds, its job is told of it, and does not wait for ever for a look that died.
            meta = job.metadata
            logged = any(condition.reason == "InternalError" for condition in job.status.conditions)
            _log.log(
                logging.DEBUG if logged else logging.ERROR,
                "Cannot check the delivery of ExportJob %s/%s.",
                *meta.key,
                exc_info=True,
                extra=object_fields("ExportJob", *meta.key, meta.uid, reason="InternalError"),
            )
            return CallFailure(
                "InternalError", f"{type(error).__name__} while the delivery was read; the log tells more."
            )
