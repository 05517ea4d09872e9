"""Whether what lies in an attempt's directory is what the service's manifest promises. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..api.job import ExportSpec

MANIFEST = "manifest.json"
RECEIPT = "_export-receipt.json"
CHECKSUMS = "_export-receipt.sha256"
OURS = frozenset({MANIFEST, RECEIPT, CHECKSUMS})


@dataclass(frozen=True)
class StoredFile:
    """An object of the directory; size in bytes."""

    size: int
    etag: str = ""


@dataclass(frozen=True)
class FileReport:
    """What reading a file told. None: not read far enough to tell."""

    problem: str | None = None
    sha256: str | None = None
    records: int | None = None  # lines of content with a header, if there is one
    has_header: bool | None = None  # None where none is due, as in JSON


@dataclass(frozen=True)
class Delivery:
    """The manifest as parsed JSON, the objects by name below the directory, and reports on those that were read."""

    manifest: object | None
    files: Mapping[str, StoredFile]
    reports: Mapping[str, FileReport] = field(default_factory=dict)
    bucket: str = ""
    path: str = ""
    countable: bool = False  # whether one object of the tenant makes one record
    receipt: str | None = None


def listed_files(delivery: Delivery) -> list[str] | None:
    """Names in the manifest, relative to the directory; None when the manifest has no list.

    The documentation shows bare names. Full keys and s3:// URLs of the directory are understood as well.
    """
    manifest = delivery.manifest
    files = manifest.get("files") if isinstance(manifest, Mapping) else None
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        return None
    return [_relative(name, delivery) for name in files]


def _relative(name: str, delivery: Delivery) -> str:
    key = name.removeprefix(f"s3://{delivery.bucket}/").lstrip("/")
    return key.removeprefix(delivery.path) if delivery.path else key


def differences_of(delivery: Delivery) -> list[str]:
    """What disagrees with the manifest, or is broken, in sentences; empty when the delivery is whole."""
    manifest = delivery.manifest
    if manifest is None:
        return [
            f"{MANIFEST} is missing (the tenant's setting writeManifest may be off; "
            "spec.delivery.verify None does without)"
        ]
    if not isinstance(manifest, Mapping):
        return [f"{MANIFEST} is not a JSON object"]
    names = listed_files(delivery)
    total = manifest.get("totalObjects")
    return [
        *_wrong_head(manifest, total, names),
        *_wrong_files(delivery, names or [], total),
        *(f"{name} {report.problem}" for name, report in delivery.reports.items() if report.problem),
        *_wrong_count(delivery, names or [], total),
    ]


def _wrong_head(manifest: Mapping[str, Any], total: object, names: list[str] | None) -> Iterator[str]:
    if manifest.get("success") is not True:
        yield f"{MANIFEST} says success: {manifest.get('success')}"
    if not isinstance(total, int) or isinstance(total, bool) or total < 0:
        yield f"{MANIFEST} has no valid totalObjects"
    if names is None:
        yield f"{MANIFEST} lists no files"
        return
    if manifest.get("totalNumberOfFiles", len(names)) != len(names):
        yield f"{MANIFEST} lists {len(names)} files but counts {manifest['totalNumberOfFiles']}"
    if len(set(names)) < len(names):
        yield f"{MANIFEST} lists a file twice"


def _wrong_files(delivery: Delivery, names: list[str], total: object) -> Iterator[str]:
    for name in names:
        if ".." in name.split("/") or name.startswith("s3:"):
            yield f"{MANIFEST} lists {name}, which is outside of the directory"
        elif name not in delivery.files:
            yield f"{name} is listed but missing"
        elif delivery.files[name].size == 0 and total != 0:
            yield f"{name} is empty"
    if delivery.manifest is not None and names is not None:
        for name in sorted(delivery.files.keys() - set(names) - OURS):
            yield f"{name} is there but not listed"


def _wrong_count(delivery: Delivery, names: list[str], total: object) -> Iterator[str]:
    reports = [delivery.reports.get(name) for name in names]
    if not delivery.countable or not isinstance(total, int):
        return
    records, headers, bare = 0, 0, 0
    for report in reports:
        if report is None or report.records is None or report.problem:
            return
        records += report.records
        headers += report.has_header is True
        bare += report.has_header is False and report.records > 0
    if bare and not headers:
        return  # a table without any known column: whether its first line is a header cannot be told
    if records - headers != total:
        yield f"{MANIFEST} counts {total} objects, the files hold {records - headers}"


def is_countable(export: ExportSpec) -> bool:
    """Whether one exported object makes one record: not where objects are cut into slices, groups or values."""
    cut = (export.sliced_by_crosswalks, export.slice_filter, export.exploded, export.group_by, export.anchor_attribute)
    return export.type in ("Entities", "Relations", "Activities") and not any(cut)


def digest_of(delivery: Delivery, names: list[str]) -> str:
    """One value for the whole delivery: SHA-256 over size, ETag and name of each file, sorted by name."""
    lines = (f"{delivery.files[name].size} {delivery.files[name].etag} {name}\n" for name in sorted(names))
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def receipt_of(delivery: Delivery, names: list[str], about: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The receipt as JSON, and the checksums as `sha256sum -c` reads them."""
    files = [
        {
            "name": name,
            "size": delivery.files[name].size,
            "etag": delivery.files[name].etag,
            "sha256": delivery.reports[name].sha256,
        }
        for name in sorted(names)
    ]
    receipt = {**about, "digest": digest_of(delivery, names), "files": files}
    return receipt, "".join(f"{entry['sha256']}  {entry['name']}\n" for entry in files)
