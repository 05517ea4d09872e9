"""Requests of boto3's clients, and of botocore for its own credentials, at the socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import ContainerMetadataFetcher

from recording_proxy import Wire, wired
from reltio_export_operator.aws import transport
from reltio_export_operator.aws.errors import from_botocore
from reltio_export_operator.runtime.network import Network
from reltio_export_operator.runtime.proxies import ProxyPolicy
from reltio_export_operator.runtime.trust import Trust

PROXY = "http://proxy.corp.example:3128"
TRUST = Trust()
KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=7)


@pytest.fixture(scope="module")
def module_wire() -> Iterator[Wire]:
    with wired() as made:
        yield made


@pytest.fixture
def wire(module_wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Wire:
    """A network with the environment of a pod without any AWS settings."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    module_wire.proxy.credentials = None
    module_wire.seen()
    return module_wire


def client(network: Network, **keys: str) -> Any:
    session: Any = transport.session_factory(network)()
    return session.client("s3", config=ONCE, **keys)


def network(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Network:
    """Proxies in the policy and in the environment, where botocore could find them too."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Network(ProxyPolicy.from_environment(environment), TRUST, "eu-west-1")


def ask(network: Network, **keys: str) -> Exception:
    def call() -> None:
        client(network, **keys).get_object(Bucket="b", Key="k")

    with pytest.raises((BotoCoreError, ClientError)) as failure:
        call()
    return failure.value


def message_of(error: Any) -> str:
    return from_botocore(error, "s3:ListBucket", "lake").message


def test_the_host_of_each_bucket_has_a_route_of_its_own(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = network(monkeypatch, HTTPS_PROXY=PROXY, NO_PROXY="lake.s3.eu-west-1.amazonaws.com")
    s3 = client(behind, **KEYS)
    for bucket, route in (("lake", "direct"), ("pond", "proxied"), ("lake", "direct")):
        with pytest.raises((BotoCoreError, ClientError)):
            s3.head_bucket(Bucket=bucket)
        assert wire.seen() == f"{route} to {bucket}.s3.eu-west-1.amazonaws.com:443"


@pytest.mark.parametrize(("no_proxy", "route"), [("", "proxied"), ("sts.eu-west-1.amazonaws.com", "direct")])
def test_the_role_of_a_service_account_is_assumed_over_the_route_of_sts(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_proxy: str, route: str
) -> None:
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/operator")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ask(network(monkeypatch, HTTPS_PROXY=PROXY, NO_PROXY=no_proxy))
    assert wire.seen() == f"{route} to sts.eu-west-1.amazonaws.com:443"


def test_the_credentials_of_the_instance_are_fetched_straight(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(network(monkeypatch, HTTP_PROXY=PROXY, HTTPS_PROXY=PROXY))
    assert set(wire.seen().split(", ")) == {"direct to 169.254.169.254:80"}


@pytest.mark.parametrize("address", ["169.254.170.23", "[fd00:ec2::23]"])
def test_the_credentials_of_the_pod_are_fetched_straight(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{address}/v1/credentials")
    ask(network(monkeypatch, HTTP_PROXY=PROXY, HTTPS_PROXY=PROXY))
    assert set(wire.seen().split(", ")) == {f"direct to {address.strip('[]')}:80"}


def test_proxies_of_the_environment_alone_do_not_matter(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    network(monkeypatch, HTTPS_PROXY=PROXY, https_proxy=PROXY)
    ask(Network(trust=TRUST, region="eu-west-1"), **KEYS)
    assert wire.seen() == "direct to s3.eu-west-1.amazonaws.com:443"


def test_the_proxy_is_given_its_credentials_and_errors_are_not(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.proxy.credentials = "us@er:hun:ter/2"
    good = network(monkeypatch, HTTPS_PROXY="http://us%40er:hun%3Ater%2F2@proxy.corp.example:3128")
    assert (
        message_of(ask(good, **KEYS))
        == "s3:ListBucket on lake was not sent: the proxy http://proxy.corp.example:3128 returned HTTP 502."
    )
    for user, password in (("us%40er", "hunter3"), ("h", "hunter3"), ("p", "hunter3")):
        bad = network(monkeypatch, HTTPS_PROXY=f"http://{user}:{password}@proxy.corp.example:3128")
        refused = ask(bad, **KEYS)
        assert str(refused) == 'Failed to connect to proxy URL: "http://proxy.corp.example:3128"'
        assert message_of(refused).endswith("the proxy http://proxy.corp.example:3128 returned HTTP 407.")
        assert "hunter3" not in repr(refused)


def test_a_proxy_that_is_unavailable_is_named(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = ask(network(monkeypatch, HTTPS_PROXY="http://user:hunter2@absent.corp.example:3128"), **KEYS)
    assert message_of(refused).endswith("was not sent: the proxy http://absent.corp.example:3128 could not be reached.")


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, None),
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-central-1"}, "eu-central-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-central-1"}, "eu-west-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-central-1"}, "eu-central-1"),
        ({"AWS_REGION": " eu-west-1\n"}, "eu-west-1"),
    ],
)
def test_aws_region_counts_before_aws_default_region(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], region: str | None
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert transport.session_factory(Network.from_environment(environment))().region_name == region


def test_without_a_variable_the_profile_says_the_region(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    (tmp_path / "config").write_text("[default]\nregion = ap-south-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert transport.session_factory(Network.from_environment({}))().region_name == "ap-south-1"
    named = Network.from_environment({"AWS_REGION": "eu-west-1"})
    assert transport.session_factory(named)().region_name == "eu-west-1"


def test_the_time_limits_of_a_client_hold(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    real = transport._TrustingSession

    def noted(network: Network, **options: Any) -> Any:
        made.append(options)
        return real(network, **options)

    monkeypatch.setattr(transport, "_TrustingSession", noted)
    ask(network(monkeypatch, HTTPS_PROXY=PROXY), **KEYS)
    assert [options["timeout"] for options in made] == [(3, 7)]
