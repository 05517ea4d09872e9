"""boto3 sessions that follow the process's network policy.

botocore takes proxies for a whole client and reads NO_PROXY in its own way, while an S3 client alone speaks with a
host for every bucket. Its documented event `before-send` lets a handler answer a request in botocore's place, so the
handler here sends every request itself, through the proxy of its URL. The event reaches all clients of the session,
also those that botocore makes to get credentials, as for IRSA.
"""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ProxyConnectionError
from botocore.loaders import Loader, create_loader
from botocore.session import Session as BotocoreSession

from ..runtime.network import Network
from .answers import LimitedCredentialsSession, LimitedSession
from .lean import SERVICES, only_called_operations, register_handlers
from .models import keep_called
from .parsing import check_answers
from .places import Place, sending

_HOSTS = 64  # of which connections are kept: one for each bucket, besides STS and IAM
_CONNECTIONS = 32  # that are kept of a host
_SOCKET_OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]  # botocore's own default
_TIMEOUTS = Config(connect_timeout=5, read_timeout=15)  # seconds
# `total_max_attempts` counts the first try, unlike `max_attempts`.
CALLS = _TIMEOUTS.merge(Config(retries={"total_max_attempts": 3, "mode": "standard"}))


def session_factory(network: Network) -> Callable[[], boto3.Session]:
    """Makes boto3 sessions. Credentials, endpoints and profiles come from the environment, as everywhere."""

    def make() -> boto3.Session:
        core = _Session(include_builtin_handlers=False)
        register_handlers(core)
        core.register("before-send", _Transport(network).send)
        _fetch_credentials_directly(core)
        check_answers(core)
        only_called_operations(core)
        core.set_default_client_config(_TIMEOUTS)  # also of the clients that botocore makes to get credentials
        return boto3.Session(botocore_session=core, region_name=network.region)

    return make


def preload_models(network: Network) -> None:
    """Load the models of the services, which takes half a second, and which all sessions share."""
    session: Any = session_factory(network)()
    for service in SERVICES:
        with contextlib.suppress(BotoCoreError):  # as for a profile that does not exist, which is reported when used
            session.client(service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")  # noqa: S106


@functools.cache
def _loader(path: str | None) -> Loader:
    loader = create_loader(path)
    keep_called(loader)
    return loader


class _Session(BotocoreSession):
    """A session that shares the models it loads with the others."""

    def _register_data_loader(self) -> None:
        self._components.lazy_register_component(  # type: ignore[attr-defined]
            "data_loader", lambda: _loader(self.get_config_variable("data_path"))
        )


class _Transport:
    """Sends the requests of all clients of a session, and shares connections between them."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sessions: dict[tuple[str | None, float, float], LimitedSession] = {}

    def send(self, **event: Any) -> Any:
        """Answer the event: the response to its prepared request. Raises what botocore's own sending raises."""
        request = event["request"]
        config = request.context.get("client_config", CALLS)
        proxy = self._network.proxies.proxy_for(request.url)
        key = (proxy.url if proxy else None, config.connect_timeout, config.read_timeout)
        if key not in self._sessions:
            self._sessions.setdefault(key, self._session(*key))
        try:
            with sending(_place(event["event_name"], request.context)):
                return self._sessions[key].send(request)
        except ProxyConnectionError as error:  # botocore masks credentials, but not reliably when they are short
            raise ProxyConnectionError(proxy_url=str(proxy), error=error.kwargs["error"]) from None

    def _session(self, proxy: str | None, connect_timeout: float, read_timeout: float) -> LimitedSession:
        return _TrustingSession(
            self._network,
            proxies={"http": proxy, "https": proxy} if proxy else {},
            timeout=(connect_timeout, read_timeout),
            max_pool_connections=_CONNECTIONS,
            socket_options=_SOCKET_OPTIONS,
        )


def _place(event: str, context: dict[str, Any]) -> Place:
    """Where a request goes. The event is `before-send.s3.GetObject`, for instance; a redirect changes the signature."""
    region = context.get("signing", {}).get("region") or context.get("client_region")
    return Place.of(event.split(".")[1], region)


class _TrustingSession(LimitedSession):
    """botocore's HTTP session with one TLS context for all connections, which holds the CA bundle."""

    def __init__(self, network: Network, **options: Any) -> None:
        self._network = network
        super().__init__(**options)

    def _get_pool_manager_kwargs(self, **extra: Any) -> dict[str, Any]:
        kwargs: dict[str, Any] = super()._get_pool_manager_kwargs(**extra)  # type: ignore[misc]
        return {**kwargs, "num_pools": _HOSTS}

    def _get_ssl_context(self) -> Any:
        return self._network.trust.aws

    def _setup_proxy_ssl_context(self, proxy_url: str) -> Any:
        return self._network.trust.outside if proxy_url.startswith("https:") else None

    def _setup_ssl_cert(self, conn: Any, url: str, verify: object) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # the context holds the authorities already


def _fetch_credentials_directly(core: BotocoreSession) -> None:
    """Let requests for credentials of an instance or a container go straight, and limit the answers.

    The address of an instance's credentials is link-local. botocore asks for both outside of its clients.
    """
    credentials = core.get_component("credential_provider")
    instance = credentials.get_provider("iam-role")._role_fetcher
    instance._session = LimitedCredentialsSession(timeout=instance._timeout, proxies={})
    container = credentials.get_provider("container-role")._fetcher
    container._session = LimitedCredentialsSession(timeout=container.TIMEOUT_SECONDS)
