"""The same stories on a real API server.

With KUBEBUILDER_ASSETS (the envtest convention: a folder with `etcd` and `kube-apiserver`) a server is started for the
session. With KUBECONFIG alone that cluster is used; it needs the CRDs applied.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio import client, config

from integration.conftest import World, options
from integration.replicas import Replicas, open_replicas
from reltio_export_sandbox.environment import Sandbox, crds
from tools import tool

RELEASE = "reltio-export-operator"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_controllers() -> bool:
    """Whether KUBEBUILDER_ASSETS has a controller manager, or KUBECONFIG names a cluster, which has one."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    return "KUBECONFIG" in os.environ if not assets else (Path(assets) / "kube-controller-manager").is_file()


class RealServer:
    """etcd and kube-apiserver on loopback, with RBAC on."""

    def __init__(self, assets: Path, directory: Path) -> None:
        self._assets = assets
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self.kubeconfig = directory / "kubeconfig"
        self.etcd = ""  # its URL

    def start(self) -> None:
        store, peer, port = _free_port(), _free_port(), _free_port()
        token = secrets.token_hex(16)
        here = self._directory
        self.etcd = f"http://127.0.0.1:{store}"
        (here / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
        openssl = shutil.which("openssl")
        assert openssl, "openssl makes the key of the service accounts"
        subprocess.run([openssl, "genrsa", "-out", str(here / "sa.key"), "2048"], check=True, capture_output=True)
        self._run(
            "etcd",
            f"--data-dir={here / 'etcd'}",
            f"--listen-client-urls={self.etcd}",
            f"--advertise-client-urls={self.etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        )
        self._run(
            "kube-apiserver",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--etcd-servers={self.etcd}",
            f"--cert-dir={here / 'certs'}",
            f"--token-auth-file={here / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={here / 'sa.key'}",
            f"--service-account-signing-key-file={here / 'sa.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
        )
        url = f"https://127.0.0.1:{port}"
        self.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(url, token)))
        self._await_ready(f"{url}/api/v1/namespaces/default", token)
        if has_controllers():
            self._start_controllers()

    def _start_controllers(self) -> None:
        """Those that remove namespaces and what is owned; envtest does without."""
        config = str(self.kubeconfig)
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller",
            f"--service-account-private-key-file={self._directory / 'sa.key'}",
            "--leader-elect=false",
            "--secure-port=0",
        )

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(30)

    def _run(self, program: str, *arguments: str) -> None:
        with (self._directory / f"{program}.log").open("wb") as log:
            command = [str(self._assets / program), *arguments]
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    @staticmethod
    def _await_ready(url: str, token: str) -> None:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
        context = ssl._create_unverified_context()  # noqa: S323 - its certificate is made at its start
        end = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(request, context=context, timeout=5):  # noqa: S310
                    return
            except (urllib.error.URLError, OSError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)


def _kubeconfig(url: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "real", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "real", "context": {"cluster": "real", "user": "admin"}}],
        "current-context": "real",
    }


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        server = RealServer(Path(assets), tmp_path_factory.mktemp("server"))
        try:
            server.start()
            yield server.kubeconfig
        finally:
            server.stop()
    elif "KUBECONFIG" in os.environ:
        yield Path(os.environ["KUBECONFIG"])
    else:
        pytest.skip("no real API server: set KUBEBUILDER_ASSETS (etcd and kube-apiserver) or KUBECONFIG")


@asynccontextmanager
async def replicas_beside(kubeconfig: Path, directory: Path, other: str) -> AsyncIterator[Replicas]:
    """Operators of the test's own on the real API server, with a second namespace whose name ends in `other`."""
    chosen = replace(options(directory), kubeconfig=kubeconfig, operator=False)
    async with Sandbox(chosen) as sandbox, open_replicas(sandbox) as opened:
        await _prepare(opened.objects.api_client, f"{opened.namespace}-{other}")
        yield opened


async def _prepare(api: client.ApiClient, namespace: str) -> None:
    """Apply the CRDs once, wait until they are served, and create a namespace of the test's own."""
    extensions = client.ApiextensionsV1Api(api)
    present = {crd.metadata.name for crd in (await extensions.list_custom_resource_definition()).items}
    for crd in crds():
        if crd["metadata"]["name"] not in present:
            await extensions.create_custom_resource_definition(crd)
    for crd in crds():
        while True:
            found = await extensions.read_custom_resource_definition(crd["metadata"]["name"])
            conditions = (found.status.conditions if found.status else None) or []
            if any(c.type == "Established" and c.status == "True" for c in conditions):
                break
    await client.CoreV1Api(api).create_namespace({"metadata": {"name": namespace}})


async def _as_service_account(
    api: client.ApiClient,
    helm: str,
    namespace: str,
    admin: Path,
    restricted: Path,
    *,
    watched: str = "",
    cluster_role: bool = False,
) -> Path:
    """A kubeconfig for the ServiceAccount of the chart, which may do what the chart's roles allow and nothing else.

    `namespace` is that of the release. It is the one that is watched, unless another one is named.
    """
    chart = Path(__file__).parents[2] / "helm" / RELEASE
    command = [
        helm,
        "template",
        RELEASE,
        str(chart),
        "--namespace",
        namespace,
        "--set",
        f"watch.namespaces={{{watched or namespace}}},rbac.clusterRole={str(cluster_role).lower()}",
    ]
    rendered = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    core, rbac = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    create: dict[str, Callable[[str, Any], Awaitable[Any]]] = {
        "ServiceAccount": core.create_namespaced_service_account,
        "Role": rbac.create_namespaced_role,
        "RoleBinding": rbac.create_namespaced_role_binding,
        "ClusterRole": lambda _, manifest: rbac.create_cluster_role(manifest),
        "ClusterRoleBinding": lambda _, manifest: rbac.create_cluster_role_binding(manifest),
    }
    for manifest in yaml.safe_load_all(rendered.stdout):
        if manifest and manifest["kind"] in create:
            await create[manifest["kind"]](manifest["metadata"].get("namespace", namespace), manifest)
    asked = {"spec": {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 3600}}
    token = await core.create_namespaced_service_account_token(RELEASE, namespace, asked)
    _with_token(admin, restricted, token.status.token)
    return restricted


def _with_token(admin: Path, restricted: Path, token: str) -> None:
    loaded = yaml.safe_load(admin.read_text())
    loaded["users"] = [{"name": user["name"], "user": {"token": token}} for user in loaded["users"]]
    restricted.write_text(yaml.safe_dump(loaded))


@pytest.fixture(scope="session")
def opener(kubeconfig: Path) -> Callable[..., AbstractAsyncContextManager[World]]:
    @asynccontextmanager
    async def open_world(directory: Path, **settings: str) -> AsyncIterator[World]:
        namespace = f"story-{secrets.token_hex(4)}"
        configuration = client.Configuration()
        await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as api:
            await _prepare(api, namespace)
            watched = options(directory, RELTIO_EXPORT_NAMESPACES=namespace, **settings)
            chosen = replace(watched, kubeconfig=kubeconfig)
            restricted = await _as_service_account(
                api, tool("helm"), namespace, kubeconfig, directory / "operator.kubeconfig"
            )
            chosen = replace(
                chosen,
                operator_kubeconfig=restricted,
                settings={
                    **chosen.settings,
                    "RELTIO_EXPORT_LEADER_ELECT": "true",
                    "RELTIO_EXPORT_LEASE_NAME": RELEASE,
                    "RELTIO_EXPORT_LEASE_NAMESPACE": namespace,
                    "RELTIO_EXPORT_LEASE_DURATION_SECONDS": "5",
                },
            )
            async with Sandbox(chosen) as sandbox:
                yield World(sandbox, api, namespace)

    return open_world


@pytest.fixture
async def world(opener: Callable[..., AbstractAsyncContextManager[World]], tmp_path: Path) -> AsyncIterator[World]:
    async with opener(tmp_path) as opened:
        yield opened
