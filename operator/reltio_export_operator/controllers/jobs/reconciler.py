"""ExportJobs: reads one, asks the rules, does what they say and writes it down."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import msgspec

from ...api.decoding import decode_job, decode_target
from ...api.job import ExportJob, Submission
from ...api.meta import JOBS, TARGETS
from ...api.reasons import ConditionReason
from ...api.target import ExportTarget
from ...delivery.manifest import Delivery
from ...jobs import identity, results, tasks
from ...jobs.endings import early_end_reason
from ...jobs.observation import (
    CheckDelivery,
    ControlTasks,
    Decision,
    DeleteJob,
    Elapsed,
    Limits,
    Observation,
    RemoveFinalizer,
    Search,
    Submit,
)
from ...jobs.policies import decide
from ...jobs.results import Accepted, CallFailure, SearchResult
from ...kube.client import ConflictError, InvalidError, KubeClient, Raw, SecretError
from .. import transitions
from ..cache import JobCache, Key
from ..gate import GateClosedError, SubmissionGate
from .delivery_checks import CheckedDelivery, DeliveryChecks
from .delivery_reader import Reports
from .limiter import KeyedLimiter
from .state_timer import StateTimer
from .status_writer import JobStatusWriter
from .task_tracker import TaskTracker

_TOPICS = ("doubt", "deletion", "ending")  # of the stopwatch
_CALLS_PER_TENANT = 4  # calls that change something at a tenant, or search it, at once
_REQUEUE_SECONDS = 30.0  # seconds until a job that cannot go on is looked at again, should nothing wake it
_WRITES = 5  # tries to write down what the service answered, when others write to the object at the same time


Counts = tuple[int, int]  # active and pending jobs of a target


class CallFailedError(Exception):
    """A call outside did not do what was asked."""

    def __init__(self, failure: CallFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class ExportGateway(Protocol):
    """What the controller does outside of the cluster. Every method raises RefusedError."""

    async def submit(self, job: ExportJob, may_send: Callable[[], bool]) -> Accepted: ...

    async def search(self, job: ExportJob) -> SearchResult: ...

    async def control(self, job: ExportJob, action: ControlTasks) -> None: ...

    async def inspect(self, job: ExportJob, known: Reports) -> Delivery: ...


class JobController:
    """Takes one job one step further at a time.

    Every decision is made from a fresh read and every write tests the version that was read, so a rival or an
    earlier self of this process makes a write fail, never an export start twice.
    """

    def __init__(
        self,
        kube: KubeClient,
        outside: ExportGateway,
        registry: JobCache,
        pollers: TaskTracker,
        *,
        limits: Limits,
        progress_interval: float,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        wake: Callable[[Key], None],
        wake_target: Callable[[Key], None],
        gate: SubmissionGate | None = None,
        count_event: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._kube = kube
        self._outside = outside
        self._registry = registry
        self._pollers = pollers
        self._limits = limits
        self._now = now
        self._clock = clock
        self._stopwatch = StateTimer(clock)
        self._wake = wake
        self._wake_target = wake_target
        self._gate = gate or SubmissionGate()
        self._journal = JobStatusWriter(
            kube,
            progress_interval=progress_interval,
            now=now,
            clock=clock,
            on_written=registry.put_job,
            count_event=count_event,
        )
        self._control_log = transitions.ControlLog()
        self._inspections = DeliveryChecks(self._poll_once, wake)
        self._slots: KeyedLimiter[Key] = KeyedLimiter(_CALLS_PER_TENANT, wake)

    async def reconcile(self, key: Key) -> float | None:
        """Take the job one step further. Returns the seconds until it must be looked at again."""
        raw = await self._kube.get(JOBS, *key)
        if raw is None:
            self._handle_deleted(key)
            return None
        try:
            return await self._advance(raw)
        except GateClosedError:
            return _REQUEUE_SECONDS  # should this process lead again
        except ConflictError:
            return 0.1  # changed meanwhile: its event is on the way, this is for the case that it is lost
        except msgspec.ValidationError as error:
            await self._journal.report_invalid(
                raw, "SpecNotUnderstood", f"The job or its target cannot be read: {error}. Create it anew."
            )
            return _REQUEUE_SECONDS
        except InvalidError as error:
            await self._journal.report_invalid(
                raw, "StatusRefused", f"The API server refuses the status of this job: {error}"
            )
            raise

    async def sync_cache(self, namespace: str | None) -> None:
        """Learn what runs before anything begins: otherwise a start would give places away that are taken."""
        async for raw in self._kube.listed(TARGETS, namespace):
            with contextlib.suppress(msgspec.ValidationError):  # reported when it is reconciled
                self._registry.put_target(decode_target(raw))
        async for raw in self._kube.listed(JOBS, namespace):
            try:
                job = decode_job(raw)
            except msgspec.ValidationError:
                continue  # reported when it is reconciled
            self._registry.put_job(job)
            if not job.is_finished:
                self._wake(job.metadata.key)  # also for the case that it goes away before it is watched

    async def _advance(self, raw: Raw) -> float | None:
        job = decode_job(raw)
        before = self._registry.counts(self._target_key(job))
        self._registry.put_job(job)
        obs = await self._observe(job)
        decision = decide(obs)
        if isinstance(decision.action, Submit):
            # What the target says at this moment counts, not what its events have told so far.
            decision = decide(replace(obs, target=await self._target(job, fresh=True)))
        action = decision.action
        if isinstance(action, DeleteJob | Submit | ControlTasks):
            self._gate.check()
        if isinstance(action, DeleteJob):
            await self._kube.delete(JOBS, raw)
            transitions.log_job_removed(job, "TTLExpired", "Deleted: its ttlSecondsAfterFinished is over.")
            return None
        if not isinstance(action, Submit | Search | ControlTasks):
            return await self._carry_out(job, raw, decision, before)
        service = action.submission.service
        with self._slots.held((service.export_service_url, service.tenant), job.metadata.key) as held:
            return await self._carry_out(job, raw, decision, before) if held else _REQUEUE_SECONDS

    async def _carry_out(self, job: ExportJob, raw: Raw, decision: Decision, before: Counts) -> float | None:
        action = decision.action
        if isinstance(action, Search):
            raw = await self._journal.write(raw, job, decision)
            job = decode_job(raw)
            decision = await self._search(job)
            action = decision.action
        if isinstance(action, Submit):
            with self._gate.submission():
                decision, raw = await self._begin(job, raw, decision)
        elif isinstance(action, CheckDelivery):
            decision = await self._inspect(job, decision)
        written = await self._journal.write(raw, decode_job(raw), decision)
        if isinstance(action, ControlTasks) and action.task_ids:
            await self._control(decode_job(written), action)
        if isinstance(action, RemoveFinalizer):
            await self._journal.remove_finalizer(written)
            if job.metadata.deletion_timestamp is not None:
                transitions.log_job_removed(job, "FinalizerRemoved", "Its finalizer is removed, so its deletion ends.")
        self._wake_queue(self._target_key(job), before)
        if decision.status.completion_time is not None:
            self._drop_state(job.metadata.key)
        return decision.requeue_after

    async def _observe(self, job: ExportJob) -> Observation:
        submission = job.status.submission
        obs = Observation(
            job=job,
            now=self._now(),
            target=await self._target(job),
            queue_position=self._registry.ahead(job) if submission is None else 0,
            limits=self._limits,
            progress_due=self._journal.progress_due(job.metadata.key),
        )
        obs = replace(obs, elapsed=self._elapsed(obs))
        ids = frozenset(task.id for task in tasks.unfinished(job.status.tasks + job.status.duplicates))
        if job.is_finished or submission is None or not ids or not identity.is_reachable(job):
            self._pollers.forget(job.metadata.key)
            return obs
        try:
            watch = await self._pollers.follow(job.metadata.key, submission.service, ids, submission.id)
        except SecretError as error:
            return replace(obs, watch_error=ConditionReason("SecretUnusable", str(error)))
        return replace(
            obs,
            observed_tasks=dict(watch.observed),
            lost_task_ids=watch.lost,
            untracked_tasks=watch.untracked_tasks,
            watch_error=watch.watch_error,
        )

    def _elapsed(self, obs: Observation) -> Elapsed:
        key, uid, submission = obs.job.metadata.key, obs.job.metadata.uid, obs.status.submission
        open_question = submission is not None and not obs.status.tasks and submission.refused_time is None
        doubt = (uid, submission.id, submission.intended_time) if submission and open_question else None
        why = early_end_reason(obs)
        return Elapsed(
            doubt=self._stopwatch.age(key, "doubt", doubt),
            deletion=self._stopwatch.age(key, "deletion", uid if obs.job.metadata.deletion_timestamp else None),
            ending=self._stopwatch.age(key, "ending", (uid, why.reason) if why else None),
        )

    async def _target(self, job: ExportJob, *, fresh: bool = False) -> ExportTarget | None:
        """The target as last seen; asked for when it was not seen yet, or is to be seen as it is now."""
        key = self._target_key(job)
        if fresh or self._registry.target(key) is None:
            raw = await self._kube.get(TARGETS, *key)
            if raw is None:
                self._registry.drop_target(key)
            else:
                self._registry.put_target(decode_target(raw))
        return self._registry.target(key)

    async def _begin(self, job: ExportJob, raw: Raw, decision: Decision) -> tuple[Decision, Raw]:
        """Put the intent on record, then call the service, then tell what came of it."""
        self._registry.assume(job)
        started = self._clock()
        try:
            raw = await self._journal.add_finalizer(raw)
            raw = await self._journal.write(raw, job, decision)
        except Exception:
            self._registry.forget_assumed(job)
            raise
        intended = decode_job(raw)
        answer = await self._submit(intended, started)
        return await self._record(raw, intended, answer)

    async def _submit(self, job: ExportJob, started: float) -> Accepted | CallFailure:
        """Call the service for an intent that was put on record at `started`.

        The call starts and ends within a bound that rivals and successors know to wait out.
        """
        left = self._limits.submit_window_seconds - (self._clock() - started)
        if left <= 0 or not self._gate.is_open():
            why = "its intent took too long to write" if left <= 0 else "this process is no longer the leader"
            return CallFailure("NotSent", f"The submission was not sent: {why}.")
        try:
            async with asyncio.timeout(left):
                return await self._outside.submit(job, self._gate.is_open)
        except CallFailedError as error:
            return error.failure
        except TimeoutError:
            return CallFailure("AnswerLost", f"No answer within {left:.0f} s.", ambiguous=True)

    async def _record(self, raw: Raw, intended: ExportJob, answer: Accepted | CallFailure) -> tuple[Decision, Raw]:
        """What the answer means for the object as it is now: others may have changed it during the call."""
        for _ in range(_WRITES):
            job = decode_job(raw)
            obs = replace(await self._observe(job), now=self._now())
            submission = _submission(job)
            if isinstance(answer, Accepted):
                decision = results.on_accepted(obs, submission, answer)
            else:
                decision = results.on_submit_failed(obs, submission, answer)
            try:
                written = await self._journal.write(raw, job, decision)
                return replace(decision, events=()), written
            except ConflictError:
                fresh = await self._kube.get(JOBS, *intended.metadata.key)
                if fresh is None or not _still_open(decode_job(fresh), intended):
                    raise
                raw = fresh
        raise ConflictError(intended.metadata.name)

    async def _search(self, job: ExportJob) -> Decision:
        obs = replace(await self._observe(job), now=self._now())
        try:
            return results.on_search_result(obs, _submission(job), await self._outside.search(job))
        except CallFailedError as error:
            return results.on_search_failed(obs, error.failure)

    async def _inspect(self, job: ExportJob, decision: Decision) -> Decision:
        """Begin to look at the delivery, or take what was found; until then the decision stands."""
        judged = msgspec.structs.replace(job, status=decision.status)
        result = self._inspections.result(judged)
        if result is None:
            return decision
        obs = replace(await self._observe(job), job=judged, now=self._now())
        if isinstance(result, CallFailure):
            return results.on_delivery_unreadable(obs, _submission(job), result)
        return results.on_delivery_read(obs, _submission(job), result.delivery, result.found)

    async def _poll_once(self, job: ExportJob, known: Reports) -> CheckedDelivery | CallFailure:
        submission = job.status.submission
        try:
            found = await self._outside.search(job) if submission is not None and submission.resent else None
            return CheckedDelivery(await self._outside.inspect(job, known), found)
        except CallFailedError as error:
            return error.failure

    async def stop(self) -> None:
        """End what runs besides reconciling."""
        await self._inspections.stop()

    async def _control(self, job: ExportJob, action: ControlTasks) -> None:
        self._gate.check()  # the write before it may have taken long
        try:
            await self._outside.control(job, action)
            self._control_log.succeeded(job.metadata.key)
        except CallFailedError as error:
            self._control_log.failed(job, action, error.failure.reason, str(error))

    def _wake_queue(self, target_key: Key, before: Counts) -> None:
        """A place has become free: the next in line may begin. The target shows its counts."""
        requeue_after = self._registry.counts(target_key)
        if requeue_after == before:
            return
        self._wake_target(target_key)
        for key in self._registry.next_admissible(target_key, 10):
            self._wake(key)

    def _handle_deleted(self, key: Key) -> None:
        """The object is gone."""
        target_key = self._registry.target_of(key)
        if target_key is not None:
            before = self._registry.counts(target_key)
            self._registry.drop_job(key)
            self._wake_queue(target_key, before)
        self._drop_state(key)

    def _drop_state(self, key: Key) -> None:
        """The job is finished, or gone: nothing of it needs to be remembered."""
        self._pollers.forget(key)
        self._journal.forget(key)
        self._stopwatch.forget(key, *_TOPICS)
        self._inspections.forget(key)
        self._control_log.succeeded(key)

    @staticmethod
    def _target_key(job: ExportJob) -> Key:
        return job.metadata.namespace, job.spec.target_ref.name


def _submission(job: ExportJob) -> Submission:
    submission = job.status.submission
    assert submission is not None, "only a job with an intent calls Reltio"
    return submission


def _still_open(job: ExportJob, intended: ExportJob) -> bool:
    """Whether the intent still waits for its answer."""
    return job.metadata.uid == intended.metadata.uid and not job.status.tasks and _call(job) == _call(intended)


def _call(job: ExportJob) -> tuple[str, datetime] | None:
    submission: Submission | None = job.status.submission
    return (submission.id, submission.intended_time) if submission else None
