"""Only hosts that the settings list get a credential of Reltio, however a URL is written."""

from __future__ import annotations

import ipaddress

import httpx
import pytest

from reltio_export_operator.reltio.errors import HostNotAllowed, UnusableURL
from reltio_export_operator.reltio.hosts import ReltioHosts, parse_address

DEFAULT = ReltioHosts()
OPEN = ["0.0.0.0/0", "::/0"]


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.reltio.com/oauth/token",
        "https://auth.reltio.com",
        "https://AUTH.Reltio.COM/oauth/token",
        "https://auth.reltio.com:443/oauth/token",
        "https://a.b.c.reltio.com/jobs",
        "https://xn--bcher-kva.reltio.com/jobs",
    ],
)
def test_names_below_the_domain_of_reltio_are_allowed(url: str) -> None:
    DEFAULT.check_url(url)
    DEFAULT.check_request(httpx.URL(url))


@pytest.mark.parametrize(
    "url",
    [
        "https://reltio.com/",
        "https://xreltio.com/",
        "https://auth.reltio.com.attacker.example/",
        "https://auth.reltio.com.attacker.example:443/",
        "https://attacker.example/auth.reltio.com",
        "https://attacker.example/#.reltio.com",
        "https://attacker.example/?.reltio.com",
        "https://attacker.example#.reltio.com/",
        "https://attacker.example\\.reltio.com/",
        "https://attacker.example%2f.reltio.com/",
        "https://attacker.example%23.reltio.com/",
        "https://auth.reltio.com%2eattacker.example/",
        "https://auth%2ereltio%2ecom/",
        "https://auth.reltio.com@attacker.example/",
        "https://auth.reltio.com:443@attacker.example/",
        "https://user:password@auth.reltio.com/",
        "https://@auth.reltio.com/",
        "https://auth.reltio.com./",
        "https://auth..reltio.com/",
        "https://.reltio.com/",
        "https://-.reltio.com/",
        "https://*.reltio.com/",
        "https://auth.reltio.com:8443/",
        "https://auth.reltio.com:0/",
        "https://auth.reltio.com:99999/",
        "https://auth.reltio.com:80:443/",
        "https://auth.reltio\u3002com/",
        "https://auth.rel\u0442io.com/",
        "https://\uff41uth.reltio.com/",
        "https://auth.relti\u00ad\u006f.com/",
        "https://attacker.example\u2044.reltio.com/",
        "https://auth.reltio.com\n.attacker.example/",
        "https://attacker.example\t.reltio.com/",
        " https://auth.reltio.com/",
        "https://auth.reltio.com/ ",
        "https:///auth.reltio.com/",
        "https:auth.reltio.com",
        "https:\\\\auth.reltio.com/",
        "//auth.reltio.com/",
        "ftp://auth.reltio.com/",
        "file:///etc/passwd",
        "HTTPS+unix://auth.reltio.com/",
        "http://auth.reltio.com/",
        "http://x.svc.attacker.example/",
        "http://kubernetes.default.svc/",
        "https://kubernetes.default.svc/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254/latest/meta-data/",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://127.1/",
        "https://0/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[fe80::1%25eth0]/",
        "https://[fd00:ec2::254]/",
        "",
    ],
)
def test_nothing_else_is_allowed(url: str) -> None:
    with pytest.raises(UnusableURL):
        DEFAULT.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/",
    ],
)
def test_a_host_that_is_a_private_address_needs_its_network_as_well(url: str) -> None:
    host = url.split("/")[2]
    with pytest.raises(HostNotAllowed, match="privateNetworks"):
        ReltioHosts([host]).check_url(url)
    ReltioHosts([host], private_networks=OPEN).check_url(url)


def test_one_address_has_one_spelling() -> None:
    hosts = ReltioHosts(["[2001:db9::1]"])
    hosts.check_url("https://[2001:0db9:0:0::0001]/")
    for other in ("https://[2001:db9::2]/", "https://2001:db9::1/"):
        with pytest.raises(UnusableURL):
            hosts.check_url(other)


def test_a_pattern_of_names_does_not_match_addresses() -> None:
    with pytest.raises(HostNotAllowed):
        ReltioHosts(["*.0.0.1"], private_networks=OPEN).check_url("https://127.0.0.1/")


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        ("gateway.example.com", "https://gateway.example.com/jobs", True),
        ("gateway.example.com", "https://gateway.example.com:8443/jobs", False),
        ("gateway.example.com", "https://x.gateway.example.com/jobs", False),
        ("gateway.example.com:8443", "https://gateway.example.com:8443/jobs", True),
        ("gateway.example.com:8443", "https://gateway.example.com/jobs", False),
        ("gateway.example.com:*", "https://gateway.example.com:9/jobs", True),
        ("*.example.com:8443", "https://a.example.com:8443/jobs", True),
        ("*.example.com:8443", "https://a.example.com/jobs", False),
        ("[2001:db9::1]:8443", "https://[2001:db9::1]:8443/jobs", True),
        ("[2001:db9::1]:8443", "https://[2001:db9::1]/jobs", False),
    ],
)
def test_a_pattern_names_a_host_and_perhaps_a_port(pattern: str, url: str, allowed: bool) -> None:
    hosts = ReltioHosts([pattern])
    if allowed:
        hosts.check_url(url)
        return
    with pytest.raises(HostNotAllowed, match="reltioHosts"):
        hosts.check_url(url)


def test_plain_http_needs_a_setting_of_its_own() -> None:
    url = "http://gateway.example.com:8080/jobs"
    with pytest.raises(HostNotAllowed, match="insecureHosts"):
        ReltioHosts(["gateway.example.com:8080"]).check_url(url)
    with pytest.raises(HostNotAllowed, match="reltioHosts"):
        ReltioHosts(insecure_hosts=["gateway.example.com:8080"]).check_url(url)
    ReltioHosts(["gateway.example.com:8080"], ["gateway.example.com:8080"]).check_url(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "169.254.170.2",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "2001::7f00:1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    found = parse_address(address)
    assert not DEFAULT.permits(found)
    assert ReltioHosts(private_networks=OPEN).permits(found), "the control"


@pytest.mark.parametrize("address", ["52.1.2.3", "2600:1f18::1", "64:ff9b::3401:203", "::ffff:52.1.2.3"])
def test_public_addresses_are_permitted_also_behind_nat64(address: str) -> None:
    assert DEFAULT.permits(ipaddress.ip_address(address))


def test_a_network_permits_only_its_own_addresses() -> None:
    hosts = ReltioHosts(private_networks=["10.20.0.0/16", "fd00:20::/64"])
    assert hosts.permits(ipaddress.ip_address("10.20.3.4"))
    assert hosts.permits(ipaddress.ip_address("::ffff:10.20.3.4"))
    assert hosts.permits(ipaddress.ip_address("fd00:20::1"))
    assert not hosts.permits(ipaddress.ip_address("10.21.0.1"))
    assert not hosts.permits(ipaddress.ip_address("fd00:21::1"))


def test_what_was_allowed_once_says_nothing_of_other_urls() -> None:
    """Answers are remembered by what decides them: scheme, host and port, and whether there is user information."""
    hosts = ReltioHosts(["na99-prod.reltio.com"])
    for _ in range(2):
        hosts.check_url("https://na99-prod.reltio.com/jobs")
        hosts.check_request(httpx.URL("https://na99-prod.reltio.com/other"))
        for refused in (
            "http://na99-prod.reltio.com/jobs",
            "https://na99-prod.reltio.com:8443/jobs",
            "https://na98-prod.reltio.com/jobs",
            "https://user@na99-prod.reltio.com/jobs",
            "https://na99-prod.reltio.com/jobs?x=1",
        ):
            with pytest.raises((HostNotAllowed, UnusableURL)):
                hosts.check_url(refused)
        with pytest.raises(UnusableURL):
            hosts.check_request(httpx.URL("https://user@na99-prod.reltio.com/jobs"))
