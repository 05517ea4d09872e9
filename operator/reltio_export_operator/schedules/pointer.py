"""The pointer to the newest proven data: one small JSON object in the bucket, for programs that read the exports.

It lists the exports whose union is everything: the newest full one, and the windows since then in their order. It only
goes forward: a document with newer data is never replaced, also by a late writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from ..api.conditions import find
from ..api.meta import Model, Time
from ..api.schedule import ExportSchedule, IncrementalStatus, PointerStatus, Run, RunMode
from .observation import Child, Observation, WritePointer

MAX_BYTES = 4 << 20  # of a document that is read
_MAX_EXPORTS = 1_001  # a full export and 1,000 windows
MAX_NAMES = 1_000  # of files of one export, and of all windows together
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class ScheduleRef(Model, frozen=True, kw_only=True):
    namespace: str
    name: str
    uid: str


class Export(Model, frozen=True, kw_only=True):
    """One complete export. `files` are names below `prefix`; None where there are too many to list.

    Objects updated in [`window_start`, `window_end`) are in it; without a start, all updated before the end.
    `open` says what could not be compared where `verified` is Unknown.
    """

    job: str
    mode: RunMode
    bucket: str
    prefix: str
    window_start: Time | None = None
    window_end: Time
    completion_time: Time | None = None
    verified: Literal["Delivered", "Unknown"]
    open: str = ""
    file_count: int | None = None
    bytes: int | None = None
    objects: int | None = None
    files: tuple[str, ...] | None = None


class Pointer(Model, frozen=True, kw_only=True):
    """The document. Objects updated before `data_time` are in `exports`; `prefix` is that of the newest one.

    `verified` is Unknown if that of any export is.
    """

    version: Literal[1] = 1
    schedule: ScheduleRef
    updated_time: Time
    data_time: Time
    verified: Literal["Delivered", "Unknown"]
    open: tuple[str, ...] = ()
    bucket: str
    prefix: str
    spec_hash: str = ""
    exports: tuple[Export, ...]


class UnusablePointer(Exception):
    """The object is not a pointer of this schedule. `is_foreign`: it is one of another schedule."""

    def __init__(self, *, is_foreign: bool) -> None:
        super().__init__()
        self.is_foreign = is_foreign


def location(schedule: ExportSchedule, prefix: str) -> str | None:
    """The key of the pointer below the prefix of the target; None if the schedule has none."""
    pointer, meta = schedule.spec.latest_pointer, schedule.metadata
    if pointer is None:
        return None
    return prefix + (pointer.path or f"_latest/{meta.namespace}/{meta.name}.json")


def decoded(content: bytes, schedule: ExportSchedule) -> Pointer:
    """The document of this schedule. Raises UnusablePointer."""
    try:
        pointer = msgspec.json.decode(content, type=Pointer)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise UnusablePointer(is_foreign=False) from None
    meta = schedule.metadata
    if (pointer.schedule.namespace, pointer.schedule.name) != (meta.namespace, meta.name):
        raise UnusablePointer(is_foreign=True)
    if not 0 < len(pointer.exports) <= _MAX_EXPORTS or pointer.exports[-1].window_end != pointer.data_time:
        raise UnusablePointer(is_foreign=False)
    return pointer


def encoded(pointer: Pointer) -> bytes:
    return msgspec.json.format(msgspec.json.encode(pointer), indent=1)


def export_of(child: Child, run: Run, window_end: datetime, files: tuple[str, ...] | None) -> Export:
    """The entry of a complete job."""
    status = child.job.status
    output, checked = status.output, find(status.conditions, "DeliveryVerified")
    is_proven = checked is not None and checked.status == "True"
    return Export(
        job=child.name,
        mode=run.mode,
        bucket=output.bucket if output else "",
        prefix=output.prefix if output else "",
        window_start=run.window_start,
        window_end=window_end,
        completion_time=status.completion_time,
        verified="Delivered" if is_proven else "Unknown",
        open="" if is_proven else checked.message if checked is not None else "The delivery was not checked.",
        file_count=output.files if output else None,
        bytes=output.bytes if output else None,
        objects=output.objects if output else None,
        files=files,
    )


def advanced(
    before: Pointer | None, schedule: ExportSchedule, exports: Sequence[tuple[Export, str]], now: datetime
) -> Pointer | None:
    """The document with these exports, each with its spec hash, oldest first. None if there is nothing to write.

    A window follows what is listed, or starts the list if it is the first one of all. One that would leave a gap is
    left out, so the document has older data than that job.
    """
    listed = before.exports if before else ()
    spec_hash = before.spec_hash if before else ""
    for export, hash_ in exports:
        end = listed[-1].window_end if listed else None
        if end is not None and export.window_end <= end:
            continue
        if export.mode == "Full" or (not listed and export.window_start == _since(schedule)):
            listed, spec_hash = (export,), hash_
        elif hash_ == spec_hash and export.window_start is not None and end is not None and export.window_start <= end:
            listed = (*listed, export)
    if not listed or len(listed) > _MAX_EXPORTS or (before is not None and listed == before.exports):
        return None
    listed, meta, newest = _bounded(listed), schedule.metadata, listed[-1]
    unknown = [export for export in listed if export.verified == "Unknown"]
    return Pointer(
        schedule=ScheduleRef(namespace=meta.namespace, name=meta.name, uid=meta.uid),
        updated_time=now.replace(microsecond=0),
        data_time=newest.window_end,
        verified="Unknown" if unknown else "Delivered",
        open=tuple(dict.fromkeys(f"{export.job}: {export.open}" for export in unknown[-10:])),
        bucket=newest.bucket,
        prefix=newest.prefix,
        spec_hash=spec_hash,
        exports=listed,
    )


def _since(schedule: ExportSchedule) -> datetime | None:
    """Where the first window begins if the first run is not full."""
    incremental = schedule.spec.incremental
    return incremental.initial.since if incremental is not None else None


def _bounded(exports: tuple[Export, ...]) -> tuple[Export, ...]:
    """Without the names of files beyond the bound, so that the document stays small. The newest keep theirs."""
    left, bounded = MAX_NAMES * 2, list[Export]()
    for export in reversed(exports):
        names = len(export.files or ())
        left -= names
        bounded.append(export if left >= 0 else msgspec.structs.replace(export, files=None))
    return tuple(reversed(bounded))


def known(obs: Observation) -> PointerStatus | None:
    """The pointer where the spec has it now; None if it is not known, such as after its path was changed."""
    pointer, target = obs.status.pointer, obs.target
    if pointer is None or target is None:
        return pointer
    key = location(obs.schedule, target.spec.s3.prefix)
    return pointer if pointer.location == f"s3://{target.spec.s3.bucket}/{key}" else None


def pending(obs: Observation) -> tuple[Child, ...]:
    """Complete jobs with newer data than the pointer has, the oldest data first."""
    if obs.schedule.spec.latest_pointer is None:
        return ()
    before = known(obs)
    newest = (before.data_time if before is not None else None) or _LONG_AGO
    found = [(end, child) for end, child in _complete(obs) if end > newest]
    if before is not None and before.needs_full_export:
        found = [(end, child) for end, child in found if child.run is not None and child.run.mode == "Full"]
    return tuple(child for _, child in (found if obs.schedule.spec.incremental is not None else found[-1:]))


def write(obs: Observation) -> tuple[WritePointer, ...]:
    """What to write, once the outcome of each job is in the status.

    It has the jobs since the newest full export, so that a document that was deleted is written again.
    """
    unrecorded = {job.name for job in obs.status.active}
    found = pending(obs)
    if not found or obs.target is None or any(child.name in unrecorded for child in found):
        return ()
    complete = [child for _, child in _complete(obs)]
    fulls = [n for n, child in enumerate(complete) if child.run is not None and child.run.mode == "Full"]
    return (WritePointer(tuple(complete[fulls[-1] if fulls else 0 :])),)


def _complete(obs: Observation) -> list[tuple[datetime, Child]]:
    """The complete jobs whose run is known, by the time of their data."""
    found = [
        (child.data_time, child)
        for child in obs.children
        if child.job.is_complete and child.run is not None and child.data_time is not None
    ]
    return sorted(found, key=lambda one: (one[0], one[1].name))


def state_of(pointer: Pointer, schedule: ExportSchedule) -> IncrementalStatus | None:
    """What the document says of the watermark; None if it is that of an earlier schedule of the same name."""
    if not pointer.spec_hash or pointer.schedule.uid != schedule.metadata.uid:
        return None
    return IncrementalStatus(
        watermark=pointer.data_time,
        last_full_time=next((one.window_end for one in pointer.exports if one.mode == "Full"), None),
        spec_hash=pointer.spec_hash,
        windows=sum(one.mode == "Incremental" for one in pointer.exports),
    )


def status_of(pointer: Pointer, location_: str, *, needs_full: bool = False) -> PointerStatus:
    return PointerStatus(
        location=location_,
        job=pointer.exports[-1].job,
        data_time=pointer.data_time,
        exports=len(pointer.exports),
        needs_full_export=needs_full,
    )
