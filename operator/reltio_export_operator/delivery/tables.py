"""Counts the rows of CSV text by the rules of RFC 4180. Memory does not grow with the file.

https://www.rfc-editor.org/rfc/rfc4180: lines end with CRLF (LF alone is accepted too); a value with quotes, commas or
line breaks is in quotes, and a quote in it is doubled. Where the text follows other rules, its rows are not counted:
escaped or bare quotes would hide line ends, and bare line breaks would add them.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from typing import Literal

MAX_LINE_BYTES = 1 << 20  # of a first line
_QUOTED = re.compile(rb'"[^"]*"')
_MISPLACED_QUOTE = re.compile(rb'[^,\n"]"|"[^,\n"]')
_EMPTY_LINE = re.compile(rb"(?<=\n)\n")
_ZEROS = bytes(512)

OTHER_QUOTES = "has quotes that do not follow RFC 4180, so its rows were not counted"
OTHER_COLUMNS = "has rows with different numbers of columns, so its rows were not counted"
OTHER_LINE_ENDS = "has line ends that do not follow RFC 4180, so its rows were not counted"
OTHER_SEPARATOR = "does not separate its columns with commas, so its rows were not counted"
OPEN_QUOTES = "ends within a quoted value, so its rows were not counted"
HAS_ZEROS = "has a long run of zero bytes in its text"

# Columns of CSV files with headersStyle=name. Copy of 2026-07-10:
# https://docs.reltio.com/en/developer-resources/load-and-export-apis/load-and-export-apis-at-a-glance/export-service-apis/export-api-csv-output-format
# With headerFormat=CONSISTENT they are in lower case, and have numbers in brackets.
_COLUMNS = frozenset(
    [
        *("id", "type", "uri", "startdate", "enddate"),
        *("updatedby", "updateddate", "updatedate", "createdby", "createddate", "createdate"),
        *("activityid", "activitydescription", "activitylabel", "clienttype", "eventid", "method", "objectlabel"),
        *("objecttype", "objecturi", "timestamp", "url", "user", "items", "itemstotal"),
        *("startobjecturi", "startobjectlabel", "endobjecturi", "endobjectlabel"),
    ]
)
_COLUMN_GROUPS = ("attributes.", "analyticsattributes.", "crosswalks.", "startobject.", "endobject.", "data.")
_DELTA = re.compile(r"delta[0-9]{0,6}\.")
_RELATION_END = re.compile(r"[a-z]\w{0,100}\.(?:id|label)")  # such as HCP.ID and Location.Label
_OTHER_SEPARATORS = (";", "\t", "|")

FirstLine = Literal["Header", "Possible", "Row"]


class Table:
    """Counts rows. `count` is None if the text follows other rules, and `notes` say which.

    `first_lines` counts the first lines of parts, which `count` includes, by whether their cells are documented
    columns: most of them (`Header`), some of them (`Possible`) or none (`Row`). `empty_lines` counts the empty lines,
    which `count` does not include: they are records only in a table with one column.
    """

    def __init__(self) -> None:
        self.first_lines: Counter[FirstLine] = Counter()
        self._empty_lines = 0
        self.problem: str | None = None
        self.notes: list[str] = []
        self._count = 0
        self._given_up = False
        self._columns = 0
        self._rows_of_part = 0
        self._commas_of_part = 0  # outside of quotes, in rows that have ended
        self._quoted = False  # whether a quoted value is open
        self._held = b""  # a carriage return, whose line feed may follow
        self._before = b"\n"  # the byte before the next one, where a quoted value counts as one quote
        self._commas_of_line = 0
        self._is_line_empty = True
        self._last = b""  # the last byte of all

    @property
    def count(self) -> int | None:
        return None if self._given_up else self._count

    @property
    def empty_lines(self) -> int:
        return 0 if self._given_up else self._empty_lines

    @property
    def is_between_rows(self) -> bool:
        return self._is_line_empty and not self._quoted

    @property
    def ends_with_line(self) -> bool:
        """Whether the text ends with the end of a line. If not, its last value may be cut."""
        return self._last in (b"", b"\n")

    def begin(self, line: bytes) -> None:
        """A part begins with this line, which `feed` will get as well."""
        self._compare_columns()
        cells = _cells(line)
        self._columns = max(1, len(cells))
        self._rows_of_part = self._commas_of_part = 0
        kind = kind_of(cells)
        self.first_lines[kind] += 1
        if kind == "Row" and any(kind_of(_cells(line, mark)) == "Header" for mark in _OTHER_SEPARATORS):
            self.give_up(OTHER_SEPARATOR)

    def feed(self, data: bytes) -> None:
        if not data:
            return
        self._last = data[-1:]
        if _ZEROS in data and HAS_ZEROS not in self.notes:
            self.notes.append(HAS_ZEROS)
        if self._given_up:
            return
        data = self._held + data
        self._held = data[-1:] if data.endswith(b"\r") else b""
        text = self._outside_quotes(data[: len(data) - len(self._held)])
        if text:
            self._take(text.replace(b"\r\n", b"\n"))

    def _outside_quotes(self, data: bytes) -> bytes:
        """The text with a quote for each quoted value; two of them for one that has a quote in it."""
        if self._quoted:
            end = data.find(b'"')
            if end < 0:
                return b""
            self._quoted, data = False, data[end + 1 :]
        if b'"' not in data:
            return data
        opened = b""
        if data.count(b'"') & 1:
            data, opened, self._quoted = data[: data.rfind(b'"')], b'"', True
        return _QUOTED.sub(b'"', data) + opened

    def _take(self, text: bytes) -> None:
        if _MISPLACED_QUOTE.search(self._before + text):
            self.give_up(OTHER_QUOTES)
        elif b"\r" in text:
            self.give_up(OTHER_LINE_ENDS)
        self._before = text[-1:]
        end = text.rfind(b"\n") + 1
        if end:
            lines = (b"\n" if self._is_line_empty else b"x") + text[:end]
            empty = len(_EMPTY_LINE.findall(lines)) if b"\n\n" in lines else 0
            rows = text.count(b"\n") - empty
            self._count += rows
            self._rows_of_part += rows
            self._empty_lines += empty
            self._commas_of_part += self._commas_of_line + lines.count(b",")
            self._commas_of_line, self._is_line_empty = 0, True
        self._commas_of_line += text.count(b",", end)
        self._is_line_empty = self._is_line_empty and end == len(text)

    def _compare_columns(self) -> bool:
        """Give up the count if the rows of the part do not all have as many columns as its first line."""
        same = self._commas_of_part == self._rows_of_part * (self._columns - 1)
        if self._rows_of_part and not same:
            self.give_up(OTHER_COLUMNS)
        return same

    def give_up(self, why: str) -> None:
        """The rows cannot be counted."""
        if not self._given_up:
            self._given_up = True
            self.notes.append(why)

    def finish(self) -> None:
        """The text has ended."""
        if self._held and not self._quoted:
            self.give_up(OTHER_LINE_ENDS)
        if self._given_up:
            return
        if self._quoted and self._last in (b"\n", b"\r"):
            self.give_up(OPEN_QUOTES)
            return
        if self._quoted:
            self.problem = "is truncated: it ends within a quoted value"
            return
        same = self._compare_columns()
        if not self._is_line_empty:
            self._count += 1
            if same and self._rows_of_part and self._commas_of_line < self._columns - 1:
                self.problem = "is truncated: its last line has fewer columns than its first"
            elif self._commas_of_line != self._columns - 1 and self._rows_of_part:
                self.give_up(OTHER_COLUMNS)


def _cells(line: bytes, separator: str = ",") -> list[str]:
    """The cells of a line; none if it is not CSV."""
    try:
        return next(csv.reader([line.decode(errors="replace")], delimiter=separator), [])
    except csv.Error:
        return []


def kind_of(cells: list[str]) -> FirstLine:
    """Whether the cells of a first line are documented columns."""
    named = [cell.strip() for cell in cells if cell.strip()]
    known = sum(_is_column(name.lower()) for name in named)
    if 2 * known > len(named):
        return "Header"
    return "Possible" if known or not named else "Row"


def _is_column(name: str) -> bool:
    return (
        name in _COLUMNS
        or name.startswith(_COLUMN_GROUPS)
        or _DELTA.match(name) is not None
        or _RELATION_END.fullmatch(name) is not None
    )
