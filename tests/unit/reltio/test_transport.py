"""Requests to Reltio at the socket, and what an error says when a proxy is in the way."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from any_host import ANY_HOST
from recording_proxy import Wire, wired
from reltio_export_operator.reltio.errors import Unreachable, error_from_transport
from reltio_export_operator.reltio.transport import http_client
from reltio_export_operator.runtime.network import Network
from reltio_export_operator.runtime.proxies import ProxyPolicy
from reltio_export_operator.runtime.trust import Trust

URL = "https://mpe-02-acme.reltio.com/jobs/export"
TRUST = Trust()


@pytest.fixture(scope="module")
def module_wire() -> Iterator[Wire]:
    with wired() as made:
        yield made


@pytest.fixture
def wire(module_wire: Wire) -> Wire:
    module_wire.proxy.credentials = None
    module_wire.seen()
    return module_wire


async def failure(**environment: str) -> httpx.RequestError:
    """How a submission fails."""
    async with http_client(Network(ProxyPolicy.from_environment(environment), TRUST), hosts=ANY_HOST) as http:
        with pytest.raises(httpx.RequestError) as raised:
            await http.post(URL)
    return raised.value


async def test_a_proxy_that_refuses_has_sent_nothing(wire: Wire) -> None:
    wire.proxy.credentials = "user:another"
    error = await failure(HTTPS_PROXY="http://user:hunter2@proxy.corp.example:3128")
    explained = error_from_transport(error, mutating=True)
    assert isinstance(explained, Unreachable)
    assert not explained.ambiguous
    assert "mpe-02-acme.reltio.com through the proxy http://proxy.corp.example:3128" in explained.message
    assert "407" in explained.message
    assert "hunter2" not in f"{explained} {explained!r} {error!r}"


async def test_a_proxy_that_is_unavailable_is_named(wire: Wire) -> None:
    error = await failure(HTTPS_PROXY="http://user:hunter2@absent.corp.example:3128")
    explained = error_from_transport(error, mutating=True)
    assert isinstance(explained, Unreachable)
    assert not explained.ambiguous
    assert "through the proxy http://absent.corp.example:3128" in explained.message
    assert "hunter2" not in f"{explained} {error!r}"
    assert wire.seen() == "direct to absent.corp.example:3128"


async def test_without_a_proxy_none_is_named(wire: Wire) -> None:
    explained = error_from_transport(await failure(), mutating=True)
    assert "mpe-02-acme.reltio.com" in explained.message
    assert "proxy" not in explained.message


@pytest.mark.parametrize(
    "no_proxy", ["fd00:10:96::/112", "[::1]", "[2001:db8::1]:443", "::1,*.", "10.0.0.0/8,[", "a b"]
)
async def test_no_form_of_no_proxy_keeps_the_client_from_starting(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    await failure(NO_PROXY=no_proxy)
    assert wire.seen() == "direct to mpe-02-acme.reltio.com:443"
