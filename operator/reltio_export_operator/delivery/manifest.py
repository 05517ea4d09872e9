"""Compares the files of an attempt's directory with Reltio's manifest. Pure.

Source of the manifest's form, copy of 2026-07-10:
https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/export-manifest/writing-a-manifest-json-file
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..api.job import ExportSpec
from . import limits
from .limits import DeliveryTooLargeError
from .records import Proof

MANIFEST = "manifest.json"
RECEIPT = "_export-receipt.json"
CHECKSUMS = "_export-receipt.sha256"
UNLISTED_FILES = frozenset({MANIFEST, RECEIPT, CHECKSUMS})  # the manifest does not list them
_MAX_INTEGER = 2**53  # larger JSON numbers are not exact
_MAX_SHOWN = 100  # characters of a wrong value in a message


@dataclass(frozen=True)
class StoredFile:
    """An object of the directory. `size` is in bytes."""

    size: int
    etag: str = ""


@dataclass(frozen=True)
class FileReport:
    """The result of reading a file. None: not known, because the file was not read to its end."""

    problem: str | None = None
    sha256: str | None = None
    records: int | None = None  # including header lines; None also if they cannot be counted
    empty_lines: int = 0  # which may be records of a table with one column
    first_lines: Mapping[str, int] = field(default_factory=dict)  # that may be headers: see RecordCounter
    partial: bool = False  # whether a bound ended its examination
    notes: tuple[str, ...] = ()  # what is odd about it, and does not damage it
    proof: Proof = "Own"


@dataclass(frozen=True)
class Delivery:
    """The manifest as parsed JSON, the objects by their name in the directory, and reports on those that were read."""

    manifest: object | None
    files: Mapping[str, StoredFile]
    reports: Mapping[str, FileReport] = field(default_factory=dict)
    bucket: str = ""
    path: str = ""
    countable: bool = False  # whether each object of the tenant is one record
    may_be_empty: bool = True  # whether an object may have no record
    manifest_sha256: str = ""
    receipt: str | None = None

    @cached_property
    def names(self) -> list[str] | None:
        return _names(self)

    @cached_property
    def differences(self) -> list[str]:
        return _differences(self)

    @cached_property
    def digest(self) -> str:
        return digest_of(self, self.names or [])

    @property
    def partly_read(self) -> list[str]:
        """The files whose examination a bound ended."""
        return [name for name, report in self.reports.items() if report.partial]

    def prepare(self) -> Delivery:
        """Compute what takes long with many files. Call it in a thread, so that nothing waits for it later."""
        _ = self.differences, self.digest if not self.differences else ""
        return self


def listed_files(delivery: Delivery) -> list[str] | None:
    """The names in the manifest, relative to the directory; None if it has no list.

    The documentation shows bare names. Full keys and s3:// URLs of the directory are accepted as well.
    """
    return delivery.names


def _names(delivery: Delivery) -> list[str] | None:
    manifest = delivery.manifest
    files = manifest.get("files") if isinstance(manifest, Mapping) else None
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        return None
    return [_relative(name, delivery) for name in files]


def _relative(name: str, delivery: Delivery) -> str:
    name = name.encode(errors="replace").decode()  # JSON may have unpaired surrogates
    key = name.removeprefix(f"s3://{delivery.bucket}/").removeprefix("./").lstrip("/")
    return key.removeprefix(delivery.path) if delivery.path else key


def differences_of(delivery: Delivery) -> list[str]:
    """How the files differ from the manifest, and which are damaged; empty for a complete delivery."""
    return delivery.differences


def _differences(delivery: Delivery) -> list[str]:
    manifest = delivery.manifest
    if manifest is None:
        return [
            f"{MANIFEST} was not found (ask Reltio Support to turn on writeManifest for the tenant, "
            "or set spec.delivery.verify to None)"
        ]
    if not isinstance(manifest, Mapping):
        return [f"{MANIFEST} is not a JSON object"]
    names = listed_files(delivery)
    return [
        *_manifest_differences(delivery, manifest, names),
        *_file_differences(delivery, names or []),
        *(f"{name} {report.problem}" for name, report in delivery.reports.items() if report.problem),
        *_count_differences(delivery, names or []),
    ]


def parse(content: bytes) -> object:
    """The JSON of a manifest; a text if it is not JSON. Raises DeliveryTooLargeError.

    The parser of json holds the interpreter for the whole of its work, so what it is given is bounded first.
    """
    bound = limits.LIMITS.manifest_values
    values = sum(content.count(mark) for mark in (b",", b"[", b"{"))
    if values > bound:
        raise DeliveryTooLargeError(f"{MANIFEST} has more than {bound} values, which is the most that is read")
    try:
        parsed: object = json.loads(content)
    except RecursionError:
        raise DeliveryTooLargeError(f"{MANIFEST} is nested too deeply to be read") from None
    except ValueError:
        return "unparsable"
    return "null" if parsed is None else parsed


def total_objects(delivery: Delivery) -> int | None:
    """totalObjects of the manifest; None if it is not a valid count."""
    total = delivery.manifest.get("totalObjects") if isinstance(delivery.manifest, Mapping) else None
    if isinstance(total, bool) or not isinstance(total, int | float) or not 0 <= total <= _MAX_INTEGER or total % 1:
        return None
    return int(total)


def _manifest_differences(delivery: Delivery, manifest: Mapping[str, Any], names: list[str] | None) -> Iterator[str]:
    if manifest.get("success") is not True:
        yield f"{MANIFEST} has success: {_shown(manifest.get('success'))}"
    if total_objects(delivery) is None:
        yield f"{MANIFEST} has no valid totalObjects"
    if names is None:
        yield f"{MANIFEST} has no list of files"
        return
    if manifest.get("totalNumberOfFiles", len(names)) != len(names):
        yield f"{MANIFEST} lists {len(names)} files, but totalNumberOfFiles is {_shown(manifest['totalNumberOfFiles'])}"
    if len(set(names)) < len(names):
        yield f"{MANIFEST} lists a file twice"


def _shown(value: object) -> str:
    return str(value)[:_MAX_SHOWN]


def _file_differences(delivery: Delivery, names: list[str]) -> Iterator[str]:
    # A part without rows may be an empty file; but not all parts may, and no compressed file is empty.
    has_content = any(delivery.files[name].size for name in names if name in delivery.files)
    none_expected = total_objects(delivery) == 0
    for name in names:
        if ".." in name.split("/") or name.startswith("s3:"):
            yield f"{MANIFEST} lists {name}, which is outside the directory"
        elif name not in delivery.files:
            yield f"{name} is listed but was not found"
        elif delivery.files[name].size == 0 and not none_expected and (_is_compressed(name) or not has_content):
            yield f"{name} is empty"
    for name in sorted(delivery.files.keys() - set(names) - UNLISTED_FILES):
        yield f"{name} exists but is not listed"


def _is_compressed(name: str) -> bool:
    return name.lower().endswith((".gz", ".zip"))


def _count_differences(delivery: Delivery, names: list[str]) -> Iterator[str]:
    total = total_objects(delivery)
    range_ = _records_in([delivery.reports.get(name) for name in names])
    if total is None or range_ is None:
        return
    least, most = range_
    if delivery.countable and not least <= total <= most:
        count = str(most) if least == most else f"{least} to {most}"
        yield f"totalObjects in {MANIFEST} is {total}, but the files have {count} records"
    elif total and not most and not delivery.may_be_empty:
        yield f"totalObjects in {MANIFEST} is {total}, but the files have no records"


def _records_in(reports: Sequence[FileReport | None]) -> tuple[int, int] | None:
    """The lowest and the highest number of records that the files may have; None if not all were counted.

    A first line without a documented column may be a header with labels of the tenant, unless other files have headers
    with documented columns.
    """
    records, empty_lines, first_lines = 0, 0, Counter[str]()
    for report in reports:
        if report is None or report.records is None or report.problem:
            return None
        records += report.records
        empty_lines += report.empty_lines
        first_lines.update(report.first_lines)
    headers = first_lines["Header"]
    possible = first_lines["Possible"] + (0 if headers else first_lines["Row"])
    return records - headers - possible, records - headers + empty_lines


def is_countable(export: ExportSpec) -> bool:
    """Whether each exported object is one record. Slices, groups and exploded values split an object."""
    splits = (
        export.sliced_by_crosswalks,
        export.slice_filter,
        export.exploded,
        export.group_by,
        export.anchor_attribute,
    )
    return export.type in ("Entities", "Relations", "Activities") and not any(splits)


def may_be_empty(export: ExportSpec) -> bool:
    """Whether an object may have no record: a merge tree without merges, or slices that a filter removes."""
    return export.type == "MergeTree" or bool(export.slice_filter or export.group_by)


def digest_of(delivery: Delivery, names: list[str]) -> str:
    """One digest of the delivery: SHA-256 over size, ETag and name of each file, sorted by name."""
    lines = (f"{delivery.files[name].size} {delivery.files[name].etag} {name}\n" for name in sorted(names))
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def receipt_of(delivery: Delivery, names: list[str], about: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The receipt as JSON, and the checksums of the files and the manifest in the format of `sha256sum -c`."""
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
    """A line of `sha256sum`, which marks an escaped name with a backslash at the beginning."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{sha256}  {escaped}\n"
