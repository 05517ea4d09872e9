"""Shows the request that a job would send."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from ..api.job import ExportJob
from ..api.meta import TARGETS
from ..api.target import ExportTarget
from ..jobs import naming
from ..reltio.mapping import wire_request
from .cluster import (
    CommandError,
    cluster_options,
    connect,
    namespace_of_context,
    output_option,
    print_json,
    without_traceback,
)
from .documents import as_model, namespace_of, only, read, shown

_MASK = "***"


@click.command()
@click.option("-f", "--filename", type=click.Path(path_type=Path), required=True, help="File with the ExportJob.")
@click.option(
    "--target-file", type=click.Path(path_type=Path), help="File with the ExportTarget. Default: that of the cluster."
)
@cluster_options
@output_option("text", "json")
@without_traceback
def plan(filename: Path, target_file: Path | None, context: str | None, namespace: str | None, output: str) -> None:
    """Show the request that the job would send to Reltio. Nothing is sent, and secrets are masked.

    \b
    Example: kubectl reltio-export plan -f job.yaml --target-file target.yaml
    """
    documents = read(filename)
    raw = only(documents, "ExportJob")
    if raw is None:
        raise CommandError(f"There is no ExportJob in {shown(filename)}.")
    namespace = namespace_of(raw, namespace) or namespace_of_context(context)
    job = as_model(raw, ExportJob, namespace)
    name = job.spec.target_ref.name
    beside = only(read(target_file), "ExportTarget") if target_file else only(documents, "ExportTarget")
    target = as_model(beside or connect(context, namespace).get(TARGETS, name), ExportTarget, namespace)
    if target.metadata.name != name:
        raise CommandError(f"spec.targetRef.name is {name}, but the file has ExportTarget {target.metadata.name}.")
    request = planned(job, target)
    if output == "json":
        print_json(request)
        return
    click.echo(f"POST {request['url']}")
    for part in ("query", "headers"):
        for key, value in request[part].items():
            click.echo(f"  {part:<8} {key}: {value}")
    click.echo(f"  body     {msgspec.json.encode(request['body']).decode()}")


def planned(job: ExportJob, target: ExportTarget) -> dict[str, Any]:
    """URL, query, headers and body, with the external ID and the token masked."""
    submission = naming.intend(job, target, datetime.now(UTC))
    s3 = target.spec.s3
    external = _MASK if s3.external_id or s3.external_id_secret_ref else None
    request = wire_request(job.spec.export, submission, external_id=external, encryption=s3.server_side_encryption)
    service = submission.service
    return {
        "method": "POST",
        "url": f"{service.export_service_url}/export/{service.tenant}/{request.endpoint}",
        "query": dict(request.query),
        "headers": {"Authorization": f"Bearer {_MASK}", **request.headers},
        "body": dict(request.body or {}),
    }
