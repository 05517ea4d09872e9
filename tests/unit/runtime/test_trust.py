"""Which certificates the clients accept, tried with real TLS: straight, and behind a proxy that inspects it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import certifi
import httpx
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, SSLError

from any_host import ANY_HOST
from certificates import Authority
from recording_proxy import RecordingProxy
from reltio_export_operator.aws.errors import from_botocore
from reltio_export_operator.aws.transport import session_factory
from reltio_export_operator.cli.cluster import CommandError, connect
from reltio_export_operator.kube import routing
from reltio_export_operator.kube.watching import WatchMonitor, watch_session
from reltio_export_operator.reltio.errors import error_from_transport
from reltio_export_operator.reltio.transport import http_client
from reltio_export_operator.runtime.network import Network
from reltio_export_operator.runtime.settings import ConfigurationError
from reltio_export_operator.runtime.trust import Trust

ENDED = (httpx.HTTPError, aiohttp.ClientError, BotoCoreError, CommandError, OSError)
HOST = "service.corp.example"
VARIABLES = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"{}" if self.path.startswith("/api") else b"<ListAllMyBucketsResult></ListAllMyBucketsResult>"
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if body == b"{}" else "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Server:
    """Answers on loopback, as 127.0.0.1; over TLS when it has an authority."""

    def __init__(self, authority: Authority | None = None) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if authority is not None:
            self._server.socket = authority.context("127.0.0.1").wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Server:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def corporate(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("corporate"), "Corporate CA")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("cluster"), "Cluster CA")


@pytest.fixture(scope="module")
def inspecting(corporate: Authority) -> Iterator[RecordingProxy]:
    """A proxy that ends TLS with a certificate of the corporate authority."""
    with Server() as server:
        upstreams = {(HOST, 443): ("127.0.0.1", server.port)}
        with RecordingProxy(upstreams, certificate_for=corporate.context) as proxy:
            yield proxy


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def write(server: str, **more: str) -> None:
        config = {
            "clusters": [{"name": "one", "cluster": {"server": server, **more}}],
            "users": [{"name": "one", "user": {"token": "a-token"}}],
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
            "current-context": "one",
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    return write


async def by_httpx(url: str, network: Network) -> None:
    async with http_client(network, hosts=ANY_HOST) as http:
        (await http.get(f"{url}/")).raise_for_status()


async def by_botocore(url: str, network: Network) -> None:
    s3 = session_factory(network)().client(
        "s3",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    await asyncio.to_thread(s3.list_objects_v2, Bucket="b")


async def by_the_kubernetes_client(_: str, network: Network) -> None:
    async with routing.api_client(await routing.load_configuration(network), network) as api:
        response = await api.call_api("GET", f"{api.configuration.host}/api")
        await response.read()
        assert response.status == 200


async def by_kopfs_session(_: str, network: Network) -> None:
    async with (
        routing.api_client(await routing.load_configuration(network), network) as api,
        watch_session(api, WatchMonitor(["exportjobs"])) as session,
    ):
        assert (await session.get(f"{api.configuration.host}/api")).status == 200


async def by_the_command_line(_: str, network: Network) -> None:
    await asyncio.to_thread(lambda: connect(None, None).get("exportjobs", "nightly"))


Ask = Callable[[str, Network], Awaitable[None]]
OUTSIDE = pytest.mark.parametrize("ask", [by_httpx, by_botocore])
KUBERNETES = pytest.mark.parametrize("ask", [by_the_kubernetes_client, by_kopfs_session, by_the_command_line])


def environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Network:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)  # for the command line, which reads it by itself
    return Network.from_environment(variables)


@OUTSIDE
async def test_behind_an_appliance_that_inspects_tls_the_ca_bundle_is_what_it_takes(
    inspecting: RecordingProxy, corporate: Authority, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    url, proxy = f"https://{HOST}", inspecting.url
    await ask(url, environment(monkeypatch, HTTPS_PROXY=proxy, RELTIO_EXPORT_CA_BUNDLE=str(corporate.path)))
    with pytest.raises((httpx.ConnectError, SSLError)) as raised:
        await ask(url, environment(monkeypatch, HTTPS_PROXY=proxy, RELTIO_EXPORT_CA_BUNDLE=""))
    failure: Any = raised.value
    if isinstance(failure, httpx.ConnectError):
        explained = str(error_from_transport(failure))
        assert explained.startswith(f"The certificate of {HOST} through the proxy {proxy} is not trusted.")
    else:
        explained = str(from_botocore(failure, "s3:ListBucket", "lake"))
        assert "the certificate of the endpoint is not trusted" in explained
    assert "name its certificate authority in caBundle of the chart" in explained


@OUTSIDE
async def test_certificates_of_such_an_appliance_may_lack_what_python_3_13_asks_for(
    inspecting: RecordingProxy, corporate: Authority, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    default = ssl.create_default_context

    def strict(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        context = default(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    url, proxy = f"https://{HOST}", inspecting.url
    monkeypatch.setattr(ssl, "create_default_context", strict)
    await ask(url, environment(monkeypatch, HTTPS_PROXY=proxy, RELTIO_EXPORT_CA_BUNDLE=str(corporate.path)))
    with pytest.raises(ENDED):
        await ask(url, environment(monkeypatch, HTTPS_PROXY=proxy, SSL_CERT_FILE=str(corporate.path)))


@KUBERNETES
async def test_the_ca_bundle_counts_for_the_api_server_too(
    inspecting: RecordingProxy,
    corporate: Authority,
    cluster: Authority,
    monkeypatch: pytest.MonkeyPatch,
    kubeconfig: Callable[..., None],
    ask: Ask,
) -> None:
    of_its_own = {"certificate-authority": str(cluster.path)}
    for more in (of_its_own, {}):  # without one of its own, the system's authorities count
        kubeconfig(f"https://{HOST}", **{"proxy-url": inspecting.url}, **more)
        await ask("", environment(monkeypatch, RELTIO_EXPORT_CA_BUNDLE=str(corporate.path)))
        with pytest.raises(ENDED):
            await ask("", environment(monkeypatch, RELTIO_EXPORT_CA_BUNDLE=""))


@KUBERNETES
async def test_the_cluster_keeps_its_own_authority_beside_the_ca_bundle(
    corporate: Authority,
    cluster: Authority,
    monkeypatch: pytest.MonkeyPatch,
    kubeconfig: Callable[..., None],
    ask: Ask,
) -> None:
    with Server(cluster) as server:
        kubeconfig(f"https://127.0.0.1:{server.port}", **{"certificate-authority": str(cluster.path)})
        await ask("", environment(monkeypatch, RELTIO_EXPORT_CA_BUNDLE=str(corporate.path)))
        kubeconfig(f"https://127.0.0.1:{server.port}", **{"certificate-authority": str(corporate.path)})
        with pytest.raises(ENDED):
            await ask("", environment(monkeypatch, RELTIO_EXPORT_CA_BUNDLE=str(corporate.path)))


@OUTSIDE
@pytest.mark.parametrize("tls_to_the_proxy", [False, True])
async def test_a_proxy_may_be_spoken_to_over_tls(
    corporate: Authority, monkeypatch: pytest.MonkeyPatch, ask: Ask, tls_to_the_proxy: bool
) -> None:
    tls = corporate.context("127.0.0.1") if tls_to_the_proxy else None
    with Server() as server:
        upstreams = {("plain.corp.example", 80): ("127.0.0.1", server.port)}
        with RecordingProxy(upstreams, tls=tls) as proxy:
            behind = environment(monkeypatch, HTTP_PROXY=proxy.url, RELTIO_EXPORT_CA_BUNDLE=str(corporate.path))
            await ask("http://plain.corp.example", behind)
            assert proxy.hosts() == {"plain.corp.example"}


@OUTSIDE
async def test_the_ca_bundle_is_added_to_other_authorities(
    corporate: Authority, cluster: Authority, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    with Server(corporate) as server:
        url = f"https://127.0.0.1:{server.port}"
        both = {"SSL_CERT_FILE": str(corporate.path), "RELTIO_EXPORT_CA_BUNDLE": str(cluster.path)}
        await ask(url, environment(monkeypatch, **both))
        with pytest.raises(ENDED):
            await ask(url, environment(monkeypatch, RELTIO_EXPORT_CA_BUNDLE=str(cluster.path)))


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
async def test_authorities_named_for_aws_replace_others_there_alone(
    corporate: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with Server(corporate) as server:
        url = f"https://127.0.0.1:{server.port}"
        network = environment(monkeypatch, **{name: str(corporate.path)})
        await by_botocore(url, network)
        with pytest.raises(ENDED):
            await by_httpx(url, network)
        other = environment(monkeypatch, **{name: certifi.where(), "SSL_CERT_FILE": str(corporate.path)})
        await by_httpx(url, other)
        with pytest.raises(ENDED):
            await by_botocore(url, other)


@pytest.mark.parametrize("name", ["RELTIO_EXPORT_CA_BUNDLE", *VARIABLES])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "it holds no certificates in PEM format"),
        (b"-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n", "it holds no certificates in PEM format"),
        (b"\x30\x82\x01\x0a\xff", "it holds no certificates in PEM format"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "a certificate in it is damaged"),
        (b"-----BEGIN CERTIFICATE-----\n\xff\xfe\n-----END CERTIFICATE-----\n", "a certificate in it is damaged"),
    ],
)
def test_a_file_that_is_not_a_bundle_is_refused_with_its_variable(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        Network.from_environment({name: str(path)})
    assert str(refused.value) == f"{name} names {path}, which cannot be used: {reason}. Correct or unset {name}."


def test_a_directory_is_not_a_ca_bundle(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="which cannot be used: Is a directory"):
        Network.from_environment({"RELTIO_EXPORT_CA_BUNDLE": str(tmp_path)})


def test_a_bundle_with_comments_and_several_certificates_is_read_whole(
    tmp_path: Path, corporate: Authority, cluster: Authority
) -> None:
    path = tmp_path / "ca.crt"
    path.write_text(f"# Autorità di certificazione\n{corporate.pem}\n\n# Autoridade\r\n{cluster.pem}", encoding="utf-8")
    trust = Trust.from_environment({}, str(path))
    assert trust.bundle.count("BEGIN CERTIFICATE") == 2
    subjects = {str(certificate["subject"]) for certificate in trust.outside.get_ca_certs()}
    for name in ("Corporate CA", "Cluster CA"):
        assert f"((('commonName', '{name}'),),)" in subjects


def test_directories_of_certificates_and_empty_variables_pass(tmp_path: Path) -> None:
    variables = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": str(tmp_path), "AWS_CA_BUNDLE": str(tmp_path)}
    trust = Network.from_environment(variables).trust
    assert trust.aws.get_ca_certs() == []
