"""Puts the controllers together and runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
from kubernetes.aio import client

from ..api.meta import FINALIZER
from ..aws.sessions import RoleSessions
from ..jobs.view import Limits
from ..runtime.settings import Settings
from .access import Access
from .jobs import JobController
from .kube import KubeClient
from .outside import Services
from .poller import TenantPollers
from .registry import Key, Registry
from .targets import TargetController
from .workqueue import WorkQueue


class Manager:
    """The two queues of keys to look at, and what works on them."""

    def __init__(self, settings: Settings, api: client.ApiClient, *, may_act: Callable[[], bool]) -> None:
        kube = KubeClient(api)
        registry = Registry()
        self._http = httpx.AsyncClient(limits=httpx.Limits(max_connections=64, max_keepalive_connections=16))
        self._threads = ThreadPoolExecutor(settings.aws_threads, thread_name_prefix="aws")
        sessions = RoleSessions(self._threads)
        access = Access(kube, self._http)
        self.jobs: WorkQueue[Key] = WorkQueue(lambda key: job_controller.reconcile(key), workers=settings.workers)
        self.targets: WorkQueue[Key] = WorkQueue(lambda key: target_controller.reconcile(key), workers=settings.workers)
        self._pollers = TenantPollers(
            access.reltio,
            self.jobs.add,
            interval=settings.poll_interval,
            progress_interval=settings.progress_interval,
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
            now=_now,
            wake=self.jobs.add,
            wake_target=lambda key: self.targets.add_after(key, 1.0),
            may_act=may_act,
        )
        target_controller = TargetController(
            kube,
            access,
            sessions,
            registry,
            heal_interval=settings.heal_interval,
            probe_timeout=settings.probe_timeout,
            now=_now,
            wake_job=self.jobs.add,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pollers.stop()
        await self._http.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.jobs.run())
            group.create_task(self.targets.run())

    @staticmethod
    def concerns(body: Mapping[str, Any]) -> bool:
        """Whether a job may need anything: one that is finished, let go of and without a time to live does not."""
        if FINALIZER in body["metadata"].get("finalizers", ()) or body["metadata"].get("deletionTimestamp"):
            return True
        conditions = body.get("status", {}).get("conditions", ())
        finished = any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
        return not finished or body["spec"].get("ttlSecondsAfterFinished") is not None


def _now() -> datetime:
    return datetime.now(UTC)
