"""Lines beyond the bound of what is kept in memory, and files that lack a few bytes in the middle."""

from __future__ import annotations

import io
import zipfile

import pytest

from reltio_export_operator.delivery.integrity import ZIP_TAIL_BYTES, check_ends
from reltio_export_operator.delivery.records import RecordCounter

LONG = 3 << 20  # bytes, beyond the bound
OBJECT = b'{"uri":"entities/1","text":"' + b"x" * LONG + b'"}'


def counted(content: bytes, piece: int = 100_000) -> RecordCounter:
    records = RecordCounter()
    for at in range(0, len(content), piece):
        records.feed(content[at : at + piece])
    records.finish()
    return records


@pytest.mark.parametrize("content", [OBJECT, OBJECT + b"\n", b'{"a":1}\n' + OBJECT, OBJECT + b'\n{"a":1}\n'])
def test_a_long_object_is_one_record(content: bytes) -> None:
    records = counted(content)
    assert (records.count, records.problem) == (content.count(b"uri") + content.count(b'"a"'), None)


def test_a_long_object_that_is_cut_is_truncated() -> None:
    assert counted(OBJECT[:-2]).problem == "is truncated: its JSON does not end"


def test_a_long_line_without_an_object_gives_up_the_count() -> None:
    assert counted(b'{"a":1}\n' + b"x" * LONG + b"}").count is None


def test_a_long_row_is_one_record() -> None:
    table = b"ID,Attributes.Text\n1," + b"x" * LONG
    assert (counted(table).count, counted(table).problem) == (2, None)
    assert counted(table + b"\n2,y\n").count == 3


def test_a_long_row_that_goes_over_lines_is_one_record() -> None:
    table = b'ID,Attributes.Text\n1,"' + b"x" * LONG + b'\ny"\n'
    assert (counted(table).count, counted(table).problem) == (2, None)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"ID,Type,Other", "Header"),
        (b"ID,Other", "Possible"),
        (b"ID,Other,Another", "Possible"),
        (b"Other,Another", "Row"),
        (b"ID, ,", "Header"),
        (b" , ", "Possible"),
    ],
)
def test_a_first_line_is_a_header_if_most_of_its_cells_are_documented_columns(line: bytes, kind: str) -> None:
    assert counted(line + b"\n").first_lines == {kind: 1}


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("part-00000.csv", bytes(range(256)) * 40)
    return out.getvalue()


def ends_of(content: bytes) -> str | None:
    problem, _ = check_ends("part.zip", len(content), content[:512], content[-ZIP_TAIL_BYTES:])
    return problem


def test_the_ends_of_a_whole_archive_show_no_problem() -> None:
    assert ends_of(archive()) is None
    assert ends_of(archive() + b"trailing") is None


@pytest.mark.parametrize("lost", [1, 10, 21, 40])
def test_an_archive_that_lacks_bytes_before_its_directory_is_damaged(lost: int) -> None:
    content = archive()
    assert ends_of(content[:60] + content[60 + lost :]) == "is damaged: its central directory is beyond its end"


@pytest.mark.parametrize("cut", [1, 21])
def test_an_archive_whose_end_record_is_cut_is_truncated(cut: int) -> None:
    assert "no end record" in (ends_of(archive()[:-cut]) or "")
