"""Ten thousand files: what is wrong with one of them is found, and what that costs is bounded."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from aws_fakes import FakeClient, refusal
from builders import job, running
from reltio_export_operator.api.job import ExportJob
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.controllers.deliveries import inspect
from reltio_export_operator.jobs.delivery import differences_of

FILES = 10_000
WHEN = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)
ROW = gzip.compress(b'{"uri":"entities/1"}\n', mtime=0)
EXPORT = {"type": "Entities", "fileFormat": "JSON"}


class MemoryBucket:
    """Objects by key, listed a thousand at a time, and a count of what was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.bytes_read = 0

    def client(self) -> FakeClient:
        return FakeClient(list_objects_v2=self._list, get_object=self._get, put_object=self._put)

    def _list(self, *, Prefix: str, ContinuationToken: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.asked["list"] += 1
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > ContinuationToken)
        page = keys[:1000]
        contents = [{"Key": key, "Size": len(self.objects[key]), "ETag": '"e"', "LastModified": WHEN} for key in page]
        more = {"NextContinuationToken": page[-1]} if len(keys) > 1000 else {}
        return {"Contents": contents, "IsTruncated": bool(more), **more}

    def _get(self, *, Key: str, Range: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.asked["get"] += 1
        if Key not in self.objects:
            raise refusal("NoSuchKey")
        body = self.objects[Key]
        if Range:
            start, end = Range.removeprefix("bytes=").split("-")
            body = body[int(start) : int(end) + 1]
        self.bytes_read += len(body)
        return {"Body": io.BytesIO(body)}

    def _put(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.objects[Key] = Body
        return {}


@pytest.fixture
def store() -> Iterator[tuple[MemoryBucket, ObjectStore]]:
    bucket = MemoryBucket()
    key = RoleKey("arn:aws:iam::111122223333:role/reltio-exporter", None, "us-east-1", None, 3600)
    with ThreadPoolExecutor(4) as pool:
        role = AssumedRole(key, bucket.client(), WHEN)  # type: ignore[arg-type]
        yield bucket, ObjectStore(RoleSessions(pool), role, "acme-mdm-exports", bulk=True)


def asked_for(verify: str, **delivery: Any) -> ExportJob:
    return job(spec={"export": EXPORT, "delivery": {"verify": verify, **delivery}}, status=running("COMPLETED"))


def fill(bucket: MemoryBucket, subject: ExportJob) -> str:
    submission = subject.status.submission
    assert submission is not None
    names = [f"part-{number:05d}.gz" for number in range(FILES)]
    manifest = {"success": True, "files": names, "totalObjects": FILES, "totalNumberOfFiles": FILES}
    bucket.objects = {submission.path + name: ROW for name in names}
    bucket.objects[submission.path + "manifest.json"] = json.dumps(manifest).encode()
    return submission.path


@pytest.mark.parametrize(("verify", "gets"), [("Manifest", 1), ("Objects", FILES + 1), ("Full", FILES + 1)])
async def test_ten_thousand_whole_files_raise_no_alarm_at_a_bounded_cost(
    store: tuple[MemoryBucket, ObjectStore], verify: str, gets: int
) -> None:
    bucket, reader = store
    subject = asked_for(verify)
    fill(bucket, subject)
    assert differences_of(await inspect(reader, subject)) == []
    assert bucket.asked == {"list": 11, "get": gets}


def truncate(bucket: MemoryBucket, path: str) -> None:
    bucket.objects[f"{path}part-07777.gz"] = ROW[:-5]


def lose(bucket: MemoryBucket, path: str) -> None:
    del bucket.objects[f"{path}part-07777.gz"]


def add(bucket: MemoryBucket, path: str) -> None:
    bucket.objects[f"{path}part-07777b.gz"] = ROW


def empty(bucket: MemoryBucket, path: str) -> None:
    bucket.objects[f"{path}part-07777.gz"] = gzip.compress(b"", mtime=0)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "part-07777.gz is truncated"),
        (lose, "part-07777.gz is listed but missing"),
        (add, "part-07777b.gz is there but not listed"),
        (empty, "counts 10000 objects, the files hold 9999"),
    ],
)
async def test_one_bad_file_among_ten_thousand_is_found(
    store: tuple[MemoryBucket, ObjectStore], damage: Callable[[MemoryBucket, str], None], words: str
) -> None:
    bucket, reader = store
    subject = asked_for("Objects")
    damage(bucket, fill(bucket, subject))
    (difference,) = differences_of(await inspect(reader, subject))
    assert words in difference
