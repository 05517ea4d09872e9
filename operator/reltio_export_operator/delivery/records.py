"""Counts the records of a file's content, and tells an end that is none. Memory does not grow with the content."""

from __future__ import annotations

import csv
import json
from collections import Counter
from typing import Literal

_LONGEST = 1 << 20  # bytes of a line that are looked at
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_EMPTY = (b"", b"\r")

# What Reltio documents as columns of its CSV output, with headersStyle=name.
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


class Records:
    """Counts lines of CSV, of which some have newlines in quotes, or of JSON with one object a line.

    `count` is None where lines do not tell the records: arrays, objects over several lines or side by side, quotes
    by rules of their own. `heads` counts the first lines of tables, which `count` includes, by whether their cells are
    columns that Reltio documents: most of them (`Header`), some or none. `blanks` counts the empty lines, which it
    does not include: they are records only where a table has one column.
    """

    def __init__(self) -> None:
        self.heads: Counter[str] = Counter()
        self.blanks = 0
        self.problem: str | None = None
        self._kind: Literal["", "csv", "lines", "other JSON", "array"] = ""
        self._count: int | None = 0
        self._held = b""  # a first line that has not ended
        self._fresh = True  # whether a first line is due
        self._quoted = False
        self._spans = False  # whether the line in hand goes on with a record of earlier lines
        self._line = b""  # what stands after the last newline
        self._last = b""  # the last byte that is not blank
        self._columns = 0

    @property
    def count(self) -> int | None:
        return None if self._kind in ("other JSON", "array") else self._count

    def feed(self, data: bytes) -> None:
        if self._fresh:
            data = (self._held + data).removeprefix(_BOM).lstrip(_BLANK)
            self._held = data
            if b"\n" not in data and len(data) < _LONGEST:
                return
            self._begin()
        else:
            self._take(data)

    def part(self) -> None:
        """What follows was written apart: where a record has just ended, it may begin with a header again."""
        if self._held:
            self._begin()
        self._fresh = self._fresh or not (self._line or self._quoted)

    def finish(self) -> None:
        """The content has ended."""
        if self._held:
            self._begin()
        if self.problem:
            return
        if self._kind == "csv":
            self._finish_table()
        elif self._kind:
            self._finish_json()

    def _begin(self) -> None:
        data, self._held, self._fresh = self._held, b"", False
        line = data.partition(b"\n")[0][:_LONGEST]
        if not self._kind:
            if b"\0" in data[:_LONGEST]:
                self.problem = "holds neither CSV nor JSON"
            self._kind = "array" if line[:1] == b"[" else "lines" if line[:1] == b"{" else "csv"
        if self._kind == "csv":
            cells = _cells(line)
            self._columns = self._columns or len(cells)
            self.heads[_likeness(cells)] += 1
        self._take(data)

    def _take(self, data: bytes) -> None:
        if self._kind == "csv":
            self._take_rows(data)
            return
        self._last = data.rstrip(_BLANK)[-1:] or self._last
        if self._kind == "lines":
            self._take_objects(data)

    def _take_rows(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        quoted, spans, count, blanks = self._quoted, self._spans, 0, 0
        begun = self._line not in _EMPTY
        for line in ended:
            if line.count(b'"') & 1:
                quoted = not quoted
            if quoted:
                spans = True
            elif begun or spans or line not in _EMPTY:
                count += 1
                spans = False
            else:
                blanks += 1
            begun = False
        self._quoted = quoted ^ bool(rest.count(b'"') & 1)
        self._line = rest if ended else self._line + rest
        if len(self._line) > _LONGEST:
            self._line, spans = self._line[:1], True
        self._spans = spans
        self._count = (self._count or 0) + count
        self.blanks += blanks

    def _finish_table(self) -> None:
        if self._quoted and self._line:
            self.problem = "is truncated: it ends within a quoted value"
        elif self._quoted:
            self._count = None  # these quotes follow other rules
        elif self._line not in _EMPTY:
            self._count = (self._count or 0) + 1
            if not self._spans and self._count > 1 and 0 < len(_cells(self._line)) < self._columns:
                self.problem = "is truncated: its last line has fewer columns than its first"

    def _take_objects(self, data: bytes) -> None:
        if b"}{" in data or (self._line[-1:] == b"}" and data[:1] == b"{"):
            self._kind = "other JSON"
            return
        lines = (self._line + data).split(b"\n") if self._line else data.split(b"\n")
        for line in lines[:-1]:
            self._object(line)
        self._line = lines[-1].lstrip(_BLANK)
        if len(self._line) > _LONGEST:
            self._line = b"{" + self._line[-1:] if self._line[:1] == b"{" else b"-"

    def _object(self, line: bytes) -> None:
        line = line.strip(_BLANK)
        if line[:1] == b"{" and line[-1:] == b"}":
            self._count = (self._count or 0) + 1
        elif line:
            self._kind = "other JSON"

    def _finish_json(self) -> None:
        line = self._line
        if self._kind == "lines":
            self._object(line)
        if self._last != (b"]" if self._kind == "array" else b"}") or (self._kind == "lines" and not _is_whole(line)):
            self.problem = "is truncated: its JSON does not end"


def _is_whole(line: bytes) -> bool:
    """Whether a last line without a newline is JSON to its end, as far as it was kept."""
    if len(line.strip(_BLANK)) <= len(b"{}"):
        return True
    try:
        json.loads(line)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True


def _cells(line: bytes) -> list[str]:
    """The cells of a line; none when they cannot be told."""
    try:
        return next(csv.reader([line.decode(errors="replace")]), [])
    except csv.Error:
        return []


def _likeness(cells: list[str]) -> Literal["Header", "Perhaps", "Row"]:
    named = [cell.strip() for cell in cells if cell.strip()]
    known = sum(name in _COLUMNS or name.startswith(_COLUMN_GROUPS) for name in named)
    if 2 * known > len(named):
        return "Header"
    return "Perhaps" if known or not named else "Row"
