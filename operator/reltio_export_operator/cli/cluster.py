"""The user's cluster: kubeconfig, context and namespace as kubectl takes them, and errors in one sentence."""

from __future__ import annotations

import functools
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import click
import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from ..api.meta import API_VERSION, GROUP, JOBS, TARGETS, VERSION
from ..runtime.network import Network
from ..runtime.settings import ConfigurationError

P = ParamSpec("P")
T = TypeVar("T")
Raw = dict[str, Any]
_KINDS = {JOBS: "ExportJob", TARGETS: "ExportTarget"}
_TIMEOUT = 30


class UsageProblem(click.ClickException):
    """Something the user can mend. The exit code is 2."""

    exit_code = 2


@dataclass
class Cluster:
    """Objects of our kinds in one namespace of the user's cluster. Raises UsageProblem."""

    objects: client.CustomObjectsApi
    core: client.CoreV1Api
    namespace: str

    def get(self, plural: str, name: str) -> Raw:
        if not name or "/" in name:
            raise UsageProblem(f"{name!r} is no name of an {_KINDS[plural]}.")
        found: Raw = _told(
            lambda: self.objects.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, _request_timeout=_TIMEOUT
            ),
            f"{_KINDS[plural]} {self.namespace}/{name}",
        )
        return found

    def create(self, plural: str, body: Raw) -> Raw:
        created: Raw = _told(
            lambda: self.objects.create_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, body, _request_timeout=_TIMEOUT
            ),
            f"{_KINDS[plural]} in {self.namespace}",
        )
        return created

    def patch(self, plural: str, name: str, change: Raw) -> None:
        _told(
            lambda: self.objects.patch_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, change, _request_timeout=_TIMEOUT
            ),
            f"{_KINDS[plural]} {self.namespace}/{name}",
        )

    def events(self, uid: str) -> list[Raw]:
        """Events of the object, oldest first; none when the user may not read events."""
        selector = f"involvedObject.uid={uid}"
        try:
            listed = self.core.list_namespaced_event(
                self.namespace, field_selector=selector, _request_timeout=_TIMEOUT
            ).items
        except ApiException:
            return []
        told = [
            {"time": event.last_timestamp, "type": event.type, "reason": event.reason, "message": event.message}
            for event in listed
        ]
        return sorted(told, key=lambda event: str(event["time"]))

    def secret(self, name: str) -> dict[str, str]:
        """The Secret's values, base64 as they stand."""
        found = _told(
            lambda: self.core.read_namespaced_secret(name, self.namespace, _request_timeout=_TIMEOUT),
            f"Secret {self.namespace}/{name}",
        )
        return dict(found.data or {})


def connect(context: str | None, namespace: str | None) -> Cluster:
    """The cluster of the kubeconfig's context. Raises UsageProblem."""
    chosen = namespace
    try:
        loaded = client.Configuration(proxy="", no_proxy="")  # otherwise it reads the environment, by its own rules
        config.load_kube_config(context=context, client_configuration=loaded)
        contexts, current = config.list_kube_config_contexts()
        entry = next((one for one in contexts if one["name"] == context), current)
        chosen = chosen or entry["context"].get("namespace")
    except Exception as error:  # the loader raises whatever an odd file makes it stumble over
        raise UsageProblem(f"No cluster to talk to: {error} Set KUBECONFIG, or give --context.") from None
    if not loaded.verify_ssl:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the kubeconfig says so
    api = _routed(loaded, network())
    return Cluster(client.CustomObjectsApi(api), client.CoreV1Api(api), chosen or "default")


def network() -> Network:
    """Proxies, certificate authorities and region, as the environment says. Raises UsageProblem."""
    try:
        return Network.from_environment(os.environ)
    except ConfigurationError as error:
        raise UsageProblem(str(error)) from None


def _routed(loaded: client.Configuration, network: Network) -> client.ApiClient:
    """A client that takes the route that kubectl takes: the kubeconfig's `proxy-url`, else the environment's proxy."""
    try:
        proxy = network.proxies.api_server_proxy(loaded.proxy) or network.proxies.proxy_for(loaded.host)
    except ConfigurationError as error:
        raise UsageProblem(str(error)) from None
    loaded.proxy = str(proxy) if proxy else ""
    if proxy and proxy.username is not None:
        loaded.proxy_headers = urllib3.make_headers(proxy_basic_auth=f"{proxy.username}:{proxy.password or ''}")
    if proxy and proxy.scheme == "https":
        loaded.proxy_ssl_context = network.trust.outside
    api = client.ApiClient(loaded)
    if network.trust.bundle and loaded.verify_ssl:
        context = ssl.create_default_context(cafile=loaded.ssl_ca_cert)
        network.trust.extend(context)
        api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    return api


def cluster_options(command: Callable[P, T]) -> Callable[P, T]:
    """The options that kubectl has as well."""
    command = click.option("-n", "--namespace", help="Namespace; that of the context by default.")(command)
    return click.option("--context", help="Context of the kubeconfig.")(command)


def output_option(*choices: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    return click.option(
        "-o", "--output", type=click.Choice(choices), default=choices[0], show_default=True, help="Form of the output."
    )


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def _told(call: Callable[[], T], what: str) -> T:
    try:
        return call()
    except ApiException as error:
        raise UsageProblem(_sentence(error, what)) from None
    except urllib3.exceptions.HTTPError:
        raise UsageProblem("The cluster does not answer. Check the kubeconfig and the network.") from None


def _sentence(error: ApiException, what: str) -> str:
    text = ""
    try:
        text = str(json.loads(error.body or "{}").get("message", ""))
    except ValueError:
        text = str(error.reason)
    if error.status == 404 and "the server could not find the requested resource" in text:
        return f"The cluster does not know {API_VERSION}. Install the CRDs: see docs/install.md."
    if error.status == 404:
        return f"{what} does not exist. Check the name, and the namespace (-n)."
    if error.status in (401, 403):
        return f"You may not do this to {what}: {text} Ask for a role that allows it."
    if error.status == 409:
        return f"{what} exists already, or was changed meanwhile: {text}"
    return text or f"The API server answered {error.status}."


def friendly(command: Callable[P, T]) -> Callable[P, T]:
    """Answer Ctrl-C, and whatever goes wrong, without a traceback, unless RELTIO_EXPORT_TRACEBACK asks for it."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            raise click.Abort from None
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if os.environ.get("RELTIO_EXPORT_TRACEBACK"):
                raise
            text = f"{type(error).__name__}: {error}. Set RELTIO_EXPORT_TRACEBACK=1 to see where."
            raise UsageProblem(text) from None

    return wrapped
