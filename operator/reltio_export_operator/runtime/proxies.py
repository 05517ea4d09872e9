"""Which proxy a request goes through: one policy for all HTTP clients, with the rules of Go's clients.

The libraries differ. httpx, aiohttp, urllib and botocore each read NO_PROXY in their own way, and none of them knows
CIDRs, which guides for Kubernetes recommend. Here the environment is read once, and every client asks this policy.
The rules are those of Go's golang.org/x/net/http/httpproxy, which kubectl and most controllers use; a table that this
package of Go itself has filled in is compared with them (tests/unit/runtime/proxy_expectations). docs/proxies.md lists
where the operator differs on purpose. Go's rule for CGI programs (REQUEST_METHOD) has no use here.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from ..api.foreign import KNOWN, PROCESS
from .settings import ConfigurationError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
# Where AWS provides credentials to an instance, a task or a pod: link-local, so no proxy can reach it.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23")
)


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy. `str` gives its URL without the credentials, `url` with them."""

    scheme: str  # http or https: how the client speaks with the proxy itself
    host: str  # an IPv6 address without brackets
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """For the clients alone: it holds the password."""
        if self.username is None:
            return str(self)
        credentials = quote(self.username, safe="") + ":" + quote(self.password or "", safe="")
        return f"{self.scheme}://{credentials}@{self._address}"

    @property
    def authorization(self) -> str | None:
        """The value of Proxy-Authorization; None without credentials."""
        if self.username is None:
            return None
        return "Basic " + base64.b64encode(f"{self.username}:{self.password or ''}".encode()).decode()

    @property
    def _address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self._address}"

    @classmethod
    def parse(cls, text: str, source: str) -> Proxy:
        """Read a proxy URL, or `host:port` as Go does. Raises ConfigurationError, which names `source`.

        The error does not quote the text, which may hold a password.
        """
        found = _SCHEME.match(text)
        scheme = found[1].lower() if found else "http"
        if scheme.startswith("socks"):
            raise ConfigurationError(
                f"{source} names a SOCKS proxy, which is not supported. Use an HTTP proxy, as in http://proxy:3128."
            )
        if scheme not in _PORTS:
            raise ConfigurationError(
                f"{source} names a proxy of a scheme that is not supported. Use http:// or https://."
            )
        try:
            return cls._parse_address(scheme, text[found.end() :] if found else text)
        except ValueError:
            raise ConfigurationError(
                f"{source} is not the URL of a proxy. Write it as http://host:port or "
                "http://user:password@host:port, and percent-encode special characters of user and password."
            ) from None

    @classmethod
    def _parse_address(cls, scheme: str, address: str) -> Proxy:
        if not address.isprintable() or " " in address or _BAD_ESCAPE.search(address):
            raise ValueError("a character that no URL has")
        parts = urlsplit(f"{scheme}://{address}")  # a path is ignored, as by Go
        host = _ascii(parts.hostname or "")
        if parts.netloc.rpartition("@")[2].startswith("["):
            ipaddress.IPv6Address(host)
        elif not _HOST_NAME.fullmatch(host):
            raise ValueError("no host")
        username = None if parts.username is None else unquote(parts.username)
        password = None if parts.password is None else unquote(parts.password)
        if parts.port == 0 or parts.netloc.endswith(":"):  # as of http://http://proxy
            raise ValueError("no port")
        KNOWN.add(PROCESS, password)
        return cls(scheme, host, parts.port or _PORTS[scheme], username, password)


class ProxyPolicy:
    """Decides for every URL whether a request goes through a proxy, and through which."""

    def __init__(self, *, http: Proxy | None = None, https: Proxy | None = None, no_proxy: str = "") -> None:
        self._proxies = {"http": http, "https": https}
        self._exceptions = _Exceptions.parse(no_proxy)
        self._no_proxy = no_proxy

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ProxyPolicy:
        """Read HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or where one of them is not set, its form in lower case.

        Raises ConfigurationError.
        """
        proxies: dict[str, Proxy | None] = {}
        for scheme in _PORTS:
            name, text = _variable(environment, f"{scheme}_proxy")
            proxies[scheme] = Proxy.parse(text, name) if text else None
        return cls(**proxies, no_proxy=_variable(environment, "no_proxy")[1])

    def proxy_for(self, url: str) -> Proxy | None:
        """The proxy for a request to this URL; None when the request goes straight to the host."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None  # the client refuses such a URL
        proxy = self._proxies.get(parts.scheme)
        if proxy is None or not host:
            return None
        return None if self._is_direct(_ascii(host), _PORTS[parts.scheme] if port is None else port) else proxy

    @staticmethod
    def api_server_proxy(proxy_url: str | None) -> Proxy | None:
        """The proxy that a kubeconfig names for its API server as `proxy-url`; None: the operator goes straight there.

        The environment's proxies do not matter: they lead outside, and the operator must keep its Lease while they
        are unavailable. Raises ConfigurationError.
        """
        return Proxy.parse(proxy_url, "proxy-url in the kubeconfig") if proxy_url else None

    def describe(self) -> dict[str, str]:
        """What is set, without credentials, for the log."""
        shown = {f"{scheme}Proxy": str(proxy) for scheme, proxy in self._proxies.items() if proxy}
        return {**shown, "noProxy": self._no_proxy} if shown else {}

    def _is_direct(self, host: str, port: int) -> bool:
        if host == "localhost":
            return True
        address = _ip_address(host)
        if address is None:
            return self._exceptions.has_name(host, port)
        return address.is_loopback or address in _METADATA or self._exceptions.has_address(address, port)


@dataclass(frozen=True)
class _Name:
    suffix: str  # with its leading dot
    itself: bool  # whether the name without the dot matches too
    port: str

    def matches(self, host: str, port: int) -> bool:
        found = host.endswith(self.suffix) or (self.itself and host == self.suffix[1:])
        return found and self.port in ("", str(port))


@dataclass
class _Exceptions:
    """NO_PROXY. An entry that is malformed is ignored, as by Go."""

    everything: bool = False
    networks: list[_IPNetwork] = field(default_factory=list)
    addresses: list[tuple[IPAddress, str]] = field(default_factory=list)  # with a port, or "" for all
    names: list[_Name] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> _Exceptions:
        found = cls()
        for entry in (part.strip().lower() for part in text.split(",")):
            if entry == "*":
                return cls(everything=True)
            if entry:
                found._add(entry)
        return found

    def has_name(self, host: str, port: int) -> bool:
        return self.everything or any(name.matches(host, port) for name in self.names)

    def has_address(self, address: IPAddress, port: int) -> bool:
        return (
            self.everything
            or any(address in network for network in self.networks if network.version == address.version)
            or any(address == one and only in ("", str(port)) for one, only in self.addresses)
        )

    def _add(self, entry: str) -> None:
        network = _network(entry)
        if network is not None:
            self.networks.append(network)
            return
        host, port = _split_port(entry)
        address = None if "%" in host else _ip_address(host)
        if address is not None:
            self.addresses.append((address, port))
        elif host:
            host = host[1:] if host.startswith("*.") else host
            suffix = host if host.startswith(".") else f".{host}"
            self.names.append(_Name(_ascii(suffix), not host.startswith("."), port))


def _variable(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable that is set, and its value. An empty one counts as not set."""
    for form in (name.upper(), name):
        if environment.get(form):
            return form, environment[form]
    return name.upper(), ""


def _split_port(entry: str) -> tuple[str, str]:
    """Host and port, as Go's net.SplitHostPort has it; the whole entry as the host when it has no port.

    So an IPv6 address in brackets needs a port: without one the brackets stay and match nothing.
    """
    host, colon, port = entry.rpartition(":")
    if not colon:
        return entry, ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return entry, ""
    if set("[]") & set(host + port):
        return entry, ""
    return host, port


def _ip_address(text: str) -> IPAddress | None:
    """The address; an IPv4 address that is written as IPv6 as what it is, and a zone left out."""
    try:
        return _unmapped(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _unmapped(address: IPAddress) -> IPAddress:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(entry: str) -> _IPNetwork | None:
    address, slash, length = entry.partition("/")
    if not slash or not (length.isascii() and length.isdecimal()) or "%" in address:
        return None  # Go takes a length only, no mask
    try:
        network = ipaddress.ip_network(f"{address}/{int(length)}", strict=False)
    except ValueError:
        return None
    first = _unmapped(network.network_address)
    if first is network.network_address:
        return network
    return ipaddress.ip_network(f"{first}/{max(0, network.prefixlen - 96)}", strict=False)


def _ascii(host: str) -> str:
    """The host name in the form that DNS has; one that has none stays as it is."""
    if host.isascii():
        return host
    import idna  # comes with httpx; its tables are large

    try:
        return ".".join(idna.encode(label, uts46=True).decode() if label else "" for label in host.split("."))
    except idna.IDNAError:
        return host
