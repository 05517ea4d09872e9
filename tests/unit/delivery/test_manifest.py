"""Differences between a manifest and the files are found, and a complete delivery has none."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import job
from reltio_export_operator.delivery.manifest import (
    Delivery,
    FileReport,
    StoredFile,
    digest_of,
    is_countable,
    may_be_empty,
    receipt_of,
)

PATH = "out/nightly/u-1-1/"
GOOD: dict[str, Any] = {
    "success": True,
    "files": ["part-00000.gz", "part-00001.gz"],
    "totalObjects": 12,
    "totalNumberOfFiles": 2,
}
FILES = {
    "part-00000.gz": StoredFile(100, "a"),
    "part-00001.gz": StoredFile(50, "b"),
    "manifest.json": StoredFile(9, "c"),
}


def delivery(manifest: object = GOOD, files: dict[str, StoredFile] | None = None, **more: Any) -> Delivery:
    return Delivery(manifest, FILES if files is None else files, bucket="lake", path=PATH, **more)


def reports(first: FileReport, second: FileReport) -> dict[str, FileReport]:
    return {"part-00000.gz": first, "part-00001.gz": second}


def counted(records: int, first_line: str = "Header") -> FileReport:
    return FileReport(records=records, first_lines={first_line: 1})


@pytest.mark.parametrize(
    ("case", "text"),
    [
        pytest.param(delivery({**GOOD, "success": False}), "success: False", id="success false"),
        pytest.param(
            delivery(files={"part-00000.gz": StoredFile(1)}),
            "part-00001.gz is listed but was not found",
            id="missing file",
        ),
        pytest.param(
            delivery(files={**FILES, "part-00001.gz": StoredFile(0)}), "part-00001.gz is empty", id="empty file"
        ),
        pytest.param(
            delivery(files={**FILES, "part-00002.gz": StoredFile(5)}),
            "part-00002.gz exists but is not listed",
            id="extra file",
        ),
        pytest.param(
            delivery({**GOOD, "files": ["part-00000.gz", "../secret.gz"]}),
            "outside the directory",
            id="path outside",
        ),
        pytest.param(
            delivery({**GOOD, "files": ["part-00000.gz", "s3://other/x.gz"]}),
            "outside the directory",
            id="bucket outside",
        ),
        pytest.param(
            delivery(reports=reports(FileReport(problem="is truncated"), counted(7))),
            "part-00000.gz is truncated",
            id="truncated",
        ),
        pytest.param(
            delivery(files={"part-00000.gz": StoredFile(0), "part-00001.gz": StoredFile(0)}),
            "part-00000.gz is empty",
            id="only empty files",
        ),
        pytest.param(
            delivery(reports=reports(counted(1), counted(1)), may_be_empty=False),
            "the files have no records",
            id="only headers although records are expected",
        ),
    ],
)
def test_a_difference_fails_the_job(case: Delivery, text: str) -> None:
    assert text in "; ".join(case.differences)


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != field}


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (delivery(None, {}), "manifest.json is not there"),
        (delivery("text"), "not a JSON object"),
        (delivery({**GOOD, "files": "part-00000.gz"}), "has no list of files"),
        (delivery({**GOOD, "files": [1, 2]}), "has no list of files"),
        (delivery(without("files")), "has no list of files"),
        (delivery({**GOOD, "files": []}), "lists no files, but part-00000.gz, part-00001.gz are there"),
        (delivery({**GOOD, "files": [], "totalObjects": 0}), "lists no files, but"),
        (delivery({**without("files"), "totalObjects": 0}), "lists no files, but"),
    ],
)
def test_a_manifest_without_a_list_of_files_is_waited_for(case: Delivery, text: str) -> None:
    assert (case.differences, text in (case.missing or "")) == ([], True)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (delivery(without("success")), "has success: absent"),
        (delivery({**GOOD, "success": None}), "has success: None"),
        (delivery({**GOOD, "success": "COMPLETED"}), "has success: COMPLETED"),
        (delivery(without("totalObjects")), "has totalObjects: absent"),
        *[
            (delivery({**GOOD, "totalObjects": value}), "has totalObjects: ")
            for value in (-1, True, "many", "400,000", 2**63, float("nan"), 1.5, None, "9" * 5000)
        ],
        (delivery({**GOOD, "totalNumberOfFiles": 3}), "lists 2 files, but totalNumberOfFiles is 3"),
        (delivery({**GOOD, "files": [*GOOD["files"], "part-00000.gz"]}), "lists part-00000.gz twice"),
        (delivery(files={**FILES, "summary.json": StoredFile(5)}), "summary.json exists but is not listed"),
        (delivery(files={**FILES, "part-00007.gz": StoredFile(0)}), "part-00007.gz exists but is not listed"),
        (delivery(reports=reports(counted(6), counted(7)), countable=True), "but the files have 11 records"),
        (
            delivery(reports=reports(counted(6, "Row"), counted(5, "Row")), countable=True),
            "is 12, but the files have 9 to 11 records",
        ),
        (
            delivery(reports=reports(counted(6), FileReport(sha256="1", notes=("has quotes",))), countable=True),
            "part-00001.gz has quotes",
        ),
        (
            delivery({**GOOD, "files": [], "totalObjects": 0}, reports=reports(counted(1), counted(1))),
            "part-00000.gz exists but is not listed",
        ),
    ],
)
def test_what_is_odd_is_uncertain_and_fails_nothing(case: Delivery, text: str) -> None:
    assert (case.differences, case.missing) == ([], None)
    assert text in "; ".join(case.uncertain)


def table(records: int, first_line: str = "Header", **more: Any) -> FileReport:
    return FileReport(sha256="1" * 64, records=records, first_lines={first_line: 1}, **more)


def lines(records: int) -> FileReport:
    return FileReport(sha256="1" * 64, records=records)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (delivery(), "2 of 2 files were not read to their end"),
        (delivery(reports=reports(table(7), FileReport()), countable=True), "1 of 2 files were not read"),
        (delivery(reports=reports(table(99), table(99))), "cannot be compared"),
        (delivery(reports=reports(table(7), FileReport(sha256="1", partial=True))), "examined only in part"),
        (delivery(reports=reports(table(9), table(9)), has_items=True), "16 records may be the activities"),
        (delivery(reports=reports(lines(5), lines(5)), has_items=True), "10 records may be the activities"),
        (
            delivery(reports=reports(table(7, "Row"), lines(6)), countable=True),
            "12 to 13 records",
        ),
        (
            delivery(reports=reports(table(7, proof="None"), table(7)), countable=True),
            "part-00000.gz may have been cut",
        ),
        (delivery(reports=reports(table(7, proof="Count"), table(99))), "part-00000.gz may have been cut"),
    ],
)
def test_what_cannot_be_compared_is_open(case: Delivery, text: str) -> None:
    assert (case.differences, case.missing, case.uncertain) == ([], None, [])
    assert text in "; ".join(case.open)


@pytest.mark.parametrize(
    "case",
    [
        delivery(reports=reports(table(7), table(7)), countable=True),
        delivery(reports=reports(table(7, proof="Count"), table(7, proof="Count")), countable=True),
        delivery(reports=reports(lines(6), lines(6)), has_items=True),
        delivery(reports=reports(table(7), table(7)), has_items=True),
        delivery(
            {**GOOD, "success": "True", "totalObjects": "12"}, reports=reports(lines(6), lines(6)), countable=True
        ),
    ],
)
def test_whole_files_with_as_many_records_as_objects_are_verified(case: Delivery) -> None:
    assert (case.differences, case.missing, case.uncertain, case.open) == ([], None, [], [])


@pytest.mark.parametrize(
    ("case", "difference"),
    [(reports(table(6), table(6)), "the files have 10 records"), (reports(lines(7), lines(6)), "have 13 records")],
)
def test_activities_have_at_least_as_many_rows_and_at_most_as_many_objects(
    case: dict[str, FileReport], difference: str
) -> None:
    assert difference in "; ".join(delivery(reports=case, has_items=True).uncertain)


def test_an_export_without_objects_needs_no_list_of_files() -> None:
    for field in ("totalObjects", "totalNumberOfFiles"):
        case = delivery({"success": True, field: 0}, {"manifest.json": StoredFile(9), "_SUCCESS": StoredFile(0)})
        assert (case.differences, case.missing, case.names) == ([], None, [])


def test_the_number_of_objects_is_that_of_the_records_where_these_are_certain() -> None:
    assert delivery().objects == 12
    assert delivery(reports=reports(table(6), table(7)), countable=True).objects == 11
    assert delivery(without("totalObjects"), reports=reports(table(7), table(7)), countable=True).objects == 12
    assert delivery(without("totalObjects"), reports=reports(table(7), table(7))).objects is None


EMPTY = {"success": True, "files": [], "totalObjects": 0, "totalNumberOfFiles": 0}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(delivery(), id="plain"),
        pytest.param(delivery(EMPTY, {"manifest.json": StoredFile(9)}), id="zero rows and no file"),
        pytest.param(
            delivery({**EMPTY, "files": ["part-00000.gz"], "totalNumberOfFiles": 1}, {"part-00000.gz": StoredFile(0)}),
            id="zero rows in an empty file",
        ),
        pytest.param(delivery({**GOOD, "files": [PATH + name for name in GOOD["files"]]}), id="full keys"),
        pytest.param(delivery({**GOOD, "files": [f"s3://lake/{PATH}{name}" for name in GOOD["files"]]}), id="URLs"),
        pytest.param(delivery({k: v for k, v in GOOD.items() if k != "totalNumberOfFiles"}), id="no number of files"),
        pytest.param(delivery(reports=reports(counted(7), counted(7)), countable=True), id="a header in each file"),
        pytest.param(
            delivery(reports=reports(counted(7), counted(6, "Row")), countable=True), id="a header in one file"
        ),
        pytest.param(
            delivery(reports=reports(counted(7, "Row"), counted(7, "Row")), countable=True),
            id="no known column",
        ),
        pytest.param(
            delivery(reports=reports(FileReport(records=6), FileReport(records=6)), countable=True),
            id="JSON lines",
        ),
        pytest.param(delivery(reports=reports(counted(99), counted(99))), id="sliced: records are not objects"),
        pytest.param(delivery(reports=reports(counted(99), FileReport()), countable=True), id="not read to the end"),
        pytest.param(delivery({**GOOD, "totalObjects": 12.0}), id="totalObjects with a decimal point"),
        pytest.param(delivery({**GOOD, "files": ["./part-00000.gz", "./part-00001.gz"]}), id="relative names"),
        pytest.param(
            delivery(
                {**GOOD, "files": ["part-00000.csv", "part-00001.csv"]},
                {"part-00000.csv": StoredFile(9), "part-00001.csv": StoredFile(0)},
                reports={"part-00000.csv": counted(13), "part-00001.csv": FileReport(records=0)},
                countable=True,
            ),
            id="one part is empty",
        ),
        pytest.param(
            delivery(reports=reports(counted(7, "Row"), counted(7, "Row")), countable=True),
            id="headers with labels of the tenant",
        ),
        pytest.param(
            delivery(reports=reports(counted(7), FileReport(records=6, first_lines={"Possible": 1})), countable=True),
            id="a row with the name of a column",
        ),
        pytest.param(
            delivery(
                reports=reports(FileReport(records=8, empty_lines=2, first_lines={"Header": 1}), counted(4)),
                countable=True,
            ),
            id="empty values in the only column",
        ),
        pytest.param(delivery(reports=reports(counted(1), counted(1))), id="merge trees without a merge"),
        pytest.param(
            delivery(files={**FILES, "_export-receipt.json": StoredFile(1), "_export-receipt.sha256": StoredFile(1)}),
            id="with an earlier receipt",
        ),
    ],
)
def test_a_complete_delivery_has_no_differences(case: Delivery) -> None:
    assert case.differences == []


@given(st.integers(0, 10_000))
def test_one_missing_file_of_many_is_reported(missing: int) -> None:
    names = [f"part-{n:05d}.gz" for n in range(10_001)]
    files = {name: StoredFile(10) for name in names if name != names[missing]}
    manifest = {**GOOD, "files": names, "totalNumberOfFiles": len(names)}
    assert delivery(manifest, files).differences == [f"{names[missing]} is listed but was not found"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=5),
    )
)
def test_any_json_can_be_compared(manifest: object) -> None:
    assert isinstance(delivery(manifest).differences, list)


@pytest.mark.parametrize(
    ("export", "countable"),
    [
        ({"type": "Entities"}, True),
        ({"type": "Relations"}, True),
        ({"type": "MergeTree"}, False),
        ({"type": "Activities"}, False),
        ({"type": "Entities", "slicedByCrosswalks": True}, False),
        ({"type": "Entities", "exploded": True}, False),
    ],
)
def test_objects_are_countable_if_each_is_one_record(export: dict[str, Any], countable: bool) -> None:
    assert is_countable(job(spec={"export": export}).spec.export) is countable


def test_a_difference_with_an_unpaired_surrogate_in_a_name_can_be_encoded() -> None:
    (first, *_) = delivery({**GOOD, "files": ["\ud800", "part-00001.gz"]}).differences
    assert first.encode() == b"? is listed but was not found"


def test_line_breaks_in_names_are_escaped_as_by_sha256sum() -> None:
    odd = delivery(files={"a\nb": StoredFile(1)}, reports={"a\nb": FileReport(sha256="1" * 64)})
    assert receipt_of(odd, ["a\nb"], {})[1].startswith("\\" + "1" * 64 + "  a\\nb\n")


def test_the_digest_is_over_size_etag_and_name_sorted_by_name() -> None:
    names = delivery().names
    assert names is not None
    lines = "100 a part-00000.gz\n50 b part-00001.gz\n"
    assert digest_of(delivery(), names[::-1]) == f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def test_the_checksums_have_the_format_of_sha256sum() -> None:
    checked = delivery(
        reports=reports(FileReport(sha256="1" * 64), FileReport(sha256="2" * 64)), manifest_sha256="3" * 64
    )
    receipt, checksums = receipt_of(checked, ["part-00001.gz", "part-00000.gz"], {"attempt": 1})
    assert checksums == f"{'1' * 64}  part-00000.gz\n{'2' * 64}  part-00001.gz\n{'3' * 64}  manifest.json\n"
    assert receipt["attempt"] == 1
    assert [entry["sha256"] for entry in receipt["files"]] == ["1" * 64, "2" * 64]


@pytest.mark.parametrize(
    ("export", "expected"),
    [
        ({"type": "Entities"}, False),
        ({"type": "Entities", "sliceFilter": "equals(type,'X')"}, True),
        ({"type": "Entities", "groupBy": [{"attribute": "a", "anchorAttributes": ["b"]}]}, True),
        ({"type": "MergeTree"}, True),
        ({"type": "Entities", "filter": "equals(type,'X')"}, True),
        ({"type": "Entities", "updatedSince": "2030-01-15T00:00:00Z"}, True),
    ],
)
def test_files_without_records_are_plausible_only_for_a_part_of_the_objects_or_in_a_merge_tree(
    export: dict[str, Any], expected: bool
) -> None:
    assert may_be_empty(job(spec={"export": export}).spec.export) is expected
