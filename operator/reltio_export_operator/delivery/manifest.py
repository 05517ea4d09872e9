"""The manifest of Reltio and the directory that it describes. Pure. What they show is in findings.py.

Source of the manifest's form, copy of 2026-07-10:
https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/export-manifest/writing-a-manifest-json-file
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..api.job import ExportSpec
from . import findings, limits
from .findings import Effect, Finding, count_in
from .limits import DeliveryTooLargeError
from .manifest_json import TooLongError, parse_by_value, values_in
from .names import Directory, Listed, is_hidden, name_in
from .order import in_order
from .records import Proof

MANIFEST = "manifest.json"
RECEIPT = "_export-receipt.json"
CHECKSUMS = "_export-receipt.sha256"
UNLISTED_FILES = frozenset({MANIFEST, RECEIPT, CHECKSUMS})  # the manifest does not list them


@dataclass(frozen=True, slots=True)
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


EMPTY_FILE = FileReport(sha256=hashlib.sha256(b"").hexdigest(), records=0)


@dataclass(frozen=True)
class Delivery:
    """The manifest as parsed JSON, the objects by their name in the directory, and reports on those that were read.

    `manifest_name` is where in the directory the manifest is. All else is computed from these.
    """

    manifest: object | None
    files: Mapping[str, StoredFile]
    reports: Mapping[str, FileReport] = field(default_factory=dict)
    bucket: str = ""
    path: str = ""
    countable: bool = False  # whether each object of the tenant is one record
    has_items: bool = False  # whether each object of the tenant is one record or several, by the format
    may_be_empty: bool = True  # whether an object may have no record
    manifest_sha256: str = ""
    receipt: str | None = None
    manifest_name: str = MANIFEST

    @cached_property
    def names(self) -> list[str] | None:
        """The listed files, each once, by their names in the directory; None if the manifest has no list of them."""
        names = (one.name for one in self.listed if not one.is_outside)
        return None if self._listed is None else list(dict.fromkeys(names))

    @property
    def listed(self) -> list[Listed]:
        """The entries of the manifest's list."""
        return self._listed or []

    @cached_property
    def _listed(self) -> list[Listed] | None:
        if not isinstance(self.manifest, Mapping):
            return None
        entries = self.manifest.get("files")
        if entries is None and 0 in (self.total_objects, count_in(self.manifest, "totalNumberOfFiles")):
            entries = []
        names = [name_in(entry) for entry in entries] if isinstance(entries, list) else [None]
        base = self.manifest_name.rpartition("/")[0]
        directory = Directory(self.bucket, self.path, self.files, f"{base}/" if base else "")
        listed = [directory.find(name) for name in names if name is not None]
        return listed if len(listed) == len(names) else None

    @cached_property
    def unlisted(self) -> list[str]:
        """The objects beside the listed files, without those that such directories always have."""
        return findings.unlisted(self.files, self.names or (), (*UNLISTED_FILES, self.manifest_name))

    @property
    def to_read(self) -> list[str]:
        """The files whose content counts: the listed ones; those that are there if the list is empty."""
        return self.names or [] if self.listed else [name for name in self.unlisted if self.files[name].size]

    def report_of(self, name: str) -> FileReport | None:
        """The report on a file. An empty file needs no reading."""
        report = self.reports.get(name)
        return EMPTY_FILE if report is None and name in self.files and not self.files[name].size else report

    @cached_property
    def total_objects(self) -> int | None:
        """totalObjects of the manifest; None if it is not a valid count."""
        return count_in(self.manifest, "totalObjects") if isinstance(self.manifest, Mapping) else None

    @cached_property
    def objects(self) -> int | None:
        """The number of objects: as counted where it is certain, or as the manifest has it."""
        counted = findings.counted_records(self)
        return self.total_objects if counted is None else counted

    @cached_property
    def findings(self) -> list[Finding]:
        return findings.findings_of(self)

    @cached_property
    def differences(self) -> list[str]:
        """What fails the job."""
        return self._with("Fails")

    @cached_property
    def missing(self) -> str | None:
        """Why nothing can be compared yet: there is no manifest, or none with a list of files."""
        return None if self.differences else next(iter(self._with("Waits")), None)

    @property
    def has_no_list(self) -> bool:
        """Whether nothing shows which files to read."""
        return self.names is None

    @cached_property
    def uncertain(self) -> list[str]:
        """What is odd, and does not show that data is missing."""
        return self._with("Uncertain")

    @cached_property
    def open(self) -> list[str]:
        """What was not compared, because it cannot be or was not asked for."""
        return self._with("Open")

    def _with(self, effect: Effect) -> list[str]:
        return [one.text for one in self.findings if one.rule.effect == effect]

    @cached_property
    def digest(self) -> str:
        return digest_of(self, self.names or [])

    @property
    def partly_read(self) -> list[str]:
        """The files whose examination a bound ended."""
        return [name for name, report in self.reports.items() if report.partial]

    def prepare(self) -> Delivery:
        """Compute what takes long with many files. Call it in a thread, so that nothing waits for it later."""
        _ = self.findings, self.differences, self.uncertain, self.open, self.objects
        _ = self.digest if not self.differences and self.names is not None else ""
        return self


def manifest_name(files: Iterable[str]) -> str | None:
    """Where the manifest is: in the directory, or in a subdirectory that Reltio added, if in exactly one."""
    found = [name for name in files if name == MANIFEST or (name.endswith(f"/{MANIFEST}") and not is_hidden(name))]
    return MANIFEST if MANIFEST in found else found[0] if len(found) == 1 else None


def parse(content: bytes) -> object:
    """The JSON of a manifest; a text if it is not JSON. Raises DeliveryTooLargeError."""
    bound = limits.LIMITS.manifest_values
    if values_in(content, bound) > bound:
        raise DeliveryTooLargeError(f"{MANIFEST} has more than {bound} values, which is the most that is read")
    try:
        parsed = parse_by_value(content, limits.LIMITS.manifest_value_bytes)
    except RecursionError:
        raise DeliveryTooLargeError(f"{MANIFEST} is nested too deeply to be read") from None
    except TooLongError:
        most = f"{limits.LIMITS.manifest_value_bytes >> 10} KiB, the most that is read"
        raise DeliveryTooLargeError(f"{MANIFEST} has a value that is longer than {most}") from None
    except ValueError:
        return "unparsable"
    return "null" if parsed is None else parsed


def is_countable(export: ExportSpec) -> bool:
    """Whether each exported object is one record. Slices, groups and exploded values split an object."""
    splits = (
        export.sliced_by_crosswalks,
        export.slice_filter,
        export.exploded,
        export.group_by,
        export.anchor_attribute,
    )
    return export.type in ("Entities", "Relations") and not any(splits)


def has_items(export: ExportSpec) -> bool:
    """Whether CSV has a record for each item of an object, and JSON one for each object.

    https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/export-api-csv-output-format/csv-output-format-for-exported-activities
    """
    return export.type == "Activities"


def may_be_empty(export: ExportSpec) -> bool:
    """Whether files without records are plausible, whatever totalObjects says.

    A merge tree may have no merges, and a filter may remove all slices. Where only the objects of a filter or of a
    window of time are exported, an estimate of a few of them may be too high.
    """
    return export.type == "MergeTree" or bool(export.slice_filter or export.group_by) or export.is_partial


def digest_of(delivery: Delivery, names: list[str]) -> str:
    """One digest of the delivery: SHA-256 over size, ETag and name of each file, sorted by name."""
    lines = (f"{delivery.files[name].size} {delivery.files[name].etag} {name}\n" for name in in_order(names))
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
        for name in in_order(names)
    ]
    open_ = [*delivery.uncertain, *delivery.open]
    receipt = {**about, "digest": digest_of(delivery, names), "notCompared": open_, "files": files}
    sums = [(entry["sha256"], str(entry["name"])) for entry in files] + [(delivery.manifest_sha256, MANIFEST)]
    return receipt, "".join(_checksum_line(sum_, name) for sum_, name in sums)


def _checksum_line(sha256: object, name: str) -> str:
    """A line of `sha256sum`, which marks an escaped name with a backslash at the beginning."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    return f"{mark}{sha256}  {escaped}\n"
