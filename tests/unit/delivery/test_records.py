"""What the content of a file tells: how many records it holds, and whether it ends where it should."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.delivery.integrity import Summary, read_through, read_zip
from reltio_export_operator.delivery.records import Records

OBJECTS = [json.dumps({"uri": f"entities/{n}", "name": {"first": "x"}}).encode() for n in range(5)]
LINES = b"\n".join(OBJECTS)
ARRAY = b"[" + b",".join(OBJECTS) + b"]"
TABLE = b"ID,Type,Attributes.Name\n" + b"".join(b'%d,HCP,"name %d"\n' % (n, n) for n in range(5))


def told(content: bytes) -> Records:
    records = Records()
    records.feed(content)
    records.finish()
    return records


def zipped(*members: bytes) -> Summary:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(members):
            archive.writestr(f"part-{number:05d}", content)
    return read_zip(io.BytesIO(out.getvalue()))


def gzipped(*members: bytes, padding: bytes = b"") -> Summary:
    content = b"".join(gzip.compress(member) for member in members) + padding
    return read_through("part-00000.gz", io.BytesIO(content))


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
def test_an_end_that_is_none_is_found_without_a_checksum(content: bytes) -> None:
    assert "truncated" in (told(content).problem or "")


def test_bytes_that_are_no_text_are_told() -> None:
    assert told(bytes(range(256))).problem == "holds neither CSV nor JSON"


@pytest.mark.parametrize(
    ("content", "count"),
    [
        pytest.param(LINES, 5, id="JSON lines"),
        pytest.param(LINES + b"\n\n", 5, id="JSON lines and an empty one"),
        pytest.param(LINES.replace(b"\n", b"\r\n"), 5, id="JSON lines as Windows ends them"),
        pytest.param(ARRAY, None, id="an array"),
        pytest.param(b"".join(OBJECTS), None, id="objects side by side"),
        pytest.param(b"\n".join(json.dumps(json.loads(o), indent=1).encode() for o in OBJECTS), None, id="indented"),
        pytest.param(TABLE, 6, id="a table"),
        pytest.param(TABLE[:-1], 6, id="a table without a last newline"),
        pytest.param(TABLE + b"\r\n", 6, id="a table and an empty line"),
        pytest.param(b'ID,N\n1,"a\n\n""b"\n2,x', 3, id="newlines within quotes"),
        pytest.param(b'ID,N\n1,"a\n",c', 2, id="a last value that ends with a newline"),
        pytest.param(b'ID,N\n1,"5\\" pipe"\n', None, id="quotes escaped in another way"),
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"\xef\xbb\xbf", 0, id="only a byte order mark"),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_records_are_counted_where_lines_tell_them(content: bytes, count: int | None, piece: int) -> None:
    records = Records()
    for at in range(0, len(content), piece):
        records.feed(content[at : at + piece])
    records.finish()
    assert (records.count, records.problem) == (count, None)


@given(st.lists(st.sampled_from([TABLE, LINES + b"\n", ARRAY, b'a,"b\n', b"\n"])), st.data())
def test_how_the_bytes_arrive_makes_no_difference(contents: list[bytes], data: st.DataObject) -> None:
    content = b"".join(contents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
    records = Records()
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        records.feed(content[start:end])
    records.finish()
    whole = told(content)
    assert (records.count, records.blanks, records.problem) == (whole.count, whole.blanks, whole.problem)
    assert records.heads == whole.heads


@pytest.mark.parametrize(
    ("line", "likeness"),
    [
        (b"ID,Type,Attributes.Name,Attributes.Name2", "Header"),
        (b'\xef\xbb\xbf"ID",Attributes.N', "Header"),
        (b"activityLabel,activityDescription,objectUri,user,method", "Header"),
        (b"startDate,endDate", "Header"),
        (b"StartObject.ID,EndObject.ID,isActive", "Header"),
        (b"2,HCP,ID", "Perhaps"),
        (b"First Name,State", "Row"),
    ],
)
def test_a_header_is_told_by_columns_that_are_documented(line: bytes, likeness: str) -> None:
    assert told(line + b"\n").heads == {likeness: 1}


def test_each_member_of_a_zip_is_a_table_of_its_own() -> None:
    assert zipped(TABLE, TABLE).heads == {"Header": 2}
    assert zipped(LINES, LINES).records == 10
    assert zipped(ARRAY, ARRAY).problem is None


def test_each_part_of_a_gzip_file_may_have_a_header_when_a_record_ended_before_it() -> None:
    assert (gzipped(TABLE, TABLE).records, gzipped(TABLE, TABLE).heads) == (12, {"Header": 2})
    cut = TABLE.index(b"name 2")
    assert (gzipped(TABLE[:cut], TABLE[cut:]).records, gzipped(TABLE[:cut], TABLE[cut:]).heads) == (6, {"Header": 1})


def test_zeros_and_empty_parts_of_a_gzip_file_do_not_matter() -> None:
    assert gzipped(b"", TABLE, b"", padding=bytes(512)).records == 6
    assert "damaged" in (gzipped(TABLE, padding=b"more").problem or "")


def test_a_zip_that_is_encrypted_or_packed_in_an_unknown_way_is_damaged_and_no_crash() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part", TABLE)
    for offset, change in ((8, 1), (10, 12)):  # in the directory: the flag of encryption, the method bzip2
        content = bytearray(out.getvalue())
        content[content.index(b"PK\x01\x02") + offset] = change
        assert "is damaged or truncated" in (read_zip(io.BytesIO(bytes(content))).problem or "")


@given(st.integers(0, 200), st.integers(0, 7))
def test_no_flipped_bit_of_a_zip_is_more_than_a_finding(at: int, bit: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part-00000.csv", TABLE)
    content = bytearray(out.getvalue())
    content[at % len(content)] ^= 1 << bit
    summary = read_zip(io.BytesIO(bytes(content)))
    assert summary.problem or summary.records == 6
