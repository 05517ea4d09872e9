"""From the options of `run` to `spec.export` of a job."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import click

from ..api.job import ExportType
from .cluster import CommandError, Raw

TYPES: tuple[str, ...] = get_args(ExportType)
_WITH_TYPES = ("Entities", "Relations", "SegmentEntities")  # that take includeTypes and updatedSince
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"([0-9]{1,6})([mhd])")


def spec_of(
    type_: str,
    *,
    filter_: str | None,
    file_format: str | None,
    types: tuple[str, ...],
    segments: tuple[str, ...],
    hierarchy: str | None,
    since: str | None,
    now: datetime,
) -> Raw:
    """The spec of the export. Raises CommandError for options that the type does not take, or without one it needs."""
    _check(type_, "SegmentEntities", "--segment", segments)
    _check(type_, "Hierarchies", "--hierarchy", hierarchy)
    if types and type_ not in _WITH_TYPES:
        raise CommandError(f"--types is for {', '.join(_WITH_TYPES)}. Remove it or use another --type.")
    if since and type_ not in (*_WITH_TYPES, "MergeTree"):
        raise CommandError(f"--since is for {', '.join(_WITH_TYPES)} and MergeTree. Use --filter for {type_}.")
    given: Raw = {
        "type": type_,
        "filter": filter_,
        "fileFormat": file_format,
        "includeTypes": [_uri(name, type_) for one in types for name in one.split(",") if name],
        "segmentIDs": list(segments),
        "hierarchyID": hierarchy,
        "startTime" if type_ == "MergeTree" else "updatedSince": _moment(since, now) if since else None,
    }
    return {name: value for name, value in given.items() if value}


def _check(type_: str, needs: str, option: str, value: object) -> None:
    if type_ == needs and not value:
        raise CommandError(f"--type {needs} needs {option} ID.")
    if type_ != needs and value:
        raise CommandError(f"{option} is for --type {needs}. Remove it or use that type.")


def _uri(name: str, type_: str) -> str:
    """The URI of an entity or relation type, which may be given as its last part."""
    if "/" in name:
        return name
    return f"configuration/{'relationTypes' if type_ == 'Relations' else 'entityTypes'}/{name}"


def _moment(text: str, now: datetime) -> str:
    """RFC 3339 in UTC, from a time, a date (its first moment in UTC), or how long ago, such as 12h or 7d."""
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            moment = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        elif len(text) == len("2031-01-15"):
            day = date.fromisoformat(text)
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise _not_a_time(text) from None
    if moment.tzinfo is None:
        raise _not_a_time(text)
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _not_a_time(text: str) -> click.ClickException:
    return CommandError(
        f"--since {text} is not a time. Use a date such as 2031-01-15, a time with its zone such as "
        "2031-01-15T03:00:00Z, or how long ago, such as 12h or 7d."
    )
