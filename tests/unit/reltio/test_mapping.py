"""Every field of ExportSpec is sent in the place and with the name that Reltio documents."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import submission
from reltio_export_operator.api.job import ExportSpec, Submission
from reltio_export_operator.api.target import Encryption
from reltio_export_operator.reltio.mapping import longest_part, quantity_bytes, wire_request
from reltio_export_operator.reltio.model import WireRequest

SUBMISSION = msgspec.convert(submission(), Submission)
LONG = "x" * 1025

# Attribute, value as in the custom resource, where it goes ("query" or "body"), and what goes there.
FIELDS: list[tuple[str, Any, str, dict[str, Any]]] = [
    ("notification_emails", ["a@example.com", "b@example.com"], "query", {"email": "a@example.com,b@example.com"}),
    ("file_format", "CSV", "query", {"fileFormat": "csv"}),
    ("date_format", "Readable", "query", {"dateFormat": "readable"}),
    ("filter", "equals(type,'HCP')", "query", {"filter": "equals(type,'HCP')"}),
    ("filter", LONG, "body", {"filter": LONG}),
    ("select", ["id", "attributes.Name"], "query", {"select": "id,attributes.Name"}),
    (
        "options",
        ["SearchByOV", "ResolveMergedEntities", "ResolveRelationEdgeTypes", "ParallelExecution"],
        "query",
        {"options": "searchByOv,resolveMergedEntities,resolveRelationEdgeTypes,parallelExecution"},
    ),
    ("part_size", "500M", "query", {"partSize": "500000000b", "skipPostprocessing": "false"}),
    ("hierarchy_id", "0ABlc0A", "query", {"hierarchyId": "0ABlc0A"}),
    ("effective_date", "2031-01-15", "query", {"effectiveDate": "2031-01-15"}),
    ("activeness", "NotActive", "query", {"activeness": "NOT_ACTIVE"}),
    ("headers_style", "Label", "query", {"headersStyle": "label"}),
    ("header_format", "Consistent", "body", {"headerFormat": "CONSISTENT"}),
    ("header_order", "Select", "body", {"headerOrder": "SELECT"}),
    ("skip_postprocessing", True, "query", {"skipPostprocessing": "true"}),
    ("exploded", False, "query", {"exploded": "false"}),
    ("filename_template", "hcp-{{n}}", "query", {"filenameTemplate": "hcp-{{n}}"}),
    ("send_hidden", False, "query", {"sendHidden": "false"}),
    ("anchor_attribute", "attributes.UUID", "query", {"anchorAttribute": "attributes.UUID"}),
    ("sliced_by_crosswalks", True, "query", {"slicedByCrosswalks": "true"}),
    ("slice_filter", "equals(sourceSystems,'A')", "body", {"sliceFilter": "equals(sourceSystems,'A')"}),
    ("return_votes", True, "query", {"returnVotes": "true"}),
    ("start_end_prefix", True, "query", {"sePrefix": "true"}),
    ("include_segments", True, "query", {"exportSegments": "true"}),
    ("segment_ids", ["s1", "s2"], "body", {"segmentIds": ["s1", "s2"]}),
    ("distributed", True, "query", {"distributed": "true"}),
    ("task_parts_count", 4, "query", {"taskPartsCount": "4"}),
    ("operational_values_only", False, "body", {"ovOnly": False}),
    ("include_types", ["configuration/entityTypes/HCP"], "body", {"includeType": ["configuration/entityTypes/HCP"]}),
    ("updated_since", "2030-01-15T00:00:00Z", "body", {"updateTimeFilter": {"since": 1894665600000}}),
    ("updated_before", "2030-01-15T01:00:00+01:00", "body", {"updateTimeFilter": {"to": 1894665600000}}),
    (
        "group_by",
        [{"attribute": "A", "anchorAttributes": ["x"], "maxUniqueValues": 9}],
        "body",
        {"groupBy": [{"attribute": "A", "anchorAttributes": ["x"], "maxNumberOfUniqueValues": 9}]},
    ),
    ("start_time", "2030-01-15T00:00:00Z", "body", {"startDate": "1894665600000"}),
    ("end_time", "2030-01-15T00:00:00.5Z", "body", {"endDate": "1894665600500"}),
    ("output_as_json_array", True, "body", {"outputAsJsonArray": True}),
]
WIRE_NAMES = {field.name: field.encode_name for field in msgspec.structs.fields(ExportSpec)}


def request_for(
    spec: dict[str, Any], external_id: str | None = None, encryption: Encryption | None = None
) -> WireRequest:
    export = msgspec.convert({"type": "Entities", **spec}, ExportSpec)
    return wire_request(export, SUBMISSION, external_id=external_id, encryption=encryption)


@pytest.mark.parametrize(("attribute", "value", "place", "expected"), FIELDS)
def test_a_field_is_sent_in_its_place_only(attribute: str, value: Any, place: str, expected: dict[str, Any]) -> None:
    request = request_for({WIRE_NAMES[attribute]: value})
    always = {"name": SUBMISSION.name, "skipPostprocessing": "true"}
    assert request.query == (always | expected if place == "query" else always)
    assert request.body == (expected if place == "body" else None)


def test_the_table_covers_every_field() -> None:
    assert {row[0] for row in FIELDS} | {"type", "name"} == set(WIRE_NAMES)


@pytest.mark.parametrize(
    ("type_", "endpoint"),
    [
        ("Entities", "entities"),
        ("Relations", "relations"),
        ("Activities", "activities"),
        ("MergeTree", "entities/_crosswalksTree"),
        ("SegmentEntities", "entities/segments"),
        ("Hierarchies", "hierarchies"),
    ],
)
def test_each_type_has_its_endpoint(type_: str, endpoint: str) -> None:
    assert request_for({"type": type_}).endpoint == endpoint


def test_the_name_is_that_of_the_attempt() -> None:
    assert request_for({"name": "mine"}).query["name"] == SUBMISSION.name


def test_both_bounds_of_the_update_time_are_in_one_filter() -> None:
    request = request_for({"updatedSince": "2030-01-15T00:00:00Z", "updatedBefore": "2030-01-16T00:00:00Z"})
    assert request.body == {"updateTimeFilter": {"since": 1894665600000, "to": 1894752000000}}


@pytest.mark.parametrize(
    ("external_id", "encryption", "more"),
    [
        (None, None, {}),
        ("ext-1", None, {"externalId": "ext-1"}),
        (None, {"algorithm": "AES256"}, {"s3Sse": "AES256"}),
        (
            None,
            {"algorithm": "aws:kms", "kmsKeyARN": "arn:aws:kms:us-east-1:111122223333:key/k"},
            {"s3Sse": "aws:kms", "s3SseKmsKey": "arn:aws:kms:us-east-1:111122223333:key/k"},
        ),
    ],
)
def test_the_destination_is_sent_in_headers(
    external_id: str | None, encryption: dict[str, str] | None, more: dict[str, str]
) -> None:
    sealed = msgspec.convert(encryption, Encryption) if encryption else None
    assert request_for({}, external_id, sealed).headers == {
        "s3Bucket": "acme-mdm-exports",
        "s3Path": "reltio/mdm/nightly/u-1-1",
        "roleArn": "arn:aws:iam::111122223333:role/reltio-exporter",
        **more,
    }


def test_the_region_is_sent_when_it_is_configured() -> None:
    located = msgspec.structs.replace(SUBMISSION, s3=msgspec.structs.replace(SUBMISSION.s3, region="eu-west-1"))
    export = ExportSpec(type="Entities")
    assert wire_request(export, located, external_id=None, encryption=None).headers["s3Region"] == "eu-west-1"


def test_the_repr_of_a_request_masks_the_external_id() -> None:
    assert "ext-secret" not in repr(request_for({}, "ext-secret"))


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("100", 100), ("2k", 2000), ("1.5G", 1_500_000_000), ("100Mi", 104_857_600), ("1Ti", 2**40)],
)
def test_quantities_are_converted_to_bytes(quantity: str, expected: int) -> None:
    assert quantity_bytes(quantity) == expected


@pytest.mark.parametrize(
    ("status", "export", "field", "size"),
    [
        (414, {"select": ["a" * 500, "b" * 499]}, "spec.export.select", 1002),
        (414, {"filter": "equals(type,'x')" * 50}, "spec.export.filter", 1300),
        (413, {"segment_ids": ["s" * 100] * 3}, "spec.export.segmentIDs", 312),
        (413, {"filter": LONG, "include_types": ["x"]}, "spec.export.filter", 1027),
        (413, {}, "spec.export", 0),
        (431, {}, "spec.s3.roleARN of the ExportTarget", 46),
        (431, {"select": ["a" * 500]}, "spec.export.select", 500),
    ],
)
def test_the_longest_part_of_a_request_is_named_by_its_field(
    status: int, export: dict[str, Any], field: str, size: int
) -> None:
    spec = ExportSpec(type="SegmentEntities", **export)
    short = msgspec.structs.replace(SUBMISSION, path="out/u-1-1/", name="n-u-1-1")
    request = wire_request(spec, short, external_id=None, encryption=None)
    assert longest_part(request, status) == (field, size)


@pytest.mark.parametrize(
    ("export", "skips", "region"),
    [
        ({}, "true", "eu-west-1"),
        ({"skipPostprocessing": True}, "true", "eu-west-1"),
        ({"skipPostprocessing": False}, "false", None),
        ({"partSize": "500Mi"}, "false", None),
        ({"partSize": "500Mi", "skipPostprocessing": False}, "false", None),
    ],
)
def test_post_processing_is_always_chosen_and_never_with_a_region(
    export: dict[str, Any], skips: str, region: str | None
) -> None:
    region_of_target = {"bucket": "b", "roleARN": "r", "region": "eu-west-1"}
    attempt = msgspec.convert(submission(s3=region_of_target), Submission)
    spec = msgspec.convert({"type": "Entities", **export}, ExportSpec)
    request = wire_request(spec, attempt, external_id=None, encryption=None)
    assert request.query["skipPostprocessing"] == skips
    assert request.headers.get("s3Region") == region
