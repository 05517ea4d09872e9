"""Each HTTP client really connects: straight to the host, or to a proxy that is asked for the host.

No packet leaves the machine; see `recording_proxy.wired`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from any_host import ANY_HOST
from certificates import Authority
from recording_proxy import Wire, wired
from reltio_export_operator.aws.transport import session_factory
from reltio_export_operator.cli.cluster import CommandError, connect
from reltio_export_operator.kube import routing
from reltio_export_operator.kube.watching import WatchMonitor, watch_session
from reltio_export_operator.reltio.transport import http_client
from reltio_export_operator.runtime.failures import explain
from reltio_export_operator.runtime.network import Network
from reltio_export_operator.runtime.proxies import Proxy, ProxyPolicy
from reltio_export_operator.runtime.trust import Trust

TABLE = Path(__file__).parent / "proxy_expectations"
EXPECTED = [json.loads(line) for line in (TABLE / "expectations.jsonl").read_text().splitlines()]
PROXY = "http://proxy.corp.example:3128"
NO_PROXIES = [
    "",
    "*",
    "reltio.com",
    ".reltio.com",
    "*.reltio.com",
    "reltio.com:443",
    "reltio.com:8443",
    ".svc,.svc.cluster.local,10.96.0.0/12",
    "172.20.0.0/16,10.0.0.0/8,.amazonaws.com",
    "10.96.0.1",
    "10.96.0.1:443",
    "10.0.0.0/8",
    "fd00:10:96::/112",
    "fd00:10:96::/112,[::1]",
    "[fd00:10:96::1]",
    "[fd00:10:96::1]:443",
    "::1",
    "2001:db8::/32",
    "::ffff:10.0.0.0/104",
    "s3.eu-west-1.amazonaws.com",
    "acme-mdm-exports.s3.eu-west-1.amazonaws.com",
    ".vpce.amazonaws.com",
    "127.0.0.1,localhost,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.169.254,.svc,.cluster.local,"
    ".eu-west-1.eks.amazonaws.com",
    ".cluster.local,.svc,10.128.0.0/14,172.30.0.0/16,192.168.0.0/16,api-int.openshift.example.com,localhost,"
    "127.0.0.1,.example.com",
]
OTHERS = [
    {},
    {"NO_PROXY": "reltio.com"},
    {"HTTPS_PROXY": PROXY},
    {"HTTP_PROXY": PROXY},
    {"https_proxy": PROXY},
    {"ALL_PROXY": PROXY},
    {"HTTPS_PROXY": PROXY, "NO_PROXY": "amazonaws.com", "no_proxy": "reltio.com"},
    {"HTTPS_PROXY": "proxy.corp.example:3128"},
]
API_SERVERS = [
    "https://10.96.0.1:443",
    "https://[fd00:10:96::1]:443",
    "https://kubernetes.default.svc",
    "https://ABCDEF0123456789.gr7.eu-west-1.eks.amazonaws.com",
    "https://api.openshift.example.com:6443",
]
RELTIO = [
    "https://mpe-02-acme.reltio.com/jobs/export",
    "https://auth.reltio.com/oauth/token",
    "http://mpe-02-acme.reltio.com/jobs",
    "https://reltio.com",
    "https://10.1.2.3",
    "https://[2001:db8::5]:8443",
    "http://localhost:8080",
    "http://[::1]:5000",
]
AWS = [
    "https://sts.eu-west-1.amazonaws.com",
    "https://acme-mdm-exports.s3.eu-west-1.amazonaws.com/x",
    "https://s3.eu-west-1.amazonaws.com/acme-mdm-exports/x",
    "https://bucket.vpce-0a1b2c3d.s3.eu-west-1.vpce.amazonaws.com",
    "http://minio.storage:9000",
    "https://192.168.10.7:8443",
    "http://127.0.0.1:5000",
]
TRUST = Trust()  # shared, as it takes a while to load
PORTS = {"http": 80, "https": 443}
ENDED = (httpx.HTTPError, BotoCoreError, aiohttp.ClientError, OSError)
Ask = Callable[[client.Configuration, Network], Awaitable[None]]


def chosen() -> list[Any]:
    environments = [{"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": text} for text in NO_PROXIES] + OTHERS
    found = [expected for expected in EXPECTED if expected["environment"] in environments]
    assert len(found) == len(environments)
    names = [" ".join(f"{name}={value}" for name, value in one["environment"].items()) or "nothing" for one in found]
    return [pytest.param(one, id=name) for one, name in zip(found, names, strict=True)]


@pytest.fixture(scope="module")
def module_wire() -> Iterator[Wire]:
    with wired() as made:
        yield made


@pytest.fixture
def wire(module_wire: Wire) -> Wire:
    module_wire.seen()
    return module_wire


def network(expected: dict[str, Any]) -> Network:
    return Network(ProxyPolicy.from_environment(expected["environment"]), TRUST)


def in_go(expected: dict[str, Any], url: str) -> str:
    parts = urlsplit(url)
    way = "direct" if url in expected["direct"] else "proxied"
    return f"{way} to {parts.hostname}:{parts.port or PORTS[parts.scheme]}"


def straight(url: str) -> str:
    return in_go({"direct": [url]}, url)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def kubeconfig(authority: Authority, server: str, proxy_url: str | None = None) -> str:
    """The path of a kubeconfig. One small CA is quicker to load than the system's."""
    cluster = {"server": server, "certificate-authority": str(authority.path)}
    if proxy_url:
        cluster["proxy-url"] = proxy_url
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "one", "user": {"token": "a-token"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "current-context": "one",
    }
    path = authority.path.with_name("kubeconfig")
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def ask_with_the_kubernetes_client(configuration: client.Configuration, network: Network) -> None:
    async with routing.api_client(configuration, network) as api:
        await client.VersionApi(api).get_code()


async def ask_with_kopfs_session(configuration: client.Configuration, network: Network) -> None:
    async with (
        routing.api_client(configuration, network) as api,
        watch_session(api, WatchMonitor(["exportjobs"])) as session,
    ):
        (await session.get(f"{configuration.host}/version")).raise_for_status()


class Aws:
    """An S3 client whose policy and URL can be changed: it takes long to make one."""

    def __init__(self) -> None:
        self.policy = ProxyPolicy()
        self.url = ""
        network: Any = Network(self, TRUST)  # type: ignore[arg-type]
        self.s3 = session_factory(network)().client(
            "s3",
            region_name="eu-west-1",
            config=Config(retries={"total_max_attempts": 1}),
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        self.s3.meta.events.register("request-created", self._aim)

    def proxy_for(self, url: str) -> Proxy | None:
        return self.policy.proxy_for(url)

    def ask(self, url: str) -> None:
        self.url = url
        self.s3.list_objects_v2(Bucket="b")

    def _aim(self, request: Any, **_: Any) -> None:
        request.url = self.url or request.url


@pytest.fixture(scope="module")
def aws() -> Aws:
    return Aws()


BOTH = pytest.mark.parametrize("ask", [ask_with_the_kubernetes_client, ask_with_kopfs_session])


@pytest.mark.parametrize("expected", chosen())
async def test_httpx_takes_the_route_of_go(wire: Wire, expected: dict[str, Any]) -> None:
    async with http_client(network(expected), hosts=ANY_HOST) as http:
        for url in RELTIO:
            with pytest.raises(ENDED):
                (await http.get(url)).raise_for_status()
            assert wire.seen() == in_go(expected, url)


@pytest.mark.parametrize("expected", chosen())
def test_botocore_takes_the_route_of_go(wire: Wire, aws: Aws, expected: dict[str, Any]) -> None:
    aws.policy = network(expected).proxies
    for url in AWS:
        with pytest.raises((*ENDED, ClientError)):
            aws.ask(url)
        assert wire.seen() == in_go(expected, url)


@BOTH
@pytest.mark.parametrize("expected", chosen())
async def test_the_operator_reaches_the_api_server_straight(
    wire: Wire, authority: Authority, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any], ask: Ask
) -> None:
    for name, value in expected["environment"].items():
        monkeypatch.setenv(name, value)  # which the libraries must not read by themselves
    for url in API_SERVERS:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(authority, url))
        with pytest.raises(ENDED):
            await ask(await routing.load_configuration(network(expected)), network(expected))
        assert wire.seen() == straight(url)


@BOTH
@pytest.mark.parametrize("url", [*API_SERVERS, "https://127.0.0.1:6443", "https://localhost:6443"])
async def test_the_proxy_that_the_kubeconfig_names_is_used_whatever_no_proxy_says(
    wire: Wire, authority: Authority, monkeypatch: pytest.MonkeyPatch, url: str, ask: Ask
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(authority, url, "proxy.corp.example:3128"))
    nothing = Network(ProxyPolicy.from_environment({"NO_PROXY": "*"}), TRUST)
    with pytest.raises(ENDED):
        await ask(await routing.load_configuration(nothing), nothing)
    assert wire.seen() == in_go({"direct": []}, url)


@pytest.mark.parametrize("expected", chosen())
def test_the_command_line_reaches_the_api_server_as_kubectl_does(
    wire: Wire, authority: Authority, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any]
) -> None:
    for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in expected["environment"].items():
        monkeypatch.setenv(name, value)
    for url in API_SERVERS:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(authority, url))
        with pytest.raises(CommandError):
            connect(None, None).get("exportjobs", "nightly")
        assert set(wire.seen().split(", ")) == {in_go(expected, url)}  # it tries several times


async def ask_with_the_command_line(_: client.Configuration, __: Network) -> None:
    connect(None, None).get("exportjobs", "nightly")


@pytest.mark.parametrize("ask", [ask_with_the_kubernetes_client, ask_with_kopfs_session, ask_with_the_command_line])
@pytest.mark.parametrize("server", ["https://10.96.0.1:443", "http://10.96.0.1:8080"])
async def test_the_proxy_of_the_kubeconfig_is_given_its_credentials_and_errors_are_not(
    wire: Wire, authority: Authority, monkeypatch: pytest.MonkeyPatch, ask: Ask, server: str
) -> None:
    nothing = Network(trust=TRUST)
    wire.proxy.credentials = "us@er:hun:ter/2"
    for host, password, answer in (
        ("proxy.corp.example", "hun%3Ater%2F2", 502),
        ("proxy.corp.example", "hunter3", 407),
        ("absent.corp.example", "hunter3", None),
    ):
        url = f"http://us%40er:{password}@{host}:3128"
        path = kubeconfig(authority, server, url)
        monkeypatch.setenv("KUBECONFIG", path)
        with pytest.raises((*ENDED, CommandError, ApiException)) as failure:
            await ask(await routing.load_configuration(nothing), nothing)
        shown = f"{failure.value!r} {failure.value} {explain(failure.value)}"
        assert "hun" not in shown
        if answer is not None and ask is not ask_with_the_command_line:
            assert str(answer) in shown
    wire.proxy.credentials = None
