"""Gets an external ID from Reltio, and can write it into a Secret."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
import msgspec

from ..api import opt_in
from ..api.foreign import Quoted
from ..api.meta import TARGETS
from ..api.target import ExportTarget
from ..controllers.access import Access, snapshot
from ..kube.client import SecretError
from ..reltio.errors import ReltioError, UnusableURL
from ..reltio.hosts import ReltioHosts
from ..reltio.transport import http_client
from ..runtime import settings_loader
from ..runtime.settings import Settings
from . import complete
from .cluster import (
    Cluster,
    CommandError,
    Raw,
    cluster_options,
    connect,
    network,
    output_option,
    print_json,
    without_traceback,
)
from .configured import configured
from .documents import as_model, namespace_of, only, read, shown
from .targets import Secrets

# Host of the tools of Reltio. Copy of 2026-07-10:
# https://docs.reltio.com/en/developer-resources/system-administration-apis/system-administration-apis-at-a-glance/tools-api/generate-external-id
_TOOLS_URL = "https://platform-management.reltio.com"


@click.command(name="external-id")
@click.argument("target", required=False, shell_complete=complete.targets)
@click.option("-f", "--filename", type=click.Path(path_type=Path), help="File with the ExportTarget.")
@click.option("--secret", help="Write the external ID into this Secret instead of printing it.")
@click.option("--key", default="externalID", show_default=True, help="Key in the Secret.")
@click.option("--overwrite", is_flag=True, help="Replace the external ID that the Secret has.")
@click.option("--tools-url", default=_TOOLS_URL, show_default=True, help="URL of the tools of Reltio.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file of the operator. Default: RELTIO_EXPORT_CONFIG."
)
@click.option("--allow-host", "allowed_hosts", multiple=True, metavar="HOST", help="As for verify -f.")
@cluster_options
@output_option("text", "json")
@without_traceback
def external_id(
    target: str | None,
    filename: Path | None,
    secret: str | None,
    key: str,
    overwrite: bool,
    tools_url: str,
    config: Path | None,
    allowed_hosts: tuple[str, ...],
    context: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Get a new external ID from Reltio with the credentials of TARGET, for the trust policy of its role.

    Reltio returns another one each time. The client needs ROLE_API.

    \b
    Example: kubectl reltio-export external-id lake --secret lake-external-id -n mdm
    """
    if (target is None) == (filename is None):
        raise CommandError("Use either the name of a target or a file (-f).")
    with configured():
        settings = settings_loader.with_hosts(settings_loader.load(path=config).settings, allowed_hosts)
    documents = read(filename) if filename else []
    raw = _target_of(documents, filename) if filename else connect(context, namespace).get(TARGETS, str(target))
    where = namespace_of(raw, namespace) if filename else namespace
    found = as_model(raw, ExportTarget, where)
    cluster = connect(context, where) if secret else None
    if cluster is not None and secret is not None:
        _check_writable(cluster, secret, key, overwrite)
    value = asyncio.run(_generated(found, Secrets(documents, context, namespace), settings, tools_url))
    if cluster is None or secret is None:
        print_json({"externalID": value}) if output == "json" else click.echo(value)
        return
    cluster.write_secret(secret, opt_in.SECRET_TYPE, {key: value})
    if output == "json":
        print_json({"secret": secret, "key": key})
    else:
        click.echo(f"secret/{secret} has the external ID under key {key}")
    click.echo(
        f"Next, set spec.s3.externalIDSecretRef of the target to name: {secret}, key: {key}, and add the external ID "
        "to the trust policy of the role.",
        err=True,
    )


def _target_of(documents: list[Raw], filename: Path) -> Raw:
    raw = only(documents, "ExportTarget")
    if raw is None:
        raise CommandError(f"There is no ExportTarget in {shown(filename)}.")
    return raw


def _check_writable(cluster: Cluster, secret: str, key: str, overwrite: bool) -> None:
    """Raise CommandError if the Secret must not be written, before an external ID is generated."""
    found = cluster.find_secret(secret)
    if found is None:
        return
    labels = found["metadata"]["labels"]
    if not opt_in.has_opted_in(found["type"], labels):
        command = opt_in.label_command(cluster.namespace, secret, labels)
        raise CommandError(f"Secret {secret} exists and has not opted in to be used by the operator. Run {command}.")
    if key in found["data"] and not overwrite:
        raise CommandError(
            f"Secret {secret} already has key {key}. Exports fail until the role trusts a new external ID. Use another "
            "--secret, and name the present one in spec.s3.previousExternalIDSecretRef, or use --overwrite."
        )


async def _generated(target: ExportTarget, secrets: Any, settings: Settings, url: str) -> str:
    """A new external ID. Raises CommandError."""
    hosts = ReltioHosts.of(settings)
    service = msgspec.structs.replace(snapshot(target), export_service_url=url)
    async with http_client(network(), hosts=hosts) as http:
        try:
            client = await Access(secrets, http, hosts=hosts).reltio(target.metadata.namespace, service)
            return await client.new_external_id()
        except SecretError as error:
            raise CommandError(str(error)) from None
        except (ReltioError, UnusableURL) as error:
            text: Quoted = error.text
            raise CommandError(text) from None
