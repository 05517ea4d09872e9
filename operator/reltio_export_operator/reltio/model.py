"""Requests to and answers of the Export Service as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..api.foreign import ForeignText
from ..api.task import ObservedTask

_MASKED_HEADERS = {"externalid": "***"}
_TEXT_LIMIT = 1024
_MAX_ETA_SECONDS = 366 * 24 * 3600.0


@dataclass(frozen=True)
class WireRequest:
    """One submission: endpoint below ``/export/{tenant}/``, query, destination headers and JSON body."""

    endpoint: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        shown = {key: _MASKED_HEADERS.get(key.lower(), value) for key, value in self.headers.items()}
        return f"WireRequest({self.endpoint!r}, query={dict(self.query)}, headers={shown}, body={self.body})"


@dataclass(frozen=True)
class Submitted:
    """The answer to a submission."""

    task_ids: tuple[str, ...]
    group_id: str | None = None
    version: str | None = None


def parse_task(raw: Mapping[str, Any]) -> ObservedTask:
    """A task from its JSON. Keys may be missing, unknown or of another type; only `id` is required.

    Raises KeyError without an id. Source of the keys, which no single example has all of; copy of 2026-07-10:
    https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/export-tasks-management-api
    """
    state = _mapping(raw.get("currentState"))
    overall = _mapping(state.get("globalStatus"))
    processed = _first(overall, "entitiesNumber", "relationsNumber")
    total = _first(overall, "entitiesTotal", "relationsTotal")
    return ObservedTask(
        id=id_text(raw["id"]) or "",
        status=(_text(raw.get("status")) or "").strip().upper(),
        name=_name(raw.get("name")),
        export_name=_name(_mapping(raw.get("parameters")).get("exportName")),
        group_id=id_text(raw.get("groupId")),
        stage_id=_whole(state.get("statusId")),
        stage=_foreign(state.get("status")),
        processed=processed if processed is not None else _whole(state.get("numberOfProcessedObjects")),
        total=total or None,
        rate=_number(overall.get("overallThroughput")) or _number(overall.get("lastFiveMinThroughput")),
        eta_seconds=_eta(state) or _eta(overall) or _eta(raw),
        created_ms=_whole(raw.get("createdTime")),
        started_ms=_whole(raw.get("startTime")),
        ended_ms=_whole(raw.get("endTime")),
        error=_foreign(raw.get("error")) or _foreign(raw.get("internalErrorDetails")),
        is_parallel=_flag(raw.get("parallelExecution")),
    )


def id_text(value: object) -> str | None:
    """An id as text, so that 17, 17.0 and "17" are the same id; None if it is not one."""
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value == int(value) else None
    if value is None or isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return str(value).strip() or None


def parse_submitted(body: object) -> Submitted | None:
    """The answer to a submission; None if it names no task.

    The documentation shows a list of strings in `taskIds`. Ids of other JSON types, a single id, and objects with an
    id are accepted too, because an export that has started must not be taken for one that has not.
    """
    if not isinstance(body, Mapping):
        return None
    named = body.get("taskIds", body.get("taskId"))
    listed = named if isinstance(named, list) else [named]
    ids = [id_text(one.get("id", one.get("taskId")) if isinstance(one, Mapping) else one) for one in listed]
    known = tuple(dict.fromkeys(id_ for id_ in ids if id_))
    return Submitted(known, id_text(body.get("groupId")), _text(body.get("version"))) if known else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _eta(source: Mapping[str, Any]) -> float | None:
    millis = _number(source.get("etaMillis"))
    return min(millis / 1000, _MAX_ETA_SECONDS) if millis else None


def _first(source: Mapping[str, Any], *names: str) -> int | None:
    return next((found for name in names if (found := _whole(source.get(name))) is not None), None)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 2**63 else None  # no count of Reltio is negative


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())


def _whole(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None else None


def _name(value: object) -> str | None:
    """A name as it is, because it is compared as a whole. It is not for messages."""
    return value.strip()[:_TEXT_LIMIT] or None if isinstance(value, str) else None


def _text(value: object) -> str | None:
    if value is None or (isinstance(value, Mapping | Sequence) and not isinstance(value, str)):
        return None
    return str(value)[:_TEXT_LIMIT] or None


def _foreign(value: object) -> ForeignText | None:
    """Text for people, which is shown only after it went through `quote`."""
    if value is None or (isinstance(value, Mapping | Sequence) and not isinstance(value, str)):
        return None
    return ForeignText(value) if value != "" else None
