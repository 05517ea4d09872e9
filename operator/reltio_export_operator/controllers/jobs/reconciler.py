"""ExportJobs: reads one, asks the rules, does what they say and writes it down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import msgspec

from ...api.job import ExportJob, Submission
from ...api.meta import JOBS, TARGETS
from ...api.target import ExportTarget
from ...delivery.manifest import Delivery
from ...jobs import results, tasks
from ...jobs.endings import reason_to_end
from ...jobs.observation import Ages, Begin, Control, Decision, Delete, Inspect, Limits, Release, Says, Search, View
from ...jobs.policies import decide
from ...jobs.results import Acceptance, Findings, Refusal
from ...kube.client import ConflictError, InvalidError, KubeClient, Raw, SecretError
from ..cache import Key, Registry
from .delivery_checks import Inspected, Inspections
from .delivery_reader import Reports
from .limiter import Slots
from .state_timer import Stopwatch
from .status_writer import Journal
from .task_tracker import TenantPollers

_log = logging.getLogger(__name__)
_TOPICS = ("doubt", "deletion", "ending")  # of the stopwatch
_CALLS_PER_TENANT = 4  # calls that change something at a tenant, or search it, at once
_LATER = 30.0  # seconds until a job that cannot go on is looked at again, should nothing wake it
_WRITES = 5  # tries to write down what the service answered, when others write to the object at the same time


Counts = tuple[int, int]  # active and pending jobs of a target


class RefusedError(Exception):
    """A call outside did not do what was asked."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Outside(Protocol):
    """What the controller does outside of the cluster. Every method raises RefusedError."""

    async def submit(self, job: ExportJob) -> Acceptance: ...

    async def search(self, job: ExportJob) -> Findings: ...

    async def control(self, job: ExportJob, action: Control) -> None: ...

    async def inspect(self, job: ExportJob, known: Reports) -> Delivery: ...


class JobController:
    """Takes one job one step further at a time.

    Every decision is made from a fresh read and every write tests the version that was read, so a rival or an
    earlier self of this process makes a write fail, never an export start twice.
    """

    def __init__(
        self,
        kube: KubeClient,
        outside: Outside,
        registry: Registry,
        pollers: TenantPollers,
        *,
        limits: Limits,
        progress_interval: float,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        wake: Callable[[Key], None],
        wake_target: Callable[[Key], None],
        may_act: Callable[[], bool] = lambda: True,
        count_event: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._kube = kube
        self._outside = outside
        self._registry = registry
        self._pollers = pollers
        self._limits = limits
        self._now = now
        self._clock = clock
        self._stopwatch = Stopwatch(clock)
        self._wake = wake
        self._wake_target = wake_target
        self._may_act = may_act
        self._journal = Journal(
            kube,
            progress_interval=progress_interval,
            now=now,
            clock=clock,
            on_written=registry.put_job,
            count_event=count_event,
        )
        self._inspections = Inspections(self._look, wake)
        self._slots: Slots[Key] = Slots(_CALLS_PER_TENANT, wake)

    async def reconcile(self, key: Key) -> float | None:
        """Take the job one step further. Returns the seconds until it must be looked at again."""
        raw = await self._kube.get(JOBS, *key)
        if raw is None:
            self._forget(key)
            return None
        try:
            return await self._advance(raw)
        except ConflictError:
            return 0.1  # changed meanwhile: its event is on the way, this is for the case that it is lost
        except msgspec.ValidationError as error:
            await self._journal.complain(
                raw, "SpecNotUnderstood", f"The job or its target cannot be read: {error}. Create it anew."
            )
            return _LATER
        except InvalidError as error:
            await self._journal.complain(
                raw, "StatusRefused", f"The API server refuses the status of this job: {error}"
            )
            raise

    async def seed(self) -> None:
        """Learn what runs before anything begins: otherwise a start would give places away that are taken."""
        async for raw in self._kube.listed(TARGETS):
            self._registry.put_target(msgspec.convert(raw, ExportTarget))
        async for raw in self._kube.listed(JOBS):
            try:
                job = msgspec.convert(raw, ExportJob)
            except msgspec.ValidationError:
                continue  # told when it is reconciled
            self._registry.put_job(job)
            if not job.is_finished:
                self._wake(job.metadata.key)  # also for the case that it goes away before it is watched

    async def _advance(self, raw: Raw) -> float | None:
        job = msgspec.convert(raw, ExportJob)
        before = self._registry.counts(self._target_key(job))
        self._registry.put_job(job)
        view = await self._view(job)
        decision = decide(view)
        if isinstance(decision.action, Begin):
            # What the target says at this moment counts, not what its events have told so far.
            decision = decide(replace(view, target=await self._target(job, fresh=True)))
        action = decision.action
        if isinstance(action, Delete):
            await self._kube.delete(JOBS, raw)
            return None
        if not isinstance(action, Begin | Search | Control):
            return await self._carry_out(job, raw, decision, before)
        service = action.submission.service
        with self._slots.held((service.export_service_url, service.tenant), job.metadata.key) as held:
            return await self._carry_out(job, raw, decision, before) if held else _LATER

    async def _carry_out(self, job: ExportJob, raw: Raw, decision: Decision, before: Counts) -> float | None:
        action = decision.action
        if isinstance(action, Search):
            raw = await self._journal.write(raw, job, decision)
            job = msgspec.convert(raw, ExportJob)
            decision = await self._search(job)
            action = decision.action
        if isinstance(action, Begin):
            decision, raw = await self._begin(job, raw, decision)
        elif isinstance(action, Inspect):
            decision = await self._inspect(job, decision)
        written = await self._journal.write(raw, msgspec.convert(raw, ExportJob), decision)
        if isinstance(action, Control) and action.task_ids:
            await self._control(msgspec.convert(written, ExportJob), action)
        if isinstance(action, Release):
            await self._journal.release(written)
        self._tell_others(self._target_key(job), before)
        if decision.status.completion_time is not None:
            self._let_go(job.metadata.key)
        return decision.after

    async def _view(self, job: ExportJob) -> View:
        submission = job.status.submission
        view = View(
            job=job,
            now=self._now(),
            target=await self._target(job),
            ahead=self._registry.ahead(job) if submission is None else 0,
            limits=self._limits,
            progress_due=self._journal.progress_due(job.metadata.key),
        )
        view = replace(view, ages=self._ages(view))
        ids = frozenset(task.id for task in tasks.live(job.status.tasks + job.status.duplicates))
        if job.is_finished or submission is None or not ids:
            self._pollers.forget(job.metadata.key)
            return view
        try:
            watch = await self._pollers.follow(job.metadata.key, submission.service, ids, submission.id)
        except SecretError as error:
            return replace(view, trouble=Says("SecretUnusable", str(error)))
        return replace(
            view, seen=dict(watch.seen), missing=watch.missing, strangers=watch.strangers, trouble=watch.trouble
        )

    def _ages(self, view: View) -> Ages:
        key, uid, submission = view.job.metadata.key, view.job.metadata.uid, view.status.submission
        open_question = submission is not None and not view.status.tasks and submission.refused_time is None
        doubt = (uid, submission.id, submission.intended_time) if submission and open_question else None
        says = reason_to_end(view)
        return Ages(
            doubt=self._stopwatch.age(key, "doubt", doubt),
            deletion=self._stopwatch.age(key, "deletion", uid if view.job.metadata.deletion_timestamp else None),
            ending=self._stopwatch.age(key, "ending", (uid, says.reason) if says else None),
        )

    async def _target(self, job: ExportJob, *, fresh: bool = False) -> ExportTarget | None:
        """The target as last seen; asked for when it was not seen yet, or is to be seen as it is now."""
        key = self._target_key(job)
        if fresh or self._registry.target(key) is None:
            raw = await self._kube.get(TARGETS, *key)
            if raw is None:
                self._registry.drop_target(key)
            else:
                self._registry.put_target(msgspec.convert(raw, ExportTarget))
        return self._registry.target(key)

    async def _begin(self, job: ExportJob, raw: Raw, decision: Decision) -> tuple[Decision, Raw]:
        """Put the intent on record, then call the service, then tell what came of it."""
        self._registry.reserve(job)
        started = self._clock()
        try:
            raw = await self._journal.hold(raw)
            raw = await self._journal.write(raw, job, decision)
        except Exception:
            self._registry.give_back(job)
            raise
        intended = msgspec.convert(raw, ExportJob)
        answer = await self._submit(intended, started)
        return await self._record(raw, intended, answer)

    async def _submit(self, job: ExportJob, started: float) -> Acceptance | Refusal:
        """Call the service for an intent that was put on record at `started`.

        The call starts and ends within a bound that rivals and successors know to wait out.
        """
        left = self._limits.submit_window - (self._clock() - started)
        if left <= 0 or not self._may_act():
            return Refusal(
                "NotSent", "The submission was held back: this process was late, or is no longer the leader."
            )
        try:
            async with asyncio.timeout(left):
                return await self._outside.submit(job)
        except RefusedError as error:
            return error.refusal
        except TimeoutError:
            return Refusal("AnswerLost", f"No answer within {left:.0f} s.", ambiguous=True)

    async def _record(self, raw: Raw, intended: ExportJob, answer: Acceptance | Refusal) -> tuple[Decision, Raw]:
        """What the answer means for the object as it is now: others may have changed it during the call."""
        for _ in range(_WRITES):
            job = msgspec.convert(raw, ExportJob)
            view = replace(await self._view(job), now=self._now())
            if isinstance(answer, Acceptance):
                decision = results.accepted(view, answer)
            else:
                decision = results.refused(view, answer)
            try:
                written = await self._journal.write(raw, job, decision)
                return replace(decision, events=()), written
            except ConflictError:
                fresh = await self._kube.get(JOBS, *intended.metadata.key)
                if fresh is None or not _still_open(msgspec.convert(fresh, ExportJob), intended):
                    raise
                raw = fresh
        raise ConflictError(intended.metadata.name)

    async def _search(self, job: ExportJob) -> Decision:
        view = replace(await self._view(job), now=self._now())
        try:
            return results.found(view, await self._outside.search(job))
        except RefusedError as error:
            return results.unanswered(view, error.refusal)

    async def _inspect(self, job: ExportJob, decision: Decision) -> Decision:
        """Begin to look at the delivery, or take what was found; until then the decision stands."""
        judged = msgspec.structs.replace(job, status=decision.status)
        result = self._inspections.result(judged)
        if result is None:
            return decision
        view = replace(await self._view(job), job=judged, now=self._now())
        if isinstance(result, Refusal):
            return results.unreadable(view, result)
        return results.inspected(view, result.delivery, result.findings)

    async def _look(self, job: ExportJob, known: Reports) -> Inspected | Refusal:
        submission = job.status.submission
        try:
            findings = await self._outside.search(job) if submission is not None and submission.resent else None
            return Inspected(await self._outside.inspect(job, known), findings)
        except RefusedError as error:
            return error.refusal

    async def stop(self) -> None:
        """End what runs besides reconciling."""
        await self._inspections.stop()

    async def _control(self, job: ExportJob, action: Control) -> None:
        try:
            await self._outside.control(job, action)
        except RefusedError as error:
            _log.warning("Cannot %s tasks of %s/%s: %s", action.verb, *job.metadata.key, error)

    def _tell_others(self, target_key: Key, before: Counts) -> None:
        """A place has become free: the next in line may begin. The target shows its counts."""
        after = self._registry.counts(target_key)
        if after == before:
            return
        self._wake_target(target_key)
        for key in self._registry.next_in_line(target_key, 10):
            self._wake(key)

    def _forget(self, key: Key) -> None:
        """The object is gone."""
        target_key = self._registry.target_of(key)
        if target_key is not None:
            before = self._registry.counts(target_key)
            self._registry.drop_job(key)
            self._tell_others(target_key, before)
        self._let_go(key)

    def _let_go(self, key: Key) -> None:
        """The job is finished, or gone: nothing of it needs to be remembered."""
        self._pollers.forget(key)
        self._journal.forget(key)
        self._stopwatch.forget(key, *_TOPICS)
        self._inspections.forget(key)

    @staticmethod
    def _target_key(job: ExportJob) -> Key:
        return job.metadata.namespace, job.spec.target_ref.name


def _still_open(job: ExportJob, intended: ExportJob) -> bool:
    """Whether the intent still waits for its answer."""
    return job.metadata.uid == intended.metadata.uid and not job.status.tasks and _call(job) == _call(intended)


def _call(job: ExportJob) -> tuple[str, datetime] | None:
    submission: Submission | None = job.status.submission
    return (submission.id, submission.intended_time) if submission else None
