"""What a run exports: its name, its mode, and its window of time.

An incremental run exports the objects updated in [watermark - overlap, T). T is fixed before its job is created, so at
or before its submission. When the job is Complete, the watermark becomes T. So windows tile time: a run that fails, or
never happens, leaves the watermark, and the next window begins where that one did.
"""

from __future__ import annotations

import copy
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ..api.job import ExportSpec
from ..api.meta import API_VERSION, RUN_ANNOTATION, SCHEDULE_LABEL, parse_duration, whole_seconds
from ..api.schedule import ExportSchedule, FullReason, IncrementalStatus, Run
from ..api.target import ExportTarget
from .timetable import timetable

_NAME_LIMIT = 253
_LABEL_LIMIT = 63
_MAX_WINDOWS = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WINDOW_FIELDS = {
    "Entities": ("updatedSince", "updatedBefore"),
    "Relations": ("updatedSince", "updatedBefore"),
    "SegmentEntities": ("updatedSince", "updatedBefore"),
    "MergeTree": ("startTime", "endTime"),
}


def spec_hash(schedule: ExportSchedule, target: ExportTarget) -> str:
    """What must stay the same for a watermark to mean anything: tenant, destination, type and parameters."""
    reltio, s3 = target.spec.reltio, target.spec.s3
    # Without defaults, so that a release with a new field changes nothing.
    export = msgspec.convert(schedule.spec.job_template.spec.get("export"), ExportSpec)
    about = [reltio.service_url, reltio.tenant, s3.bucket, s3.prefix, export]
    return hashlib.sha256(msgspec.json.encode(about, order="sorted")).hexdigest()[:16]


def slot_name(schedule: ExportSchedule, slot: datetime) -> str:
    """The name of the job of a slot: the same from every process."""
    return _name(schedule, str(int((slot - _EPOCH).total_seconds()) // 60))


def trigger_name(schedule: ExportSchedule, trigger: str) -> str:
    """The name of the job of a trigger. A value that comes again, in a later generation, gives another name."""
    about = f"{schedule.metadata.uid}/{schedule.metadata.generation}/{trigger}"
    return _name(schedule, f"t-{hashlib.sha256(about.encode()).hexdigest()[:10]}")


def run_for(
    schedule: ExportSchedule,
    target: ExportTarget,
    now: datetime,
    *,
    slot: datetime | None = None,
    trigger: str | None = None,
    is_full: bool = False,
) -> Run:
    """The run of a slot or a trigger, if it is decided on now."""
    name = slot_name(schedule, slot) if slot is not None else trigger_name(schedule, trigger or "")
    run = Run(name=name, scheduled_time=slot, trigger=trigger, mode="Full", window_end=whole_seconds(now))
    if schedule.spec.incremental is None:
        return run
    current = spec_hash(schedule, target)
    state = schedule.status.incremental or IncrementalStatus()
    run = msgspec.structs.replace(run, spec_hash=current)
    why = _full_reason(schedule, state, current, is_full=is_full)
    if why is not None:
        return msgspec.structs.replace(run, full_reason=why)
    return msgspec.structs.replace(run, mode="Incremental", window_start=_window_start(schedule, state))


def _full_reason(
    schedule: ExportSchedule, state: IncrementalStatus, current: str, *, is_full: bool
) -> FullReason | None:
    incremental = schedule.spec.incremental
    if is_full:
        return "FullSchedule"
    if state.watermark is None:
        if incremental is not None and incremental.initial.mode == "Since" and not schedule.status.data_time:
            return None
        return "FirstRun" if schedule.status.data_time is None else "WatermarkLost"
    if state.spec_hash != current:
        return "TemplateChanged"
    pointer = schedule.status.pointer
    if schedule.spec.latest_pointer is not None and pointer is not None and pointer.needs_full_export:
        return "PointerIncomplete"
    return "TooManyWindows" if state.windows >= _MAX_WINDOWS else None


def _window_start(schedule: ExportSchedule, state: IncrementalStatus) -> datetime | None:
    incremental = schedule.spec.incremental
    if incremental is None:
        return None
    if state.watermark is None:
        return incremental.initial.since
    return state.watermark - timedelta(seconds=parse_duration(incremental.overlap))


def manifest(schedule: ExportSchedule, run: Run) -> dict[str, Any]:
    """The ExportJob of a run."""
    meta, template = schedule.metadata, schedule.spec.job_template
    spec = copy.deepcopy(template.spec)
    export = spec.setdefault("export", {})
    _restrict(export, run)
    if "path" in spec:
        spec["path"] = _resolved(str(spec["path"]), schedule, run)
    return {
        "apiVersion": API_VERSION,
        "kind": "ExportJob",
        "metadata": {
            "name": run.name,
            "namespace": meta.namespace,
            "labels": {**template.metadata.labels, SCHEDULE_LABEL: label_value(schedule)},
            "annotations": {**template.metadata.annotations, RUN_ANNOTATION: run.encoded()},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "ExportSchedule",
                    "name": meta.name,
                    "uid": meta.uid,
                    "controller": True,
                }
            ],
        },
        "spec": spec,
    }


def label_value(schedule: ExportSchedule) -> str:
    """The value of the label of its jobs: its name, shortened with a hash where a label cannot hold it."""
    return _shortened(schedule.metadata.name, _LABEL_LIMIT)


def _restrict(export: dict[str, Any], run: Run) -> None:
    """Limit an export to the window of an incremental run."""
    start, end = run.window_start, run.window_end
    if run.mode != "Incremental" or start is None:
        return
    if export.get("type") == "Activities":
        window = f"gte(timestamp,{_milliseconds(start)}) and lt(timestamp,{_milliseconds(end)})"
        own = export.get("filter")
        export["filter"] = f"({own}) and {window}" if own else window
        return
    since, before = _WINDOW_FIELDS[export["type"]]
    export[since], export[before] = _rfc3339(start), _rfc3339(end)


def _resolved(path: str, schedule: ExportSchedule, run: Run) -> str:
    slot = run.scheduled_time or run.window_end
    local = timetable(schedule.spec.schedule, schedule.spec.time_zone).local(slot)
    values = {
        "{scheduledTime}": _compact(slot),
        "{scheduledDate}": local.strftime("%Y-%m-%d"),
        "{windowStart}": _compact(run.window_start) if run.window_start else "beginning",
        "{windowEnd}": _compact(run.window_end),
        "{mode}": run.mode.lower(),
    }
    for placeholder, value in values.items():
        path = path.replace(placeholder, value)
    return path


def _name(schedule: ExportSchedule, ending: str) -> str:
    return f"{_shortened(schedule.metadata.name, _NAME_LIMIT - len(ending) - 1)}-{ending}"


def _shortened(name: str, limit: int) -> str:
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name[: limit - len(digest) - 1].rstrip('.-')}-{digest}"


def _milliseconds(moment: datetime) -> int:
    return int((moment - _EPOCH) / timedelta(milliseconds=1))


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _compact(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
