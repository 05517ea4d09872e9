"""How to reach the cluster: a kubeconfig or, in a pod, its ServiceAccount. Mistakes end in one sentence.

Messages never quote what stands in a kubeconfig except the names in it: it holds credentials.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kubernetes.aio import client, config

from ..runtime.settings import ConfigurationError
from .kubeconfig import VARIABLE, checked_context, kubeconfig_files
from .rest import RestClient, path_of

_log = logging.getLogger(__name__)
_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
_TIMEOUT = 5.0  # seconds

Raw = dict[str, Any]


async def load_configuration(environment: Mapping[str, str] = os.environ) -> client.Configuration:
    """The connection that KUBECONFIG, ~/.kube/config or the pod describes, in this order.

    It becomes the default of the client library. Raises ConfigurationError; nothing is asked of the cluster.
    """
    files = kubeconfig_files(environment)
    loaded = client.Configuration()
    if files:
        await _load_kubeconfig(files, loaded)
    elif environment.get(_IN_CLUSTER):
        try:
            config.load_incluster_config(client_configuration=loaded)
        except (config.ConfigException, OSError) as error:
            raise ConfigurationError(
                f"The pod's ServiceAccount cannot be used: {_plain(error)} "
                "Set automountServiceAccountToken to true in the pod's spec."
            ) from None
    else:
        raise ConfigurationError(
            f"No cluster is configured: {VARIABLE} is not set, ~/.kube/config does not exist, and this process does "
            f"not run in a pod. Set {VARIABLE} to the path of a kubeconfig."
        )
    _check_tls(loaded, files)
    client.Configuration.set_default(loaded)
    return loaded


async def warn_of_absent_namespaces(api: client.ApiClient, namespaces: Sequence[str]) -> None:
    """Log a warning for each namespace that does not exist: it may be misspelt, or may be created later."""
    rest = RestClient(api, seconds=_TIMEOUT)
    for name in namespaces:
        try:
            await rest.get(path_of("", "v1", "namespaces", name=name))
        except client.ApiException as error:
            if error.status == 404:
                _log.warning(
                    "Namespace %s does not exist. It is served once it is created; check the setting namespaces.",
                    name,
                    extra={"namespace": name, "reason": "NamespaceNotFound"},
                )
        except Exception as error:
            _log.debug("Cannot read namespace %s: %s", name, type(error).__name__)
            return


async def _load_kubeconfig(files: Sequence[Path], loaded: client.Configuration) -> None:
    where = f"The kubeconfig {os.pathsep.join(map(str, files))}"
    context, user = checked_context(files)
    try:
        # With the context named: the library would take that of the last file, kubectl takes that of the first.
        paths = os.pathsep.join(map(str, files))
        await config.load_kube_config(paths, context=context, client_configuration=loaded)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # the loader raises many types for a malformed file
        raise ConfigurationError(
            f"{where} cannot be used: {_plain(error)} Check it with kubectl --context {context} version."
        ) from None
    if isinstance(plugin := user.get("exec"), dict) and not (loaded.api_key or loaded.cert_file):
        # The library logs what went wrong and continues without credentials.
        raise ConfigurationError(
            f"{where} cannot be used: the command {plugin.get('command')} of context {context} gave no credentials. "
            f"Install it, log in, and check it with kubectl --context {context} version."
        )


def _check_tls(loaded: client.Configuration, files: Sequence[Path]) -> None:
    """Load the certificates once: the client would do it later, outside of any place that can explain."""
    where = f"the kubeconfig {os.pathsep.join(map(str, files))}" if files else "the pod's ServiceAccount"
    try:
        context = ssl.create_default_context(cafile=loaded.ssl_ca_cert)
    except OSError as error:
        reason = _tls_reason(error, "it holds no certificate in PEM format")
        raise ConfigurationError(
            f"The CA certificate of {where} cannot be used: {reason}. "
            "Correct certificate-authority or certificate-authority-data."
        ) from None
    if loaded.cert_file:
        try:
            context.load_cert_chain(loaded.cert_file, keyfile=loaded.key_file)
        except OSError as error:
            reason = _tls_reason(error, "it is not in PEM format, or does not match its key")
            raise ConfigurationError(
                f"The client certificate of {where} cannot be used: {reason}. "
                "Correct client-certificate and client-key, or their -data."
            ) from None


def _tls_reason(error: OSError, content: str) -> str:
    return content if isinstance(error, ssl.SSLError) else str(error.strerror or type(error).__name__)


def _plain(error: Exception) -> str:
    """What may be said of an error: messages of the client library may quote credentials."""
    text = str(error)
    if text.startswith("File does not exist"):
        return f"file {text.partition(': ')[2]} does not exist."
    if isinstance(error, config.ConfigException) and text.startswith(("Service ", "Cert file", "Token file")):
        return f"{text.rstrip('.')}."
    return f"{type(error).__name__} while it was read."
