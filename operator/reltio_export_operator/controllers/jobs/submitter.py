"""Submits one attempt: the intent first, then the call, then its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ...api.job import ExportJob, Submission
from ...api.meta import JOBS
from ...jobs import messages, results
from ...jobs.observation import Decision, Limits, Observation
from ...jobs.results import Accepted, CallFailure
from ...kube.client import ConflictError, KubeApi
from ...runtime.clock import Clock
from ..cache import JobCache
from ..gate import SubmissionGate
from .gateway_port import CallFailedError, ExportGateway
from .loaded import Loaded
from .status_writer import JobStatusWriter

_RECORD_TRIES = 5  # writes of the result while other clients write to the object


class Submitter:
    """Carries out the action Submit. See docs/one-export.md for why in this order."""

    def __init__(
        self,
        kube: KubeApi,
        gateway: ExportGateway,
        cache: JobCache,
        writer: JobStatusWriter,
        gate: SubmissionGate,
        clock: Clock,
        *,
        limits: Limits,
        observe: Callable[[ExportJob], Awaitable[Observation]],
    ) -> None:
        self._kube = kube
        self._gateway = gateway
        self._cache = cache
        self._writer = writer
        self._gate = gate
        self._clock = clock
        self._limits = limits
        self._observe = observe

    async def submit(self, loaded: Loaded, decision: Decision, submission: Submission) -> Decision:
        """Write the intent, call Reltio and write the result. Returns the decision that the result led to."""
        self._cache.assume(loaded.job)
        started = self._clock.monotonic()
        try:
            loaded = await self._writer.add_finalizer(loaded)
            loaded = await self._writer.write_status(loaded, decision)
        except Exception:
            self._cache.forget_assumed(loaded.job)
            raise
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
            async with asyncio.timeout(left):
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
