"""The operator as a process: stands by, leads, and ends in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import kopf
from kubernetes.aio import client

from ..api.meta import JOBS, SCHEDULES, TARGETS
from ..aws.transport import preload_models
from ..controllers.gate import SubmissionGate
from ..controllers.manager import Manager
from ..kube import routing
from ..kube.connection import warn_of_absent_namespaces
from ..kube.discovery import Kinds, served_by
from ..kube.election import Elector, LeaseClient
from ..kube.notices import JobNotices
from ..kube.watching import WatchMonitor
from ..reltio import transport
from ..runtime.garbage import exclude_what_is_loaded
from ..runtime.health import Health
from ..runtime.network import Network
from ..runtime.process import StopRequest
from ..runtime.settings import Settings
from . import jobs, schedules, targets
from .watch import KopfWatch

_log = logging.getLogger(__name__)
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_HANDLERS = {JOBS: jobs, TARGETS: targets, SCHEDULES: schedules}
# Bounds of the shutdown. Together they stay below runtime.process.STOP_SECONDS.
_DRAIN_SECONDS = 10.0  # for submissions under way: one that is abandoned costs its job the settling time
_CANCEL_SECONDS = 1.0  # for tasks to end once they are cancelled


def prepare(network: Network) -> None:
    """Load what would hold up the event loop, and other threads, at its first use."""
    transport.preload()
    preload_models(network)
    exclude_what_is_loaded()


async def run(settings: Settings, network: Network, *, identity: str, stop: StopRequest) -> None:
    """Run until `stop` is set. Raises LeadershipLostError when leadership is lost meanwhile."""
    configuration = await routing.load_configuration(network)
    health = Health()
    # The Lease has connections of its own: slow calls must not keep it from being renewed.
    async with (
        routing.api_client(configuration, network) as api,
        routing.api_client(configuration, network) as lease_api,
        health.served(settings.metrics_port),
    ):
        warning = asyncio.create_task(warn_of_absent_namespaces(api, settings.namespaces))
        elector = _elector(settings, identity, lease_api) if settings.leader_elect else None
        health.unready = lambda: _stopping(stop) or (elector.unready() if elector else None)
        try:
            if elector is None or await _unless_stopped(stop, elector.acquire()):
                await _lead(settings, network, api, health, stop, elector)
        finally:
            warning.cancel()
            if elector:
                await elector.release()


def _elector(settings: Settings, identity: str, api: client.ApiClient) -> Elector:
    leases = LeaseClient(api, _lease_namespace(settings), settings.lease_name)
    return Elector(leases, identity, duration_seconds=settings.lease_duration_seconds)


def _lease_namespace(settings: Settings) -> str:
    if settings.lease_namespace:
        return settings.lease_namespace
    return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "default"


async def _lead(
    settings: Settings,
    network: Network,
    api: client.ApiClient,
    health: Health,
    stop: StopRequest,
    elector: Elector | None,
) -> None:
    """Work until `stop` is set, then close the gate before submissions and wait until none is under way."""
    kinds, monitor = Kinds(served_by(api)), WatchMonitor((JOBS, SCHEDULES, TARGETS))
    gate = SubmissionGate(lambda: not stop.is_set() and (elector is None or elector.is_leader))
    health.metrics.leads(True)
    release = f"{_lease_namespace(settings)}/{settings.lease_name}"
    async with Manager.connected(settings, network, api, metrics=health.metrics, gate=gate, release=release) as manager:
        health.stuck = monitor.stuck
        health.metrics.watch_unserved(lambda: len(manager.unlisted() | monitor.failing()))
        health.unready = lambda: (
            _stopping(stop)
            or (elector.unready() if elector else None)
            or kinds.problem
            or manager.unready()
            or monitor.unready()
        )
        registry = kopf.OperatorRegistry()
        for handlers in _HANDLERS.values():
            handlers.register(registry, manager)
        listed = {kind: partial(one.wake, manager) for kind, one in _HANDLERS.items()}
        notices = JobNotices(manager.known)
        watch = KopfWatch(registry, settings.namespaces, api, kinds, monitor, notices, listed)

        async def work() -> None:
            await kinds.until_served()
            async with asyncio.TaskGroup() as group:
                group.create_task(manager.run())
                group.create_task(watch.run())

        working = [asyncio.create_task(work())]
        holding = [asyncio.create_task(elector.hold())] if elector else []
        asked = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait({asked, *working, *holding}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {asked}:
                task.result()
        finally:
            gate.close()
            await _drain(gate, holding)
            await _cancel([asked, *working])
            await asyncio.wait([asyncio.create_task(manager.stop())], timeout=_CANCEL_SECONDS)
            await _cancel(holding)
            if elector:
                await elector.release()
            health.metrics.leads(False)


async def _drain(gate: SubmissionGate, holding: Iterable[asyncio.Task[None]]) -> None:
    """Let submissions under way come to their end, as long as the Lease is held."""
    gate.close()
    if not gate.under_way:
        return
    _log.info("Waiting up to %.0f s for submissions under way: %d.", _DRAIN_SECONDS, gate.under_way)
    draining = asyncio.create_task(gate.drained(_DRAIN_SECONDS))
    await asyncio.wait({draining, *holding}, return_when=asyncio.FIRST_COMPLETED)
    if not draining.done() or not draining.result():
        _log.warning("Submissions abandoned: %d. The next leader searches for their exports.", gate.under_way)
    draining.cancel()


async def _unless_stopped(stop: StopRequest, doing: Coroutine[Any, Any, None]) -> bool:
    """Whether it was done before the process was asked to end."""
    task, asked = asyncio.create_task(doing), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return task.done() and not stop.is_set()
    finally:
        await _cancel([task, asked])


def _stopping(stop: StopRequest) -> str | None:
    return "The operator is shutting down." if stop.is_set() else None


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, and wait for the end within a bound: what does not end ends with the process."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    if pending:
        await asyncio.wait(pending, timeout=_CANCEL_SECONDS)
