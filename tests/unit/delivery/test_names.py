"""The objects that a manifest means are found however it writes their names."""

from __future__ import annotations

from typing import Any

import pytest

from reltio_export_operator.delivery.manifest import Delivery, StoredFile, manifest_name

PATH = "out/nightly/u-1-1/"
GOOD: dict[str, Any] = {"success": True, "files": ["part-00000.gz", "part-00001.gz"], "totalObjects": 12}
FILES = {"part-00000.gz": StoredFile(100), "part-00001.gz": StoredFile(50), "manifest.json": StoredFile(9)}


def delivery(manifest: object = GOOD, files: dict[str, StoredFile] | None = None, **more: Any) -> Delivery:
    return Delivery(manifest, FILES if files is None else files, bucket="lake", path=PATH, **more)


@pytest.mark.parametrize(
    "name",
    [
        "part-00000.gz",
        "./part-00000.gz",
        f"{PATH}part-00000.gz",
        f"/{PATH}part-00000.gz",
        f"lake/{PATH}part-00000.gz",
        "u-1-1/part-00000.gz",
        "nightly/u-1-1/part-00000.gz",
        f"s3://lake/{PATH}part-00000.gz",
        f"s3a://lake/{PATH}part-00000.gz",
        f"S3N://lake/{PATH}part-00000.gz",
        f"https://lake.s3.eu-west-1.amazonaws.com/{PATH}part-00000.gz",
        f"https://s3.eu-west-1.amazonaws.com/lake/{PATH}part-00000.gz?X-Amz-Signature=1",
        f"https://lake.s3.amazonaws.com/{PATH.replace('/', '%2F')}part%2D00000.gz",
        {"fileName": "part-00000.gz", "fileSize": 100},
        {"url": f"https://lake.s3.amazonaws.com/{PATH}part-00000.gz"},
    ],
)
def test_a_listed_file_is_found_however_its_name_is_written(name: object) -> None:
    case = delivery({**GOOD, "files": [name, "part-00001.gz"]})
    assert (case.names, case.differences) == (["part-00000.gz", "part-00001.gz"], [])


@pytest.mark.parametrize("manifest_name", ["manifest.json", "data/manifest.json"])
def test_files_in_a_subdirectory_that_was_added_are_found(manifest_name: str) -> None:
    files = {"data/part-00000.gz": StoredFile(1), "data/part-00001.gz": StoredFile(1), manifest_name: StoredFile(9)}
    case = delivery(files=files, manifest_name=manifest_name)
    assert (case.names, case.differences, case.uncertain) == (["data/part-00000.gz", "data/part-00001.gz"], [], [])


def test_a_name_that_several_files_may_have_is_not_guessed() -> None:
    files = {"a/part-00000.gz": StoredFile(1), "b/part-00000.gz": StoredFile(1), "part-00001.gz": StoredFile(1)}
    assert "part-00000.gz is listed but was not found" in delivery(files=files).differences


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["manifest.json", "a/manifest.json"], "manifest.json"),
        (["a/manifest.json", "a/part.gz"], "a/manifest.json"),
        (["a/manifest.json", "b/manifest.json"], None),
        (["_temporary/manifest.json", "my-manifest.json"], None),
    ],
)
def test_the_manifest_is_in_the_directory_or_in_one_below(names: list[str], found: str | None) -> None:
    assert manifest_name(names) == found


@pytest.mark.parametrize(
    "extra",
    ["_SUCCESS", ".part-00000.gz.crc", "part-00000.gz.crc", "_temporary/0/part-00009.gz", "part-00000.gz.md5", "x/"],
)
def test_objects_that_such_directories_have_are_ignored(extra: str) -> None:
    case = delivery(files={**FILES, extra: StoredFile(5)})
    assert (case.differences, case.uncertain) == ([], [])
