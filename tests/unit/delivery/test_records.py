"""Records of a file are counted, and truncated content is detected."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.delivery.gzip_members import TRAILING_BYTES
from reltio_export_operator.delivery.integrity import Summary, check_file, check_zip
from reltio_export_operator.delivery.records import RecordCounter

OBJECTS = [json.dumps({"uri": f"entities/{n}", "name": {"first": "x"}}).encode() for n in range(5)]
LINES = b"\n".join(OBJECTS)
ARRAY = b"[" + b",".join(OBJECTS) + b"]"
TABLE = b"ID,Type,Attributes.Name\n" + b"".join(b'%d,HCP,"name %d"\n' % (n, n) for n in range(5))


def counted(content: bytes) -> RecordCounter:
    records = RecordCounter()
    records.feed(content)
    records.finish()
    return records


def zipped(*members: bytes) -> Summary:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(members):
            archive.writestr(f"part-{number:05d}", content)
    return check_zip(io.BytesIO(out.getvalue()))


def gzipped(*members: bytes, padding: bytes = b"") -> Summary:
    content = b"".join(gzip.compress(member) for member in members) + padding
    return check_file("part-00000.gz", io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TABLE[:-4], id="CSV within quotes"),
        pytest.param(TABLE[:-10], id="CSV before the last columns"),
        pytest.param(LINES[:-3], id="JSON lines within the last object"),
        pytest.param(LINES[:-1], id="JSON lines at the end of an inner object"),
        pytest.param(ARRAY[: len(ARRAY) // 2], id="a JSON array"),
        pytest.param(json.dumps({"a": [1, 2]}, indent=2).encode()[:-2], id="an object over several lines"),
    ],
)
def test_truncated_content_is_detected_without_a_checksum(content: bytes) -> None:
    assert "truncated" in (counted(content).problem or "")


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_binary_content_is_detected_whatever_the_pieces(piece: int) -> None:
    content = b"ID,Type\n" * 50 + bytes(range(256)) * 50
    counter = RecordCounter()
    for start in range(0, len(content), piece):
        counter.feed(content[start : start + piece])
    counter.finish()
    assert counter.problem == "is neither CSV nor JSON"


def test_binary_content_is_detected() -> None:
    assert counted(bytes(range(256))).problem == "is neither CSV nor JSON"


@pytest.mark.parametrize(
    ("content", "count"),
    [
        pytest.param(LINES, 5, id="JSON lines"),
        pytest.param(LINES + b"\n\n", 5, id="JSON lines and an empty one"),
        pytest.param(LINES.replace(b"\n", b"\r\n"), 5, id="JSON lines as Windows ends them"),
        pytest.param(ARRAY, 5, id="an array"),
        pytest.param(b"".join(OBJECTS), 5, id="objects side by side"),
        pytest.param(b"\n".join(json.dumps(json.loads(o), indent=1).encode() for o in OBJECTS), 5, id="indented"),
        pytest.param(TABLE, 6, id="a table"),
        pytest.param(TABLE[:-1], 6, id="a table without a last newline"),
        pytest.param(TABLE + b"\r\n", 6, id="a table and an empty line"),
        pytest.param(b'ID,N\n1,"a\n\n""b"\n2,x', 3, id="newlines within quotes"),
        pytest.param(b'ID,N,M\n1,"a\n",c', 2, id="a last value that ends with a newline"),
        pytest.param(b'ID,N\n1,"5\\" pipe"\n', None, id="quotes escaped in another way"),
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"\xef\xbb\xbf", 0, id="only a byte order mark"),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_records_are_counted_if_lines_show_them(content: bytes, count: int | None, piece: int) -> None:
    records = RecordCounter()
    for at in range(0, len(content), piece):
        records.feed(content[at : at + piece])
    records.finish()
    assert (records.count, records.problem) == (count, None)


@given(st.lists(st.sampled_from([TABLE, LINES + b"\n", ARRAY, b'a,"b\n', b"\n"])), st.data())
def test_the_result_does_not_depend_on_the_chunks(contents: list[bytes], data: st.DataObject) -> None:
    content = b"".join(contents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    records = RecordCounter()
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        records.feed(content[start:end])
    records.finish()
    whole = counted(content)
    assert (records.count, records.empty_lines, records.problem) == (whole.count, whole.empty_lines, whole.problem)
    assert records.first_lines == whole.first_lines


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"ID,Type,Attributes.Name,Attributes.Name2", "Header"),
        (b'\xef\xbb\xbf"ID",Attributes.N', "Header"),
        (b"activityLabel,activityDescription,objectUri,user,method", "Header"),
        (b"startDate,endDate", "Header"),
        (b"StartObject.ID,EndObject.ID,isActive", "Header"),
        (b"2,HCP,ID", "Possible"),
        (b"First Name,State", "Row"),
    ],
)
def test_a_header_is_recognized_by_documented_columns(line: bytes, kind: str) -> None:
    assert counted(line + b"\n").first_lines == {kind: 1}


def test_each_member_of_a_zip_is_a_separate_table() -> None:
    assert zipped(TABLE, TABLE).first_lines == {"Header": 2}
    assert zipped(LINES, LINES).records == 10
    assert zipped(ARRAY, ARRAY).problem is None


def test_a_member_of_a_gzip_file_may_have_a_header_unless_a_record_is_open() -> None:
    assert (gzipped(TABLE, TABLE).records, gzipped(TABLE, TABLE).first_lines) == (12, {"Header": 2})
    cut = TABLE.index(b"name 2")
    assert (gzipped(TABLE[:cut], TABLE[cut:]).records, gzipped(TABLE[:cut], TABLE[cut:]).first_lines) == (
        6,
        {"Header": 1},
    )


def test_zeros_and_empty_members_of_a_gzip_file_are_ignored() -> None:
    assert gzipped(b"", TABLE, b"", padding=bytes(512)).records == 6


def test_bytes_after_the_gzip_data_are_noted_unless_they_are_a_damaged_member() -> None:
    assert gzipped(TABLE, padding=b"more").problem is None
    assert gzipped(TABLE, padding=b"more").notes == (TRAILING_BYTES,)
    assert "damaged" in (gzipped(TABLE, padding=gzip.compress(TABLE)[:3] + b"xxxxxxxxxx").problem or "")


def test_an_encrypted_or_unsupported_zip_is_reported_as_damaged() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part", TABLE)
    for offset, change in ((8, 1), (10, 12)):  # in the directory: the flag of encryption, the method bzip2
        content = bytearray(out.getvalue())
        content[content.index(b"PK\x01\x02") + offset] = change
        assert "is damaged or truncated" in (check_zip(io.BytesIO(bytes(content))).problem or "")


@given(st.integers(0, 200), st.integers(0, 7))
def test_a_changed_bit_of_a_zip_is_a_problem_or_harmless(at: int, bit: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part-00000.csv", TABLE)
    content = bytearray(out.getvalue())
    content[at % len(content)] ^= 1 << bit
    summary = check_zip(io.BytesIO(bytes(content)))
    assert summary.problem or summary.records == 6
