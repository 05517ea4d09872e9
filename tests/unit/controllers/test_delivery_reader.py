"""Deliveries of up to ten thousand files are read with a bounded number of requests, and differences are found."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from aws_fakes import FakeClient, object_answer, refusal
from builders import job, running
from reltio_export_operator.api.job import ExportJob
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.controllers.jobs.delivery_reader import DeliveryReader, Reports
from reltio_export_operator.delivery import limits
from reltio_export_operator.delivery.limits import DeliveryTooLargeError
from reltio_export_operator.delivery.manifest import Delivery

FILES = 10_000
KEY = RoleKey(Owner("mdm", "lake"), "arn:aws:iam::111122223333:role/reltio-exporter", None, "us-east-1", (), 3600)
WHEN = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)
ROW = gzip.compress(b'{"uri":"entities/1"}\n', mtime=0)
EXPORT = {"type": "Entities", "fileFormat": "JSON"}


class MemoryBucket:
    """A bucket in memory with pages of 1,000 objects. `requests` counts them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.bytes_read = 0

    def client(self) -> FakeClient:
        return FakeClient(list_objects_v2=self._list, get_object=self._get, put_object=self._put)

    def _list(self, *, Prefix: str, ContinuationToken: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.requests["list"] += 1
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > ContinuationToken)
        page = keys[:1000]
        contents = [{"Key": key, "Size": len(self.objects[key]), "ETag": '"e"', "LastModified": WHEN} for key in page]
        more = {"NextContinuationToken": page[-1]} if len(keys) > 1000 else {}
        return {"Contents": contents, "IsTruncated": bool(more), **more}

    def _get(self, *, Key: str, Range: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.requests["get"] += 1
        if Key not in self.objects:
            raise refusal("NoSuchKey")
        answer = object_answer(self.objects[Key], Range or None)
        self.bytes_read += answer["ContentLength"]
        return answer

    def _put(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.objects[Key] = Body
        return {}


@pytest.fixture
def store() -> Iterator[tuple[MemoryBucket, ObjectStore]]:
    bucket = MemoryBucket()
    with ThreadPoolExecutor(4) as pool:
        role = AssumedRole(KEY, bucket.client(), WHEN)  # type: ignore[arg-type]
        yield bucket, ObjectStore(RoleSessions(pool), role, "acme-mdm-exports")


async def read(reader: ObjectStore, subject: ExportJob) -> Delivery:
    async def open_store() -> ObjectStore:
        return reader

    return await DeliveryReader(open_store, subject, {}).delivery()


def job_with(verify: str, **delivery: Any) -> ExportJob:
    return job(spec={"export": EXPORT, "delivery": {"verify": verify, **delivery}}, status=running("COMPLETED"))


def fill(bucket: MemoryBucket, subject: ExportJob, files: int = FILES) -> str:
    submission = subject.status.submission
    assert submission is not None
    names = [f"part-{number:05d}.gz" for number in range(files)]
    manifest = {"success": True, "files": names, "totalObjects": files, "totalNumberOfFiles": files}
    bucket.objects = {submission.path + name: ROW for name in names}
    bucket.objects[submission.path + "manifest.json"] = json.dumps(manifest).encode()
    return submission.path


@pytest.mark.parametrize(("verify", "gets"), [("Manifest", 1), ("Objects", FILES + 1), ("Full", FILES + 1)])
async def test_ten_thousand_files_are_read_with_a_bounded_number_of_requests(
    store: tuple[MemoryBucket, ObjectStore], verify: str, gets: int
) -> None:
    bucket, reader = store
    subject = job_with(verify)
    fill(bucket, subject)
    assert (await read(reader, subject)).differences == []
    assert bucket.requests == {"list": 11, "get": gets}


def truncate(bucket: MemoryBucket, path: str) -> None:
    bucket.objects[f"{path}part-07777.gz"] = ROW[:-5]


def lose(bucket: MemoryBucket, path: str) -> None:
    del bucket.objects[f"{path}part-07777.gz"]


def add(bucket: MemoryBucket, path: str) -> None:
    bucket.objects[f"{path}part-07777b.gz"] = ROW


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (truncate, "part-07777.gz is truncated"),
        (lose, "part-07777.gz is listed but was not found"),
        (add, "part-07777b.gz exists but is not listed"),
    ],
)
async def test_one_bad_file_of_ten_thousand_is_found(
    store: tuple[MemoryBucket, ObjectStore], damage: Callable[[MemoryBucket, str], None], text: str
) -> None:
    bucket, reader = store
    subject = job_with("Objects")
    damage(bucket, fill(bucket, subject))
    (difference,) = (await read(reader, subject)).differences
    assert text in difference


async def test_one_file_of_ten_thousand_without_its_record_is_not_proved(
    store: tuple[MemoryBucket, ObjectStore],
) -> None:
    bucket, reader = store
    subject = job_with("Objects")
    path = fill(bucket, subject)
    bucket.objects[f"{path}part-07777.gz"] = gzip.compress(b"", mtime=0)
    found = await read(reader, subject)
    assert (found.differences, found.objects) == ([], FILES - 1)
    assert "is 10000, but the files have 9999 records" in "; ".join(found.uncertain)


async def test_the_files_are_read_where_the_manifest_is_odd(store: tuple[MemoryBucket, ObjectStore]) -> None:
    bucket, reader = store
    subject = job_with("Manifest")
    path = fill(bucket, subject, files=3)
    assert (await read(reader, subject)).reports == {}
    bucket.objects[f"{path}manifest.json"] = json.dumps({"files": [f"part-{n:05d}.gz" for n in range(3)]}).encode()
    found = await read(reader, subject)
    assert (len(found.reports), found.objects, found.missing) == (3, 3, None)
    bucket.objects[f"{path}part-00001.gz"] = ROW[:-4]
    assert "truncated" in "; ".join((await read(reader, subject)).differences)


async def test_a_manifest_and_files_in_a_subdirectory_are_found(store: tuple[MemoryBucket, ObjectStore]) -> None:
    bucket, reader = store
    subject = job_with("Full")
    path = fill(bucket, subject, files=3)
    bucket.objects = {key.replace(path, f"{path}2031-01-15/"): body for key, body in bucket.objects.items()}
    found = await read(reader, subject)
    assert (found.differences, found.uncertain, found.open, found.missing) == ([], [], [], None)


class Flaky(MemoryBucket):
    """Fails the GETs with these numbers, once each."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: dict[int, str] = {}

    def _get(self, **arguments: Any) -> dict[str, Any]:
        failure = self.failures.pop(self.requests["get"] + 1, None)
        if failure:
            self.requests["get"] += 1
            raise refusal(failure)
        return super()._get(**arguments)


class Check:
    """A delivery check on a bucket with transient errors. Counts how often the bucket is opened, and the delays."""

    def __init__(self, files: int = 10, **failures: str) -> None:
        self.bucket = Flaky()
        self.bucket.failures = {int(number.removeprefix("get_")): code for number, code in failures.items()}
        self.subject = job_with("Full")
        fill(self.bucket, self.subject, files=files)
        self.opened = 0
        self.delays: list[float] = []
        self.known: Reports = {}
        self.missing: str | None = None

    async def __call__(self) -> list[str]:
        with ThreadPoolExecutor(1) as pool:

            async def open_store() -> ObjectStore:
                self.opened += 1
                role = AssumedRole(KEY, self.bucket.client(), WHEN)  # type: ignore[arg-type]
                return ObjectStore(RoleSessions(pool), role, "acme-mdm-exports")

            async def sleep(seconds: float) -> None:
                self.delays.append(seconds)

            found = await DeliveryReader(open_store, self.subject, self.known, sleep=sleep).delivery()
            self.missing = found.missing
            return found.differences


async def test_a_read_continues_with_a_new_session_when_the_old_one_expires() -> None:
    check = Check(get_6="ExpiredToken")
    assert await check() == []
    assert check.opened == 2
    assert check.bucket.requests["get"] == 12


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "RequestTimeout"])
async def test_a_transient_error_costs_one_more_read_of_one_file(code: str) -> None:
    check = Check(get_6=code)
    assert await check() == []
    assert (check.bucket.requests["get"], check.delays) == (12, [2.0])


async def test_files_that_were_read_before_a_failure_are_not_read_again() -> None:
    check = Check(get_6="AccessDenied")
    with pytest.raises(AwsError):
        await check()
    before = len(check.known)
    assert before >= 1
    gets = check.bucket.requests["get"]
    assert await check() == []
    assert check.bucket.requests["get"] == gets + 1 + 10 - before


async def test_a_file_with_another_etag_is_read_again() -> None:
    check = Check()
    await check()
    check.known = {(name, "another"): report for (name, _), report in check.known.items()}
    gets = check.bucket.requests["get"]
    await check()
    assert check.bucket.requests["get"] == gets + 11


async def test_reading_stops_when_one_file_cannot_be_read() -> None:
    check = Check(files=2000, get_2="AccessDenied")
    with pytest.raises(AwsError):
        await check()
    assert check.bucket.requests["get"] < 1000


@pytest.mark.parametrize("content", [b"[1", b'{"a":', b"\xff", b"null", b"1" + b"0" * 5000])
async def test_a_manifest_that_cannot_be_parsed_is_waited_for(content: bytes) -> None:
    check = Check()
    submission = check.subject.status.submission
    assert submission is not None
    check.bucket.objects[submission.path + "manifest.json"] = content
    assert await check() == []
    assert check.missing == "manifest.json is not a JSON object"


async def test_a_folder_of_the_s3_console_is_ignored() -> None:
    check = Check()
    submission = check.subject.status.submission
    assert submission is not None
    check.bucket.objects[submission.path] = b""
    assert await check() == []


async def test_a_zip_is_recognized_by_its_bytes() -> None:
    check = Check()
    submission = check.subject.status.submission
    assert submission is not None
    name = f"{submission.path}part-00000.gz"
    check.bucket.objects[name] = b"PK\x03\x04" + bytes(100)
    (difference,) = await check()
    assert "part-00000.gz is damaged or truncated" in difference


async def test_a_directory_that_changes_while_it_is_read_is_listed_again() -> None:
    check = Check(get_6="PreconditionFailed")
    assert await check() == []
    assert check.bucket.requests["list"] == 2


async def test_a_directory_that_changes_each_time_is_not_judged() -> None:
    check = Check()
    check.bucket.failures = dict.fromkeys(range(2, 40), "PreconditionFailed")
    with pytest.raises(AwsError) as caught:
        await check()
    assert (caught.value.reason, check.bucket.requests["list"]) == ("ObjectChanged", 3)


@pytest.mark.parametrize("name", ["part-00003.gz", "manifest.json"])
@pytest.mark.parametrize(("altered", "proved"), [((0,), True), ((0, 2), False)])
async def test_an_object_that_was_altered_in_transit_does_not_fail_the_job(
    name: str, altered: tuple[int, ...], proved: bool
) -> None:
    check = Check()
    submission = check.subject.status.submission
    assert submission is not None
    key, get, reads = submission.path + name, check.bucket._get, iter(range(10))

    def broken(**arguments: Any) -> dict[str, Any]:
        answer = get(**arguments)
        if arguments["Key"] == key and (number := next(reads)) in altered:
            answer["Body"] = object_answer(bytes([number + 1]) * answer["ContentLength"])["Body"]
        return answer

    check.bucket._get = broken  # type: ignore[method-assign]
    if proved:
        assert await check() == []
        return
    with pytest.raises(AwsError, match="two reads differ"):
        await check()


@pytest.mark.parametrize(
    "bound", [{"manifest_bytes": 10}, {"manifest_values": 3}, {"objects": 10}], ids=lambda bound: next(iter(bound))
)
async def test_a_delivery_beyond_a_bound_is_not_judged(monkeypatch: pytest.MonkeyPatch, bound: dict[str, int]) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, **bound))
    check = Check()
    with pytest.raises(DeliveryTooLargeError):
        await check()
    monkeypatch.setattr(limits, "LIMITS", limits.UNLIMITED)
    assert await check() == []


async def test_a_file_that_was_examined_in_part_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, file_cpu_seconds=0.0, cpu_seconds_per_mib=0.0))
    check = Check()
    assert await check() == []
    assert all(report.partial and report.sha256 for report in check.known.values())
