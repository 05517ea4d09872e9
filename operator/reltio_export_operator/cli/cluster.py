"""The user's cluster: kubeconfig, context and namespace as in kubectl, and errors without a traceback."""

from __future__ import annotations

import functools
import json
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import click
import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from ..api.meta import API_VERSION, GROUP, JOBS, SCHEDULES, TARGETS, VERSION
from ..kube.kubeconfig import checked_context, kubeconfig_files
from ..runtime.answers import BeyondLimitsError, parse_json
from ..runtime.network import Network
from ..runtime.settings import ConfigurationError
from .answers import LimitedRest

P = ParamSpec("P")
T = TypeVar("T")
Raw = dict[str, Any]
_PAGE = 200  # objects
_KINDS = {JOBS: "ExportJob", SCHEDULES: "ExportSchedule", TARGETS: "ExportTarget"}
_TIMEOUT = 30
_MANAGER = "reltio-export-operator"  # of the fields that a command sets


class CommandError(click.ClickException):
    """An error that the user can correct. The exit code is 2."""

    exit_code = 2


@dataclass
class Cluster:
    """Our kinds in one namespace of the user's cluster. Every method raises CommandError."""

    objects: client.CustomObjectsApi
    core: client.CoreV1Api
    namespace: str

    def get(self, plural: str, name: str) -> Raw:
        if not name or "/" in name:
            raise CommandError(f"Invalid {_KINDS[plural]} name {name!r}.")
        found: Raw = _call(
            lambda: self.objects.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, _request_timeout=_TIMEOUT
            ),
            f"{_KINDS[plural]} {self.namespace}/{name}",
        )
        return found

    def listed(self, plural: str, *, all_namespaces: bool = False) -> list[Raw]:
        """All objects of the kind in the namespace, or in all namespaces, in pages."""
        if all_namespaces:
            call = functools.partial(self.objects.list_cluster_custom_object, GROUP, VERSION, plural)
            what = f"{_KINDS[plural]}s in all namespaces"
        else:
            call = functools.partial(self.objects.list_namespaced_custom_object, GROUP, VERSION, self.namespace, plural)
            what = f"{_KINDS[plural]}s in {self.namespace}"
        found: list[Raw] = []
        token = ""
        while True:
            page: Raw = _call(
                functools.partial(call, limit=_PAGE, _continue=token, _request_timeout=_TIMEOUT),
                what,
            )
            found += page["items"]
            token = page["metadata"].get("continue") or ""
            if not token:
                return found

    def create(self, plural: str, body: Raw) -> Raw:
        created: Raw = _call(
            lambda: self.objects.create_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, body, field_manager=_MANAGER, _request_timeout=_TIMEOUT
            ),
            f"{_KINDS[plural]} in {self.namespace}",
        )
        return created

    def patch(self, plural: str, name: str, change: Raw) -> None:
        _call(
            lambda: self.objects.patch_namespaced_custom_object(
                GROUP,
                VERSION,
                self.namespace,
                plural,
                name,
                change,
                field_manager=_MANAGER,
                _request_timeout=_TIMEOUT,
            ),
            f"{_KINDS[plural]} {self.namespace}/{name}",
        )

    def events(self, uid: str) -> list[Raw]:
        """Events of the object, oldest first; none if the user may not list events."""
        selector = f"involvedObject.uid={uid}"
        try:
            listed = self.core.list_namespaced_event(
                self.namespace, field_selector=selector, _request_timeout=_TIMEOUT
            ).items
        except ApiException:
            return []
        events = [
            {"time": event.last_timestamp, "type": event.type, "reason": event.reason, "message": event.message}
            for event in listed
        ]
        return sorted(events, key=lambda event: str(event["time"]))

    def secret(self, name: str) -> Raw:
        """The type and labels of the Secret, and its data in base64."""
        found = self.find_secret(name)
        if found is None:
            raise CommandError(f"Secret {self.namespace}/{name} was not found. Check the name and the namespace (-n).")
        return found

    def write_secret(self, name: str, type_: str, values: Mapping[str, str]) -> None:
        """Set these keys of the Secret, which is created with this type if it does not exist."""
        body = {"metadata": {"name": name}, "stringData": dict(values)}
        what = f"Secret {self.namespace}/{name}"
        if self.find_secret(name) is None:
            created = {**body, "type": type_}
            _call(lambda: self.core.create_namespaced_secret(self.namespace, created, _request_timeout=_TIMEOUT), what)
        else:
            _call(
                lambda: self.core.patch_namespaced_secret(name, self.namespace, body, _request_timeout=_TIMEOUT), what
            )

    def find_secret(self, name: str) -> Raw | None:
        """As `secret`; None if it does not exist."""

        def read() -> Any:
            try:
                return self.core.read_namespaced_secret(name, self.namespace, _request_timeout=_TIMEOUT)
            except ApiException as error:
                if error.status == 404:
                    return None
                raise

        found = _call(read, f"Secret {self.namespace}/{name}")
        if found is None:
            return None
        return {"type": found.type, "metadata": {"labels": found.metadata.labels}, "data": found.data or {}}


def connect(context: str | None, namespace: str | None) -> Cluster:
    """The cluster of the kubeconfig's context. Raises CommandError."""
    chosen = namespace
    try:
        loaded = client.Configuration(proxy="", no_proxy="")  # or it reads the environment, by its own rules
        # The library would use KUBECONFIG as it was at its import, and the context of the last file, where kubectl
        # uses that of the first.
        named = kubeconfig_files(os.environ)
        if not named:
            raise ConfigurationError("KUBECONFIG is not set, and ~/.kube/config does not exist. Set KUBECONFIG.")
        files, context = os.pathsep.join(map(str, named)), checked_context(named, context)[0]
        config.load_kube_config(files, context=context, client_configuration=loaded)
        entry = next(one for one in config.list_kube_config_contexts(files)[0] if one["name"] == context)
        chosen = chosen or entry["context"].get("namespace")
    except ConfigurationError as error:
        raise CommandError(f"Cannot load the kubeconfig: {error}") from None
    except Exception as error:  # the loader does not catch what a malformed file causes
        raise CommandError(f"Cannot load the kubeconfig: {error} Set KUBECONFIG or use --context.") from None
    if not loaded.verify_ssl:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # as the kubeconfig asks
    api = _routed(loaded, network())
    return Cluster(client.CustomObjectsApi(api), client.CoreV1Api(api), chosen or "default")


def namespace_of_context(context: str | None) -> str | None:
    """The namespace that kubectl would use; None without a cluster, as when everything comes from files."""
    try:
        return connect(context, None).namespace
    except CommandError:
        return None


def network() -> Network:
    """Proxies, certificate authorities and region of the environment. Raises CommandError."""
    try:
        return Network.from_environment(os.environ)
    except ConfigurationError as error:
        raise CommandError(str(error)) from None


def _routed(loaded: client.Configuration, network: Network) -> client.ApiClient:
    """A client with the proxy that kubectl uses: `proxy-url` of the kubeconfig, else that of the environment."""
    try:
        proxy = network.proxies.api_server_proxy(loaded.proxy) or network.proxies.proxy_for(loaded.host)
    except ConfigurationError as error:
        raise CommandError(str(error)) from None
    loaded.proxy = str(proxy) if proxy else ""
    if proxy and proxy.authorization:
        loaded.proxy_headers = {"proxy-authorization": proxy.authorization}
    if proxy and proxy.scheme == "https":
        loaded.proxy_ssl_context = network.trust.outside
    api = client.ApiClient(loaded)
    api.rest_client = LimitedRest(loaded)
    if network.trust.bundle and loaded.verify_ssl:
        context = ssl.create_default_context(cafile=loaded.ssl_ca_cert)
        network.trust.extend(context)
        api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    return api


def cluster_options(command: Callable[P, T]) -> Callable[P, T]:
    """The options that kubectl has."""
    command = click.option("-n", "--namespace", help="Namespace. Default: that of the context.")(command)
    return click.option("--context", help="Context of the kubeconfig.")(command)


def output_option(*choices: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    return click.option(
        "-o", "--output", type=click.Choice(choices), default=choices[0], show_default=True, help="Output format."
    )


def without_managed_fields(raw: Raw) -> Raw:
    """The object as kubectl prints it."""
    meta = {name: value for name, value in raw["metadata"].items() if name != "managedFields"}
    return {**raw, "metadata": meta}


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def _call(call: Callable[[], T], what: str) -> T:
    try:
        return call()
    except ApiException as error:
        raise CommandError(_message(error, what)) from None
    except BeyondLimitsError as error:
        raise CommandError(f"{error} Check that the kubeconfig names an API server.") from None
    except urllib3.exceptions.HTTPError:
        raise CommandError("The API server does not answer. Check the kubeconfig and the network.") from None


def _message(error: ApiException, what: str) -> str:
    text = ""
    try:
        text = str(parse_json(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        text = str(error.reason)
    returned = (
        f'The API server returned {error.status}: "{text}".' if text else f"The API server returned {error.status}."
    )
    if error.status == 404 and "the server could not find the requested resource" in text:
        return f"The cluster does not have the CRDs of {API_VERSION}. Install them: see docs/install.md."
    if error.status == 404:
        return f"{what} was not found. Check the name and the namespace (-n)."
    if error.status in (401, 403):
        return f"You do not have permission for {what}. {returned} Ask for a role that allows it."
    if error.status == 409:
        return f"{what} already exists, or was changed at the same time. {returned}"
    return returned


def without_traceback(command: Callable[P, T]) -> Callable[P, T]:
    """Show no traceback on Ctrl-C and unexpected errors, unless RELTIO_EXPORT_TRACEBACK is set."""

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
            text = f"{type(error).__name__}: {error}. Set RELTIO_EXPORT_TRACEBACK=1 for the traceback."
            raise CommandError(text) from None

    return wrapped
