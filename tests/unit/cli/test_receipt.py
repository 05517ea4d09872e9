"""`receipt` gives up on an S3 that does not answer, or answers too slowly."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from click.testing import CliRunner

from builders import job
from reltio_export_operator.api.job import JobStatus, Output
from reltio_export_operator.cli import receipt
from reltio_export_operator.cli.cluster import CommandError
from reltio_export_operator.runtime.network import Network

DELIVERED = Output(
    bucket="lake", prefix="out/", files=1, bytes=1, digest="sha256:0", receipt="s3://lake/out/_export-receipt.json"
)
CONTENT = b'{"digest": "sha256:0", "files": []}'


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SlowS3:
    """Each call takes so many seconds. Beside the receipt there is a file of so many bytes."""

    def __init__(self, clock: Clock, seconds: float, *, size: int = 0, pages: int = 1, fails: bool = False) -> None:
        self._clock, self._seconds, self._size, self._pages, self._fails = clock, seconds, size, pages, fails
        self.calls = 0

    def _call(self) -> None:
        self.calls += 1
        self._clock.now += self._seconds

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        self._call()
        names = {"_export-receipt.json": len(CONTENT), "part-00000.gz": self._size}
        objects = [{"Key": f"out/{name}", "Size": size, "ETag": ""} for name, size in names.items()]
        more = self.calls < self._pages
        return {"Contents": objects, "IsTruncated": more, **({"NextContinuationToken": "t"} if more else {})}

    def get_object(self, **_: Any) -> dict[str, Any]:
        self._call()
        if self._fails:
            raise ReadTimeoutError(endpoint_url="https://lake.example")
        return {"Body": io.BytesIO(CONTENT), "ContentLength": len(CONTENT)}


def check(s3: SlowS3, clock: Clock, *, verify: bool = True) -> list[str]:
    return receipt.check(s3, DELIVERED, verify=verify, clock=clock)[2]


def test_its_client_has_short_timeouts_and_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    clients = []

    def noted(s3: Any, *_: Any, **__: Any) -> Any:
        clients.append(s3)
        raise CommandError("enough")

    class Cluster:
        def get(self, *_: Any) -> dict[str, Any]:
            return {}

    monkeypatch.setattr(receipt, "connect", lambda *_: Cluster())
    monkeypatch.setattr(receipt, "decode_job", lambda _: job(status=JobStatus(output=DELIVERED)))
    monkeypatch.setattr(receipt, "network", lambda: Network.from_environment({}))
    monkeypatch.setattr(receipt, "check", noted)
    CliRunner().invoke(receipt.receipt, ["people"])
    (s3,) = clients
    config = s3.meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (5, 15, 3)


def test_an_s3_that_answers_late_ends_the_command() -> None:
    clock = Clock()
    s3 = SlowS3(clock, 50.0, pages=1000)
    with pytest.raises(CommandError, match=r"within 120 s\. Check the network"):
        check(s3, clock)
    assert s3.calls == 3


def test_an_object_is_not_tried_again_after_the_time() -> None:
    clock = Clock()
    s3 = SlowS3(clock, 70.0, fails=True)
    with pytest.raises(CommandError, match="within 120 s"):
        check(s3, clock)
    assert s3.calls == 2


def test_files_that_are_read_give_it_more_time() -> None:
    clock = Clock()
    s3 = SlowS3(clock, 70.0, size=100 * (16 << 10), pages=2)
    assert "part-00000.gz is not listed in the receipt" in check(s3, clock)


def test_files_that_are_not_read_give_it_no_time() -> None:
    clock = Clock()
    s3 = SlowS3(clock, 70.0, size=100 * (16 << 10), pages=2)
    with pytest.raises(CommandError):
        check(s3, clock, verify=False)
