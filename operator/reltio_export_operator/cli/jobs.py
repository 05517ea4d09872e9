"""Commands about jobs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ..api.decoding import decode_job, decode_target
from ..api.job import ExportJob
from ..api.meta import API_VERSION, CANCEL_ANNOTATION, JOBS, TARGETS
from ..api.target import ExportTarget
from . import complete
from .cluster import Cluster, Raw, UsageProblem, cluster_options, connect, friendly, output_option, print_json
from .story import tell

_INTERRUPTED = 130  # as a shell says it of a process that Ctrl-C ended
_LOOK = 1.0  # seconds between looks at a job that is followed
_TYPES = ("Entities", "Relations", "Activities", "MergeTree", "SegmentEntities")


@click.command()
@click.argument("job", shell_complete=complete.jobs)
@cluster_options
@output_option("text", "json")
@friendly
def why(job: str, context: str | None, namespace: str | None, output: str) -> None:
    """Tell the story of JOB: what happened, what it waits for, and what to do.

    \b
    Example: kubectl reltio-export why people -n mdm
    """
    cluster = connect(context, namespace)
    found = decode_job(cluster.get(JOBS, job))
    story = tell(found, _target_of(cluster, found), tuple(cluster.events(found.metadata.uid)))
    if output == "json":
        print_json(story.as_json())
    else:
        click.echo("\n".join(story.lines()))


@click.command()
@click.argument("target", shell_complete=complete.targets)
@click.option("--type", "type_", type=click.Choice(_TYPES), default="Entities", show_default=True)
@click.option("--name", help="Name of the job; made up by the API server by default.")
@click.option("--filter", "filter_", help="Reltio filter, such as equals(type,'configuration/entityTypes/HCP').")
@click.option("--format", "format_", type=click.Choice(["CSV", "JSON"]))
@click.option("--path", help="Where under the target's path.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the job to its end.")
@cluster_options
@output_option("text", "json")
@friendly
def run(
    target: str,
    type_: str,
    name: str | None,
    filter_: str | None,
    format_: str | None,
    path: str | None,
    wait: bool,
    context: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Create a job towards TARGET and follow it. The exit code is 0 only if it is Complete.

    \b
    Example: kubectl reltio-export run lake --type Relations -n mdm
    """
    cluster = connect(context, namespace)
    export: Raw = {"type": type_, "filter": filter_, "fileFormat": format_}
    spec: Raw = {
        "targetRef": {"name": target},
        "export": {key: value for key, value in export.items() if value},
        **({"path": path} if path else {}),
    }
    metadata = {"name": name} if name else {"generateName": f"{target}-{type_.lower()}-"}
    cluster.get(TARGETS, target)
    created = cluster.create(JOBS, {"apiVersion": API_VERSION, "kind": "ExportJob", "metadata": metadata, "spec": spec})
    job = created["metadata"]["name"]
    if not wait:
        _show(created, output, f"exportjob.export.reltio.com/{job} created")
        return
    try:
        sys.exit(_follow(cluster, job, output))
    except KeyboardInterrupt:
        where = f"{job} -n {cluster.namespace}"
        click.echo(f"\nThe job goes on. Its story: kubectl reltio-export why {where}", err=True)
        click.echo(f"To stop it: kubectl reltio-export cancel {where}", err=True)
        sys.exit(_INTERRUPTED)


@click.command()
@click.argument("job", shell_complete=complete.jobs)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until its export has stopped.")
@cluster_options
@output_option("text", "json")
@friendly
def cancel(job: str, wait: bool, context: str | None, namespace: str | None, output: str) -> None:
    """Stop the export of JOB without deleting the object.

    \b
    Example: kubectl reltio-export cancel people -n mdm
    """
    cluster = connect(context, namespace)
    before = cluster.get(JOBS, job)
    if _ended(before):
        _show(before, output, f"ExportJob {job} has ended already. {_outcome(before)}")
        sys.exit(1)
    cluster.patch(JOBS, job, {"metadata": {"annotations": {CANCEL_ANNOTATION: "true"}}})
    click.echo(f"exportjob.export.reltio.com/{job} is being cancelled", err=output == "json")
    for raw in _checks(cluster, job):
        if not wait or _ended(raw):
            _show(raw, output, _outcome(raw) if wait else f"exportjob.export.reltio.com/{job} annotated")
            sys.exit(1 if _condition(raw, "Complete") else 0)


def _follow(cluster: Cluster, job: str, output: str) -> int:
    """Show the job's progress until it has ended: a bar on a terminal, a line a change elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    shown, raw = "", {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        line = bar.add_task(job, total=100)
        for raw in _checks(cluster, job):
            status = raw.get("status", {})
            text = f"{job} {status.get('phase', 'Pending')} {status.get('progress', {}).get('summary', '')}".rstrip()
            bar.update(line, description=text, completed=status.get("progress", {}).get("percent", 0))
            if text != shown and not console.is_terminal:
                click.echo(text, err=True)
            shown = text
            if _ended(raw):
                break
    _show(raw, output, _outcome(raw))
    return 0 if _condition(raw, "Complete") else 1


def _checks(cluster: Cluster, job: str) -> Iterator[Raw]:
    while True:
        yield cluster.get(JOBS, job)
        time.sleep(_LOOK)


def _ended(raw: Raw) -> bool:
    return bool(_condition(raw, "Complete") or _condition(raw, "Failed"))


def _outcome(raw: Raw) -> str:
    ended = _condition(raw, "Complete") or _condition(raw, "Failed") or {}
    return f"{ended.get('type')}: {ended.get('reason')}: {ended.get('message')}"


def _condition(raw: Raw, type_: str) -> dict[str, Any] | None:
    conditions = raw.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == type_ and c["status"] == "True"), None)


def _show(raw: Raw, output: str, text: str) -> None:
    if output == "json":
        print_json(raw)
    else:
        click.echo(text)


def _target_of(cluster: Cluster, job: ExportJob) -> ExportTarget | None:
    try:
        return decode_target(cluster.get(TARGETS, job.spec.target_ref.name))
    except UsageProblem:
        return None
