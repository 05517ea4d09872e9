"""Builds the controllers and runs them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx
from kubernetes.aio import client

from ..api.decoding import STATUS_INVALID
from ..api.meta import FINALIZER
from ..aws.calls import LimitedCalls
from ..aws.sessions import RoleSessions
from ..aws.transport import session_factory
from ..jobs.observation import Limits
from ..kube.client import KubeApi, KubeClient
from ..kube.known import KnownJobs
from ..kube.workqueue import WorkQueue
from ..reltio.hosts import ReltioHosts
from ..reltio.transport import http_client
from ..runtime.allowed_roles import AllowedRoles
from ..runtime.circuits import CircuitLimits, Circuits
from ..runtime.clock import SYSTEM_CLOCK, Clock
from ..runtime.failures import explain, is_outage
from ..runtime.metrics import Metrics
from ..runtime.network import Network
from ..runtime.settings import Settings
from .access import Access
from .cache import JobCache, Key
from .call_limiter import CallLimiter, CallLimits
from .gate import SubmissionGate
from .jobs.census import Census
from .jobs.gateway import ReltioS3Gateway
from .jobs.reconciler import JobController
from .jobs.task_tracker import TaskTracker
from .refusals import Refusals
from .schedules.pointers import Pointers
from .schedules.reconciler import ScheduleController, schedule_of
from .targets.reconciler import TargetController

_log = logging.getLogger(__name__)
_SYNC_SECONDS, _LONGEST_SYNC_SECONDS = 5.0, 60.0  # between tries to list a namespace
_SYNCED_AT_ONCE = 8  # namespaces
_COUNTS_SECONDS = 10.0  # until a target shows that the counts of its jobs have changed
_NOT_LEADING_SECONDS = 1.0  # until a process that may not act asks again whether it may
_SCHEDULE_WORKERS = 8  # they call nothing but the API server


def circuits_of(settings: Settings, clock: Clock) -> Circuits:
    return Circuits(clock, CircuitLimits(settings.circuit_failures, cap_seconds=settings.circuit_retry_cap_seconds))


class Manager:
    """The work queues and the controllers that work on them."""

    def __init__(
        self,
        settings: Settings,
        kube: KubeApi,
        http: httpx.AsyncClient,
        sessions: RoleSessions,
        *,
        metrics: Metrics | None = None,
        gate: SubmissionGate | None = None,
        clock: Clock = SYSTEM_CLOCK,
        circuits: Circuits | None = None,
        release: str = "",
    ) -> None:
        self._cache = cache = JobCache(lambda key: self.jobs.add(key))
        self.known = known = KnownJobs(kube, clock, lambda key: self.jobs.add(key))
        circuits = circuits or circuits_of(settings, clock)
        call_limits = CallLimits(tenant=settings.calls_per_tenant, unproven=settings.unproven_calls)
        access = Access(kube, http, hosts=ReltioHosts.of(settings), circuits=circuits, clock=clock)
        metrics = metrics or Metrics()
        self._gate = gate = gate or SubmissionGate()
        self._namespaces: tuple[str | None, ...] = settings.namespaces or (None,)
        self._unsynced: dict[str | None, set[Key]] = {namespace: set() for namespace in self._namespaces}
        self._sync_problem: str | None = None

        async def reconcile_job(key: Key) -> float | None:
            waiting = self._unsynced.get(key[0] if settings.namespaces else None)
            if waiting is not None:
                waiting.add(key)
                return None
            return await job_controller.reconcile(key) if gate.is_open() else _NOT_LEADING_SECONDS

        async def reconcile_target(key: Key) -> float | None:
            if not gate.is_open():
                return _NOT_LEADING_SECONDS
            return await target_controller.reconcile(key)

        self.jobs: WorkQueue[Key] = WorkQueue(
            reconcile_job,
            workers=settings.workers,
            kind="ExportJob",
            observe=lambda seconds, failed: metrics.reconciled("jobs", seconds, failed=failed),
        )
        self.targets: WorkQueue[Key] = WorkQueue(
            reconcile_target,
            workers=settings.workers,
            kind="ExportTarget",
            observe=lambda seconds, failed: metrics.reconciled("targets", seconds, failed=failed),
        )

        async def reconcile_schedule(key: Key) -> float | None:
            return await schedule_controller.reconcile(key) if gate.is_open() else _NOT_LEADING_SECONDS

        self.schedules: WorkQueue[Key] = WorkQueue(
            reconcile_schedule,
            workers=_SCHEDULE_WORKERS,
            kind="ExportSchedule",
            observe=lambda seconds, failed: metrics.reconciled("schedules", seconds, failed=failed),
        )
        metrics.watch_depth("jobs", lambda: self.jobs.depth)
        metrics.watch_depth("targets", lambda: self.targets.depth)
        metrics.watch_depth("schedules", lambda: self.schedules.depth)
        metrics.watch_state(
            active=lambda: cache.all_counts()[0],
            pending=lambda: cache.all_counts()[1],
            ready=lambda: cache.readiness()[0],
            not_ready=lambda: cache.readiness()[1],
        )
        self._tracker = TaskTracker(
            access.reltio,
            self.jobs.add,
            interval=settings.poll_interval_seconds,
            progress_interval=settings.progress_interval_seconds,
            settle_seconds=settings.submit_settle_seconds,
            clock=clock,
        )
        census = Census()
        self._gateway = ReltioS3Gateway(access, sessions, cache, census, clock=clock, verify_target=self._verify_target)
        job_controller = JobController(
            known,
            self._gateway,
            cache,
            census,
            self._tracker,
            gate,
            clock,
            limits=Limits(
                retry_base_seconds=settings.retry_base_seconds,
                retry_cap_seconds=settings.retry_cap_seconds,
                submit_settle_seconds=settings.submit_settle_seconds,
                submit_window_seconds=settings.submit_settle_seconds * 0.8,
                cleanup_timeout_seconds=settings.cleanup_timeout_seconds,
            ),
            limiter=CallLimiter(circuits, self.jobs.add, call_limits),
            endpoint_of=access.endpoint,
            progress_interval_seconds=settings.progress_interval_seconds,
            refusal_of=Refusals(access, sessions).reason_of,
            wake=self.jobs.add,
            wake_later=self.jobs.add_after,
            wake_target=lambda key: self.targets.add_after(key, _COUNTS_SECONDS),
            verify_target=self._verify_target,
            count_event=metrics.job_event,
            new_slots=sessions.slots_by_region,
            region_of=lambda s3: sessions.place("s3", s3.role_arn, s3.region).region,
        )
        self._stop_jobs, self._sync_cache = job_controller.stop, job_controller.sync_cache
        self._target_controller = target_controller = TargetController(
            kube,
            access,
            sessions,
            cache,
            clock,
            retry_interval_seconds=settings.target_retry_interval_seconds,
            probe_timeout_seconds=settings.probe_timeout_seconds,
            aws_probes=max(1, settings.aws_threads // 2),
            limiter=CallLimiter(circuits, self.targets.add, call_limits),
            wake_job=self.jobs.add,
            release=release,
        )
        metrics.watch_overlaps(lambda: target_controller.overlapping)
        metrics.watch_circuits(lambda: circuits.count("Open"), lambda: circuits.count("HalfOpen"))
        self._pointers = Pointers(access, sessions, self.schedules.add, clock)
        schedule_controller = ScheduleController(kube, self._pointers, clock, may_act=gate.is_open)
        metrics.watch_unreadable(
            jobs=lambda: job_controller.unreadable,
            targets=lambda: target_controller.unreadable,
            schedules=lambda: schedule_controller.unreadable,
        )

    def _verify_target(self, key: Key) -> None:
        """Verify a target now, because a call for one of its jobs failed with what a verification can find."""
        if self._target_controller.request_verification(key):
            self.targets.add(key)

    @classmethod
    @asynccontextmanager
    async def connected(
        cls,
        settings: Settings,
        network: Network,
        api: client.ApiClient,
        *,
        metrics: Metrics,
        gate: SubmissionGate,
        release: str,
    ) -> AsyncIterator[Self]:
        """A manager with connections and threads of its own. `release` is namespace and name of its Lease."""
        # The call limiters bound the connections. One for all hosts would let dead hosts use up those of the others.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
        circuits = circuits_of(settings, SYSTEM_CLOCK)
        calls = LimitedCalls(circuits, settings.aws_threads, settings.bulk_threads)
        try:
            async with http_client(network, limits, hosts=ReltioHosts.of(settings)) as http:
                sessions = RoleSessions(
                    calls,
                    new_session=session_factory(network),
                    allowed=AllowedRoles(settings.allowed_roles),
                    session_tags=settings.session_tags,
                )
                kube = KubeClient(api, event_failed=metrics.event_failed)
                manager = cls(
                    settings, kube, http, sessions, metrics=metrics, gate=gate, circuits=circuits, release=release
                )
                try:
                    yield manager
                finally:
                    await manager.stop()
        finally:
            calls.shutdown()

    async def stop(self) -> None:
        """Cancel what runs outside of the work queues."""
        await self._tracker.stop()
        await self._stop_jobs()
        await self._gateway.stop()
        await self._pointers.stop()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.targets.run())
            group.create_task(self.jobs.run())
            group.create_task(self.schedules.run())
            group.create_task(self._sync_caches())

    def unready(self) -> str | None:
        """Why no job can be worked on in any namespace; None when some can."""
        if len(self._unsynced) < len(self._namespaces):
            return None
        return f"The jobs have not been listed yet: {self._sync_problem or 'waiting for the API server'}."

    def unlisted(self) -> frozenset[str]:
        """Namespaces whose jobs have not been listed yet; an empty name stands for all namespaces."""
        return frozenset(namespace or "" for namespace in self._unsynced)

    async def _sync_caches(self) -> None:
        """Fill the cache. A namespace that cannot be listed, or does not answer, does not hold up the others."""
        pause, several = _SYNC_SECONDS, asyncio.Semaphore(_SYNCED_AT_ONCE)
        while True:
            await asyncio.gather(*(self._sync(namespace, several) for namespace in list(self._unsynced)))
            if not self._unsynced:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_SYNC_SECONDS)

    async def _sync(self, namespace: str | None, several: asyncio.Semaphore) -> None:
        try:
            async with several:
                await self._sync_cache(namespace)
        except Exception as error:
            problem = f"jobs and targets in {namespace or 'all namespaces'}: {explain(error)}"
            if problem != self._sync_problem:
                _log.warning("Cannot list %s. Retrying.", problem, exc_info=None if is_outage(error) else error)
            self._sync_problem = problem
            return
        for key in self._unsynced.pop(namespace):
            self.jobs.add(key)

    @staticmethod
    def schedule_to_wake(body: Mapping[str, Any], *, is_deleted: bool) -> Key | None:
        """The schedule of a job that has ended or is gone."""
        return schedule_of(body) if is_deleted or _is_finished(body.get("status")) else None

    @staticmethod
    def needs_reconcile(body: Mapping[str, Any]) -> bool:
        """Whether a job may need anything: a finished one without finalizer and time to live does not."""
        meta, status = body["metadata"], body.get("status")
        if FINALIZER in meta.get("finalizers", ()) or meta.get("deletionTimestamp"):
            return True
        if not isinstance(status, Mapping) or status.get("observedGeneration") != meta.get("generation"):
            return True
        return not _is_finished(status) or STATUS_INVALID in _true(status) or _has_ttl(body.get("spec"))


def _true(status: object) -> frozenset[str]:
    """The types of the conditions that are true."""
    listed = status.get("conditions") if isinstance(status, Mapping) else None
    conditions = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, Sequence) else []
    return frozenset(str(one.get("type")) for one in conditions if one.get("status") == "True")


def _is_finished(status: object) -> bool:
    return bool(_true(status) & {"Complete", "Failed"})


def _has_ttl(spec: object) -> bool:
    return isinstance(spec, Mapping) and spec.get("ttlSecondsAfterFinished") is not None
