"""What an export delivers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from typing import Any

import pytest

from reltio_export_sandbox.reltio import Behaviour, SimulatorConfig, Tenant
from reltio_export_sandbox.reltio.content import compressed, encoded
from reltio_export_sandbox.reltio.data import selected
from reltio_export_sandbox.reltio.delivery import cut

from .driver import BUCKET, PATH, Driver

HELD = Tenant("acme01", entities=10)


def exported(
    config: SimulatorConfig | None = None, endpoint: str = "entities", body: Any = None, **query: Any
) -> Driver:
    driver = Driver(config or SimulatorConfig(objects_per_file=4), HELD)
    assert driver.submit(endpoint, body=body, **query).status == 200
    driver.advance(120)
    return driver


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (None, "part-00000.gz"),
        ("results-{{n}}", "results-00000.gz"),
        ("export-file", "export-file00000.gz"),
    ],
)
def test_part_files_are_named_by_the_template(template: str | None, name: str) -> None:
    query: dict[str, Any] = {} if template is None else {"filenameTemplate": template}
    assert name in exported(**query).delivered()


@pytest.mark.parametrize(
    ("compression", "form", "name"),
    [
        ("GZIP", "csv", "part-00000.gz"),
        ("ZIP", "csv", "part-00000.zip"),
        ("NONE", "csv", "part-00000.csv"),
        ("NONE", "json", "part-00000.json"),
    ],
)
def test_files_are_packed_as_the_tenant_has_it(compression: str, form: str, name: str) -> None:
    driver = exported(SimulatorConfig(compression=compression), fileFormat=form)
    content = driver.content(name)
    if compression == "GZIP":
        content = gzip.decompress(content)
    elif compression == "ZIP":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(archive.namelist()[0])
    rows = list(csv.DictReader(io.StringIO(content.decode()))) if form == "csv" else content.splitlines()
    assert len(rows) == 10


def test_all_rows_of_the_tenant_arrive_once_and_in_order() -> None:
    driver = exported()
    rows = [
        json.loads(line)
        for name in driver.manifest()["files"]
        for line in gzip.decompress(driver.content(name)).splitlines()
    ]
    assert rows == selected(HELD, "ENTITIES", {})


def test_the_manifest_has_the_documented_keys() -> None:
    assert exported(fileFormat="csv").manifest() == {
        "success": True,
        "files": ["part-00000.gz", "part-00001.gz", "part-00002.gz"],
        "totalObjects": 10,
        "totalNumberOfFiles": 3,
        "duration": "PT19S",
        "outputFileFormat": "csv",
    }


def test_csv_has_a_row_for_each_item_of_an_activity_and_json_an_object_for_each_activity() -> None:
    held = Tenant("acme01", activities=2, activity_items=3)

    def lines(form: str) -> tuple[list[str], int]:
        driver = Driver(SimulatorConfig(compression="NONE"), held)
        assert driver.submit("activities", fileFormat=form).status == 200
        driver.advance(120)
        manifest = driver.manifest()
        text = b"".join(driver.content(name) for name in manifest["files"]).decode()
        return text.splitlines(), manifest["totalObjects"]

    (header, *rows), total = lines("csv")
    assert [row.split(",")[header.split(",").index("id")] for row in rows] == [
        *("a-0-0", "a-0-1", "a-0-2", "a-1-0", "a-1-1", "a-1-2"),
    ]
    objects, _ = lines("json")
    assert (len(objects), total) == (2, 2)
    assert [json.loads(one)["itemsTotal"] for one in objects] == [3, 3]


def test_a_client_that_may_not_see_the_types_gets_an_empty_export_without_an_error() -> None:
    driver = Driver(SimulatorConfig(), Tenant("acme01", entities=10, hides_types=True))
    assert driver.submit("entities").status == 200
    driver.advance(120)
    assert (driver.manifest()["totalObjects"], driver.manifest()["success"]) == (0, True)


@pytest.mark.parametrize(
    ("body", "query", "count"),
    [
        ({"includeType": ["configuration/entityTypes/HCP"]}, {}, 4),
        ({"includeType": ["configuration/entityTypes/Nothing"]}, {}, 0),
        ({"updateTimeFilter": {"since": 2**62}}, {}, 0),
        ({}, {"activeness": "not_active"}, 0),
    ],
)
def test_what_was_not_asked_for_is_not_delivered(body: Any, query: Any, count: int) -> None:
    assert exported(body=body, **query).manifest()["totalObjects"] == count


def test_json_may_be_one_array() -> None:
    (name,) = exported(SimulatorConfig(json_array=True)).manifest()["files"]
    driver = exported(SimulatorConfig(json_array=True))
    assert len(json.loads(gzip.decompress(driver.content(name)))) == 10


def test_an_export_of_no_rows_has_no_columns() -> None:
    driver = Driver()
    driver.started(fileFormat="csv")
    assert encoded([], driver.reltio.accepted[0]) == b""


def test_the_same_rows_make_the_same_bytes() -> None:
    assert [compressed(b"rows", "part-00000.zip", how) for how in ("GZIP", "ZIP")] == [
        compressed(b"rows", "part-00000.zip", how) for how in ("GZIP", "ZIP")
    ]


@pytest.mark.parametrize(("query", "link"), [({}, "exportUrl"), ({"partSize": "100mb"}, "exportUrls")])
def test_parts_are_combined_when_postprocessing_is_not_skipped(query: dict[str, Any], link: str) -> None:
    driver = exported(name="tenant entities", skipPostprocessing="false", **query)
    name = "tenant_entities_part_1.gz" if query else "tenant_entities.gz"
    assert driver.delivered() == ["manifest.json", name]
    assert len(gzip.decompress(driver.content(name)).splitlines()) == 10
    (task_id,) = driver.listed("/history")
    assert link in driver.task(task_id)["currentState"]


def test_combined_files_are_cut_at_their_size() -> None:
    rows = [{"uri": "x" * 100} for _ in range(10)]
    assert [len(lot) for lot in cut(rows, 300)] == [3, 3, 3, 1]
    assert [len(lot) for lot in cut(rows, None)] == [10]
    assert list(cut([], 300)) == []


@pytest.mark.parametrize(
    ("switches", "query", "name"),
    [
        ({"default_template": "part_{{n}}", "format_extension": True}, {}, "part_00000.json.gz"),
        ({"format_extension": True, "compression": "NONE"}, {}, "part-00000.json"),
        ({"format_extension": True}, {"fileFormat": "csv"}, "part-00000.csv.gz"),
        ({"append_extension": False}, {}, "part-00000"),
        ({"number_separator": "-"}, {"filenameTemplate": "export-file"}, "export-file-00000.gz"),
        ({"number_separator": "-"}, {"filenameTemplate": "results{{n}}"}, "results00000.gz"),
        ({"combined_names": "exportName"}, {"skipPostprocessing": "false"}, "acme01_entities_1.gz"),
        ({"subdirectory": "/2031/05-Sep-2031/"}, {}, "2031/05-Sep-2031/part-00000.gz"),
    ],
)
def test_names_of_files_have_the_variants_of_the_documentation(
    switches: dict[str, Any], query: dict[str, Any], name: str
) -> None:
    assert name in exported(SimulatorConfig(objects_per_file=4, **switches), name="nightly", **query).delivered()


@pytest.mark.parametrize(
    ("form", "listed"),
    [
        ("name", "part-00000.gz"),
        ("key", f"{PATH}/sub/part-00000.gz"),
        ("s3", f"s3://{BUCKET}/{PATH}/sub/part-00000.gz"),
        ("https", f"https://{BUCKET}.s3.amazonaws.com/{PATH}/sub/part-00000.gz"),
    ],
)
def test_the_manifest_lists_files_by_name_key_or_url(form: Any, listed: str) -> None:
    driver = exported(SimulatorConfig(manifest_names=form, subdirectory="sub"))
    assert json.loads(driver.content("sub/manifest.json"))["files"] == [listed]


@pytest.mark.parametrize("compression", ["GZIP", "ZIP", "NONE"])
def test_the_manifest_call_knows_files_without_an_extension_and_in_a_subdirectory(compression: str) -> None:
    driver = exported(SimulatorConfig(append_extension=False, subdirectory="sub", compression=compression))
    (task_id,) = driver.listed("/history")
    (file,) = driver.call("GET", f"/tasks/{task_id}/_manifest").body["files"]
    assert file["url"] == f"https://{BUCKET}.s3.amazonaws.com/{PATH}/sub/part-00000"
    assert file["fileFormat"] == {"NONE": "JSON"}.get(compression, compression)


@pytest.mark.parametrize(
    ("counted", "csv_total", "json_total"),
    [("objects", 2, 2), ("read", 2, 2), ("records", 6, 2), ("items", 6, 6)],
)
def test_the_total_of_activities_counts_what_the_switch_says(counted: Any, csv_total: int, json_total: int) -> None:
    def total(form: str) -> int:
        driver = Driver(SimulatorConfig(total_counts=counted), Tenant("acme01", activities=2, activity_items=3))
        driver.reltio.behaviours.append(Behaviour(tasks=2))
        assert driver.submit("activities", fileFormat=form).status == 200
        driver.advance(120)
        return int(driver.manifest()["totalObjects"])

    assert (total("csv"), total("json")) == (csv_total, json_total)


@pytest.mark.parametrize(("counted", "total"), [("objects", 4), ("read", 10), ("records", 4), ("items", 4)])
def test_the_total_may_count_objects_that_were_read_and_left_out(counted: Any, total: int) -> None:
    body = {"includeType": ["configuration/entityTypes/HCP"]}
    assert exported(SimulatorConfig(total_counts=counted), body=body).manifest()["totalObjects"] == total


def test_nothing_is_read_of_types_that_are_hidden() -> None:
    driver = Driver(SimulatorConfig(total_counts="read"), Tenant("acme01", entities=10, hides_types=True))
    driver.started()
    driver.advance(120)
    assert driver.manifest()["totalObjects"] == 0


def test_combined_files_have_the_total_of_their_parts() -> None:
    manifest = exported(SimulatorConfig(total_counts="records"), skipPostprocessing="false").manifest()
    assert manifest["totalObjects"] == 10


def test_the_links_of_the_manifest_call_are_those_of_the_files() -> None:
    driver = exported()
    (task_id,) = driver.listed("/history")
    files = driver.call("GET", f"/tasks/{task_id}/_manifest").body["files"]
    assert [file["fileName"] for file in files] == driver.manifest()["files"]
    assert files[0] | {"urlExpirationTimestamp": ""} == {
        "url": f"https://{BUCKET}.s3.amazonaws.com/{PATH}/part-00000.gz",
        "fileName": "part-00000.gz",
        "fileSize": len(driver.content("part-00000.gz")),
        "fileFormat": "GZIP",
        "urlExpirationTimestamp": "",
    }
    assert files[0]["urlExpirationTimestamp"].endswith("+0000")


@pytest.mark.parametrize(
    ("endpoint", "body", "count", "kind"),
    [
        ("relations", None, 400, "RELATIONS"),
        ("activities", None, 600, "ACTIVITY_LOG"),
        ("entities/_crosswalksTree", None, 50, "MERGE_TREE"),
        ("entities/segments", {"segmentIds": ["s"]}, 10, "ENTITIES"),
    ],
)
def test_each_kind_of_export_delivers_its_own(endpoint: str, body: Any, count: int, kind: str) -> None:
    driver = exported(endpoint=endpoint, body=body)
    assert driver.manifest()["totalObjects"] == count
    assert driver.reltio.accepted[0].export_type == kind
