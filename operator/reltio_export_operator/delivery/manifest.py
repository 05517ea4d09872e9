"""Whether what lies in an attempt's directory is what the service's manifest promises. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..api.job import ExportSpec

MANIFEST = "manifest.json"
RECEIPT = "_export-receipt.json"
CHECKSUMS = "_export-receipt.sha256"
OURS = frozenset({MANIFEST, RECEIPT, CHECKSUMS})
_HIGHEST = 2**53  # beyond it JSON numbers are not exact
_SHOWN = 100  # characters of a manifest's odd value


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
    records: int | None = None  # headers with them; None also where they cannot be counted
    blanks: int = 0  # empty lines, which may be records of a table with one column
    heads: Mapping[str, int] = field(default_factory=dict)  # lines that may be headers: Header, Perhaps or Row


@dataclass(frozen=True)
class Delivery:
    """The manifest as parsed JSON, the objects by name below the directory, and reports on those that were read."""

    manifest: object | None
    files: Mapping[str, StoredFile]
    reports: Mapping[str, FileReport] = field(default_factory=dict)
    bucket: str = ""
    path: str = ""
    countable: bool = False  # whether one object of the tenant makes one record
    may_be_empty: bool = True  # whether objects may make no record at all
    manifest_sha256: str = ""
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
    name = name.encode(errors="replace").decode()  # JSON may hold halves of characters
    key = name.removeprefix(f"s3://{delivery.bucket}/").removeprefix("./").lstrip("/")
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
    return [
        *_wrong_head(delivery, manifest, names),
        *_wrong_files(delivery, names or []),
        *(f"{name} {report.problem}" for name, report in delivery.reports.items() if report.problem),
        *_wrong_count(delivery, names or []),
    ]


def total_objects(delivery: Delivery) -> int | None:
    """What the manifest counts; None when it says nothing that can be meant."""
    total = delivery.manifest.get("totalObjects") if isinstance(delivery.manifest, Mapping) else None
    if isinstance(total, bool) or not isinstance(total, int | float) or not 0 <= total <= _HIGHEST or total % 1:
        return None
    return int(total)


def _wrong_head(delivery: Delivery, manifest: Mapping[str, Any], names: list[str] | None) -> Iterator[str]:
    if manifest.get("success") is not True:
        yield f"{MANIFEST} says success: {_shown(manifest.get('success'))}"
    if total_objects(delivery) is None:
        yield f"{MANIFEST} has no valid totalObjects"
    if names is None:
        yield f"{MANIFEST} lists no files"
        return
    if manifest.get("totalNumberOfFiles", len(names)) != len(names):
        yield f"{MANIFEST} lists {len(names)} files but counts {_shown(manifest['totalNumberOfFiles'])}"
    if len(set(names)) < len(names):
        yield f"{MANIFEST} lists a file twice"


def _shown(value: object) -> str:
    return str(value)[:_SHOWN]


def _wrong_files(delivery: Delivery, names: list[str]) -> Iterator[str]:
    # A part without a row may be a file without a byte, but neither all of them nor what is compressed.
    some = any(delivery.files[name].size for name in names if name in delivery.files)
    nothing_due = total_objects(delivery) == 0
    for name in names:
        if ".." in name.split("/") or name.startswith("s3:"):
            yield f"{MANIFEST} lists {name}, which is outside of the directory"
        elif name not in delivery.files:
            yield f"{name} is listed but missing"
        elif delivery.files[name].size == 0 and not nothing_due and (_is_compressed(name) or not some):
            yield f"{name} is empty"
    for name in sorted(delivery.files.keys() - set(names) - OURS):
        yield f"{name} is there but not listed"


def _is_compressed(name: str) -> bool:
    return name.lower().endswith((".gz", ".zip"))


def _wrong_count(delivery: Delivery, names: list[str]) -> Iterator[str]:
    total = total_objects(delivery)
    held = _records_in([delivery.reports.get(name) for name in names])
    if total is None or held is None:
        return
    least, most = held
    if delivery.countable and not least <= total <= most:
        range_ = str(most) if least == most else f"{least} to {most}"
        yield f"{MANIFEST} counts {total} objects, the files hold {range_}"
    elif total and not most and not delivery.may_be_empty:
        yield f"{MANIFEST} counts {total} objects, the files hold no record"


def _records_in(reports: Sequence[FileReport | None]) -> tuple[int, int] | None:
    """The least and the most records that the files may hold; None when not all were counted.

    A first line of no documented column may be a header of the tenant's own words, unless other files show that
    headers here are made of the documented ones.
    """
    records, blanks, heads = 0, 0, Counter[str]()
    for report in reports:
        if report is None or report.records is None or report.problem:
            return None
        records += report.records
        blanks += report.blanks
        heads.update(report.heads)
    headers = heads["Header"]
    perhaps = heads["Perhaps"] + (0 if headers else heads["Row"])
    return records - headers - perhaps, records - headers + blanks


def is_countable(export: ExportSpec) -> bool:
    """Whether one exported object makes one record: not where objects are cut into slices, groups or values."""
    cut = (export.sliced_by_crosswalks, export.slice_filter, export.exploded, export.group_by, export.anchor_attribute)
    return export.type in ("Entities", "Relations", "Activities") and not any(cut)


def may_be_empty(export: ExportSpec) -> bool:
    """Whether objects may come out as no record at all: merge trees without merges, slices that a filter takes out."""
    return export.type == "MergeTree" or bool(export.slice_filter or export.group_by)


def digest_of(delivery: Delivery, names: list[str]) -> str:
    """One value for the whole delivery: SHA-256 over size, ETag and name of each file, sorted by name."""
    lines = (f"{delivery.files[name].size} {delivery.files[name].etag} {name}\n" for name in sorted(names))
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def receipt_of(delivery: Delivery, names: list[str], about: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The receipt as JSON, and the checksums of the files and the manifest as `sha256sum -c` reads them."""
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
    sums = [(entry["sha256"], str(entry["name"])) for entry in files] + [(delivery.manifest_sha256, MANIFEST)]
    return receipt, "".join(_checksum_line(sum_, name) for sum_, name in sums)


def _checksum_line(sha256: object, name: str) -> str:
    """A line of `sha256sum`, which escapes what would break it and says so by a backslash in front."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{sha256}  {escaped}\n"
