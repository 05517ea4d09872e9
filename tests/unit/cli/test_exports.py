"""From the options of `run` to spec.export."""

from __future__ import annotations

from typing import Any

import pytest

from builders import T0
from reltio_export_operator.cli.cluster import CommandError
from reltio_export_operator.cli.exports import TYPES, spec_of

NOTHING: dict[str, Any] = {
    "filter_": None,
    "file_format": None,
    "types": (),
    "segments": (),
    "hierarchy": None,
    "since": None,
    "now": T0,
}


@pytest.mark.parametrize(
    ("type_", "options", "spec"),
    [
        ("Entities", {}, {}),
        ("SegmentEntities", {"segments": ("s1", "s2")}, {"segmentIDs": ["s1", "s2"]}),
        ("Hierarchies", {"hierarchy": "0ABlc0A"}, {"hierarchyID": "0ABlc0A"}),
        ("Entities", {"since": "2031-01-15"}, {"updatedSince": "2031-01-15T00:00:00Z"}),
        ("Relations", {"since": "2031-01-15T03:00:00+01:00"}, {"updatedSince": "2031-01-15T02:00:00Z"}),
        ("Entities", {"since": "7d"}, {"updatedSince": "2031-01-08T03:00:00Z"}),
        ("MergeTree", {"since": "12h"}, {"startTime": "2031-01-14T15:00:00Z"}),
        (
            "Entities",
            {"types": ("HCP,HCO", "configuration/entityTypes/Org")},
            {"includeTypes": [f"configuration/entityTypes/{name}" for name in ("HCP", "HCO", "Org")]},
        ),
        ("Relations", {"types": ("employs",)}, {"includeTypes": ["configuration/relationTypes/employs"]}),
        ("Activities", {"filter_": "x", "file_format": "JSON"}, {"filter": "x", "fileFormat": "JSON"}),
    ],
)
def test_options_become_fields(type_: str, options: dict[str, Any], spec: dict[str, Any]) -> None:
    assert spec_of(type_, **{**NOTHING, **options}) == {"type": type_, **spec}


@pytest.mark.parametrize(
    ("type_", "options", "sentence"),
    [
        ("SegmentEntities", {}, "--type SegmentEntities needs --segment ID."),
        ("Hierarchies", {}, "--type Hierarchies needs --hierarchy ID."),
        ("Entities", {"segments": ("s1",)}, "--segment is for --type SegmentEntities."),
        ("Activities", {"types": ("HCP",)}, "--types is for Entities, Relations, SegmentEntities."),
        ("Activities", {"since": "7d"}, "Use --filter for Activities."),
        ("Entities", {"since": "yesterday"}, "--since yesterday is not a time. Use a date such as 2031-01-15"),
        ("Entities", {"since": "2031-01-15T03:00:00"}, "is not a time. Use a date such as"),
        ("Entities", {"since": "999999d"}, "is not a time. Use a date such as"),
    ],
)
def test_what_the_type_does_not_take_is_refused_with_what_to_do(
    type_: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        spec_of(type_, **{**NOTHING, **options})


def test_every_type_can_be_run() -> None:
    needs: dict[str, Any] = {"SegmentEntities": {"segments": ("s1",)}, "Hierarchies": {"hierarchy": "h1"}}
    assert all(spec_of(type_, **{**NOTHING, **needs.get(type_, {})})["type"] == type_ for type_ in TYPES)
