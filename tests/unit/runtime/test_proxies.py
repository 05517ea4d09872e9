"""The proxy policy against what Go's own package does; see proxy_expectations/main.go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reltio_export_operator.runtime.proxies import Proxy, ProxyPolicy
from reltio_export_operator.runtime.settings import ConfigurationError

TABLE = Path(__file__).parent / "proxy_expectations"
CASES = json.loads((TABLE / "cases.json").read_text())
EXPECTED = [json.loads(line) for line in (TABLE / "expectations.jsonl").read_text().splitlines()]


def named(expected: dict[str, Any]) -> str:
    return " ".join(f"{name}={value!r}" for name, value in expected["environment"].items()) or "nothing"


def test_the_table_covers_all_cases() -> None:
    assert [expected["environment"] for expected in EXPECTED] == CASES["environments"]
    assert len(EXPECTED) > 100


@pytest.mark.parametrize("expected", EXPECTED, ids=named)
def test_requests_take_the_route_that_they_take_in_go(expected: dict[str, Any]) -> None:
    policy = ProxyPolicy.from_environment(expected["environment"])
    routes = {url: policy.proxy_for(url) for url in CASES["urls"]}
    assert [url for url, proxy in routes.items() if proxy is None] == expected["direct"]
    for url, proxy in routes.items():
        if proxy is not None:
            assert proxy == Proxy.parse(expected["proxies"][urlsplit(url).scheme], "the table")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/api/token",
        "http://[fd00:ec2::254]/latest/api/token",
        "http://169.254.170.2/v2/credentials",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
    ],
)
def test_credentials_of_the_node_and_the_pod_are_fetched_straight(url: str) -> None:
    policy = ProxyPolicy.from_environment({"HTTP_PROXY": "http://proxy:3128"})
    assert policy.proxy_for(url) is None
    assert policy.proxy_for("http://169.254.170.24/") is not None


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://host:port/", "https://host:99999/", "https:///path", "ftp://host/"]
)
def test_a_url_that_no_client_takes_has_no_proxy(url: str) -> None:
    assert ProxyPolicy.from_environment({"HTTPS_PROXY": "http://proxy:3128"}).proxy_for(url) is None


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "http://:3128",
        "//proxy:3128",
        "http:proxy:3128",
        "http:///proxy:3128",
        "http://proxy:port",
        "http://proxy:0",
        "http://proxy:99999",
        "http://proxy:3128\n",
        " http://proxy:3128",
        "http://pro xy:3128",
        "http://http://proxy:3128",
        "http://user:hunter2#@proxy:3128",
        "http://user:hunter2/@proxy:3128",
        "http://user:hunter2%@proxy:3128",
        "http://user:hunter2 @proxy:3128",
        "http://user:hunter2@",
        "http://[2001:db8::1:3128",
        "http://[proxy]:3128",
        "http://2001:db8::1:3128",
    ],
)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy"])
def test_an_invalid_proxy_is_refused_without_showing_the_password(text: str, name: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        ProxyPolicy.from_environment({name: text})
    sentence = str(refused.value)
    assert sentence.startswith(f"{name} is not the URL of a proxy. Write it as http://host:port")
    assert "hunter2" not in sentence


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "SOCKS4", "socks"])
def test_a_socks_proxy_is_refused(scheme: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY names a SOCKS proxy, which is not supported\. Use "):
        ProxyPolicy.from_environment({"HTTPS_PROXY": f"{scheme}://user:hunter2@proxy:1080"})


def test_a_scheme_that_no_proxy_has_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^HTTPS_PROXY names a proxy of a scheme that is not supported\."):
        ProxyPolicy.from_environment({"HTTPS_PROXY": "ftp://proxy:21"})


def test_a_proxy_shows_its_credentials_to_clients_alone() -> None:
    proxy = Proxy.parse("http://us%40er:hun%3Ater%2F2@proxy.corp:3128", "HTTPS_PROXY")
    assert (proxy.username, proxy.password) == ("us@er", "hun:ter/2")
    assert proxy.url == "http://us%40er:hun%3Ater%2F2@proxy.corp:3128"
    policy = ProxyPolicy(https=proxy, no_proxy="reltio.com")
    for shown in (str(proxy), repr(proxy), repr(policy), str(policy.describe())):
        assert "ter" not in shown
        assert "us" not in shown
    assert policy.describe() == {"httpsProxy": "http://proxy.corp:3128", "noProxy": "reltio.com"}


def test_without_a_proxy_there_is_nothing_to_describe() -> None:
    assert ProxyPolicy.from_environment({"NO_PROXY": "reltio.com"}).describe() == {}


def test_the_api_server_is_reached_straight_unless_its_kubeconfig_names_a_proxy() -> None:
    policy = ProxyPolicy.from_environment({"HTTPS_PROXY": "http://proxy:3128", "HTTP_PROXY": "http://proxy:3128"})
    assert policy.api_server_proxy(None) is None
    assert policy.api_server_proxy("") is None
    assert str(policy.api_server_proxy("http://bastion:8080")) == "http://bastion:8080"
    with pytest.raises(ConfigurationError, match=r"^proxy-url in the kubeconfig is not the URL of a proxy\."):
        policy.api_server_proxy("http://bastion:port")
    with pytest.raises(ConfigurationError, match=r"^proxy-url in the kubeconfig names a SOCKS proxy"):
        policy.api_server_proxy("socks5://bastion:1080")
