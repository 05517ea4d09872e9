"""Files of the same records, written by real libraries. Their output is recorded in recorded.json, for CI.

`make delivery-matrix` installs the libraries from requirements/deliveries.txt and writes the files again.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

RECORDED = Path(__file__).parent / "recorded.json"
Row = dict[str, str]
_NAMES = [
    "Ada",
    'a "quoted" name',
    "comma, and\nline end",
    "Zoë 中",
    "",
    "5' 3\"",
    "back\\slash",
    '"',
    "x" * 300,
    "end",
]
ROWS: list[Row] = [
    {"ID": str(number), "Type": "HCP", "Attributes.Name": name, "Attributes.State": ("NY", "CA")[number % 2]}
    for number, name in enumerate(_NAMES)
]
PLAIN: list[Row] = [{**row, "Attributes.Name": f"name {row['ID']}"} for row in ROWS]
ENTITIES = [
    {"uri": f"entities/{row['ID']}", "attributes": {"Name": [{"value": row["Attributes.Name"]}]}} for row in ROWS
]
PARTS = (slice(0, 6), slice(6, None))


@dataclass(frozen=True)
class Written:
    """What a writer makes of the records, in two parts. `follows_rfc`: the records can be counted."""

    writer: str
    format: Literal["CSV", "JSON"]
    parts: tuple[bytes, ...]
    follows_rfc: bool = True
    container: str = ""  # the suffix of what the library itself compressed

    @property
    def suffix(self) -> str:
        return f".{self.format.lower()}"


@dataclass(frozen=True)
class Writer:
    name: str
    format: Literal["CSV", "JSON"]
    write: Callable[[list[Any]], bytes]
    rows: list[Any]
    follows_rfc: bool = True
    container: str = ""


def _csv(**options: Any) -> Callable[[list[Row]], bytes]:
    def write(rows: list[Row]) -> bytes:
        out = io.StringIO()
        table = csv.DictWriter(out, list(rows[0]), **options)
        table.writeheader()
        table.writerows(rows)
        return out.getvalue().encode()

    return write


def _standard() -> Iterator[Writer]:
    escaped: dict[str, Any] = {"doublequote": False, "escapechar": "\\"}
    yield Writer("csv excel", "CSV", _csv(), ROWS)
    yield Writer("csv unix", "CSV", _csv(dialect="unix"), ROWS)
    yield Writer("csv QUOTE_NONNUMERIC, LF", "CSV", _csv(quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n"), ROWS)
    yield Writer("csv excel-tab", "CSV", _csv(dialect="excel-tab"), ROWS, follows_rfc=False)
    yield Writer("csv with semicolons", "CSV", _csv(delimiter=";"), ROWS, follows_rfc=False)
    yield Writer("csv with escapes, as Spark", "CSV", _csv(lineterminator="\n", **escaped), ROWS, follows_rfc=False)
    yield Writer("csv all quoted with escapes", "CSV", _csv(quoting=csv.QUOTE_ALL, **escaped), ROWS, follows_rfc=False)
    yield Writer("csv CR", "CSV", _csv(lineterminator="\r"), PLAIN, follows_rfc=False)
    yield Writer("csv utf-8-sig, as Excel", "CSV", lambda rows: b"\xef\xbb\xbf" + _csv()(rows), ROWS)
    yield Writer("csv utf-16, as Excel", "CSV", lambda rows: _csv()(rows).decode().encode("utf-16"), ROWS)
    yield Writer("csv sep=,", "CSV", lambda rows: b"sep=,\r\n" + _csv()(rows), ROWS)
    yield Writer("csv lower-case headers", "CSV", lambda rows: _csv()([_lower(row) for row in rows]), ROWS)
    yield Writer("csv NUL in a cell", "CSV", lambda rows: _csv()(rows).replace(b"name", b"na\0me"), PLAIN)
    yield Writer("json lines", "JSON", lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(), ENTITIES)
    yield Writer("json array", "JSON", lambda rows: json.dumps(rows).encode(), ENTITIES)
    yield Writer("json indented array", "JSON", lambda rows: json.dumps(rows, indent=2).encode(), ENTITIES)
    yield Writer(
        "json indented objects",
        "JSON",
        lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows).encode(),
        ENTITIES,
    )


def _lower(row: Row) -> Row:
    return {name.lower(): value for name, value in row.items()}


def _pandas() -> Iterator[Writer]:
    import pandas

    def table(rows: list[Any], **options: Any) -> bytes:
        out = io.BytesIO()
        pandas.DataFrame(rows).to_csv(out, **options)
        return out.getvalue()

    yield Writer("pandas to_csv", "CSV", lambda rows: table(rows, index=False), ROWS)
    yield Writer("pandas to_csv, index", "CSV", table, ROWS)
    yield Writer("pandas to_csv, all quoted", "CSV", lambda rows: table(rows, index=False, quoting=csv.QUOTE_ALL), ROWS)
    yield Writer("pandas to_csv, utf-16", "CSV", lambda rows: table(rows, index=False, encoding="utf-16"), ROWS)
    yield Writer("pandas to_csv, CRLF", "CSV", lambda rows: table(rows, index=False, lineterminator="\r\n"), ROWS)
    yield Writer(
        "pandas to_csv, semicolons", "CSV", lambda rows: table(rows, index=False, sep=";"), ROWS, follows_rfc=False
    )
    yield Writer(
        "pandas to_csv, escapes",
        "CSV",
        lambda rows: table(rows, index=False, doublequote=False, escapechar="\\"),
        ROWS,
        follows_rfc=False,
    )

    for container in ("gzip", "zip"):
        yield Writer(
            f"pandas to_csv, {container}",
            "CSV",
            lambda rows, container=container: table(rows, index=False, compression=container),  # type: ignore[misc]
            ROWS,
            container={"gzip": ".gz"}.get(container, ".zip"),
        )

    def objects(rows: list[Any], **options: Any) -> bytes:
        return str(pandas.DataFrame(rows).to_json(orient="records", **options)).encode()

    yield Writer("pandas to_json", "JSON", objects, ENTITIES)
    yield Writer("pandas to_json, lines", "JSON", lambda rows: objects(rows, lines=True), ENTITIES)
    yield Writer("pandas to_json, indented", "JSON", lambda rows: objects(rows, indent=2), ENTITIES)


def _pyarrow() -> Iterator[Writer]:
    import pyarrow
    from pyarrow import csv as arrow_csv

    def table(rows: list[Any], **options: Any) -> bytes:
        out = io.BytesIO()
        arrow_csv.write_csv(pyarrow.Table.from_pylist(rows), out, arrow_csv.WriteOptions(**options))
        return out.getvalue()

    def compressed(rows: list[Any]) -> bytes:
        out = pyarrow.BufferOutputStream()
        with pyarrow.CompressedOutputStream(out, "gzip") as stream:
            arrow_csv.write_csv(pyarrow.Table.from_pylist(rows), stream)
        return bytes(out.getvalue())

    yield Writer("pyarrow write_csv, gzip", "CSV", compressed, ROWS, container=".gz")
    yield Writer("pyarrow write_csv", "CSV", table, ROWS)
    yield Writer("pyarrow write_csv, all quoted", "CSV", lambda rows: table(rows, quoting_style="all_valid"), ROWS)
    yield Writer("pyarrow write_csv, no quotes", "CSV", lambda rows: table(rows, quoting_style="none"), PLAIN)


def _polars() -> Iterator[Writer]:
    import polars

    def table(rows: list[Any], **options: Any) -> bytes:
        return str(polars.DataFrame(rows).write_csv(**options)).encode()

    yield Writer("polars write_csv", "CSV", table, ROWS)
    yield Writer("polars write_csv, all quoted", "CSV", lambda rows: table(rows, quote_style="always"), ROWS)
    yield Writer(
        "polars write_csv, CRLF, BOM", "CSV", lambda rows: table(rows, line_terminator="\r\n", include_bom=True), ROWS
    )
    yield Writer(
        "polars write_ndjson", "JSON", lambda rows: str(polars.DataFrame(rows).write_ndjson()).encode(), ENTITIES
    )
    yield Writer("polars write_json", "JSON", lambda rows: str(polars.DataFrame(rows).write_json()).encode(), ENTITIES)


def _duckdb() -> Iterator[Writer]:
    import duckdb

    def copied(rows: list[Any], options: str) -> bytes:
        with tempfile.TemporaryDirectory() as directory:
            source, target = Path(directory) / "rows.json", Path(directory) / "out"
            source.write_text(json.dumps(rows))
            duckdb.sql(f"COPY (SELECT * FROM read_json('{source}')) TO '{target}' ({options})")  # noqa: S608
            return target.read_bytes()

    yield Writer("DuckDB COPY, CSV", "CSV", lambda rows: copied(rows, "FORMAT csv, HEADER"), ROWS)
    yield Writer(
        "DuckDB COPY, CSV, all quoted", "CSV", lambda rows: copied(rows, "FORMAT csv, HEADER, FORCE_QUOTE *"), ROWS
    )
    yield Writer(
        "DuckDB COPY, CSV, semicolons",
        "CSV",
        lambda rows: copied(rows, "FORMAT csv, HEADER, DELIM ';'"),
        ROWS,
        follows_rfc=False,
    )
    for options in ("FORMAT csv, HEADER", "FORMAT json"):
        yield Writer(
            f"DuckDB COPY, {options}, gzip",
            "JSON" if "json" in options else "CSV",
            lambda rows, options=options: copied(rows, f"{options}, COMPRESSION gzip"),  # type: ignore[misc]
            ENTITIES if "json" in options else ROWS,
            container=".gz",
        )
    yield Writer("DuckDB COPY, JSON", "JSON", lambda rows: copied(rows, "FORMAT json"), ENTITIES)
    yield Writer("DuckDB COPY, JSON array", "JSON", lambda rows: copied(rows, "FORMAT json, ARRAY true"), ENTITIES)


def written_now() -> list[Written]:
    """The files of all writers. Needs the libraries."""
    writers = (writer for library in (_standard, _pandas, _pyarrow, _polars, _duckdb) for writer in library())
    return [
        Written(
            one.name, one.format, tuple(one.write(one.rows[part]) for part in PARTS), one.follows_rfc, one.container
        )
        for one in writers
    ]


def record() -> None:
    """Write recorded.json."""
    recorded = [
        {
            "writer": one.writer,
            "format": one.format,
            "followsRFC": one.follows_rfc,
            "container": one.container,
            "parts": [base64.b64encode(part).decode() for part in one.parts],
        }
        for one in written_now()
    ]
    RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")


def written_before() -> list[Written]:
    """The files of all writers as recorded."""
    return [
        Written(
            one["writer"],
            one["format"],
            tuple(base64.b64decode(part) for part in one["parts"]),
            one["followsRFC"],
            one["container"],
        )
        for one in json.loads(RECORDED.read_text())
    ]
