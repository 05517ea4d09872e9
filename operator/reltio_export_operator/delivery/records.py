"""Counts the records of a file and detects truncated content. Memory does not grow with the file."""

from __future__ import annotations

import csv
import json
from collections import Counter
from typing import Literal

_MAX_LINE_BYTES = 1 << 20  # of which the content is used
_BOM = b"\xef\xbb\xbf"
_WHITESPACE = b" \t\r\n"
_EMPTY_LINES = (b"", b"\r")

# Columns of CSV files with headersStyle=name. Copy of 2026-07-10:
# https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/export-api-csv-output-format
_COLUMNS = frozenset(
    [
        *("ID", "Type", "uri", "id", "startDate", "endDate"),
        *("updatedBy", "updatedDate", "updateDate", "createdBy", "createdDate", "createDate"),
        *("activityId", "activityDescription", "activityLabel", "clientType", "eventId", "method", "objectLabel"),
        *("objectType", "objectUri", "timestamp", "url", "user"),
    ]
)
_COLUMN_GROUPS = (
    *("Attributes.", "AnalyticsAttributes.", "Crosswalks.", "StartObject.", "EndObject."),
    *("delta.", "data."),
)


class RecordCounter:
    """Counts rows of CSV, which may have newlines in quotes, or lines of JSON with one object each.

    `count` is None if lines do not show the records: arrays, objects on several lines or several on one, and other
    rules for quotes. `first_lines` counts the first lines of tables, which `count` includes, by whether their cells
    are documented columns: most of them (`Header`), some of them (`Possible`) or none (`Row`). `empty_lines` counts
    the empty lines, which `count` does not include: they are records only in a table with one column.
    """

    def __init__(self) -> None:
        self.first_lines: Counter[str] = Counter()
        self.empty_lines = 0
        self.problem: str | None = None
        self._kind: Literal["", "csv", "lines", "other JSON", "array"] = ""
        self._count: int | None = 0
        self._first_line = b""  # as far as it was fed
        self._at_start = True  # whether the next line is a first line
        self._quoted = False
        self._continues = False  # whether the current line continues a record of earlier lines
        self._line = b""  # the current line, as far as it was fed
        self._is_cut = False  # whether the middle of the current line of JSON was dropped, because it is too long
        self._last = b""  # the last byte that is not whitespace
        self._columns = 0
        self._unsearched = _MAX_LINE_BYTES  # bytes at the beginning of the file, which show whether it is text

    @property
    def count(self) -> int | None:
        return None if self._kind in ("other JSON", "array") else self._count

    def feed(self, data: bytes) -> None:
        if self._unsearched:  # whatever the pieces are in which the file comes
            if b"\0" in data[: self._unsearched]:
                self.problem = "is neither CSV nor JSON"
            self._unsearched = max(0, self._unsearched - len(data))
        if self._at_start:
            data = (self._first_line + data).removeprefix(_BOM).lstrip(_WHITESPACE)
            self._first_line = data
            if b"\n" not in data and len(data) < _MAX_LINE_BYTES:
                return
            self._begin()
        else:
            self._take(data)

    def start_part(self) -> None:
        """A part of the file begins. If no record is open, its first line may be a header."""
        if self._first_line:
            self._begin()
        self._at_start = self._at_start or not (self._line or self._quoted)

    def finish(self) -> None:
        """The file has ended."""
        if self._first_line:
            self._begin()
        if self.problem:
            return
        if self._kind == "csv":
            self._finish_table()
        elif self._kind:
            self._finish_json()

    def _begin(self) -> None:
        data, self._first_line, self._at_start = self._first_line, b"", False
        line = data.partition(b"\n")[0][:_MAX_LINE_BYTES]
        if not self._kind:
            self._kind = "array" if line[:1] == b"[" else "lines" if line[:1] == b"{" else "csv"
        if self._kind == "csv":
            cells = _cells(line)
            self._columns = self._columns or len(cells)
            self.first_lines[_kind_of(cells)] += 1
        self._take(data)

    def _take(self, data: bytes) -> None:
        if self._kind == "csv":
            self._take_rows(data)
            return
        self._last = data.rstrip(_WHITESPACE)[-1:] or self._last
        if self._kind == "lines":
            self._take_objects(data)

    def _take_rows(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        quoted, continues, count, empty_lines = self._quoted, self._continues, 0, 0
        begun = self._line not in _EMPTY_LINES
        for line in ended:
            if line.count(b'"') & 1:
                quoted = not quoted
            if quoted:
                continues = True
            elif begun or continues or line not in _EMPTY_LINES:
                count += 1
                continues = False
            else:
                empty_lines += 1
            begun = False
        self._quoted = quoted ^ bool(rest.count(b'"') & 1)
        self._line = rest if ended else self._line + rest
        if len(self._line) > _MAX_LINE_BYTES:
            self._line, continues = self._line[:1], True
        self._continues = continues
        self._count = (self._count or 0) + count
        self.empty_lines += empty_lines

    def _finish_table(self) -> None:
        if self._quoted and self._line:
            self.problem = "is truncated: it ends within a quoted value"
        elif self._quoted:
            self._count = None  # the quotes follow other rules
        elif self._line not in _EMPTY_LINES:
            self._count = (self._count or 0) + 1
            if not self._continues and self._count > 1 and 0 < len(_cells(self._line)) < self._columns:
                self.problem = "is truncated: its last line has fewer columns than its first"

    def _take_objects(self, data: bytes) -> None:
        if b"}{" in data or (self._line[-1:] == b"}" and data[:1] == b"{"):
            self._kind = "other JSON"
            return
        lines = (self._line + data).split(b"\n") if self._line else data.split(b"\n")
        for line in lines[:-1]:
            self._object(line)
        self._is_cut = self._is_cut and len(lines) == 1
        self._line = lines[-1].lstrip(_WHITESPACE)
        if len(self._line) > _MAX_LINE_BYTES:
            self._line = b"{" + self._line[-1:] if self._line[:1] == b"{" else b"-"
            self._is_cut = True

    def _object(self, line: bytes) -> None:
        line = line.strip(_WHITESPACE)
        if line[:1] == b"{" and line[-1:] == b"}":
            self._count = (self._count or 0) + 1
        elif line:
            self._kind = "other JSON"

    def _finish_json(self) -> None:
        line = self._line
        if self._kind == "lines":
            self._object(line)
        is_cut_off = self._kind == "lines" and not self._is_cut and not _is_whole(line)
        if self._last != (b"]" if self._kind == "array" else b"}") or is_cut_off:
            self.problem = "is truncated: its JSON does not end"


def _is_whole(line: bytes) -> bool:
    """Whether the last line is complete JSON, as far as it was kept."""
    if len(line.strip(_WHITESPACE)) <= len(b"{}"):
        return True
    try:
        json.loads(line)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True


def _cells(line: bytes) -> list[str]:
    """The cells of a line; none if it is not CSV."""
    try:
        return next(csv.reader([line.decode(errors="replace")]), [])
    except csv.Error:
        return []


def _kind_of(cells: list[str]) -> Literal["Header", "Possible", "Row"]:
    named = [cell.strip() for cell in cells if cell.strip()]
    known = sum(name in _COLUMNS or name.startswith(_COLUMN_GROUPS) for name in named)
    if 2 * known > len(named):
        return "Header"
    return "Possible" if known or not named else "Row"
