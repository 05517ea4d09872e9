"""Settings that allow every host of Reltio, for tests of what has nothing to do with hosts."""

from __future__ import annotations

import httpx

from reltio_export_operator.reltio.hosts import IPAddress, ReltioHosts


class _AnyHost(ReltioHosts):
    """Everything is allowed."""

    def check_url(self, url: str) -> None:
        pass

    def check_request(self, url: httpx.URL) -> None:
        pass

    def permits(self, address: IPAddress) -> bool:
        return True


ANY_HOST = _AnyHost()
