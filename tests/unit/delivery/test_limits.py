"""What is beyond a bound is reported as not read: it neither proves nor fails a delivery."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from dataclasses import replace

import pytest

from reltio_export_operator.delivery import limits
from reltio_export_operator.delivery.integrity import Summary, read_file, read_zip
from reltio_export_operator.delivery.limits import UNLIMITED, DeliveryTooLargeError, Limits, Meter
from reltio_export_operator.delivery.manifest import Delivery, FileReport, StoredFile, parse

BOMB = gzip.compress(bytes(16 << 20), mtime=0)
SMALL = Limits(manifest_values=10, inflated_free_bytes=1 << 20, inflated_ratio=2, zip_directory_bytes=0)


def sliced(content: bytes, meter: Meter) -> tuple[int, Summary]:
    """The number of slices, and the summary."""
    is_zip = content.startswith(b"PK")
    stream = io.BytesIO(content)
    reading = read_zip(stream, meter) if is_zip else read_file("part.gz", stream, meter)
    slices = 0
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return slices, end.value
        slices += 1


def packed(members: int, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            archive.writestr(f"{number}.csv", content)
    return out.getvalue()


@pytest.mark.parametrize("content", [BOMB, packed(1, bytes(16 << 20))], ids=["gzip", "zip"])
def test_decompressing_ends_at_the_ratio_and_the_checksum_does_not(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(limits, "LIMITS", SMALL)
    slices, summary = sliced(content, Meter.of_delivery(len(content)).of_file(len(content)))
    assert (summary.partial, summary.problem, summary.records) == (True, None, None)
    assert summary.sha256 == hashlib.sha256(content).hexdigest()
    assert slices < 6
    monkeypatch.setattr(limits, "LIMITS", UNLIMITED)
    slices, summary = sliced(content, Meter.of_delivery(len(content)).of_file(len(content)))
    assert (summary.partial, slices >= 16) == (False, True)


def test_a_file_that_used_up_its_time_is_not_examined_further() -> None:
    meter = Meter(60.0).of_file(len(BOMB))
    meter.work(limits.LIMITS.file_cpu_seconds * 2)
    assert sliced(BOMB, meter)[1].partial


def test_one_file_draws_on_the_time_of_its_delivery() -> None:
    delivery = Meter(15.0)
    first, second = delivery.of_file(0), delivery.of_file(0)
    first.work(9.0)
    assert not second.is_empty
    second.work(7.0)
    assert first.is_empty


def test_a_zip_with_too_many_members_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(25_000, b"")
    assert sliced(content, Meter(1e9))[1].partial
    monkeypatch.setattr(limits, "LIMITS", UNLIMITED)
    assert not sliced(content, Meter(1e9))[1].partial


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_a_manifest_that_is_nested_too_deeply_is_not_judged(content: bytes) -> None:
    with pytest.raises(DeliveryTooLargeError):
        parse(content)


def test_a_manifest_with_too_many_values_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps({"files": [f"part-{number}" for number in range(20)]}).encode()
    assert isinstance(parse(content), dict)
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, manifest_values=10))
    with pytest.raises(DeliveryTooLargeError, match="more than 10 values"):
        parse(content)


def test_records_are_not_compared_where_a_file_was_read_in_part() -> None:
    manifest = {"success": True, "files": ["a.gz"], "totalObjects": 5}
    delivery = Delivery(manifest, {"a.gz": StoredFile(9)}, {"a.gz": FileReport(partial=True)}, countable=True)
    assert delivery.differences == []
    assert delivery.partly_read == ["a.gz"]
