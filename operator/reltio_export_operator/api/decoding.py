"""Decodes objects of the API so that one bad value in a status does not cost the rest of it.

The API server has admitted the spec; one that cannot be decoded raises `msgspec.ValidationError`. A status may have
been written by another version of the operator, or by hand. It is decoded field by field: a missing field gets its
default, and a value that does not fit its field is recorded as a `Problem` and replaced by the default. A decision
must not take such a default for knowledge. Unknown fields are ignored here, and kept by `status_patch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from .conditions import Condition, Conditions, find, headline, reason_times
from .foreign import MAX_FOREIGN, NOTHING_SECRET, quote
from .job import HEADLINES, ExportJob, JobSpec, JobStatus
from .meta import LIST_KEYS, Model, ObjectMeta, Problem, Time
from .reasons import Reason
from .schedule import ExportSchedule, ScheduleSpec, ScheduleStatus
from .target import ExportTarget, TargetSpec, TargetStatus

Raw = Mapping[str, Any]
Status = TypeVar("Status", JobStatus, TargetStatus, ScheduleStatus)
Path = tuple[str | int, ...]

STATUS_INVALID = "StatusInvalid"  # a condition that appears only while it is true
_SHOWN = 5  # problems
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(1970, 3000)  # within these, no sum of a time and a duration overflows
_INVALID: Any = object()
# OverflowError: a time far outside of the calendar. UnicodeError: half of a character, which may be escaped in JSON.
_UNDECODABLE = (msgspec.ValidationError, OverflowError, UnicodeError)
_WITHOUT_STATUS: dict[type[Model], Any] = {
    model: msgspec.defstruct("Object", [("metadata", ObjectMeta), ("spec", model)])
    for model in (JobSpec, TargetSpec, ScheduleSpec)
}


def decode_job(raw: Raw) -> ExportJob:
    """Decode an ExportJob. Raises msgspec.ValidationError when its metadata or spec cannot be decoded."""
    metadata, spec = _metadata_and_spec(raw, JobSpec)
    status, problems = decode_status(raw, JobStatus)
    return ExportJob(metadata=metadata, spec=spec, status=status, status_problems=problems)


def decode_target(raw: Raw) -> ExportTarget:
    """Decode an ExportTarget. Raises msgspec.ValidationError when its metadata or spec cannot be decoded."""
    metadata, spec = _metadata_and_spec(raw, TargetSpec)
    status, problems = decode_status(raw, TargetStatus)
    return ExportTarget(metadata=metadata, spec=spec, status=status, status_problems=problems)


def decode_schedule(raw: Raw) -> ExportSchedule:
    """Decode an ExportSchedule. Raises msgspec.ValidationError when its metadata or spec cannot be decoded."""
    metadata, spec = _metadata_and_spec(raw, ScheduleSpec)
    status, problems = decode_status(raw, ScheduleStatus)
    return ExportSchedule(metadata=metadata, spec=spec, status=status, status_problems=problems)


def decode_status(raw: Raw, model: type[Status]) -> tuple[Status, tuple[Problem, ...]]:
    """Decode the status of an object. Returns it with what in it is not understood. Never raises."""
    stored = raw.get("status", {})
    try:
        status = msgspec.convert(stored, model)
    except _UNDECODABLE:
        status = None
    if status is not None and _is_sound(status):
        return status, ()
    problems: list[Problem] = []
    decoded = _decode(stored, inspect.type_info(model), ("status",), problems)
    return (model() if decoded is _INVALID else decoded), tuple(problems)


def with_report(
    owner: ExportJob | ExportTarget | ExportSchedule, status: Status, reason: Reason, now: datetime
) -> Status:
    """A status to be written, with condition StatusInvalid if something of the stored one was not understood.

    With `status.message`, and with the times of the reasons.
    """
    meta, problems = owner.metadata, owner.status_problems
    conditions = Conditions(status.conditions, generation=meta.generation, now=now)
    if problems:
        shown = " ".join(f"{problem}." for problem in problems[:_SHOWN])
        if len(problems) > _SHOWN:
            shown += f" There are {len(problems) - _SHOWN} more."
        why = reason(problems=quote(shown, NOTHING_SECRET, limit=MAX_FOREIGN), name=meta.name, namespace=meta.namespace)
        conditions.put(STATUS_INVALID, "True", why.reason, why.message)
    else:
        conditions.drop(STATUS_INVALID)
    return with_summary(owner.status, msgspec.structs.replace(status, conditions=conditions.result()), now)


def with_summary(before: JobStatus | TargetStatus | ScheduleStatus, after: Status, now: datetime) -> Status:
    """A status with its message and since when each reason holds. Both stay as they are while no condition changes."""
    if before.conditions == after.conditions:
        return after
    why = headline(after.conditions, HEADLINES) if isinstance(after, JobStatus) else _ready_or_suspended(after)
    times = reason_times(before.conditions, before.reason_times, after.conditions, now)
    return msgspec.structs.replace(after, message=why.message if why else None, reason_times=times)


def _ready_or_suspended(status: TargetStatus | ScheduleStatus) -> Condition | None:
    return find(status.conditions, "Ready") or headline(status.conditions, ("Suspended",))


def _metadata_and_spec(raw: Raw, model: type[Any]) -> tuple[ObjectMeta, Any]:
    """Both at once, so that an error names the field from the top of the object."""
    given = {name: raw[name] for name in ("metadata", "spec") if name in raw}
    try:
        found = msgspec.convert(given, _WITHOUT_STATUS[model])
    except msgspec.ValidationError:
        raise
    except _UNDECODABLE as error:
        raise msgspec.ValidationError(str(error)) from None
    return found.metadata, found.spec


def _is_sound(value: Model) -> bool:
    """Whether a decoded status keeps what its types do not express: years that can be computed with, unique keys."""
    for attribute, key in _checked(type(value)):
        inner = getattr(value, attribute)
        if isinstance(inner, datetime):
            if inner.year not in _YEARS:
                return False
        elif isinstance(inner, Model):
            if not _is_sound(inner):
                return False
        elif isinstance(inner, tuple):
            if key is not None and not _has_unique_keys(inner, key):
                return False
            if not all(_is_sound(item) for item in inner):
                return False
    return True


def _has_unique_keys(items: tuple[Model, ...], key: str) -> bool:
    keys = [getattr(item, key) for item in items]
    return all(keys) and len(set(keys)) == len(keys)


@cache
def _checked(model: type[Model]) -> tuple[tuple[str, str | None], ...]:
    """The fields of a struct that `_is_sound` must see, each with the key of its items if it is a keyed list."""
    kinds = (inspect.DateTimeType, inspect.StructType)
    return tuple(
        (field.name, LIST_KEYS.get(field.encode_name))
        for field in _struct(model).fields
        if isinstance(_inner(field.type), kinds)
        or (isinstance(_inner(field.type), inspect.VarTupleType) and isinstance(_inner(field.type).item_type, kinds))
    )


@cache
def _struct(model: type[Model]) -> inspect.StructType:
    type_ = inspect.type_info(model)
    assert isinstance(type_, inspect.StructType)
    return type_


def _inner(type_: inspect.Type) -> Any:
    """The type of a field without its `| None`."""
    if isinstance(type_, inspect.UnionType):
        return next(one for one in type_.types if not isinstance(one, inspect.NoneType))
    return type_


def _decode(value: object, type_: inspect.Type, path: Path, problems: list[Problem]) -> Any:
    """The value as `type_`; _INVALID, with a problem recorded, when nothing of it can be used."""
    type_ = _inner(type_)
    if isinstance(type_, inspect.StructType):
        if isinstance(value, Mapping):
            return _decode_struct(value, type_, path, problems)
    elif isinstance(type_, inspect.VarTupleType):
        if isinstance(value, list | tuple):
            return _decode_list(value, type_.item_type, path, problems)
    elif (found := _decode_scalar(value, type_)) is not _INVALID:
        return found
    problems.append(Problem(path, _what_is_wrong(value, type_)))
    return _INVALID


def _decode_struct(value: Raw, type_: inspect.StructType, path: Path, problems: list[Problem]) -> Any:
    fields = {}
    for field in type_.fields:
        where = (*path, field.encode_name)
        stored = value.get(field.encode_name)
        if stored is None:  # an API server keeps no null in a field that is not nullable
            found = _INVALID
            if field.required:
                problems.append(Problem(where, "is missing"))
        else:
            found = _decode(stored, field.type, where, problems)
        if found is not _INVALID:
            fields[field.name] = found
        elif field.required:
            fields[field.name] = _stand_in(field.type)
    return type_.cls(**fields)


def _decode_list(value: list[Any] | tuple[Any, ...], item: inspect.Type, path: Path, problems: list[Problem]) -> Any:
    """The items that can be used. Those of a keyed list need a key that no earlier item has."""
    key = LIST_KEYS.get(str(path[-1])) if isinstance(item, inspect.StructType) else None
    decoded, keys = [], set()
    for index, one in enumerate(value):
        name: str | int = index
        if key is not None:
            own = one.get(key) if isinstance(one, Mapping) else None
            if not isinstance(own, str) or not own or own in keys or not _is_text(own):
                problems.append(Problem((*path, index), f"has no {key} of its own"))
                continue
            keys.add(own)
            name = own
        found = _decode(one, item, (*path, name), problems)
        if found is not _INVALID:
            decoded.append(found)
    return tuple(decoded)


def _decode_scalar(value: object, type_: inspect.Type) -> Any:
    if isinstance(type_, inspect.DateTimeType):
        return _decode_time(value)
    if isinstance(type_, inspect.LiteralType):
        return value if isinstance(value, str) and value in type_.values else _INVALID
    if isinstance(type_, inspect.IntType):
        number = int(value) if isinstance(value, float) and value.is_integer() else value
        fits = isinstance(number, int) and not isinstance(number, bool) and (type_.ge is None or number >= type_.ge)
        return number if fits else _INVALID
    if isinstance(type_, inspect.BoolType):
        return value if isinstance(value, bool) else _INVALID
    return value if _is_text(value) else _INVALID


def _is_text(value: object) -> bool:
    """Whether it is text without halves of characters, which cannot be written."""
    try:
        return isinstance(value, str) and (value.isascii() or bool(value.encode()))
    except UnicodeError:
        return False


def _decode_time(value: object) -> Any:
    try:
        moment = msgspec.convert(value, Time)
    except _UNDECODABLE:
        return _INVALID
    return moment if moment.year in _YEARS else _INVALID


def _stand_in(type_: inspect.Type) -> Any:
    """What a required field holds when its value cannot be used."""
    if isinstance(type_, inspect.StructType):
        return type_.cls(**{field.name: _stand_in(field.type) for field in type_.fields if field.required})
    if isinstance(type_, inspect.LiteralType):
        return "Unknown" if "Unknown" in type_.values else type_.values[0]
    if isinstance(type_, inspect.DateTimeType):
        return _EPOCH
    if isinstance(type_, inspect.IntType):
        return 0
    return "" if isinstance(type_, inspect.StrType) else ()


def _what_is_wrong(value: object, type_: inspect.Type) -> str:
    """The value itself is not repeated, because it may be one that must not be shown."""
    if isinstance(type_, inspect.LiteralType) and isinstance(value, str):
        return f"has an unknown value; known are {', '.join(sorted(map(str, type_.values)))}"
    if isinstance(type_, inspect.DateTimeType) and isinstance(value, str):
        return f"must be a time such as 2031-01-15T03:00:00Z, from {_YEARS.start} to {_YEARS.stop - 1}"
    expected = {
        inspect.StructType: "an object",
        inspect.VarTupleType: "a list",
        inspect.DateTimeType: "a time",
        inspect.IntType: "a whole number",
        inspect.BoolType: "true or false",
    }.get(type(type_), "a string")
    if isinstance(type_, inspect.IntType) and type_.ge is not None:
        expected += f" of at least {type_.ge}"
    return f"must be {expected}, and is {_kind_of(value)}"


def _kind_of(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, int) and value < 0:
        return "a negative number"
    for type_, kind in ((str, "a string"), (bool, "true or false"), (int, "a whole number"), (float, "a fraction")):
        if isinstance(value, type_):
            return kind
    return "null" if value is None else "a list"
