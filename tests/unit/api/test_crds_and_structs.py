"""The definitions and the structs that decode them say the same about every field."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from reltio_export_operator.api.job import ExportJob, JobSpec, JobStatus
from reltio_export_operator.api.schedule import ExportSchedule, ScheduleSpec, ScheduleStatus
from reltio_export_operator.api.target import ExportTarget, TargetSpec, TargetStatus
from reltio_export_operator.reltio.mapping import quantity_bytes
from reltio_export_sandbox.apiserver.structural import broken_rules, with_defaults
from schemas import Schema, nodes, schema_of, values

HALVES = [
    ("exportjobs", "spec", JobSpec),
    ("exportjobs", "status", JobStatus),
    ("exportschedules", "spec", ScheduleSpec),
    ("exportschedules", "status", ScheduleStatus),
    ("exporttargets", "spec", TargetSpec),
    ("exporttargets", "status", TargetStatus),
]
# Differences that are meant, each with its reason.
ALLOWED: dict[tuple[str, str], str] = {
    ("exportjobs.status", "default"): "the API server writes observedGeneration -1, so that kstatus waits; "
    "the structs do not know an object without a status from one that was not observed",
    ("exportschedules.status", "default"): "as for exportjobs.status",
    ("exporttargets.status", "default"): "as for exportjobs.status",
    ("exportschedules.spec.incremental.initial.since", "format"): "a rule checks it, as for exportjobs.spec.export",
    **{
        (f"exportjobs.spec.export.{name}", "format"): "rules check the time instead, because they can say what to write"
        for name in ("updatedSince", "updatedBefore", "startTime", "endTime")
    },
}
SCALARS = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.BoolType: "boolean",
    inspect.DateTimeType: "string",
}
BOUNDS = {
    "ge": "minimum",
    "le": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def differences(schema: Schema, type_: inspect.Type, path: str) -> Iterator[tuple[str, str]]:
    """Where the schema and the struct disagree, as (path, on what)."""
    if isinstance(type_, inspect.UnionType):
        (type_,) = (one for one in type_.types if not isinstance(one, inspect.NoneType))
    if schema.get("nullable"):
        yield path, "nullable"
    if isinstance(type_, inspect.StructType):
        yield from _of_struct(schema, type_, path)
    elif isinstance(type_, inspect.VarTupleType):
        if schema["type"] != "array":
            yield path, "type"
        else:
            yield from differences(schema["items"], type_.item_type, f"{path}[]")
    elif isinstance(type_, inspect.DictType):
        if schema["type"] != "object":
            yield path, "type"
        elif not isinstance(type_.value_type, inspect.AnyType):  # a part that is kept as it is has a test of its own
            yield from differences(schema["additionalProperties"], type_.value_type, f"{path}{{}}")
    elif isinstance(type_, inspect.LiteralType):
        if schema["type"] != "string" or sorted(schema.get("enum", ())) != sorted(map(str, type_.values)):
            yield path, "enum"
    else:
        yield from _of_scalar(schema, type_, path)


def _of_struct(schema: Schema, type_: inspect.StructType, path: str) -> Iterator[tuple[str, str]]:
    if schema["type"] != "object":
        yield path, "type"
        return
    ours = {field.encode_name: field for field in type_.fields}
    properties = schema.get("properties", {})
    for name in sorted(ours.keys() ^ properties.keys()):
        yield f"{path}.{name}", "name"
    for name in sorted(ours.keys() & properties.keys()):
        field, child, where = ours[name], properties[name], f"{path}.{name}"
        if field.required != (name in schema.get("required", ())):
            yield where, "required"
        if not field.required and _default_of(field) != child.get("default", _absent(where, _default_of(field))):
            yield where, "default"
        yield from differences(child, field.type, where)


def _of_scalar(schema: Schema, type_: inspect.Type, path: str) -> Iterator[tuple[str, str]]:
    if schema["type"] != SCALARS[type(type_)] or "enum" in schema:
        yield path, "type"
    if (schema.get("format") == "date-time") != isinstance(type_, inspect.DateTimeType):
        yield path, "format"
    if isinstance(type_, inspect.DateTimeType) and type_.tz is not True:
        yield path, "zone"
    for ours, theirs in BOUNDS.items():
        bound = getattr(type_, ours, None)
        if bound is not None and schema.get(theirs) != bound:
            yield path, theirs


def _default_of(field: inspect.Field) -> Any:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return msgspec.to_builtins(value)


def _absent(path: str, default: Any) -> Any:
    """What a field without a default in the schema stands for: nothing, and in a status also zero or false."""
    nothing: tuple[Any, ...] = (None, [], (), {}) if ".spec." in path else (None, [], (), {}, "", 0, False)
    return default if default in nothing else None


@pytest.mark.parametrize(("plural", "half", "struct"), HALVES)
def test_names_types_defaults_enums_bounds_and_requiredness_agree(plural: str, half: str, struct: type) -> None:
    schema, path = schema_of(plural)["properties"][half], f"{plural}.{half}"
    found = set(differences(schema, inspect.type_info(struct), path))
    if "default" in schema:
        found.add((path, "default"))
    assert found == {one for one in ALLOWED if one[0].startswith(path)}


def test_what_is_allowed_to_differ_has_a_reason() -> None:
    assert all(len(reason) > 10 for reason in ALLOWED.values())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"properties": {"extra": {"type": "string"}}}, ("p.extra", "name")),
        ({"properties": {"name": {"type": "integer"}}}, ("p.name", "type")),
        ({"properties": {"name": {"type": "string", "enum": ["a"]}}}, ("p.name", "type")),
        ({"properties": {"name": {"type": "string", "nullable": True}}}, ("p.name", "nullable")),
        ({"properties": {"key": {"type": "string", "default": "other"}}}, ("p.key", "default")),
        ({"required": []}, ("p.name", "required")),
    ],
)
def test_the_comparison_finds_a_difference(change: dict[str, Any], expected: tuple[str, str]) -> None:
    from reltio_export_operator.api.target import SecretKeyRef

    schema: Schema = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "key": {"type": "string", "default": "externalID"}},
    }
    assert list(differences(schema, inspect.type_info(SecretKeyRef), "p")) == []
    changed = {**schema, **change, "properties": {**schema["properties"], **change.get("properties", {})}}
    assert expected in set(differences(changed, inspect.type_info(SecretKeyRef), "p"))


KINDS = [("exportjobs", ExportJob), ("exportschedules", ExportSchedule), ("exporttargets", ExportTarget)]
METADATA = {"name": "nightly", "namespace": "mdm", "uid": "u-1", "generation": 1}


HALF_OF = {(plural, half): values(schema_of(plural)["properties"][half]) for plural, half, _ in HALVES}
DRAWN = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


def comparable(spec: Any) -> Any:
    """A spec with the defaults of its template, which is kept as it was written."""
    if not isinstance(spec, ScheduleSpec):
        return spec
    return msgspec.structs.replace(spec, job_template=None), msgspec.convert(spec.job_template.spec, JobSpec)


@pytest.mark.parametrize(("plural", "model"), KINDS)
@given(data=st.data())
@DRAWN
def test_whatever_the_schema_admits_can_be_decoded(plural: str, model: type[Any], data: st.DataObject) -> None:
    properties = schema_of(plural)["properties"]
    spec = data.draw(HALF_OF[plural, "spec"])
    status = data.draw(HALF_OF[plural, "status"])
    decoded = msgspec.convert({"metadata": METADATA, "spec": spec, "status": status}, model)
    again = msgspec.convert({"metadata": METADATA, "spec": with_defaults(spec, properties["spec"])}, model)
    assert comparable(decoded.spec) == comparable(again.spec), (
        "the API server and the structs fill in the same defaults"
    )


@given(moment=values(schema_of("exportjobs")["properties"]["spec"]["properties"]["export"]["properties"]["endTime"]))
def test_a_time_that_the_schema_admits_can_be_computed_with(moment: str) -> None:
    spec = {"targetRef": {"name": "lake"}, "export": {"type": "MergeTree", "endTime": moment}}
    decoded = msgspec.convert(spec, JobSpec).export.end_time
    assert decoded is not None
    assert abs(decoded.astimezone(UTC).timestamp()) < 1e12


@given(size=st.from_regex(r"[0-9]{1,12}([.][0-9]{1,3})?[kMGTPEKimun]{0,3}", fullmatch=True))
@settings(deadline=None)
def test_a_size_that_the_rules_admit_can_be_sent(size: str) -> None:
    schema = schema_of("exportjobs")["properties"]["spec"]["properties"]["export"]["properties"]["partSize"]
    if not list(broken_rules(size, None, schema, "partSize")):
        assert 100 * 2**20 <= quantity_bytes(size) <= 2**50


def test_no_field_has_a_null_value() -> None:
    """An API server removes a null from a field that is not nullable, so structs can treat it as missing."""
    assert not [path for plural, _ in KINDS for path, n in nodes(schema_of(plural)) if "nullable" in n]
