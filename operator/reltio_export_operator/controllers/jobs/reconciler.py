"""The ExportJob controller: reads a job, decides, acts and writes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import msgspec

from ...api.job import ExportJob, S3Snapshot, ServiceSnapshot
from ...api.meta import JOBS
from ...api.reasons import ConditionReason
from ...api.target import ExportTarget
from ...jobs import cleanup, deletion, identity, results
from ...jobs.cleanup import Cleaned
from ...jobs.observation import (
    Action,
    CheckDelivery,
    CleanUp,
    ControlTasks,
    Decision,
    DeleteJob,
    FindUnrecorded,
    Limits,
    Observation,
    RemoveFinalizer,
    Search,
    Submit,
    Wait,
)
from ...jobs.ownership import unrecorded_attempts
from ...jobs.policies import decide
from ...jobs.policies.recovering import on_unrecorded_found
from ...jobs.results import CallFailure
from ...kube.client import ConflictError, InvalidError
from ...kube.known import KnownJobs
from ...runtime.circuits import Endpoint
from ...runtime.clock import Clock
from ...runtime.permits import without_permit
from ...runtime.slots import SlotLimits, Slots
from .. import transitions
from ..cache import JobCache, Key
from ..call_limiter import CallLimiter
from ..gate import GateClosedError, SubmissionGate
from .census import Census
from .cleanups import Cleanups
from .delivery_checks import YOUNG_SECONDS, CheckedDelivery, DeliveryChecks
from .delivery_reader import Reports
from .filling import fill
from .gateway_port import CallFailedError, ExportGateway
from .loaded import Loaded
from .observer import TOPICS, Observer, target_key
from .refused_jobs import RefusedJobs
from .state_timer import StateTimer
from .status_writer import JobStatusWriter
from .submitter import Submitter
from .task_tracker import TaskTracker
from .unreadable_jobs import UnreadableJobs

_REQUEUE_SECONDS = 30.0  # for a job that cannot continue, in case nothing wakes it
_CONFLICT_REQUEUE_SECONDS = 0.1  # the event of the change is on its way; this is for the case that it is lost
_SHOWN_PLACES, _SHOWN_SECONDS = 10, 5.0  # the places in the queue that are shown when they change, and how soon

Counts = tuple[int, int]  # active and pending jobs of a target


class JobController:
    """Takes one job one step further at a time.

    Every decision is made from the newest version that is known, and every write tests that version. So another
    process, or an earlier one, makes a write fail; it never makes an export start twice.
    """

    def __init__(
        self,
        kube: KnownJobs,
        gateway: ExportGateway,
        cache: JobCache,
        census: Census,
        tracker: TaskTracker,
        gate: SubmissionGate,
        clock: Clock,
        *,
        limits: Limits,
        limiter: CallLimiter[Key],
        endpoint_of: Callable[[ServiceSnapshot], Endpoint],
        progress_interval_seconds: float,
        refusal_of: Callable[[ExportTarget], ConditionReason | None] = lambda target: None,
        wake: Callable[[Key], None],
        wake_later: Callable[[Key, float], None],
        wake_target: Callable[[Key], None],
        verify_target: Callable[[Key], None] = lambda key: None,
        count_event: Callable[[str], None] = lambda reason: None,
        new_slots: Callable[[SlotLimits], Slots[str]] = Slots,
        region_of: Callable[[S3Snapshot], str] = lambda s3: s3.region or "",
    ) -> None:
        self._kube = kube
        self._gateway = gateway
        self._cache = cache
        self._census = census
        self._tracker = tracker
        self._gate = gate
        self._clock = clock
        self._limits = limits
        self._wake = wake
        self._wake_later = wake_later
        self._wake_target = wake_target
        self._verify_target = verify_target
        self._timer = StateTimer(clock)
        self._writer = JobStatusWriter(
            kube,
            clock,
            progress_interval_seconds=progress_interval_seconds,
            on_written=self._written,
            count_event=count_event,
        )
        self._submitter = Submitter(kube, gateway, self._writer, gate, clock, limits=limits, observe=self._observe)
        self._observer = Observer(
            kube,
            gateway,
            cache,
            census,
            tracker,
            self._timer,
            clock,
            limits=limits,
            refusal_of=refusal_of,
            verify_target=verify_target,
            progress_due=self._writer.progress_due,
            unsent=self._submitter.unsent,
        )
        self._unreadable = UnreadableJobs(kube, clock, cache, self._timer, bound_seconds=limits.cleanup_timeout_seconds)
        self._refused = RefusedJobs(kube, clock, cache, limits=limits)
        self._control_log = transitions.ControlLog()
        self._deliveries = DeliveryChecks(self._check, wake, new_slots, region_of, clock)
        self._cleanups = Cleanups(self._clean, wake, new_slots, region_of)
        self._limiter = limiter
        self._endpoint_of = endpoint_of

    async def reconcile(self, key: Key) -> float | None:
        """Take the job one step further. Returns the seconds after which to reconcile again at the latest."""
        with self._limiter.turn(key):
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> float | None:
        raw = await self._kube.get(JOBS, *key)
        if raw is None:
            self._handle_deleted(key)
            return None
        if left := self._refused.seconds_left(raw):
            return left
        version = self._kube.version(key)
        try:
            loaded = Loaded.of(raw)
            self._unreadable.forget(key)
            after = await self._advance(loaded)
            if self._kube.version(key) not in (0, version):
                after = 0.0  # it was written: the watch does not show again what is known
        except GateClosedError:
            return _REQUEUE_SECONDS  # in case this process leads again
        except ConflictError:
            return _CONFLICT_REQUEUE_SECONDS
        except msgspec.ValidationError as error:
            return await self._unreadable.hold(raw, error)
        except InvalidError as error:
            return await self._refused.hold(raw, error)
        return self._refused.requeue_after(key, after)

    async def sync_cache(self, namespace: str | None) -> None:
        """List targets and jobs before anything is submitted, so that running jobs count from the start."""
        await fill(self._cache, self._census, self._kube, namespace, self._wake)

    @property
    def unreadable(self) -> int:
        """How many jobs cannot be decoded."""
        return self._unreadable.count

    async def stop(self) -> None:
        """Cancel what runs outside of the work queue."""
        await self._deliveries.stop()
        await self._cleanups.stop()

    def _written(self, job: ExportJob) -> None:
        self._cache.put_job(job)
        self._refused.accepted(job)

    async def _advance(self, loaded: Loaded) -> float | None:
        job = loaded.job
        counts = self._cache.counts(target_key(job))
        self._cache.forget_assumed(job)  # a fresh read shows whether it is active
        if identity.needs_mark(job) and job.status.submission is not None:
            loaded = await self._writer.mark(loaded, job.status.submission)
            job = loaded.job
        obs = await self._observe(job)
        decision = decide(obs)
        if isinstance(decision.action, Submit):
            paused = await self._gateway.paused(job, decision.action.submission)
            if paused is not None:
                decision = results.on_calls_paused(obs, paused)
        with self._limit(job, decision.action) as may_call:
            if not may_call:
                return _REQUEUE_SECONDS
            if isinstance(decision.action, Submit):
                decision = await self._admit(obs)
            final = await self._execute(loaded, decision)
        self._show_counts(target_key(job), counts)
        if final.status.completion_time is not None:
            self._drop_state(job.metadata.key)
        return final.requeue_after

    async def _admit(self, obs: Observation) -> Decision:
        """Decide again with what decides about a submission as it is now. If it is one, its place is taken."""
        try:
            obs = await self._observer.before_submission(obs)
        except CallFailedError as error:
            return results.on_search_failed(obs, error.failure)
        # From here to the assumption there is no await: another job of the target may be in the same place.
        decision = decide(replace(obs, queue_position=self._observer.queue_position(obs.job)))
        if isinstance(decision.action, Submit):
            self._cache.assume(obs.job)
        return decision

    def _limit(self, job: ExportJob, action: Action) -> AbstractContextManager[bool]:
        """Limit concurrent calls to a tenant. Yields whether the action may be carried out now."""
        match action:
            case Submit(submission) | Search(submission) | ControlTasks(submission, _, _):
                return self._limiter.enter(self._endpoint_of(submission.service), job.metadata.key)
            case _:
                return contextlib.nullcontext(True)

    async def _execute(self, loaded: Loaded, decision: Decision) -> Decision:
        """Write the status and carry out the action. Returns the decision that counts in the end."""
        match decision.action:
            case Wait():
                await self._writer.write_status(loaded, decision)
                return decision
            case Submit(submission):
                with self._gate.submission():
                    return await self._submitter.submit(loaded, decision, submission)
            case Search():
                return await self._search(loaded, decision, decision.action)
            case FindUnrecorded():
                return await self._find_unrecorded(loaded, decision)
            case ControlTasks():
                return await self._control_tasks(loaded, decision, decision.action)
            case CheckDelivery():
                return await self._check_delivery(loaded, decision, decision.action)
            case CleanUp():
                return await self._clean_up(loaded, decision, decision.action)
            case RemoveFinalizer():
                return await self._remove_finalizer(loaded, decision)
            case DeleteJob():
                return await self._delete(loaded, decision)

    async def _search(self, loaded: Loaded, decision: Decision, action: Search) -> Decision:
        loaded = await self._writer.write_status(loaded, decision)
        obs = await self._observe(loaded.job)
        try:
            async with without_permit():
                found = await self._gateway.search(loaded.job, action.submission)
        except CallFailedError as error:
            result = results.on_search_failed(obs, error.failure)
        else:
            obs = replace(obs, secrets=await self._observer.secrets_of(loaded.job, action.submission, found.tasks))
            result = results.on_search_result(obs, action.submission, found)
        return await self._execute(loaded, deletion.with_report(obs, result))

    async def _find_unrecorded(self, loaded: Loaded, decision: Decision) -> Decision:
        loaded = await self._writer.write_status(loaded, decision)
        obs = await self._observe(loaded.job)
        target = obs.target
        if target is None:
            return replace(decision, requeue_after=0)
        try:
            async with without_permit():
                found = await self._gateway.find_unrecorded(loaded.job, target)
        except CallFailedError as error:
            return await self._execute(loaded, results.on_search_failed(obs, error.failure))
        if not unrecorded_attempts(loaded.job, found):
            self._census.close(loaded.job)
            return replace(decision, requeue_after=0)
        if found:
            obs = replace(obs, secrets=await self._gateway.secrets_of_target(target))
        return await self._execute(loaded, on_unrecorded_found(obs, target, found))

    async def _control_tasks(self, loaded: Loaded, decision: Decision, action: ControlTasks) -> Decision:
        self._gate.check()
        loaded = await self._writer.write_status(loaded, decision)
        self._gate.check()  # the write may have taken long
        try:
            async with without_permit():
                await self._gateway.control(loaded.job, action)
        except CallFailedError as error:
            self._control_log.failed(loaded.job, action, error.failure.reason, str(error))
            failed = results.on_control_failed(await self._observe(loaded.job), action, error.failure)
            await self._writer.write_status(loaded, failed)
        else:
            self._control_log.succeeded(loaded.job.metadata.key)
        return decision

    async def _check_delivery(self, loaded: Loaded, decision: Decision, action: CheckDelivery) -> Decision:
        """Start to read the delivery, or use its result. While it is read, the decision stands.

        It is not written if the result is there soon. Nothing depends on it: the end of the tasks is observed again.
        """
        job = msgspec.structs.replace(loaded.job, status=decision.status)
        result = self._deliveries.result(job)
        if result is not None:
            secrets = await self._gateway.secrets_of(job, action.submission)
            obs = replace(await self._observe(loaded.job), job=job, secrets=secrets)
            if isinstance(result, CallFailure):
                decision = results.on_delivery_unreadable(obs, action.submission, result)
            else:
                decision = results.on_delivery_read(obs, action.submission, result.delivery, result.found)
            decision = deletion.with_report(obs, decision)
        elif decision.status.phase == "Verifying" and self._deliveries.is_young(job.metadata.key):
            return replace(decision, requeue_after=YOUNG_SECONDS)
        await self._writer.write_status(loaded, decision)
        return decision

    async def _check(self, job: ExportJob, known: Reports) -> CheckedDelivery | CallFailure:
        """Read the delivery; search Reltio for duplicates too when the attempt was submitted more than once."""
        submission = job.status.submission
        assert submission is not None, "a delivery is checked only for an attempt"
        try:
            found = await self._gateway.search(job, submission) if submission.resent else None
            return CheckedDelivery(await self._gateway.read_delivery(job, submission, known), found)
        except CallFailedError as error:
            return error.failure

    async def _clean_up(self, loaded: Loaded, decision: Decision, action: CleanUp) -> Decision:
        """Start a pass over the directory of a failed attempt, or use its result. Meanwhile the decision stands."""
        self._gate.check()
        job = msgspec.structs.replace(loaded.job, status=decision.status)
        result = self._cleanups.result(job, action)
        if result is not None:
            secrets = await self._gateway.secrets_of(job, action.submission)
            obs = replace(await self._observe(loaded.job), job=job, secrets=secrets)
            decision = cleanup.on_cleaned(obs, action.submission, result)
        await self._writer.write_status(loaded, decision)
        return decision

    async def _clean(self, job: ExportJob, action: CleanUp) -> Cleaned:
        try:
            return await self._gateway.clean_up(job, action)
        except CallFailedError as error:
            return Cleaned(error=error.failure.message, transient=True)

    async def _remove_finalizer(self, loaded: Loaded, decision: Decision) -> Decision:
        loaded = await self._writer.write_status(loaded, decision)
        written = await self._writer.remove_finalizer(loaded)
        if loaded.job.metadata.deletion_timestamp is not None:
            transitions.log_job_removed(
                loaded.job, "FinalizerRemoved", "The finalizer was removed, so the deletion ends."
            )
        elif written is not None:
            return await self._execute(written, decide(await self._observe(written.job)))
        return decision

    async def _delete(self, loaded: Loaded, decision: Decision) -> Decision:
        self._gate.check()
        await self._kube.delete(JOBS, loaded.raw)
        transitions.log_job_removed(
            loaded.job, "TTLExpired", "The job was deleted, because spec.ttlSecondsAfterFinished has passed."
        )
        return replace(decision, requeue_after=None)

    async def _observe(self, job: ExportJob) -> Observation:
        return await self._observer.observe(job)

    def _show_counts(self, target: Key, before: Counts) -> None:
        """When the counts of the target have changed, the target shows them, and its next jobs their places."""
        if self._cache.counts(target) == before:
            return
        self._wake_target(target)
        for key in self._cache.first_waiting(target, _SHOWN_PLACES):
            self._wake_later(key, _SHOWN_SECONDS)

    def _handle_deleted(self, key: Key) -> None:
        self._cleanups.forget(key)
        target = self._cache.target_of(key)
        if target is not None:
            before = self._cache.counts(target)
            self._cache.drop_job(key)
            self._show_counts(target, before)
        self._drop_state(key)

    def _drop_state(self, key: Key) -> None:
        """The job is finished or deleted: drop what this process remembers of it."""
        self._tracker.forget(key)
        self._writer.forget(key)
        self._timer.forget(key, *TOPICS)
        self._deliveries.forget(key)
        self._census.forget(key)
        self._submitter.forget(key)
        self._control_log.succeeded(key)
        self._unreadable.forget(key)
        self._refused.forget(key)
        self._limiter.forget(key)
