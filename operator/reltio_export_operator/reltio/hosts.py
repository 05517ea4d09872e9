"""Which hosts the operator calls as Reltio, and which addresses it connects to.

The URLs come from objects, so who may create a target chooses them. A credential is sent only to a host that the
settings list, over TLS unless they list the host as insecure, and to a public address unless they list its network.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from ..api.foreign import KNOWN, PROCESS, own, quote
from ..runtime.lru import LruCache
from ..runtime.settings import Settings
from . import messages
from .errors import HostNotAllowed, UnusableURL

DEFAULT_HOSTS = ("*.reltio.com",)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")
_PORT = re.compile(r":[0-9]{1,5}")
_NOT_IN_URL = re.compile(r"[\s?#\\\x00-\x1f\x7f-\U0010ffff]")
_LABEL = re.compile(r"[a-z0-9-]{1,63}")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label that makes resolvers read the host as an IPv4 address
_NOT_PLAIN = own("it is not https:// with a host, an optional port and a path")
_PORTS = {"http": 80, "https": 443}
_REMEMBERED = 1000  # URLs that were found to be allowed
_REFUSED = (
    # Azure answers pods here with what belongs to the virtual machine, although the address is public:
    # https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16
    ipaddress.ip_network("168.63.129.16/32"),
    # IETF protocol assignments, where Oracle's cloud has metadata. Python counts them as public before 3.11.10.
    ipaddress.ip_network("192.0.0.0/24"),
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is routed on the internet


@dataclass(frozen=True)
class _Pattern:
    """`host`, `*.domain` or an address, for one port, for all (None), or for that of the scheme (0)."""

    host: str  # a domain with its leading dot, if it is for all names below that
    port: int | None

    @classmethod
    def parse(cls, text: str) -> _Pattern:
        host, port = text, ""
        if ":" in text and not text.endswith("]"):
            host, _, port = text.rpartition(":")
        host = _canonical(host.removeprefix("*.") if host.startswith("*.") else host) or host
        host = f".{host}" if text.startswith("*.") else host
        return cls(host, None if port == "*" else int(port or 0))

    def matches(self, scheme: str, host: str, port: int) -> bool:
        if self.host.startswith("."):
            is_host = _address(host) is None and host.endswith(self.host) and len(host) > len(self.host)
        else:
            is_host = host == self.host
        return is_host and (self.port is None or port == (self.port or _PORTS[scheme]))


class ReltioHosts:
    """The hosts that may get a credential of Reltio. Nothing else decides about it, so a test replaces this class."""

    def __init__(
        self,
        hosts: Iterable[str] = DEFAULT_HOSTS,
        insecure_hosts: Iterable[str] = (),
        private_networks: Iterable[str] = (),
    ) -> None:
        self._hosts = tuple(_Pattern.parse(one) for one in hosts)
        self._insecure = tuple(_Pattern.parse(one) for one in insecure_hosts)
        self._networks: tuple[_Network, ...] = tuple(ipaddress.ip_network(one) for one in private_networks)
        self._allowed: LruCache[str | tuple[str, bytes, int | None], bool] = LruCache(_REMEMBERED)  # and nothing else

    @classmethod
    def of(cls, settings: Settings) -> ReltioHosts:
        """The hosts and networks that the settings list."""
        return cls(settings.reltio_hosts, settings.insecure_hosts, settings.private_networks)

    def check_url(self, url: str) -> None:
        """Raise UnusableURL or HostNotAllowed if no request may be sent to this URL, as it stands in an object."""
        if self._allowed.get(url):
            return
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise UnusableURL(error=quote(error, KNOWN.of([PROCESS]))) from None
        written = _written_host(url)
        if written is None:
            raise UnusableURL(error=_NOT_PLAIN)
        self.check_request(parsed)
        if parsed.raw_host.decode("ascii", "replace") != written.strip("[]").lower():
            raise UnusableURL(error=own("its host can be read in more than one way"))
        self._allowed.put(url, True)

    def check_request(self, url: httpx.URL) -> None:
        """The same for the URL of a request that is about to be sent."""
        if url.userinfo or url.scheme not in _PORTS:
            raise UnusableURL(error=_NOT_PLAIN)
        key = (url.scheme, url.raw_host, url.port)
        if self._allowed.get(key):
            return
        host = _canonical(url.raw_host.decode("ascii", "replace"))
        port = _PORTS[url.scheme] if url.port is None else url.port
        if host is None or not any(one.matches(url.scheme, host, port) for one in self._hosts):
            raise HostNotAllowed(host=_shown(url, port))
        if url.scheme == "http" and not any(one.matches("http", host, port) for one in self._insecure):
            raise HostNotAllowed(entry=messages.PLAIN_HTTP_NOT_ALLOWED, host=_shown(url, port))
        address = _address(host)
        if address is not None:
            self.check_address(host, address)
        self._allowed.put(key, True)

    def check_address(self, host: str, address: IPAddress) -> None:
        """Raise HostNotAllowed if no connection may be made to this address, which the host has."""
        if not self.permits(address):
            raise HostNotAllowed(entry=messages.ADDRESS_NOT_ALLOWED, host=host)

    def permits(self, address: IPAddress) -> bool:
        """Whether the address is a public one, or in a network that the settings list."""
        address = _reached(address)
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        if address.version == 6 and address not in _UNICAST:
            return False
        if any(address.version == network.version and address in network for network in _REFUSED):
            return False
        return address.is_global and not address.is_multicast


def _written_host(url: str) -> str | None:
    """The host as it is written in the URL. None unless no other reader of the URL can find another host in it.

    So it has no user, no query and no fragment, and in its host neither escapes nor letters that are changed before
    they are sent.
    """
    scheme, separator, rest = url.partition("://")
    if scheme not in _PORTS or not separator or _NOT_IN_URL.search(rest):
        return None
    authority = rest.partition("/")[0]
    split = authority.find("]") + 1 if authority.startswith("[") else authority.find(":")
    host, port = (authority, "") if split < 0 else (authority[:split], authority[split:])
    return host if _HOST.fullmatch(host) and (not port or _PORT.fullmatch(port)) else None


def parse_address(text: str) -> IPAddress:
    """An address as a resolver returns it, which may have a zone. Raises ValueError."""
    return ipaddress.ip_address(text.partition("%")[0])


def _reached(address: IPAddress) -> IPAddress:
    """The IPv4 address that is reached by way of an IPv6 address in which it is embedded."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


def _canonical(host: str) -> str | None:
    """A host name in lower case, or an address as Python writes it. None for what is neither."""
    host = host.lower()
    address = _address(host)
    if address is not None:
        return str(address)
    labels = host.split(".")
    if len(host) > 253 or _NUMERIC.fullmatch(labels[-1]):
        return None
    if any(not _LABEL.fullmatch(label) or label[0] == "-" or label[-1] == "-" for label in labels):
        return None
    return host


def _address(host: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        return None


def _shown(url: httpx.URL, port: int) -> str:
    """The host for a message, with its port if it is not that of https."""
    host = url.raw_host.decode("ascii", "replace")
    host = f"[{host}]" if ":" in host else host
    return (host if port == _PORTS["https"] else f"{host}:{port}")[:260]
