"""Commands about schedules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.console import Console
from rich.table import Table

from ..api.decoding import decode_schedule
from ..api.meta import SCHEDULES, parse_duration
from ..api.schedule import ExportSchedule
from ..schedules.slots import Slots
from ..schedules.timetable import InvalidSchedule
from . import complete
from .cluster import CommandError, Raw, cluster_options, connect, output_option, print_json, without_traceback

_SHOWN = 10


@click.command()
@click.argument("name", shell_complete=complete.schedules)
@click.option("--runs", default=_SHOWN, show_default=True, type=click.IntRange(1, 1000), help="How many runs to show.")
@cluster_options
@output_option("text", "json")
@without_traceback
def schedule(name: str, runs: int, context: str | None, namespace: str | None, output: str) -> None:
    """Show the next runs of schedule NAME in its time zone and in UTC, and what they will export.

    The windows are those of runs that all complete: after one that fails, the next window begins where that one did.

    \b
    Example: kubectl reltio-export schedule nightly -n mdm
    """
    cluster = connect(context, namespace)
    raw = cluster.get(SCHEDULES, name)
    try:
        found = decode_schedule(raw)
        rows = list(next_runs(found, datetime.now(UTC), runs))
    except InvalidSchedule as error:
        raise CommandError(f"ExportSchedule {name} cannot be used: {error.field}: {error}") from None
    except msgspec.ValidationError as error:
        raise CommandError(f"This release of the command cannot read ExportSchedule {name}: {error}") from None
    if output == "json":
        print_json({"runs": rows})
        return
    zone = found.spec.time_zone
    click.echo(f"ExportSchedule {name}: {found.spec.schedule} in {zone}")
    if found.spec.suspend:
        click.echo("It is suspended, so none of these runs starts. Set spec.suspend to false to continue.")
    if found.status.message:
        click.echo(found.status.message)
    table = Table(f"Start ({zone})", "Start (UTC)", "Mode", "Exports what was updated")
    for row in rows:
        table.add_row(row["localTime"], row["time"], row["mode"], _window(row))
    Console().print(table)


@click.command()
@click.argument("name", shell_complete=complete.schedules)
@click.argument("value", required=False)
@cluster_options
@without_traceback
def trigger(name: str, value: str | None, context: str | None, namespace: str | None) -> None:
    """Start one run of schedule NAME now, also while it is suspended.

    VALUE is written to spec.trigger. Default: the time. A value that the schedule has already starts nothing.

    \b
    Example: kubectl reltio-export trigger nightly -n mdm
    """
    cluster = connect(context, namespace)
    found = cluster.get(SCHEDULES, name)
    value = value or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if found["spec"].get("trigger") == value:
        raise CommandError(f"spec.trigger of ExportSchedule {name} is {value!r} already. Choose another VALUE.")
    cluster.patch(SCHEDULES, name, {"spec": {"trigger": value}})
    click.echo(f"exportschedule.export.reltio.com/{name} triggered")
    active = [str(job.get("name")) for job in found.get("status", {}).get("active", [])]
    if active and found["spec"].get("concurrencyPolicy") == "Forbid":
        click.echo(f"The run waits for ExportJob {active[0]}, because spec.concurrencyPolicy is Forbid.", err=True)
    click.echo(f"To see its job: kubectl get exportjobs -n {cluster.namespace} -w", err=True)


def next_runs(schedule: ExportSchedule, now: datetime, number: int) -> Iterator[Raw]:
    """The next runs as JSON: `time` with jitter, `localTime`, `scheduledTime`, `mode`, `windowStart`, `windowEnd`.

    Raises InvalidSchedule.
    """
    slots, spec, status = Slots(schedule), schedule.spec, schedule.status
    zone = ZoneInfo(spec.time_zone)
    watermark = status.incremental.watermark if status.incremental is not None else None
    planned = status.next_schedule_time or slots.planned_after(now)
    first = True
    for _ in range(number):
        if planned is None:
            return
        due = slots.due(planned, max(planned, now) if first else planned)
        if due is None:
            return
        start = max(planned, now) if first else planned
        is_incremental = spec.incremental is not None and not due.is_full and watermark is not None
        since = None
        if spec.incremental is not None and is_incremental and watermark is not None:
            since = watermark - timedelta(seconds=parse_duration(spec.incremental.overlap))
        elif spec.incremental is not None and watermark is None and status.data_time is None and not due.is_full:
            since = spec.incremental.initial.since
        yield {
            "time": start.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "localTime": start.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z"),
            "scheduledTime": due.slot.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "mode": "Incremental" if since is not None else "Full",
            "windowStart": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if since is not None else None,
            "windowEnd": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        watermark = start if spec.incremental is not None else None
        planned, first = slots.planned_after(due.slot), False


def _window(row: Raw) -> str:
    return f"from {row['windowStart']} until {row['windowEnd']}" if row["windowStart"] else f"until {row['windowEnd']}"
