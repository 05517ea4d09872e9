"""Everything on loopback in one process tree: Kubernetes API, AWS, Reltio and the operator, unchanged."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from reltio_export_operator.runtime.settings import ConfigurationError
from reltio_export_operator.runtime.settings_loader import load

from .apiserver import KubeServer
from .cloud import EXPORT_ACTIONS, Cloud
from .manifests import Place, filled
from .reltio import Client, ReltioSimulator, SimulatorConfig, Tenant

BUCKET = "acme-mdm-exports"
EXTERNAL_ID = "3f0c2b5e-8d1a-4c56-9a2f-0b7f7f6f1c11"
REGION = "us-east-1"
ROLE = "reltio-exporter"
_KMS_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")
CLIENT = Client("sandbox-client", "sandbox-secret")
REPLICA = "operator"  # the name of the only replica, where there is one
_STOP_WITHIN = 20.0
# The operator unchanged; but a replica whose sandbox has been killed would never stop to try to reach its API server.
_OPERATOR = """
import os, signal, sys, threading

def end_with_the_sandbox():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=end_with_the_sandbox, daemon=True).start()
exec(os.environ.pop("SANDBOX_PRELUDE", ""), {})
from reltio_export_operator.cli.main import main
main()
"""


@dataclass
class Options:
    """How the sandbox is set up. `kubeconfig` names an API server to use instead of the embedded one."""

    directory: Path
    kube_port: int = 0
    kubeconfig: Path | None = None
    simulator: SimulatorConfig = field(default_factory=lambda: SimulatorConfig(time_scale=10))
    tenants: tuple[Tenant, ...] = field(default_factory=lambda: (Tenant("acme01"), Tenant("acme02"), Tenant("acme03")))
    settings: dict[str, str] = field(default_factory=dict)
    operator: bool = True  # whether a replica is started along with the rest
    crds: bool = True  # whether the embedded API server has the CRDs from its start
    operator_kubeconfig: Path | None = None  # as whom the operator runs; as the user by default
    prelude: str = ""  # Python that the operator's process runs first: tests measure it, or change it


class Sandbox:
    """Starts everything on entry and ends it on exit. The operator is a process of its own, and may be killed."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.replicas: dict[str, asyncio.subprocess.Process] = {}
        self._stack = contextlib.AsyncExitStack()
        self.kubeconfig = options.kubeconfig or options.directory / "kubeconfig"
        self.operator_log = self.log_of(REPLICA)
        self.cloud = Cloud()
        self.role_arn = ""
        self.kube: KubeServer | None = None
        self.reltio: ReltioSimulator

    async def __aenter__(self) -> Self:
        self._options.directory.mkdir(parents=True, exist_ok=True)
        try:
            await self._start_services()
            if self._options.operator:
                await self.start_operator()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self.replicas:
            await self.stop_operator(name)
        await self._stack.aclose()

    async def _start_services(self) -> None:
        await self.cloud.start()
        self._stack.push_async_callback(self.cloud.stop)
        await asyncio.to_thread(self.cloud.create_bucket, BUCKET)
        self.role_arn = await asyncio.to_thread(
            self.cloud.put_role, ROLE, external_id=EXTERNAL_ID, actions=(*EXPORT_ACTIONS, *_KMS_ACTIONS)
        )
        key = self.cloud.reltio_credentials
        self.reltio = ReltioSimulator(
            self._options.simulator,
            aws_endpoint=self.cloud.url,
            aws_key=(key.id, key.secret),
            tenants=self._options.tenants,
            clients=[CLIENT],
        )
        await self.reltio.start()
        self._stack.push_async_callback(self.reltio.stop)
        if self._options.kubeconfig is None:
            self.kube = KubeServer(port=self._options.kube_port, crds=crds() if self._options.crds else ())
            try:
                await self.kube.start()
            except OSError as error:
                raise ConfigurationError(
                    f"The Kubernetes API of the sandbox cannot listen on port {self._options.kube_port}: "
                    f"{os.strerror(error.errno or 0)}. Choose another one with --port."
                ) from None
            self._stack.push_async_callback(self.kube.stop)
            self.kube.write_kubeconfig(self.kubeconfig)

    def log_of(self, replica: str) -> Path:
        return self._options.directory / f"{replica}.log"

    async def start_operator(self, name: str = REPLICA, *, python: str = sys.executable, **settings: str) -> None:
        """Start a replica of the operator, as `reltio-export-operator run` does in a pod.

        Another `python` is one whose environment has another version of the operator.

        Raises ConfigurationError for settings with which the replica would end at once.
        """
        key = self.cloud.operator_credentials
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._options.operator_kubeconfig or self.kubeconfig),
            "AWS_ENDPOINT_URL": self.cloud.url,
            "AWS_ACCESS_KEY_ID": key.id,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "RELTIO_EXPORT_POLL_INTERVAL_SECONDS": "1",
            "RELTIO_EXPORT_PROGRESS_INTERVAL_SECONDS": "1",
            "RELTIO_EXPORT_TARGET_RETRY_INTERVAL_SECONDS": "5",
            "RELTIO_EXPORT_LEADER_ELECT": "false",
            "RELTIO_EXPORT_METRICS_PORT": "0",
            **self.host_settings,
            **self._options.settings,
            **settings,
        }
        if self._options.prelude:
            environment["SANDBOX_PRELUDE"] = self._options.prelude
        for inherited in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"):
            environment.pop(inherited, None)
        load(environment)
        with self.log_of(name).open("ab") as log:
            self.replicas[name] = await asyncio.create_subprocess_exec(
                python,
                "-c",
                _OPERATOR,
                "run",
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C at the terminal reaches the parent alone, which ends it in order
            )

    @property
    def reltio_host(self) -> str:
        """Address and port of the simulator."""
        return self.reltio.url.rpartition("/")[2]

    @property
    def host_settings(self) -> dict[str, str]:
        """Settings that allow the simulator as a host of Reltio: it is on loopback and has no TLS."""
        values = self.host_values
        return {
            "RELTIO_EXPORT_RELTIO_HOSTS": ",".join(values["reltioHosts"]),
            "RELTIO_EXPORT_INSECURE_HOSTS": ",".join(values["insecureHosts"]),
            "RELTIO_EXPORT_PRIVATE_NETWORKS": ",".join(values["privateNetworks"]),
        }

    @property
    def host_values(self) -> dict[str, list[str]]:
        """The same as in the settings file."""
        host = self.reltio_host
        return {
            "reltioHosts": ["*.reltio.com", host],
            "insecureHosts": [host],
            "privateNetworks": [f"{host.partition(':')[0]}/32"],
        }

    def operator_has_ended(self) -> bool:
        """Whether the only replica has ended by itself."""
        replica = self.replicas.get(REPLICA)
        return replica is not None and replica.returncode is not None

    async def stop_operator(self, name: str = REPLICA) -> None:
        """End the replica in order, or by force when it does not."""
        running = self.replicas.get(name)
        if running is None or running.returncode is not None:
            return
        running.send_signal(signal.SIGCONT)  # should it be frozen
        running.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(running.wait(), _STOP_WITHIN)
        except TimeoutError:
            await self.kill_operator(name)

    async def kill_operator(self, name: str = REPLICA) -> None:
        """End the replica as a crash does: at once, with nothing put in order."""
        running = self.replicas.get(name)
        if running is not None and running.returncode is None:
            running.kill()
            await running.wait()

    @property
    def place(self) -> Place:
        """What manifests for this sandbox name."""
        return Place(
            export_service_url=self.reltio.export_service_url,
            auth_url=self.reltio.auth_url,
            tenant=self._options.tenants[0].id,
            bucket=BUCKET,
            region=REGION,
            role_arn=self.role_arn,
            secrets={"clientID": CLIENT.id, "clientSecret": CLIENT.secret, "externalID": EXTERNAL_ID},
        )

    def fill(self, text: str) -> list[dict[str, Any]]:
        """The manifests of a file with the addresses and names of this sandbox."""
        return filled(text, self.place)


def crds() -> list[dict[str, Any]]:
    """The CRDs of this package, or those of the source tree that it runs from."""
    package = Path(str(resources.files("reltio_export_operator")))
    for folder in (package / "crds", package.parents[1] / "crds"):
        if folder.is_dir():
            return [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))]
    raise FileNotFoundError("The CRDs were not found beside the package.")
