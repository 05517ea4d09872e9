"""Commands about targets."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..api.conditions import find, is_true
from ..api.decoding import decode_target
from ..api.meta import TARGETS, VERIFY_ANNOTATION, to_wire
from ..api.target import Check, ExportTarget
from ..aws.sessions import RoleSessions
from ..aws.transport import session_factory
from ..controllers.access import Access
from ..controllers.refusals import Refusals
from ..controllers.targets.prober import Prober
from ..kube.client import KubeClient, SecretError, SecretNotAllowedError
from ..reltio.hosts import ReltioHosts
from ..reltio.transport import http_client
from ..runtime import settings_loader
from ..runtime.allowed_roles import AllowedRoles
from ..runtime.settings import Settings
from ..targets import messages, readiness, role_templates
from ..targets.checks import OPERATOR_CREDENTIALS
from . import complete
from .cluster import (
    Cluster,
    CommandError,
    Raw,
    cluster_options,
    connect,
    namespace_of_context,
    network,
    output_option,
    print_json,
    without_traceback,
)
from .configured import configured
from .documents import as_model, namespace_of, only, read, shown

_VERIFY_TIMEOUT_SECONDS = 120.0
_NO_EXTERNAL_ID = (
    "Warning: The target has no external ID, so the role trusts everybody who can make its principal act. "
    "Set spec.s3.externalID or spec.s3.externalIDSecretRef."
)
_HIDDEN_EXTERNAL_ID = (
    "Note: The external ID is in a Secret, which this command does not read. Replace <the external ID>."
)
_OWN_PRINCIPAL = (
    "Note: With spec.verification.mode {mode} the operator assumes the role itself. Repeat --principal with the ARN of "
    "the operator's own role, or set the mode to Inspect."
)
_PRINCIPAL = re.compile(r"\d{12}|arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:(root|(user|role)/\S+)")


@click.command()
@click.argument("target", required=False, shell_complete=complete.targets)
@click.option(
    "-f", "--filename", type=click.Path(path_type=Path), help="File with an ExportTarget to verify before you apply it."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file of the operator, such as for allowedRoles and reltioHosts. Default: RELTIO_EXPORT_CONFIG.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="HOST",
    help="Another host that the target may name as Reltio, with -f: host, host:port or *.domain. An IP address may be "
    "private, and a loopback address may be called over http.",
)
@cluster_options
@output_option("text", "json")
@without_traceback
def verify(
    target: str | None,
    filename: Path | None,
    config: Path | None,
    allowed_hosts: tuple[str, ...],
    context: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Verify TARGET now. The exit code is 0 only if it is Ready.

    With a name, the operator verifies with its own AWS credentials. With -f, this command verifies with your AWS
    credentials, and with Secrets from the file or the cluster.

    \b
    Examples: kubectl reltio-export verify lake -n mdm
              kubectl reltio-export verify -f target.yaml
    """
    if (target is None) == (filename is None):
        raise CommandError("Use either the name of a target or a file (-f).")
    if filename is not None:
        with configured():
            settings = settings_loader.with_hosts(settings_loader.load(path=config).settings, allowed_hosts)
        verified = asyncio.run(_verify_here(filename, settings, context, namespace))
    else:
        verified = _verify_by_operator(connect(context, namespace), str(target))
    if output == "json":
        print_json(to_wire(verified.status))
    else:
        _print(verified)
    sys.exit(0 if is_true(verified.status.conditions, "Ready") else 1)


@click.command()
@click.argument("target", required=False, shell_complete=complete.targets)
@click.option("-f", "--filename", type=click.Path(path_type=Path), help="File with the ExportTarget.")
@click.option(
    "--principal",
    "principals",
    multiple=True,
    help="AWS account id or ARN that Reltio Support gives you. May be repeated, for other principals to trust.",
)
@click.option("--document", type=click.Choice(["trust", "permissions"]), help="Only this policy document, as JSON.")
@cluster_options
@output_option("json", "terraform", "cloudformation")
@without_traceback
def policy(
    target: str | None,
    filename: Path | None,
    principals: tuple[str, ...],
    document: str | None,
    context: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Generate the IAM role that TARGET needs: trust policy, least permissions and sessions of 12 hours.

    \b
    Examples: kubectl reltio-export policy lake --principal 123456789012 -o terraform
              kubectl reltio-export policy lake --principal 123456789012 --document trust > trust.json
    """
    if (target is None) == (filename is None):
        raise CommandError("Use either the name of a target or a file (-f).")
    raw = _from_file(filename) if filename else connect(context, namespace).get(TARGETS, str(target))
    subject = as_model(raw, ExportTarget, namespace)
    trusted = principals or subject.spec.verification.reltio_principals
    for principal in trusted:
        if not _PRINCIPAL.fullmatch(principal):
            raise CommandError(f"--principal {principal} is neither an account id of 12 digits nor an IAM ARN.")
    if not trusted:
        raise CommandError("No principal to trust. Use --principal, or set spec.verification.reltioPrincipals.")
    s3 = subject.spec.s3
    external = s3.external_id or ("<the external ID>" if s3.external_id_secret_ref else None)
    if s3.external_id is None:
        click.echo(_HIDDEN_EXTERNAL_ID if external else _NO_EXTERNAL_ID, err=True)
    if subject.spec.verification.assumes and len(trusted) == 1:
        click.echo(_OWN_PRINCIPAL.format(mode=subject.spec.verification.mode), err=True)
    role = role_templates.design(subject, trusted, external)
    if document is not None:
        if output != "json":
            raise CommandError("--document can only be used with -o json.")
        click.echo(json.dumps(role.trust if document == "trust" else role.permissions, indent=2))
        return
    written = {
        "json": role_templates.as_json,
        "terraform": role_templates.as_terraform,
        "cloudformation": role_templates.as_cloudformation,
    }
    click.echo(written[output](role))


def _verify_by_operator(cluster: Cluster, name: str) -> ExportTarget:
    """Request a verification with the annotation, and wait for its result."""
    request = datetime.now(UTC).isoformat()
    cluster.patch(TARGETS, name, {"metadata": {"annotations": {VERIFY_ANNOTATION: request}}})
    end = time.monotonic() + _VERIFY_TIMEOUT_SECONDS
    with Console(stderr=True).status(f"The operator is verifying {name}…"):
        while time.monotonic() < end:
            found = decode_target(cluster.get(TARGETS, name))
            if found.status.last_handled_verify_request == request:
                return found
            time.sleep(0.5)
    raise CommandError(
        f"The operator did not verify {name} within {_VERIFY_TIMEOUT_SECONDS:.0f} s. "
        f"Check that it runs and that it watches namespace {cluster.namespace}."
    )


async def _verify_here(filename: Path, settings: Settings, context: str | None, namespace: str | None) -> ExportTarget:
    documents = read(filename)
    raw = _target_among(documents, filename)
    namespace = namespace_of(raw, namespace) or namespace_of_context(context)
    target = as_model(raw, ExportTarget, namespace)
    outside = network()
    hosts = ReltioHosts.of(settings)
    secrets: Any = Secrets(documents, context, namespace)
    with ThreadPoolExecutor(4) as threads:
        async with http_client(outside, hosts=hosts) as http:
            sessions = RoleSessions(
                threads,
                new_session=session_factory(outside),
                allowed=AllowedRoles(settings.allowed_roles),
                session_tags=settings.session_tags,
                of_user=True,
            )
            access = Access(secrets, http, hosts=hosts)
            refusal = Refusals(access, sessions).of(target)
            if refusal is not None:
                refused = readiness.refused_status(target, refusal.why, datetime.now(UTC), condition=refusal.condition)
                return msgspec.structs.replace(target, status=refused)
            prober = Prober(access, sessions, target)
            with Console(stderr=True).status("Verifying with your AWS credentials…"):
                names = [name for name in readiness.checks_of(target) if name != OPERATOR_CREDENTIALS]
                checks = await _within(prober.reltio(), names)
                checks += await _within(prober.aws(advisory=True), names[len(readiness.RELTIO) :])
    status = readiness.evaluate(target, checks, datetime.now(UTC), tested=prober.made_advisory_checks)
    return msgspec.structs.replace(target, status=status)


async def _within(checks: AsyncIterator[Check], names: Sequence[str]) -> list[Check]:
    """The results of the checks within the time limit. The first of `names` that was not made has failed."""
    done: list[Check] = []
    try:
        async with asyncio.timeout(_VERIFY_TIMEOUT_SECONDS / 2):
            async for check in checks:
                done.append(check)  # noqa: PERF401 - checks made before the timeout count
    except TimeoutError:
        first_left = next((name for name in names if name not in {check.name for check in done}), None)
        if first_left is not None:
            seconds = _VERIFY_TIMEOUT_SECONDS / 2
            done.append(readiness.check_failed(first_left, messages.PROBE_TIMEOUT, seconds=seconds))
    return done


class Secrets:
    """Secrets from the file, else from the cluster. Stands in for the operator's own reader."""

    secret_values: Any  # as KubeClient.secret_values

    def __init__(self, documents: list[Raw], context: str | None, namespace: str | None) -> None:
        self._documents = {one["metadata"]["name"]: one for one in documents if one.get("kind") == "Secret"}
        self._context, self._namespace = context, namespace
        self._warned: set[str] = set()
        self.secret_values = self._values

    async def _values(self, namespace: str, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        found = self._documents.get(name)
        if found is None:
            try:
                found = await asyncio.to_thread(lambda: connect(self._context, self._namespace).secret(name))
            except CommandError as error:
                raise SecretError(str(error)) from None
        plain = found.get("stringData") or {}
        data = {**(found.get("data") or {}), **{key: _encoded(value) for key, value in plain.items()}}
        try:
            labels = found["metadata"].get("labels")
            return KubeClient.allowed_values(namespace, name, found.get("type"), labels, data, keys)
        except SecretNotAllowedError as error:
            if name not in self._warned:
                self._warned.add(name)
                where = " or add the label to the file" if name in self._documents else ""
                click.echo(f"Warning: The operator will not use Secret {name}. Run {error.command}{where}.", err=True)
            raise


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def _from_file(filename: Path) -> Raw:
    return _target_among(read(filename), filename)


def _target_among(documents: list[Raw], filename: Path) -> Raw:
    raw = only(documents, "ExportTarget")
    if raw is None:
        raise CommandError(f"There is no ExportTarget in {shown(filename)}.")
    return raw


def _print(target: ExportTarget) -> None:
    rows = _rows(target.status.checks)
    if sys.stdout.isatty():
        table = Table("Check", "Status", "Reason and what to do")
        for name, status, text in rows:
            colour = {"True": "green", "False": "red"}.get(status, "yellow")
            table.add_row(Text(name, overflow="fold"), Text(status, style=colour), Text(text, overflow="fold"))
        Console().print(table)
    else:
        width = max((len(name) for name, _, _ in rows if "," not in name), default=0)
        for name, status, text in rows:
            click.echo(f"{name:<{width}}  {status:<7}  {text}")
    suspended = find(target.status.conditions, "Suspended")
    ready = find(target.status.conditions, "Ready")
    if ready is None and suspended is not None:
        click.echo(suspended.message)
    else:
        click.echo(f"Ready={ready.status if ready else 'Unknown'}: {ready.message if ready else ''}")


def _rows(checks: Sequence[Check]) -> list[tuple[str, str, str]]:
    """Name, status and text of the checks. Those that were not made for one cause share a row."""
    rows: list[tuple[str, str, str]] = []
    open_: dict[str, list[str]] = {}
    for check in checks:
        if check.reason == messages.NOT_REACHED.name:
            open_.setdefault(check.message, []).append(check.name)
            continue
        text = f"{check.message} {check.remedy}".strip() if check.status != "True" else check.message
        rows.append((check.name, check.status, text if check.status == "True" else f"{check.reason}: {text}"))
    return rows + [(", ".join(names), "Unknown", message) for message, names in open_.items()]
