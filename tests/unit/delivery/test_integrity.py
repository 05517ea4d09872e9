"""Whether a file is whole, told from its bytes."""

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

from reltio_export_operator.delivery.integrity import Ranged, Summary, glance, read_through, read_zip

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
    return read_through(name, io.BytesIO(content))


def test_a_whole_gzip_file_is_counted_and_summed_up() -> None:
    content = gzip.compress(csv_bytes(ROWS))
    summary = through("part-00000.gz", content)
    assert summary.problem is None
    assert (summary.records, summary.heads) == (4, {"Header": 1})
    assert summary.sha256 == hashlib.sha256(content).hexdigest()


def test_members_that_follow_one_another_are_one_file() -> None:
    content = gzip.compress(b"a\nb\n") + gzip.compress(b"c\n")
    assert through("part.gz", content).records == 3


@given(st.integers(1, 60))
def test_a_gzip_file_cut_anywhere_is_found_out(cut: int) -> None:
    content = gzip.compress(csv_bytes(ROWS))
    summary = through("part.gz", content[:-cut])
    assert summary.problem is not None


@given(st.integers(10, 60), st.integers(1, 255))
def test_a_gzip_file_with_a_changed_byte_is_never_taken_for_whole_and_different(at: int, change: int) -> None:
    """A flipped bit in the body breaks the CRC, in the header it may be harmless: the content is then the same."""
    whole = bytearray(gzip.compress(csv_bytes(ROWS)))
    whole[at] ^= change
    summary = through("part.gz", bytes(whole))
    assert summary.problem is not None or gzip.decompress(bytes(whole)) == csv_bytes(ROWS)


def test_something_else_under_the_name_of_a_gzip_file_is_found_out() -> None:
    assert through("part.gz", b"<html>").problem == "is not a gzip file"


def test_json_lines_are_counted_and_an_array_is_not() -> None:
    lines = "".join(json.dumps({"uri": n, "text": 'a "quote"'}) + "\n" for n in range(5)).encode()
    assert (through("a.json", lines).records, through("a.json", lines).heads) == (5, {})
    assert through("a.json", b"[{}, {}]").records is None


texts = st.text(alphabet=st.sampled_from('ab,"\n \r'), max_size=6)


@given(st.lists(st.lists(texts, min_size=2, max_size=3), min_size=1, max_size=6), st.integers(1, 7))
def test_records_of_csv_are_counted_like_a_csv_reader_does_however_the_bytes_arrive(
    rows: list[list[str]], piece: int
) -> None:
    class Pieces(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(piece)

    content = csv_bytes(rows)
    assert read_through("part.csv", Pieces(b"h,h\n" + content)).records == len(rows) + 1


def test_a_zip_is_read_through_ranges() -> None:
    content = zipped(csv_bytes(ROWS))
    body = io.BufferedReader(Ranged(len(content), lambda start, end: content[start:end]))
    summary = read_zip(body)
    assert (summary.problem, summary.records) == (None, 4)
    assert summary.sha256 == hashlib.sha256(content).hexdigest()


@given(st.integers(1, 80))
def test_a_zip_cut_anywhere_is_found_out_by_reading_and_by_a_glance(cut: int) -> None:
    content = zipped(csv_bytes(ROWS) * 3)[:-cut]
    body = io.BufferedReader(Ranged(len(content), lambda start, end: content[start:end]))
    assert read_zip(body).problem is not None
    assert glance("part.zip", len(content), content[:512], content) is not None


@pytest.mark.parametrize(
    ("name", "content", "whole"),
    [
        ("part.gz", gzip.compress(b"a"), True),
        ("part.gz", b"plain", False),
        ("part.zip", zipped(b"a"), True),
        ("part.csv", b"anything", True),
    ],
)
def test_a_glance_at_the_ends_of_a_file(name: str, content: bytes, whole: bool) -> None:
    assert (glance(name, len(content), content[:512], content) is None) is whole
