"""Puts the controllers together and runs them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from kubernetes.aio import client

from ..api.meta import FINALIZER
from ..aws.sessions import RoleSessions
from ..jobs.view import Limits
from ..runtime.metrics import Metrics
from ..runtime.settings import Settings
from .access import Access
from .jobs import JobController
from .kube import KubeClient
from .outside import Services
from .poller import TenantPollers
from .registry import Key, Registry
from .targets import TargetController
from .workqueue import WorkQueue

_RESYNC = 60.0  # seconds


class Manager:
    """The two queues of keys to look at, and what works on them.

    `now` is the wall clock, for what people read; `clock` never goes back, for what must be waited out.
    """

    def __init__(
        self,
        settings: Settings,
        kube: KubeClient,
        http: httpx.AsyncClient,
        sessions: RoleSessions,
        *,
        metrics: Metrics | None = None,
        may_act: Callable[[], bool] = lambda: True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry = Registry()
        access = Access(kube, http, clock=clock)
        metrics = metrics or Metrics()
        self.jobs: WorkQueue[Key] = WorkQueue(
            lambda key: job_controller.reconcile(key),
            workers=settings.workers,
            observe=lambda seconds, failed: metrics.reconciled("jobs", seconds, failed=failed),
        )
        self.targets: WorkQueue[Key] = WorkQueue(
            lambda key: target_controller.reconcile(key),
            workers=settings.workers,
            observe=lambda seconds, failed: metrics.reconciled("targets", seconds, failed=failed),
        )
        metrics.watch_depth("jobs", lambda: self.jobs.depth)
        metrics.watch_depth("targets", lambda: self.targets.depth)
        metrics.watch_state(
            active=lambda: registry.all_counts()[0],
            pending=lambda: registry.all_counts()[1],
            ready=lambda: registry.readiness()[0],
            not_ready=lambda: registry.readiness()[1],
        )
        self._pollers = TenantPollers(
            access.reltio,
            self.jobs.add,
            interval=settings.poll_interval,
            progress_interval=settings.progress_interval,
            clock=clock,
        )
        job_controller = JobController(
            kube,
            Services(access, sessions, registry),
            registry,
            self._pollers,
            limits=Limits(
                retry_base=settings.retry_base,
                retry_cap=settings.retry_cap,
                settle=settings.settle,
                submit_window=settings.settle * 0.8,
                cleanup=settings.cleanup,
            ),
            progress_interval=settings.progress_interval,
            now=now,
            clock=clock,
            wake=self.jobs.add,
            wake_target=lambda key: self.targets.add_after(key, 1.0),
            may_act=may_act,
            count_event=metrics.job_event,
        )
        self._stop_jobs = job_controller.stop
        target_controller = TargetController(
            kube,
            access,
            sessions,
            registry,
            heal_interval=settings.heal_interval,
            probe_timeout=settings.probe_timeout,
            now=now,
            wake_job=self.jobs.add,
        )

    @classmethod
    @asynccontextmanager
    async def connected(
        cls, settings: Settings, api: client.ApiClient, *, metrics: Metrics, may_act: Callable[[], bool]
    ) -> AsyncIterator[Self]:
        """A manager with connections and threads of its own."""
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
        threads = ThreadPoolExecutor(settings.aws_threads, thread_name_prefix="aws")
        try:
            async with httpx.AsyncClient(limits=limits) as http:
                manager = cls(settings, KubeClient(api), http, RoleSessions(threads), metrics=metrics, may_act=may_act)
                try:
                    yield manager
                finally:
                    await manager.stop()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    async def stop(self) -> None:
        """End what runs besides the queues."""
        await self._pollers.stop()
        await self._stop_jobs()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.jobs.run())
            group.create_task(self.targets.run())
            group.create_task(self._keep_queues_moving())

    async def _keep_queues_moving(self) -> None:
        """Wake the heads of all queues now and then: one wake-up that was lost must not hold up a target for good."""
        while True:
            await asyncio.sleep(_RESYNC)
            for key in self._registry.heads():
                self.jobs.add(key)

    @staticmethod
    def concerns(body: Mapping[str, Any]) -> bool:
        """Whether a job may need anything: one that is finished, let go of and without a time to live does not."""
        if FINALIZER in body["metadata"].get("finalizers", ()) or body["metadata"].get("deletionTimestamp"):
            return True
        conditions = body.get("status", {}).get("conditions", ())
        finished = any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
        return not finished or body["spec"].get("ttlSecondsAfterFinished") is not None
