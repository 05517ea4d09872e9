"""The examples of docs/proxies.md are values of the chart, and do what the page says."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from charts import ROOT, only, render
from reltio_export_operator.runtime.proxies import ProxyPolicy

PAGE = (ROOT / "docs" / "proxies.md").read_text()
EXAMPLES: list[dict[str, Any]] = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def policy(example: dict[str, Any]) -> ProxyPolicy:
    return ProxyPolicy.from_environment({one["name"]: one["value"] for one in example["extraEnv"]})


def test_there_is_an_example_of_each_kind() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("example", EXAMPLES, ids=["bundle", "eks", "openshift", "secret"])
def test_the_chart_takes_each_example(example: dict[str, Any]) -> None:
    deployment = only(render(example), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    variables = {one["name"] for one in container["env"]}
    assert {one["name"] for one in example.get("extraEnv", ())} <= variables
    assert ("RELTIO_EXPORT_CA_BUNDLE" in variables) == ("caBundle" in example)


@pytest.mark.parametrize("example", EXAMPLES[1:3], ids=["eks", "openshift"])
def test_reltio_is_reached_through_the_proxy_and_the_cluster_directly(example: dict[str, Any]) -> None:
    decide = policy(example).proxy_for
    assert decide("https://mpe-02-acme.reltio.com/jobs/export") is not None
    assert decide("https://auth.reltio.com/oauth/token") is not None
    assert decide("https://minio.storage.svc:9000") is None


def test_on_eks_the_endpoints_of_the_vpc_are_reached_directly() -> None:
    decide = policy(EXAMPLES[1]).proxy_for
    for host in ("sts.eu-west-1.amazonaws.com", "lake.s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"):
        assert decide(f"https://{host}/") is None
    assert decide("https://172.20.0.1/") is None
    assert decide("https://iam.amazonaws.com/") is not None


@pytest.mark.parametrize(
    ("entry", "direct", "proxied"),
    [
        ("reltio.com", ["reltio.com", "a.reltio.com"], ["myreltio.com"]),
        (".reltio.com", ["a.reltio.com"], ["reltio.com"]),
        ("*.reltio.com", ["a.reltio.com"], ["reltio.com"]),
        ("reltio.com:443", ["reltio.com", "a.reltio.com:443"], ["reltio.com:8443"]),
        ("10.1.2.3", ["10.1.2.3", "10.1.2.3:8443"], ["10.1.2.4"]),
        ("10.1.2.3:443", ["10.1.2.3"], ["10.1.2.3:8443"]),
        ("fd00::1", ["[fd00::1]"], ["[fd00::2]"]),
        ("[fd00::1]:443", ["[fd00::1]"], ["[fd00::1]:8443"]),
        ("10.0.0.0/8", ["10.9.9.9"], ["11.0.0.1"]),
        ("fd00:10:96::/112", ["[fd00:10:96::1]"], ["[fd00:10:97::1]"]),
        ("*", ["reltio.com", "10.1.2.3"], []),
    ],
)
def test_each_entry_of_the_table_matches_what_the_page_says(entry: str, direct: list[str], proxied: list[str]) -> None:
    assert f"`{entry}`" in PAGE
    decide = ProxyPolicy.from_environment({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": entry}).proxy_for
    assert [decide(f"https://{host}/") for host in direct] == [None] * len(direct)
    assert None not in [decide(f"https://{host}/") for host in proxied]
