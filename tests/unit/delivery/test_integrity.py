"""Damaged and truncated files are detected from their bytes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reltio_export_operator.delivery.integrity import RangeStream, Summary, check_ends, check_file, check_zip
from reltio_export_operator.delivery.tables import OTHER_LINE_ENDS

ROWS = [["ID", "Attributes.Name"], ["1", "Ada"], ["2", 'quoted "name",\nover two lines'], ["3", ""]]


def csv_bytes(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("part-00000.csv", content)
    return out.getvalue()


def through(name: str, content: bytes) -> Summary:
    return check_file(name, io.BytesIO(content))


def test_the_summary_of_a_gzip_file_has_records_and_checksum() -> None:
    content = gzip.compress(csv_bytes(ROWS))
    summary = through("part-00000.gz", content)
    assert summary.problem is None
    assert (summary.records, summary.first_lines) == (4, {"Header": 1})
    assert summary.sha256 == hashlib.sha256(content).hexdigest()


def test_a_gzip_file_may_have_several_members() -> None:
    content = gzip.compress(b"a\nb\n") + gzip.compress(b"c\n")
    assert through("part.gz", content).records == 3


@given(st.integers(1, 60))
def test_a_truncated_gzip_file_is_detected(cut: int) -> None:
    content = gzip.compress(csv_bytes(ROWS))
    summary = through("part.gz", content[:-cut])
    assert summary.problem is not None


@given(st.integers(10, 60), st.integers(1, 255))
def test_a_gzip_file_with_a_changed_byte_has_a_problem_or_the_same_content(at: int, change: int) -> None:
    """A changed bit in the body breaks the CRC. In the header it may do no harm: the content is then the same."""
    whole = bytearray(gzip.compress(csv_bytes(ROWS)))
    whole[at] ^= change
    summary = through("part.gz", bytes(whole))
    assert summary.problem is not None or gzip.decompress(bytes(whole)) == csv_bytes(ROWS)


def test_a_file_named_gz_that_is_not_gzip_is_detected() -> None:
    assert through("part.gz", b"<html>").problem == "is not a gzip file"


def test_the_objects_of_json_lines_and_of_an_array_are_counted() -> None:
    lines = "".join(json.dumps({"uri": n, "text": 'a "quote"'}) + "\n" for n in range(5)).encode()
    assert (through("a.json", lines).records, through("a.json", lines).first_lines) == (5, {})
    assert through("a.json", b"[{}, {}]").records == 2


texts = st.text(alphabet=st.sampled_from('ab,"\n \r'), max_size=6)


@given(st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=6), st.integers(1, 7))
def test_csv_records_are_counted_as_by_a_csv_reader_whatever_the_chunks(rows: list[list[str]], piece: int) -> None:
    class Pieces(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(piece)

    content = csv_bytes(rows)
    summary = check_file("part.csv", Pieces(b"h,h\n" + content))
    if summary.records is None:  # the writer leaves bare carriage returns without quotes
        assert b"\r" in content
        assert summary.notes == (OTHER_LINE_ENDS,)
    else:
        assert summary.records == len(rows) + 1


def test_a_zip_is_read_by_ranges() -> None:
    content = zipped(csv_bytes(ROWS))
    body = io.BufferedReader(RangeStream(len(content), lambda start, end: content[start:end]))
    summary = check_zip(body)
    assert (summary.problem, summary.records) == (None, 4)
    assert summary.sha256 == hashlib.sha256(content).hexdigest()


@given(st.integers(1, 80))
def test_a_truncated_zip_is_detected_by_reading_it_and_by_its_ends(cut: int) -> None:
    content = zipped(csv_bytes(ROWS) * 3)[:-cut]
    body = io.BufferedReader(RangeStream(len(content), lambda start, end: content[start:end]))
    assert check_zip(body).problem is not None
    assert check_ends("part.zip", len(content), content[:512], content)[0] is not None


@pytest.mark.parametrize(
    ("name", "content", "whole"),
    [
        ("part.gz", gzip.compress(b"a", mtime=0), True),
        ("part.gz", b"plain", False),
        ("part.zip", zipped(b"a"), True),
        ("part.csv", b"anything", True),
    ],
)
def test_the_ends_of_a_file_show_whether_its_format_is_right(name: str, content: bytes, whole: bool) -> None:
    assert (check_ends(name, len(content), content[:512], content)[0] is None) is whole
