"""Text as other writers leave it: rows are counted if it follows RFC 4180 or JSON, and otherwise not at all."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from reltio_export_operator.delivery import gzip_members, json_text, tables
from reltio_export_operator.delivery.integrity import Summary, check_ends, check_file, check_zip
from reltio_export_operator.delivery.records import RecordCounter

HEADER = b"ID,Type,Attributes.Name\n"
TABLE = HEADER + b'1,HCP,Ada\n2,HCP,"a ""quoted"", name"\n3,HCP,x\n'


def counted(content: bytes, piece: int = 1 << 20) -> RecordCounter:
    records = RecordCounter()
    for at in range(0, len(content), piece):
        records.feed(content[at : at + piece])
    records.finish()
    return records


def read(name: str, content: bytes) -> Summary:
    return check_file(name, io.BytesIO(content))


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    ("rows", "note"),
    [
        (rb'1,HCP,"5\" pipe"' + b"\n" + rb'2,HCP,"6\" pipe"' + b"\n", tables.OTHER_QUOTES),
        (b'1,HCP,5" pipe\n2,HCP,6" pipe\n', tables.OTHER_QUOTES),
        (b'1,HCP,"5"" pipe\n2,HCP,x\n3,HCP,y"\n4,HCP,"z"z\n', tables.OTHER_QUOTES),
        (b'1,HCP, "a"\n', tables.OTHER_QUOTES),
        (b'1,HCP,"a" \n', tables.OTHER_QUOTES),
        (rb'1,HCP,"a\""' + b"\n", tables.OPEN_QUOTES),
        (b"1,HCP,a\rb\n", tables.OTHER_LINE_ENDS),
        (b"1,HCP,a\r2,HCP,b\r", tables.OTHER_LINE_ENDS),
        (b"1,HCP,a\nb\n2,HCP,x\n", tables.OTHER_COLUMNS),
        (b"1,HCP,a,b\n", tables.OTHER_COLUMNS),
        (b"1,HCP\n2,HCP\n3,HCP", tables.OTHER_COLUMNS),
    ],
)
def test_rows_are_not_counted_where_the_text_follows_other_rules(rows: bytes, note: str, piece: int) -> None:
    records = counted(HEADER + rows, piece)
    assert (records.count, records.notes, records.problem) == (None, (note,), None)


@pytest.mark.parametrize("separator", [b";", b"\t", b"|"])
def test_rows_are_not_counted_where_other_marks_separate_the_columns(separator: bytes) -> None:
    records = counted(TABLE.replace(b",", separator))
    assert records.count is None
    assert counted(b"sep=" + separator + b"\r\n" + b"a\nb\n").count is None


def test_the_line_of_excel_that_names_the_comma_is_not_a_row() -> None:
    assert counted(b"\xef\xbb\xbfsep=,\r\n" + TABLE.replace(b"\n", b"\r\n")).count == 4


def test_a_null_character_in_a_cell_is_text() -> None:
    records = counted(HEADER + b'1,HCP,a\0b\n2,HCP,"\0"\n')
    assert (records.count, records.problem, records.notes) == (3, None, ())


def test_a_hole_of_zeros_in_text_is_noted() -> None:
    assert counted(TABLE * 20 + bytes(4096) + TABLE).notes[0] == tables.HAS_ZEROS


@pytest.mark.parametrize(
    "content", [bytes(4096), bytes(range(256)) * 8, b"PAR1\x15\x04\x15\xc0\x3e\x15\xff\x80\x01L" * 99]
)
def test_binary_content_is_neither(content: bytes) -> None:
    assert counted(content).problem == "is neither CSV nor JSON"


def test_text_in_latin_1_is_text() -> None:
    assert (counted(HEADER + "1,HCP,Zoë\n".encode("latin-1")).count, counted(HEADER).problem) == (2, None)


@pytest.mark.parametrize(
    "line",
    [
        b"id,attributes.Name[1],crosswalks.FB[1].id",
        b"attributes.PersonFirstName,attributes.State",
        b"HCP.ID,Location.Label,StartObject.Crosswalks.FB.ID",
        b"activityId,delta1.type,items",
        b",ID,Type",  # the index of pandas
    ],
)
def test_headers_are_recognized_in_any_case_and_style(line: bytes) -> None:
    assert counted(line + b"\n").first_lines == {"Header": 1}


def test_a_first_record_may_have_line_ends_in_its_quotes() -> None:
    records = counted(b'ID,"Attributes.\nName"\n1,x\n', piece=3)
    assert (records.count, records.first_lines, records.notes) == (2, {"Header": 1}, ())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
@pytest.mark.parametrize("text", ["ID,Type\r\n1,Zoë\r\n2,x\r\n", '{"uri": 1}\n{"uri": "ë"}\n{"uri": 3}\n'])
def test_other_encodings_are_counted_as_utf_8_is(encoding: str, piece: int, text: str) -> None:
    records = counted(text.encode(encoding), piece)
    assert (records.count, records.problem) == (3, None)


def test_text_that_ends_within_a_character_is_truncated() -> None:
    assert "within a character" in (counted("ID\n1\n2\n".encode("utf-16")[:-1]).problem or "")


@pytest.mark.parametrize("piece", [1, 2, 5, 1 << 20])
@pytest.mark.parametrize(
    ("content", "count", "note"),
    [
        (rb'[{"a": "x}]\\"}, {"b": [{"c": "\"{"}]}]', 2, None),
        (b"[]", 0, None),
        (b'[{"a":1}]\n[{"b":1},{"c":2}]\n', 3, None),
        (b'{"a":1},\n{"b":1}\n', 2, None),
        (b'{"a":1]\n', None, json_text.NOT_MATCHING),
        (b'{"a":1}}\n', None, json_text.NOT_MATCHING),
        (b"[1, 2, 3, 4]", None, json_text.NO_OBJECTS),
        (b"[" * 2000 + b"]" * 2000, None, json_text.TOO_NESTED),
    ],
)
def test_objects_of_json_are_counted_in_each_layout(
    content: bytes, count: int | None, note: str | None, piece: int
) -> None:
    records = counted(content, piece)
    assert (records.count, records.problem, records.notes) == (count, None, (note,) if note else ())


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_cut_json_text_is_truncated_or_has_fewer_objects(cut: int) -> None:
    records = counted(b'{"a": "}"}\n{"b": [{}]}\n{"c": 1}\n'[:-cut])
    assert records.problem or records.count in (1, 2) or cut == 1


def test_the_end_is_proved_by_an_array_by_the_count_after_a_line_end_or_not_at_all() -> None:
    assert counted(b'[{"a": 1}]').proof == "Own"
    assert counted(b'{"a": 1}').proof == "Count"
    assert counted(TABLE).proof == "Count"
    assert counted(TABLE[:-1]).proof == "None"
    assert read("part.gz", gzip.compress(TABLE[:-1])).proof == "Own"


def test_a_file_that_is_compressed_twice_is_read_twice() -> None:
    inner = gzip.compress(TABLE) + gzip.compress(TABLE[len(HEADER) :])
    summary = read("part.gz", gzip.compress(inner))
    assert (summary.records, summary.problem) == (7, None)
    assert summary.notes == (gzip_members.COMPRESSED_TWICE,)
    assert "truncated" in (read("part.gz", gzip.compress(inner[:-3])).problem or "")


def test_a_third_layer_is_not_decompressed() -> None:
    assert read("a.gz", gzip.compress(gzip.compress(gzip.compress(TABLE * 99)))).problem == "is neither CSV nor JSON"


@pytest.mark.parametrize("name", ["part.gz", "part.zip"])
def test_text_under_the_name_of_an_archive_is_noted_if_it_is_an_export(name: str) -> None:
    """As where S3, or what stands before it, decompresses files with a Content-Encoding."""
    summary = read(name, TABLE)
    assert (summary.records, summary.problem, summary.proof) == (4, None, "Count")
    assert "not compressed" in summary.notes[0]
    assert check_ends(name, len(TABLE), TABLE[:512], TABLE) == (None, summary.notes)
    assert "is not a" in (read(name, b"<html>Log in</html>").problem or "")
    assert "is not a" in (read(name, TABLE[:-15]).problem or "")


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__slash__", "/"), content)
    return out.getvalue()


def test_hidden_members_of_a_zip_are_not_data() -> None:
    content = zipped(**{"part.csv": TABLE, "__MACOSX/._part.csv": bytes(range(256)), "_SUCCESS": b"", "folder/": b""})
    summary = check_zip(io.BytesIO(content))
    assert (summary.records, summary.problem) == (4, None)


def test_a_zip64_archive_is_whole() -> None:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("part.csv", "w", force_zip64=True) as part,
    ):
        part.write(TABLE)
    assert check_zip(io.BytesIO(out.getvalue())).records == 4
    content = bytearray(out.getvalue())
    end = content.rindex(b"PK\x05\x06")
    for at in (12, 16):  # size and offset of the directory: both, or either, may be in the record of ZIP64
        one = bytearray(content)
        one[end + at : end + at + 4] = b"\xff" * 4
        assert check_ends("part.zip", len(one), bytes(one[:512]), bytes(one))[0] is None
