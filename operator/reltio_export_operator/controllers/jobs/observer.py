"""Builds the observation of a job: the job, its target, its place, and what Reltio last showed of its tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from ...api.attempt import record_of
from ...api.decoding import decode_target
from ...api.foreign import KNOWN, PROCESS, Secrets
from ...api.job import ExportJob, Submission
from ...api.meta import TARGETS
from ...api.reasons import ConditionReason
from ...api.target import ExportTarget
from ...api.task import ObservedTask
from ...jobs import identity, tasks
from ...jobs.endings import early_end_reason
from ...jobs.observation import Elapsed, Limits, Observation
from ...jobs.policies.starting import SHORT_WAIT_SECONDS
from ...kube.client import KubeApi, SecretError, SecretNotAllowedError
from ...reltio.errors import UnusableURL
from ...runtime.clock import Clock
from ..cache import JobCache, Key
from .census import Census
from .gateway_port import ExportGateway, secret_failure
from .shared_reads import SharedReads
from .state_timer import StateTimer
from .task_tracker import TaskTracker

TOPICS = ("doubt", "deletion", "ending", "unclear", "queued")  # of the state timer


class Observer:
    """Reads the target where it is not cached, and the Secret of a job whose tasks are polled; nothing else."""

    def __init__(
        self,
        kube: KubeApi,
        gateway: ExportGateway,
        cache: JobCache,
        census: Census,
        tracker: TaskTracker,
        timer: StateTimer,
        clock: Clock,
        *,
        limits: Limits,
        refusal_of: Callable[[ExportTarget], ConditionReason | None],
        verify_target: Callable[[Key], None],
        progress_due: Callable[[Key], bool],
        unsent: Callable[[Key], str | None],
    ) -> None:
        self._kube = kube
        self._gateway = gateway
        self._cache = cache
        self._census = census
        self._tracker = tracker
        self._timer = timer
        self._clock = clock
        self._limits = limits
        self._refusal_of_target = refusal_of
        self._verify_target = verify_target
        self._progress_due = progress_due
        self._unsent = unsent
        self._reads = SharedReads(self._read_target, clock)

    async def observe(self, job: ExportJob) -> Observation:
        key, submission = job.metadata.key, job.status.submission
        target = await self.target(job)
        obs = Observation(
            job=job,
            now=self._clock.utc_now(),
            target=target,
            target_unreadable=self._cache.is_unreadable_target(target_key(job)),
            refusal=self._refusal_of(target),
            secrets=KNOWN.of([PROCESS, job.metadata.namespace]),
            queue_position=self.queue_position(job),
            limits=self._limits,
            progress_due=self._progress_due(key),
            unrecorded=self._census.is_open(job),
            unsent_attempt=self._unsent(key),
            original_exists=self._original_exists(job),
        )
        obs = replace(obs, elapsed=self._elapsed(obs), just_queued=self._just_queued(obs))
        ids = frozenset(task.id for task in tasks.unfinished(job.status.tasks + job.status.duplicates))
        if job.is_finished or submission is None or not ids or not identity.is_reachable(job):
            self._tracker.forget(key)
            return obs
        try:
            watch = await self._tracker.follow(key, submission, ids)
        except SecretError as error:
            if isinstance(error, SecretNotAllowedError):
                self._tracker.forget(key)  # what was read of it before must not be used any more
            self._verify_target((job.metadata.namespace, job.spec.target_ref.name))
            return replace(obs, watch_error=secret_failure(error))
        except UnusableURL as error:  # the settings do not allow the host of the recorded service any more
            self._tracker.forget(key)
            return replace(obs, watch_error=ConditionReason(error.reason, error.text))
        if any(task.status in tasks.FAILED for task in watch.observed.values()):
            # Reltio uses the role of the target as well, and the verification may find out what is wrong with it.
            self._verify_target((job.metadata.namespace, job.spec.target_ref.name))
        obs = replace(
            obs,
            now=self._clock.utc_now(),
            observed_tasks=dict(watch.observed),
            lost_task_ids=watch.lost,
            missing_task_ids=watch.missing,
            unlisted_task_ids=watch.unlisted,
            untracked_tasks=watch.untracked_tasks,
            watch_error=watch.watch_error,
            secrets=await self.secrets_of(job, submission, watch.observed.values(), watch.untracked_tasks),
        )
        unclear = (job.metadata.uid, submission.id) if obs.unclear_task_ids else None
        return replace(obs, elapsed=replace(obs.elapsed, unclear=self._timer.elapsed(key, "unclear", unclear)))

    async def before_submission(self, obs: Observation) -> Observation:
        """The same with what decides about a submission as it is now. Raises CallFailedError.

        That is the target, since the cached one may be older, and the tasks of others if the target limits them.
        """
        target = await self.target(obs.job, fresh=True)
        unreadable = self._cache.is_unreadable_target(target_key(obs.job))
        refusal, foreign = self._refusal_of(target), None
        is_counted = target is not None and target.spec.max_foreign_tasks is not None
        if target is not None and is_counted and refusal is None and obs.status.submission is None:
            foreign = await self._gateway.foreign_tasks(obs.job, target)
        return replace(obs, target=target, target_unreadable=unreadable, refusal=refusal, foreign_tasks=foreign)

    def queue_position(self, job: ExportJob) -> int:
        return self._cache.queue_position(job) if job.status.submission is None else 0

    def _just_queued(self, obs: Observation) -> bool:
        waits = obs.job.metadata.uid if obs.queue_position and obs.status.queue_position is None else None
        return self._timer.elapsed(obs.job.metadata.key, "queued", waits) < SHORT_WAIT_SECONDS

    def _original_exists(self, job: ExportJob) -> bool:
        """Whether the job that began the attempt in the annotation is another one, and still unfinished."""
        record = record_of(job)
        return record is not None and record.first_uid != job.metadata.uid and self._cache.has(record.first_uid)

    async def secrets_of(self, job: ExportJob, submission: Submission, *observed: Iterable[ObservedTask]) -> Secrets:
        """What the texts of these tasks may repeat. The Secrets of the target are read only if there is a text."""
        if any(task.error or task.stage for listed in observed for task in listed):
            return await self._gateway.secrets_of(job, submission)
        return KNOWN.of([PROCESS, job.metadata.namespace])

    def _elapsed(self, obs: Observation) -> Elapsed:
        key, uid, submission = obs.job.metadata.key, obs.job.metadata.uid, obs.status.submission
        has_no_answer = submission is not None and not obs.status.tasks and submission.refused_time is None
        doubt = (uid, submission.id, submission.intended_time) if submission and has_no_answer else None
        ending = early_end_reason(obs)
        return Elapsed(
            doubt=self._timer.elapsed(key, "doubt", doubt),
            deletion=self._timer.elapsed(key, "deletion", uid if obs.is_deleted else None),
            ending=self._timer.elapsed(key, "ending", (uid, ending.reason) if ending else None),
        )

    async def target(self, job: ExportJob, *, fresh: bool = False) -> ExportTarget | None:
        """The cached target. It is read when it is not cached, or when `fresh`: by all of its jobs together."""
        key = target_key(job)
        if fresh or self._cache.target(key) is None:
            await self._reads.read(key)
        return self._cache.target(key)

    async def _read_target(self, key: Key) -> None:
        raw = await self._kube.get(TARGETS, *key)
        if raw is None:
            self._cache.drop_target(key)
            return
        try:
            self._cache.put_target(decode_target(raw))
        except msgspec.ValidationError:  # reported by the controller of targets
            self._cache.put_unreadable_target(key)

    def _refusal_of(self, target: ExportTarget | None) -> ConditionReason | None:
        return self._refusal_of_target(target) if target else None


def target_key(job: ExportJob) -> Key:
    return job.metadata.namespace, job.spec.target_ref.name
