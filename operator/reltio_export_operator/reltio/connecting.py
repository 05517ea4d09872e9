"""Connections to checked addresses.

A name is resolved once, its addresses are checked, and the connection is made to one of those that passed. So it does
not help an attacker that a name has another address the next time that it is resolved. TLS still uses the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore

from .hosts import IPAddress, ReltioHosts, parse_address

_MAX_ADDRESSES = 8  # of one name that are tried


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects only to addresses that `hosts` permits. Raises HostNotAllowed when a name has no other ones."""

    def __init__(self, hosts: ReltioHosts) -> None:
        self._hosts = hosts
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as in httpcore
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout if timeout is not None else None
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from None
        for left in range(len(addresses), 0, -1):
            address = addresses[-left]
            # Each address gets its part of the time, so that one which does not answer leaves some to the others.
            part = max(0.0, end - loop.time()) / left if end is not None else None
            try:
                return await self._inner.connect_tcp(str(address), port, part, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(self, *args: object, **kwargs: object) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("Sockets of the file system are not used.")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[IPAddress]:
        """The addresses of the host that may be connected to. Raises HostNotAllowed if it has others only."""
        try:
            found = [ipaddress.ip_address(host)]
        except ValueError:
            found = await _resolved(host, port)
        permitted = [address for address in found if self._hosts.permits(address)]
        if found and not permitted:
            self._hosts.check_address(host, found[0])
        return permitted[:_MAX_ADDRESSES]


async def _resolved(host: str, port: int) -> list[IPAddress]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from None
    return list(dict.fromkeys(parse_address(str(entry[4][0])) for entry in found))
