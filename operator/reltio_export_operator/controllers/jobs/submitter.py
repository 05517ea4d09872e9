"""Submits one attempt: the intent first, then the call, then its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec

from ...api.job import ExportJob, Submission
from ...api.meta import JOBS, last_written
from ...jobs import messages, results
from ...jobs.observation import Decision, Limits, Observation
from ...jobs.results import Accepted, CallFailure
from ...kube.client import ConflictError, InvalidError, KubeApi
from ...runtime.clock import Clock
from ...runtime.permits import without_permit
from ..cache import Key
from ..gate import SubmissionGate
from .gateway_port import CallFailedError, ExportGateway
from .loaded import Loaded
from .status_writer import JobStatusWriter

_UNSENT_SECONDS = 5.0  # shorter than a Lease: no other process can have submitted the attempt by then
_RECORD_TRIES = 5  # writes of the result while other clients write to the object


class Submitter:
    """Carries out the action Submit. See docs/one-export.md for why in this order."""

    def __init__(
        self,
        kube: KubeApi,
        gateway: ExportGateway,
        writer: JobStatusWriter,
        gate: SubmissionGate,
        clock: Clock,
        *,
        limits: Limits,
        observe: Callable[[ExportJob], Awaitable[Observation]],
    ) -> None:
        self._kube = kube
        self._gateway = gateway
        self._writer = writer
        self._gate = gate
        self._clock = clock
        self._limits = limits
        self._observe = observe
        self._unsent: dict[Key, tuple[str, float]] = {}  # attempt id, and when its intent could not be written

    def unsent(self, key: Key) -> str | None:
        """The attempt whose intent could not be written, because the job had changed since it was read."""
        id_, since = self._unsent.get(key, (None, 0.0))
        return id_ if self._clock.monotonic() - since < _UNSENT_SECONDS else None

    def forget(self, key: Key) -> None:
        self._unsent.pop(key, None)

    async def submit(self, loaded: Loaded, decision: Decision, submission: Submission) -> Decision:
        """Write the intent, call Reltio and write the result. Returns the decision that the result led to.

        The job is assumed to be active from before this call. If a write fails, its place is given back by the next
        reconcile, which reads whether the intent was written.
        """
        started = self._clock.monotonic()
        key = loaded.job.metadata.key
        before = loaded
        loaded = await self._writer.mark(loaded, submission)
        is_unsent = loaded is not before or self.unsent(key) == submission.id
        moment = last_written(loaded.job.metadata)
        if moment is not None and submission.first_intended_time is None:
            # Tasks are recognised by their time of creation too, so the wall clock of this machine must not matter.
            submission = msgspec.structs.replace(submission, intended_time=moment)
            decision = replace(decision, status=msgspec.structs.replace(decision.status, submission=submission))
        try:
            loaded = await self._writer.write_status(loaded, decision)
        except ConflictError:
            # The annotation alone would be a doubt. This process knows that it has not submitted this attempt.
            self._unsent[key] = (submission.id, self._clock.monotonic())
            raise
        except InvalidError:
            if is_unsent and before.job.status.submission is None:
                self._unsent[key] = (submission.id, self._clock.monotonic())  # in case the next write fails
                await self._writer.unmark(loaded, before, submission)
            raise
        self._unsent.pop(key, None)
        result = await self._call(loaded.job, submission, started)
        return await self._record(loaded, submission, result)

    async def _call(self, job: ExportJob, submission: Submission, started: float) -> Accepted | CallFailure:
        """Call Reltio for an intent whose write began at `started`.

        The call starts and ends within a bound, so that other processes know when it is over.
        """
        left = self._limits.submit_window_seconds - (self._clock.monotonic() - started)
        if left <= 0 or not self._gate.is_open():
            why = messages.NOT_SENT()
            return CallFailure(why.reason, why.message)
        try:
            async with without_permit(), asyncio.timeout(left):
                return await self._gateway.submit(job, submission, self._gate.is_open)
        except CallFailedError as error:
            return error.failure
        except TimeoutError:
            why = messages.NO_ANSWER(seconds=left)
            return CallFailure(why.reason, why.message, ambiguous=True)

    async def _record(self, loaded: Loaded, submission: Submission, result: Accepted | CallFailure) -> Decision:
        """Write what the result means for the current version: other clients may have changed it during the call."""
        for _ in range(_RECORD_TRIES):
            obs = await self._observe(loaded.job)
            if isinstance(result, Accepted):
                decision = results.on_accepted(obs, submission, result)
            else:
                decision = results.on_submit_failed(obs, submission, result)
            try:
                await self._writer.write_status(loaded, decision)
            except ConflictError:
                raw = await self._kube.get(JOBS, *loaded.job.metadata.key)
                if raw is None:
                    raise
                current = Loaded.of(raw)
                is_same = current.job.metadata.uid == loaded.job.metadata.uid
                if not is_same or not current.is_waiting_for(submission):
                    raise
                loaded = current
            else:
                return replace(decision, events=())
        raise ConflictError(loaded.job.metadata.name)
