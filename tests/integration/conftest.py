"""The real operator, as a process of its own, against the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client, config

from reltio_export_operator.api.opt_in import ALLOW_LABEL
from reltio_export_sandbox.environment import BUCKET, CLIENT, EXTERNAL_ID, Options, Sandbox
from reltio_export_sandbox.reltio import SimulatorConfig

GROUP, VERSION = "export.reltio.com", "v1alpha1"
PLURALS = {"ExportTarget": "exporttargets", "ExportJob": "exportjobs", "ExportSchedule": "exportschedules"}
Raw = dict[str, Any]


class World:
    """A sandbox, and short ways to act on it as a user would."""

    def __init__(self, sandbox: Sandbox, api: client.ApiClient, namespace: str = "default") -> None:
        self.sandbox = sandbox
        self.namespace = namespace
        self.objects = client.CustomObjectsApi(api)
        self.core = client.CoreV1Api(api)

    async def secret(self, name: str = "reltio-api", secret: str = CLIENT.secret) -> None:
        body = {
            "metadata": {"name": name, "labels": {ALLOW_LABEL: "true"}},
            "stringData": {"clientID": CLIENT.id, "clientSecret": secret},
        }
        await self.core.create_namespaced_secret(self.namespace, body)

    async def target(self, name: str = "lake", *, tenant: str = "acme01", spec: Raw | None = None, **s3: Any) -> None:
        await self.create(
            "ExportTarget",
            name,
            {
                "reltio": {
                    "exportServiceURL": self.sandbox.reltio.export_service_url,
                    "authURL": self.sandbox.reltio.auth_url,
                    "tenant": tenant,
                    "credentialsSecretRef": {"name": "reltio-api"},
                },
                "s3": {
                    "bucket": BUCKET,
                    "path": f"/{name}/",
                    "region": "us-east-1",
                    "roleARN": self.sandbox.role_arn,
                    "externalID": EXTERNAL_ID,
                    **s3,
                },
                **(spec or {}),
            },
        )

    async def job(self, name: str = "nightly", *, target: str = "lake", export: Raw | None = None, **spec: Any) -> None:
        await self.create(
            "ExportJob",
            name,
            {"targetRef": {"name": target}, "export": export or {"type": "Entities"}, **spec},
        )

    async def create(self, kind: str, name: str, spec: Raw) -> None:
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name}, "spec": spec}
        await self.objects.create_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURALS[kind], body)

    async def get(self, kind: str, name: str) -> Raw:
        found: Raw = await self.objects.get_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURALS[kind], name
        )
        return found

    async def patch(self, kind: str, name: str, change: Raw) -> None:
        await self.objects.patch_namespaced_custom_object(
            GROUP,
            VERSION,
            self.namespace,
            PLURALS[kind],
            name,
            change,
            _content_type="application/merge-patch+json",
        )

    async def delete(self, kind: str, name: str) -> None:
        await self.objects.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURALS[kind], name)

    async def until(self, kind: str, name: str, holds: Callable[[Raw], Any], within: float = 60) -> Raw:
        """The object once this holds of it. Fails with the object and the operator's log when it never does."""
        found: Raw = {}
        try:
            async with asyncio.timeout(within):
                while True:
                    found = await self.get(kind, name)
                    if holds(found):
                        return found
                    await asyncio.sleep(0.1)
        except TimeoutError:
            logs = [self.sandbox.log_of(name).read_text()[-3000:] for name in self.sandbox.replicas]
            log = "\n".join(logs)
            pytest.fail(f"{kind} {name} never got there: {found.get('status')}\n{log}")

    async def finished(self, name: str = "nightly", within: float = 60) -> Raw:
        return await self.until(
            "ExportJob", name, lambda raw: condition(raw, "Complete") or condition(raw, "Failed"), within
        )

    async def ready(self, name: str = "lake", status: str = "True", within: float = 30) -> Raw:
        return await self.until("ExportTarget", name, lambda raw: condition(raw, "Ready", status), within)

    async def events(self, name: str, until: str, within: float = 30) -> list[str]:
        """Reasons of the object's events, once this one is there: events follow the status that they report."""
        async with asyncio.timeout(within):
            while True:
                listed = await self.core.list_namespaced_event(self.namespace)
                reasons = [event.reason for event in listed.items if event.involved_object.name == name]
                if until in reasons:
                    return reasons
                await asyncio.sleep(0.1)


def condition(raw: Raw, type_: str, status: str = "True") -> Raw | None:
    for found in raw.get("status", {}).get("conditions", []):
        if found["type"] == type_ and found["status"] == status:
            return dict(found)
    return None


def options(directory: Path, **settings: str) -> Options:
    return Options(
        directory,
        simulator=SimulatorConfig(time_scale=20),
        settings={
            "RELTIO_EXPORT_POLL_INTERVAL_SECONDS": "0.3",
            "RELTIO_EXPORT_PROGRESS_INTERVAL_SECONDS": "0.3",
            "RELTIO_EXPORT_TARGET_RETRY_INTERVAL_SECONDS": "1",
            "RELTIO_EXPORT_SUBMIT_SETTLE_SECONDS": "2",
            "RELTIO_EXPORT_RETRY_BASE_SECONDS": "0.5",
            "RELTIO_EXPORT_CLEANUP_TIMEOUT_SECONDS": "10",
            **settings,
        },
    )


@asynccontextmanager
async def entered(sandbox: Sandbox) -> AsyncIterator[World]:
    async with sandbox:
        configuration = client.Configuration()
        await config.load_kube_config(str(sandbox.kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as api:
            yield World(sandbox, api)


@asynccontextmanager
async def open_world(directory: Path, **settings: str) -> AsyncIterator[World]:
    async with entered(Sandbox(options(directory, **settings))) as world:
        yield world


@pytest.fixture(scope="session")
def opener() -> Callable[..., AbstractAsyncContextManager[World]]:
    """What opens a world; the tests on a real API server have another one."""
    return open_world


@pytest.fixture
async def world(opener: Callable[..., AbstractAsyncContextManager[World]], tmp_path: Path) -> AsyncIterator[World]:
    async with opener(tmp_path) as opened:
        yield opened
