"""Parsers of what is in a bucket: manifests, and files of records."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any

from hypothesis import strategies as st

from reltio_export_operator.api.decoding import decode_schedule
from reltio_export_operator.delivery import manifest
from reltio_export_operator.delivery.integrity import Summary, check_ends, check_file, check_zip, is_zip
from reltio_export_operator.delivery.limits import DeliveryTooLargeError
from reltio_export_operator.delivery.manifest import Delivery, FileReport, StoredFile
from reltio_export_operator.delivery.records import RecordCounter
from reltio_export_operator.schedules import pointer

from .inputs import BYTES, OBJECTS
from .parser import Parser

_CSV = b'ID,Type,Attributes.Name\r\n1,x,"a\nb"\r\n2,y,"say ""hi"""\r\n\r\n3,z,\r\n'
_LINES = b'{"uri":"entities/1","a":{"b":[1,2]}}\n{"uri":"entities/2"}\n'
_ARRAY = b'[{"uri":"entities/1"},\n{"uri":"entities/2"}]'
_MANIFEST = {
    "success": True,
    "totalObjects": 4,
    "totalNumberOfFiles": 2,
    "files": ["part-0.csv", "s3://lake/x/part-1.json.gz"],
}


def _zipped(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("part.csv", _CSV)
        archive.writestr("part.json", _LINES)
    return packed.getvalue()


_GZIP = zlib.compress(_CSV, 9, 31)


def _manifest(content: bytes) -> None:
    _compared(manifest.parse(content))


def _compared(parsed: object) -> None:
    files = {"part-0.csv": StoredFile(9, "e"), "part-1.json.gz": StoredFile(0), "manifest.json": StoredFile(1)}
    reports = {"part-0.csv": FileReport(records=4, sha256="0", first_lines={"Header": 1})}
    delivery = Delivery(parsed, files, reports, "lake", "x/", countable=True).prepare()
    if not delivery.differences:
        assert delivery.digest.startswith("sha256:")
    assert all(isinstance(one, str) for one in delivery.differences)
    total = delivery.total_objects
    assert total is None or total >= 0


def _checked(summary: Summary) -> None:
    assert len(summary.sha256) == 64
    assert summary.records is None or summary.records >= 0
    assert summary.empty_lines >= 0


def _file(content: bytes) -> None:
    _checked(check_file("part-0.gz", io.BytesIO(content)))
    _checked(check_file("part-0", io.BytesIO(content)))


def _zip(content: bytes) -> None:
    _checked(check_zip(io.BytesIO(content)))


def _ends(content: bytes) -> None:
    for name in ("part-0.zip", "part-0.gz", "part-0"):
        is_zip(name, content[:8])
        check_ends(name, len(content), content[:8], content[-100:])


def _records(given: tuple[int, bytes]) -> None:
    """The counts do not depend on the pieces in which a file comes."""
    at, content = abs(given[0]) % 512, given[1]
    counts = [_counted(content), _counted(content[:at], content[at:])]
    assert counts[0] == counts[1], counts


def _counted(*pieces: bytes) -> Any:
    counter = RecordCounter()
    for piece in pieces:
        counter.feed(piece)
    counter.finish()
    return counter.count, counter.problem, counter.empty_lines, dict(counter.first_lines)


_TABLES = st.text(alphabet='a,"\n\r{}[] \0;', max_size=60).map(str.encode) | BYTES

_SCHEDULE = decode_schedule(
    {
        "metadata": {"name": "people", "namespace": "mdm", "uid": "u"},
        "spec": {"schedule": "@daily", "latestPointer": {}, "jobTemplate": {"spec": {"targetRef": {"name": "lake"}}}},
    }
)
_EXPORT = {
    "job": "people-1",
    "mode": "Full",
    "bucket": "b",
    "prefix": "p/",
    "windowEnd": "2031-01-15T03:00:00Z",
    "verified": "Delivered",
    "files": ["part-00000.gz"],
}
_POINTER = {
    "version": 1,
    "schedule": {"namespace": "mdm", "name": "people", "uid": "u"},
    "updatedTime": "2031-01-15T03:00:00Z",
    "dataTime": "2031-01-15T03:00:00Z",
    "verified": "Delivered",
    "bucket": "b",
    "prefix": "p/",
    "exports": [_EXPORT],
}


def _pointer(content: bytes) -> None:
    document = pointer.decoded(content, _SCHEDULE)
    assert document.exports
    assert pointer.decoded(pointer.encoded(document), _SCHEDULE) == document


PARSERS = {
    "pointer": Parser(_pointer, [json.dumps(_POINTER).encode()], BYTES, (pointer.UnusablePointer,)),
    "manifest": Parser(_manifest, [json.dumps(_MANIFEST).encode()], BYTES, (DeliveryTooLargeError,)),
    "comparison with a manifest": Parser(_compared, [_MANIFEST], OBJECTS),
    "file of records": Parser(_file, [_CSV, _LINES, _ARRAY, _GZIP, _GZIP + zlib.compress(_LINES, 1, 31)], _TABLES),
    "ZIP": Parser(_zip, [_zipped(), _zipped(zipfile.ZIP_STORED)], BYTES),
    "ends of a file": Parser(_ends, [_zipped(), _GZIP], BYTES),
    "records in pieces": Parser(
        _records,
        [(at, one) for at in (3, 30) for one in (_CSV, _LINES, _ARRAY)],
        st.tuples(st.integers(0, 60), _TABLES),
    ),
}
