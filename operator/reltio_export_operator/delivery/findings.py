"""What a delivery shows, and what each finding does to the job. Pure.

docs/delivery.md has the rules as a table, which `make generate` writes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .names import is_hidden
from .order import in_order

if TYPE_CHECKING:
    from .manifest import Delivery, FileReport

Effect = Literal["Fails", "Waits", "Uncertain", "Open", "Ignored"]
_SHOWN = 100  # characters of a value in a message
_SHOWN_NAMES = 3
_MAX_INTEGER = 2**53  # larger JSON numbers are not exact
_YES, _NO = ("true", "1"), ("false", "0", "no", "failed", "failure", "error")


@dataclass(frozen=True)
class Rule:
    """A kind of finding: when it applies, what it does, and its text, a template for `str.format`."""

    name: str
    about: str
    effect: Effect
    text: str

    def __call__(self, **values: object) -> Finding:
        return Finding(self, self.text.format(**values))


@dataclass(frozen=True)
class Finding:
    rule: Rule
    text: str


NO_MANIFEST = Rule("NoManifest", "`manifest.json` is not in the directory", "Waits", "{manifest} is not there")
NOT_A_MANIFEST = Rule("NotAManifest", "it is not a JSON object", "Waits", "{manifest} is not a JSON object")
NO_FILE_LIST = Rule(
    "NoFileList",
    "it has no list of files, and does not say that the export has no objects",
    "Waits",
    "{manifest} has no list of files",
)
EMPTY_FILE_LIST = Rule(
    "EmptyFileList",
    "its list of files is empty, but there are files with records",
    "Waits",
    "{manifest} lists no files, but {names} are there",
)
UNSUCCESSFUL = Rule("Unsuccessful", "`success` is false", "Fails", "{manifest} has success: {value}")
FILE_MISSING = Rule("FileMissing", "a listed file is not there", "Fails", "{name} is listed but was not found")
FILE_OUTSIDE = Rule(
    "FileOutside",
    "a listed file is in another bucket or directory",
    "Fails",
    "{manifest} lists {name}, which is outside the directory",
)
FILE_EMPTY = Rule(
    "FileEmpty", "a compressed file has no bytes, and `totalObjects` is not 0", "Fails", "{name} is empty"
)
FILE_DAMAGED = Rule(
    "FileDamaged",
    "a listed file is truncated, damaged, or neither CSV nor JSON, in two reads in a row",
    "Fails",
    "{name} {problem}",
)
DATA_UNLISTED = Rule(
    "DataUnlisted",
    "a file that is not listed is named as the listed ones are: `part-00007.gz` beside `part-00000.gz`",
    "Fails",
    "{name} exists but is not listed",
)
NO_RECORDS = Rule(
    "NoRecords",
    "no file has a record, although `totalObjects` is not 0; not with a filter or a window of time, "
    "`MergeTree`, `sliceFilter` or `groupBy`",
    "Fails",
    "totalObjects in {manifest} is {total}, but the files have no records",
)
SUCCESS_UNCLEAR = Rule(
    "SuccessUnclear", "`success` is missing, or neither true nor false", "Uncertain", "{manifest} has success: {value}"
)
TOTAL_UNCLEAR = Rule(
    "TotalUnclear",
    "`totalObjects` is missing, or no count",
    "Uncertain",
    "{manifest} has totalObjects: {value}",
)
FILES_DIFFER = Rule(
    "NumberOfFilesDiffers",
    "`totalNumberOfFiles` is not the number of listed files",
    "Uncertain",
    "{manifest} lists {count} files, but totalNumberOfFiles is {value}",
)
LISTED_TWICE = Rule("ListedTwice", "a file is listed twice", "Uncertain", "{manifest} lists {name} twice")
RECORDS_DIFFER = Rule(
    "RecordsDiffer",
    "the files have another number of records than `totalObjects`, which Reltio may only have estimated",
    "Uncertain",
    "totalObjects in {manifest} is {total}, but the files have {count} records",
)
OTHER_OBJECT = Rule(
    "OtherObject", "there is another object that is not listed", "Uncertain", "{name} exists but is not listed"
)
FILE_ODD = Rule(
    "FileOdd",
    "a file is whole, but unusual: quotes, line ends, separators or columns that do not follow RFC 4180, "
    "bytes after its gzip data, compressed twice, or not compressed despite its name",
    "Uncertain",
    "{names} {note}",
)
NOT_READ = Rule(
    "NotRead",
    "not every file was read to its end, as with `Manifest`, or with `Objects` for large files",
    "Open",
    "{count} of {total} files were not read to their end, so the records were not counted",
)
PARTLY_READ = Rule(
    "PartlyRead",
    "a bound ended the examination of a file",
    "Open",
    "the content of {count} files was examined only in part",
)
NOT_COMPARABLE = Rule(
    "NotComparable",
    "one object may make several records, or none: `MergeTree`, `Hierarchies`, `SegmentEntities`, slices, groups, "
    "explosion, an anchor attribute",
    "Open",
    "the {count} records of this export cannot be compared with the {total} objects of {manifest}",
)
ITEMS_NOT_COMPARABLE = Rule(
    "ItemsNotComparable",
    "`Activities`: CSV has a row for each item of an activity, JSON an object for each activity, and `totalObjects` is "
    "the number of only one of them",
    "Open",
    "{count} records may be the activities or the items of the {total} objects of {manifest}",
)
HEADERS_UNCLEAR = Rule(
    "HeadersUnclear",
    "the first lines have no documented columns, as with `headersStyle: Label`, so each may be a header or a record",
    "Open",
    "the files have {least} to {most} records, because their first lines may be headers",
)
END_UNPROVEN = Rule(
    "EndUnproven",
    "a file without a checksum of its own (not compressed, no JSON array) may have been cut at the end of a record: "
    "its records were not counted, or its last line does not end",
    "Open",
    "{names} may have been cut at the end of a record",
)
IGNORED = Rule(
    "Ignored",
    "objects that such directories have: names that begin with `_` or `.`, checksums (`.crc`, `.md5`, `.sha1`, "
    "`.sha256`), directories, receipts",
    "Ignored",
    "",
)
RULES: tuple[Rule, ...] = tuple(value for value in globals().values() if isinstance(value, Rule))


def findings_of(delivery: Delivery) -> list[Finding]:
    """Everything that the delivery shows as far as it was read."""
    manifest, shown = delivery.manifest, delivery.manifest_name
    if manifest is None:
        return [NO_MANIFEST(manifest=shown)]
    if not isinstance(manifest, Mapping):
        return [NOT_A_MANIFEST(manifest=shown)]
    found = list(_about_success(manifest, shown))
    if delivery.names is None:
        return [*found, NO_FILE_LIST(manifest=shown)]
    return [
        *found,
        *_about_numbers(delivery, manifest),
        *_about_listed(delivery),
        *_about_unlisted(delivery),
        *_about_contents(delivery),
        *_about_records(delivery),
    ]


def _about_success(manifest: Mapping[str, Any], shown: str) -> Iterator[Finding]:
    value = manifest.get("success")
    text = str(value).strip().lower()
    if text in _NO:
        yield UNSUCCESSFUL(manifest=shown, value=_cut(value))
    elif text not in _YES:
        yield SUCCESS_UNCLEAR(manifest=shown, value=_cut(value) if "success" in manifest else "absent")


def count_in(manifest: Mapping[str, Any], field: str) -> int | None:
    """A count of the manifest, which may be a number or its digits; None if it is neither."""
    value = manifest.get(field)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < len(str(2**53)):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_INTEGER or value % 1:
        return None
    return int(value)


def _about_numbers(delivery: Delivery, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    shown, listed = delivery.manifest_name, delivery.listed
    if delivery.total_objects is None:
        value = _cut(manifest["totalObjects"]) if "totalObjects" in manifest else "absent"
        yield TOTAL_UNCLEAR(manifest=shown, value=value)
    if "totalNumberOfFiles" in manifest and count_in(manifest, "totalNumberOfFiles") != len(listed):
        yield FILES_DIFFER(manifest=shown, count=len(listed), value=_cut(manifest["totalNumberOfFiles"]))
    counts = Counter(one.name for one in listed)
    if len(counts) < len(listed):
        yield LISTED_TWICE(manifest=shown, name=counts.most_common(1)[0][0])


def _about_listed(delivery: Delivery) -> Iterator[Finding]:
    none_expected = delivery.total_objects == 0
    for name in dict.fromkeys(one.name for one in delivery.listed if one.is_outside):
        yield FILE_OUTSIDE(manifest=delivery.manifest_name, name=name)
    for name in delivery.names or ():
        if name not in delivery.files:
            yield FILE_MISSING(name=name)
        elif not delivery.files[name].size and not none_expected and name.lower().endswith((".gz", ".zip")):
            yield FILE_EMPTY(name=name)


def _about_unlisted(delivery: Delivery) -> Iterator[Finding]:
    if not delivery.listed:
        names = [name for name in delivery.unlisted if delivery.files[name].size]
        counted = _range_of([delivery.reports.get(name) for name in names])
        if names and counted is not None and counted[0] == 0:
            yield from (OTHER_OBJECT(name=name) for name in names)
        elif names:
            yield EMPTY_FILE_LIST(manifest=delivery.manifest_name, names=_some(names))
        return
    forms = {_form(name) for name in delivery.names or ()}
    for name in delivery.unlisted:
        is_data = _form(name) in forms and delivery.files[name].size
        yield (DATA_UNLISTED if is_data else OTHER_OBJECT)(name=name)


def _form(name: str) -> tuple[str, str]:
    """What files of one export have in common: what is before the first digit, and the suffix."""
    last = name.rpartition("/")[2].lower()
    start = next((at for at, character in enumerate(last) if character.isdigit()), len(last))
    return last[:start].partition(".")[0], last.rpartition(".")[2] if "." in last else ""


def unlisted(files: Iterable[str], names: Iterable[str], others: Iterable[str]) -> list[str]:
    """The objects that are neither listed, nor `others`, nor hidden."""
    known = {*names, *others}
    other = (name for name in files if name not in known and not is_hidden(name) and not name.endswith("/"))
    return list(in_order(other))


def _about_contents(delivery: Delivery) -> Iterator[Finding]:
    odd: defaultdict[str, list[str]] = defaultdict(list)
    for name, report in delivery.reports.items():
        if report.problem:
            yield FILE_DAMAGED(name=name, problem=report.problem)
        for note in report.notes:
            odd[note].append(name)
    for note, names in odd.items():
        yield FILE_ODD(names=_some(names), note=note)


def _about_records(delivery: Delivery) -> Iterator[Finding]:
    names, total = delivery.to_read, delivery.total_objects
    reports = [delivery.report_of(name) for name in names]
    if any(report is not None and report.problem for report in reports):
        return
    partly = sum(report.partial for report in reports if report is not None)
    if partly:
        yield PARTLY_READ(count=partly)
    unread = sum(report is None or report.sha256 is None for report in reports)
    if unread:
        yield NOT_READ(count=unread, total=len(reports))
    range_ = _range_of(reports)
    compared = list(_compared(delivery, range_, total)) if range_ is not None and total is not None else []
    yield from compared
    proved = range_ == (total, total) and not compared
    unproved = [
        name
        for name, report in zip(names, reports, strict=True)
        if report is not None and delivery.files[name].size and not _is_proved(report, proved)
    ]
    if unproved and not partly:
        yield END_UNPROVEN(names=_some(unproved))


def _is_proved(report: FileReport, by_count: bool) -> bool:
    return report.proof == "Own" or (report.proof == "Count" and by_count)


def _compared(delivery: Delivery, range_: tuple[int, int], total: int) -> Iterator[Finding]:
    """How the number of records compares with totalObjects. Nothing if they are equal for certain."""
    (least, most), shown = range_, delivery.manifest_name
    count = str(most) if least == most else f"{least} to {most}"
    if total and not most and not delivery.may_be_empty:
        yield NO_RECORDS(manifest=shown, total=total)
    elif delivery.has_items:
        # Each activity has an item, so there are at least as many rows as activities, and at most as many objects.
        is_table = any(report.first_lines for report in delivery.reports.values())
        if most < total if is_table else least > total:
            yield RECORDS_DIFFER(manifest=shown, total=total, count=count)
        elif range_ != (total, total):
            yield ITEMS_NOT_COMPARABLE(manifest=shown, total=total, count=count)
    elif not delivery.countable:
        if total or most:
            yield NOT_COMPARABLE(manifest=shown, total=total, count=count)
    elif not least <= total <= most:
        yield RECORDS_DIFFER(manifest=shown, total=total, count=count)
    elif least != most:
        yield HEADERS_UNCLEAR(least=least, most=most)


def counted_records(delivery: Delivery) -> int | None:
    """The number of records, if it is certain and one record is one object."""
    range_ = _range_of([delivery.report_of(name) for name in delivery.to_read])
    return range_[0] if delivery.countable and range_ is not None and range_[0] == range_[1] else None


def _range_of(reports: Sequence[FileReport | None]) -> tuple[int, int] | None:
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


def _cut(value: object) -> str:
    return str(value)[:_SHOWN]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
