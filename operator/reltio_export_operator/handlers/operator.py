"""The operator as a process: logs in, elects, watches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import kopf
from kubernetes.aio import client

from ..controllers.manager import Manager
from ..kube.connection import load_configuration, warn_of_absent_namespaces
from ..kube.election import Leadership
from ..runtime.health import Health
from ..runtime.settings import Settings
from . import jobs, targets

_log = logging.getLogger(__name__)


async def run(settings: Settings, *, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
    """Run until `stop` is set, or until leadership is lost (then LeadershipLostError)."""
    await load_configuration()
    health = Health()
    async with client.ApiClient() as api, health.served(settings.metrics_port):
        await warn_of_absent_namespaces(api, settings.namespaces)
        health.ready = True  # standing by is what a replica that does not lead is there for
        leadership = Leadership(api, settings)
        await leadership.during(lambda lost: _serve(settings, api, leadership, health, stop, lost, ready), stop)


async def _serve(
    settings: Settings,
    api: client.ApiClient,
    leadership: Leadership,
    health: Health,
    stop: asyncio.Event,
    lost: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    metrics = health.metrics
    metrics.leads(True)
    async with Manager.connected(settings, api, metrics=metrics, may_submit=leadership.is_fresh) as manager:
        registry = kopf.OperatorRegistry()
        _configure(registry, settings)
        jobs.register(registry, manager)
        targets.register(registry, manager)
        stopping = asyncio.Event()
        watching = asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=_operator_settings(settings),
                clusterwide=not settings.namespaces,
                namespaces=settings.namespaces,
                standalone=True,
                stop_flag=stopping,
            )
        )
        working = asyncio.create_task(manager.run())
        ready()
        waits = [asyncio.create_task(event.wait()) for event in (stop, lost)]
        try:
            done, _ = await asyncio.wait({*waits, watching, working}, return_when=asyncio.FIRST_COMPLETED)
            for task in done & {watching, working}:
                task.result()  # kopf takes signals as well, and then ends without an error
        finally:
            for task in (*waits, working):
                task.cancel()
            stopping.set()
            await asyncio.gather(*waits, working, watching, return_exceptions=True)


def _operator_settings(chosen: Settings) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # events are posted deliberately, by the controllers
    settings.scanning.disabled = bool(chosen.namespaces)  # a namespaced install may not list namespaces or CRDs
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.networking.request_timeout = 60
    return settings


def _configure(registry: kopf.OperatorRegistry, settings: Settings) -> None:
    """Log kopf in with what the Kubernetes client has loaded, so that both speak as the same user."""

    @kopf.on.login(registry=registry)
    async def log_in(**_: object) -> kopf.ConnectionInfo:
        loaded = await load_configuration()
        header = await loaded.get_api_key_with_prefix("BearerToken")
        scheme, _space, token = (header or "").rpartition(" ")
        return kopf.ConnectionInfo(
            server=loaded.host,
            ca_path=loaded.ssl_ca_cert,
            insecure=not loaded.verify_ssl,
            scheme=scheme or None,
            token=token or None,
            certificate_path=loaded.cert_file,
            private_key_path=loaded.key_file,
        )
