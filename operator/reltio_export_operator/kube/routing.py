"""The route to the API server. kopf's session takes certificates and proxy over from the client made here."""

from __future__ import annotations

import aiohttp
from kubernetes.aio import client

from .. import __version__
from ..runtime.network import Network
from . import connection
from .answers import SESSION_OPTIONS, limiting

_MANAGER = "reltio-export-operator"  # of the fields that the operator writes


async def load_configuration(network: Network) -> client.Configuration:
    """The connection to the cluster, straight or through the kubeconfig's `proxy-url`. Raises ConfigurationError."""
    loaded = await connection.load_configuration()
    proxy = network.proxies.api_server_proxy(loaded.proxy)
    loaded.proxy = str(proxy) if proxy else None
    authorizing = (_authorizing(proxy.authorization),) if proxy and proxy.authorization else ()
    loaded.client_session_kwargs = {
        "trust_env": False,  # neither the environment's proxies nor ~/.netrc
        "middlewares": (limiting, *authorizing),
        **SESSION_OPTIONS,
    }
    return loaded


def api_client(configuration: client.Configuration, network: Network) -> client.ApiClient:
    """The Kubernetes client, which trusts the CA bundle too."""
    made = client.ApiClient(configuration)
    made.user_agent = f"{_MANAGER}/{__version__}"  # the API server takes the field manager from it
    network.trust.extend(made.rest_client.ssl_context)
    return made


def _authorizing(authorization: str) -> aiohttp.ClientMiddlewareType:
    """Give the proxy its credentials in a header: aiohttp shows them in its errors if they are in the URL."""

    async def middleware(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        headers = {"Proxy-Authorization": authorization}
        if request.is_ssl():
            request.update_proxy(request.proxy, None, headers)  # for CONNECT
        else:
            request.headers.update(headers)
        return await handler(request)

    return middleware
