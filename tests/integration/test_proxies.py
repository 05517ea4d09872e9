"""The operator's process behind a proxy: what goes through it, and what does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from certificates import Authority
from integration.conftest import entered
from recording_proxy import RecordingProxy
from reltio_export_sandbox.environment import REPLICA, Options, Sandbox
from reltio_export_sandbox.reltio import SimulatorConfig

SERVICE, AUTH = "mpe-02-acme.reltio.test", "auth.reltio.test"
# Where boto3 asks for the services of us-east-1 when no endpoint is configured.
STS, S3 = "sts.us-east-1.amazonaws.com", "s3.amazonaws.com"


class HiddenSandbox(Sandbox):
    """Its operator can reach Reltio and AWS through the proxy alone, by names that only the proxy knows.

    The API server it can reach at 0.0.0.0. That is this machine, but not one of the addresses that are always direct.
    """

    def __init__(self, directory: Path, proxy: RecordingProxy, **settings: str) -> None:
        self._proxy = proxy
        self._operators = directory / "operator-kubeconfig"
        quick = {
            "RELTIO_EXPORT_POLL_INTERVAL_SECONDS": "0.3",
            "RELTIO_EXPORT_TARGET_RETRY_INTERVAL_SECONDS": "1",
            "RELTIO_EXPORT_LEADER_ELECT": "true",
            "RELTIO_EXPORT_RELTIO_HOSTS": "*.reltio.test",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            "AWS_CONFIG_FILE": str(directory / "aws-config"),
        }
        simulator = SimulatorConfig(time_scale=20)
        super().__init__(
            Options(directory, simulator=simulator, settings=quick | settings, operator_kubeconfig=self._operators)
        )

    async def start_operator(self, name: str = REPLICA, **settings: str) -> None:
        # The sandbox finds the bucket in the path, not in the name of the host.
        (self._options.directory / "aws-config").write_text("[default]\ns3 =\n  addressing_style = path\n")
        self._operators.write_text(self.kubeconfig.read_text().replace("127.0.0.1", "0.0.0.0"))
        for host in (SERVICE, AUTH):
            self._proxy.upstreams[host, 443] = _address(self.reltio.export_service_url)
        for host in (STS, S3):
            self._proxy.upstreams[host, 443] = _address(self.cloud.url)
        await super().start_operator(name, **settings)

    def reltio_spec(self) -> dict[str, Any]:
        return {
            "exportServiceURL": self._hidden(self.reltio.export_service_url, SERVICE),
            "authURL": self._hidden(self.reltio.auth_url, AUTH),
            "tenant": "acme01",
            "credentialsSecretRef": {"name": "reltio-api"},
        }

    def _hidden(self, url: str, host: str) -> str:
        return urlsplit(url)._replace(scheme="https", netloc=host).geturl()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 80)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def proxy(authority: Authority) -> Iterator[RecordingProxy]:
    """It inspects TLS, as in companies."""
    with RecordingProxy(certificate_for=authority.context) as running:
        yield running


@pytest.mark.parametrize(
    "no_proxy",
    ["", "0.0.0.0/8,.svc,.cluster.local,fd00:10:96::/112,[::1]", "172.20.0.0/16,10.0.0.0/8,::1"],
)
async def test_an_export_arrives_through_the_proxy_and_the_api_server_is_reached_straight(
    tmp_path: Path, proxy: RecordingProxy, authority: Authority, no_proxy: str
) -> None:
    proxy.credentials = "us@er:hunter2"
    url = f"http://us%40er:hunter2@127.0.0.1:{proxy.port}"
    sandbox = HiddenSandbox(
        tmp_path,
        proxy,
        HTTP_PROXY=url,
        HTTPS_PROXY=url,
        NO_PROXY=no_proxy,
        RELTIO_EXPORT_CA_BUNDLE=str(authority.path),
    )
    async with entered(sandbox) as world:
        await world.secret()
        await world.target(spec={"reltio": sandbox.reltio_spec()})
        target = await world.ready(within=60)
        await world.job(delivery={"verify": "Full"})
        job = await world.finished()
        events = (await world.core.list_namespaced_event("default")).to_dict()
    assert next(one["reason"] for one in job["status"]["conditions"] if one["type"] == "Complete") == "Delivered"
    assert proxy.hosts() == {SERVICE, AUTH, STS, S3}
    log = sandbox.operator_log.read_text()
    assert f"http://127.0.0.1:{proxy.port}" in log
    assert "hunter2" not in f"{log} {target} {job} {events}"


async def test_a_proxy_that_refuses_is_named_in_the_target(
    tmp_path: Path, proxy: RecordingProxy, authority: Authority
) -> None:
    proxy.credentials = "user:another"
    url = f"http://user:hunter2@127.0.0.1:{proxy.port}"
    sandbox = HiddenSandbox(tmp_path, proxy, HTTPS_PROXY=url)
    async with entered(sandbox) as world:
        await world.secret()
        await world.target(spec={"reltio": sandbox.reltio_spec()})
        target = await world.ready(status="False", within=60)
    messages = {check["name"]: check.get("message", "") for check in target["status"]["checks"]}
    where = f"http://127.0.0.1:{proxy.port}"
    assert messages["ReltioReachable"].endswith(f"{AUTH} through the proxy {where} (the proxy returned 407).")
    assert messages["AssumeRole"].endswith(f"was not sent: the proxy {where} returned HTTP 407.")
    assert "hunter2" not in f"{sandbox.operator_log.read_text()} {target}"


def test_the_demo_runs_behind_a_proxy(proxy: RecordingProxy) -> None:
    proxies = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url, "NO_PROXY": "172.20.0.0/16,fd00:10:96::/112,[::1]"}
    done = subprocess.run(
        [sys.executable, "-m", "reltio_export_operator", "demo"],
        env={**os.environ, **proxies},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "The records are equal." in done.stdout
    assert proxy.requests == []
