"""Calls on one bucket: the requests, and how the answers are read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from aws_fakes import FakeClient, object_answer, refusal
from reltio_export_operator.api.foreign import KNOWN
from reltio_export_operator.api.target import Encryption
from reltio_export_operator.aws import store
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore, StoredObject

WHEN = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)
KEY = RoleKey(Owner("mdm", "lake"), "arn:aws:iam::111122223333:role/reltio-exporter", "ext-1", "us-east-1", (), 3600)
ACTIONS = ["s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
Handler = Callable[..., Any]


class Bucket:
    """An object store with a fake S3 client. Every call succeeds unless `handlers` replaces it."""

    def __init__(self, pool: ThreadPoolExecutor, expires: datetime = WHEN, /, **handlers: Handler) -> None:
        working: dict[str, Handler] = {
            "list_objects_v2": lambda **_: {"Contents": [], "IsTruncated": False},
            "put_object": lambda **_: {},
            "get_object": self._get,
            "delete_object": lambda **_: {},
        }
        self.s3 = FakeClient(**{**working, **handlers})
        self.sessions = RoleSessions(pool)
        self.role = AssumedRole(KEY, self.s3, expires)  # type: ignore[arg-type]
        self.store = ObjectStore(self.sessions, self.role, "lake")

    def _get(self, *, Key: str, Range: str | None = None, **_: Any) -> dict[str, Any]:  # noqa: N803
        probed = [arguments["Body"] for arguments in self.s3.named("put_object") if arguments["Key"] == Key]
        return object_answer(probed[0] if probed else b"content", Range)

    async def probe(self, encryption: Encryption | None = None) -> dict[str, str | None]:
        """The reason of each action that was tried; None if it succeeded."""
        results = [result async for result in self.store.probe("reltio/", encryption, name="u-1")]
        return {action: error.reason if error else None for action, error in results}


def refusing(code: str, region: str | None = None, operation: str = "Any") -> Handler:
    def refuse(**_: Any) -> None:
        raise refusal(code, region, operation)

    return refuse


def silent(**_: Any) -> None:
    raise ReadTimeoutError(endpoint_url="https://s3")


async def test_a_probe_tries_every_action_on_one_object_under_the_path(pool: ThreadPoolExecutor) -> None:
    bucket = Bucket(pool)
    assert await bucket.probe() == dict.fromkeys(ACTIONS)
    names = ["put_object", "get_object", "delete_object"]
    keys = {arguments["Key"] for name in names for arguments in bucket.s3.named(name)}
    assert len(keys) == 1
    assert keys.pop() == "reltio/.reltio-export-operator-probe-u-1"
    (listing,) = bucket.s3.named("list_objects_v2")
    assert listing["Prefix"] == "reltio/.reltio-export-operator-probe-/"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("list_objects_v2", {"s3:ListBucket": "AccessDenied"}),
        ("get_object", {"s3:GetObject": "AccessDenied"}),
        ("delete_object", {"s3:DeleteObject": "AccessDenied"}),
    ],
)
async def test_the_other_actions_are_tried_when_one_is_denied(
    pool: ThreadPoolExecutor, broken: str, expected: dict[str, str]
) -> None:
    bucket = Bucket(pool, **{broken: refusing("AccessDenied")})
    assert await bucket.probe() == {**dict.fromkeys(ACTIONS), **expected}
    assert len(bucket.s3.named("delete_object")) == 1


async def test_get_and_delete_are_not_tried_when_put_failed(pool: ThreadPoolExecutor) -> None:
    bucket = Bucket(pool, put_object=refusing("AccessDenied"))
    assert await bucket.probe() == {"s3:ListBucket": None, "s3:PutObject": "AccessDenied"}
    assert bucket.s3.named("delete_object") == []


async def test_the_object_is_deleted_when_put_may_have_succeeded(pool: ThreadPoolExecutor) -> None:
    bucket = Bucket(pool, put_object=silent)
    assert await bucket.probe() == {"s3:ListBucket": None, "s3:PutObject": "EndpointUnreachable"}
    (put,), (deleted,) = bucket.s3.named("put_object"), bucket.s3.named("delete_object")
    assert put["Key"] == deleted["Key"]


async def test_a_cancelled_probe_still_deletes_its_object() -> None:
    entered, proceed = threading.Event(), threading.Event()

    def slow(**_: Any) -> None:
        entered.set()
        proceed.wait(10)

    with ThreadPoolExecutor(1) as pool:
        bucket = Bucket(pool, put_object=slow)
        probe = asyncio.create_task(bucket.probe())
        await asyncio.to_thread(entered.wait, 10)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert bucket.s3.named("delete_object") == []
        proceed.set()
    assert len(bucket.s3.named("delete_object")) == 1


@pytest.mark.parametrize(
    ("encryption", "sent"),
    [
        (None, {}),
        (Encryption(algorithm="AES256"), {"ServerSideEncryption": "AES256"}),
        (
            Encryption(algorithm="aws:kms", kms_key_arn="arn:key"),
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:key"},
        ),
    ],
)
async def test_objects_are_written_with_the_encryption_of_the_target(
    pool: ThreadPoolExecutor, encryption: Encryption | None, sent: dict[str, str]
) -> None:
    bucket = Bucket(pool)
    await bucket.probe(encryption)
    await bucket.store.put("reltio/receipt.json", b"{}", encryption)
    for put in bucket.s3.named("put_object"):
        assert {key: value for key, value in put.items() if key not in ("Bucket", "Key", "Body")} == sent


async def test_list_fails_when_the_bucket_is_not_in_the_configured_region(pool: ThreadPoolExecutor) -> None:
    answer = {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}}}
    bucket = Bucket(pool, list_objects_v2=lambda **_: answer)
    assert await bucket.probe() == {**dict.fromkeys(ACTIONS), "s3:ListBucket": "BucketRegionMismatch"}


@pytest.mark.parametrize(
    "head",
    [
        lambda **_: {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}}},
        refusing("403", "eu-west-1"),
        refusing("301", "eu-west-1"),
    ],
)
async def test_the_region_is_read_from_errors_as_well(pool: ThreadPoolExecutor, head: Handler) -> None:
    assert await Bucket(pool, head_bucket=head).store.region() == "eu-west-1"


async def test_a_bucket_that_does_not_exist_is_reported(pool: ThreadPoolExecutor) -> None:
    with pytest.raises(AwsError) as caught:
        await Bucket(pool, head_bucket=refusing("404", operation="HeadBucket")).store.region()
    assert caught.value.reason == "BucketNotFound"


async def test_a_listing_continues_to_its_last_page(pool: ThreadPoolExecutor) -> None:
    def page(number: int, **more: Any) -> dict[str, Any]:
        item = {"Key": f"reltio/{number}", "Size": number, "ETag": f'"e{number}"', "LastModified": WHEN}
        return {"Contents": [item], **more}

    pages = [
        page(1, IsTruncated=True, NextContinuationToken="next"),
        {"IsTruncated": True, "NextContinuationToken": "last"},
        page(2, IsTruncated=False),
    ]
    bucket = Bucket(pool, list_objects_v2=lambda **_: pages.pop(0))
    assert [item async for item in bucket.store.list("reltio/")] == [
        StoredObject("reltio/1", 1, "e1", WHEN),
        StoredObject("reltio/2", 2, "e2", WHEN),
    ]
    tokens = [arguments.get("ContinuationToken") for arguments in bucket.s3.named("list_objects_v2")]
    assert tokens == [None, "next", "last"]


async def test_an_answer_that_is_not_a_listing_is_not_an_empty_directory(pool: ThreadPoolExecutor) -> None:
    broken: list[dict[str, Any]] = [{}, {"Contents": []}, {"IsTruncated": True, "Contents": []}]
    for answer in broken:
        bucket = Bucket(pool, list_objects_v2=lambda answer=answer, **_: answer)
        with pytest.raises(AwsError) as caught:
            [item async for item in bucket.store.list("reltio/")]
        assert caught.value.transient


@pytest.mark.parametrize(
    "contents", [{}, {"Contents": []}, {"Contents": [{"Key": "reltio/part-00000.gz", "Size": 1, "ETag": "e"}]}]
)
async def test_a_directory_has_objects_if_one_is_listed(pool: ThreadPoolExecutor, contents: dict[str, Any]) -> None:
    asked: list[dict[str, Any]] = []

    def answer(**given: Any) -> dict[str, Any]:
        asked.append(given)
        return {"IsTruncated": False, **contents}

    bucket = Bucket(pool, list_objects_v2=answer)
    assert await bucket.store.has_objects("reltio/") is bool(contents.get("Contents"))
    assert [(given["Prefix"], given["MaxKeys"]) for given in asked] == [("reltio/", 1)]


async def test_an_object_exists_if_its_own_key_is_listed(pool: ThreadPoolExecutor) -> None:
    found = {"Key": "reltio/manifest.json", "Size": 1, "ETag": "e"}
    page = {"Contents": [found], "IsTruncated": True, "NextContinuationToken": "more"}
    bucket = Bucket(pool, list_objects_v2=lambda **_: page)
    assert await bucket.store.exists("reltio/manifest.json")
    assert not await bucket.store.exists("reltio/manifest")
    assert not await Bucket(pool).store.exists("reltio/manifest.json")


async def test_an_answer_with_another_etag_or_part_is_not_used(pool: ThreadPoolExecutor) -> None:
    for more, reason in (({"ETag": '"e2"'}, "ObjectChanged"), ({"ContentRange": "bytes 0-1/7"}, "ReadInterrupted")):
        answer = {**object_answer(b"content", "bytes=1-2"), **more}
        bucket = Bucket(pool, get_object=lambda answer=answer, **_: answer)
        with pytest.raises(AwsError) as caught:
            await bucket.store.read_range(StoredObject("k", 7, "e1"), 1, 3)
        assert (caught.value.reason, caught.value.transient) == (reason, True)


async def test_the_end_of_a_range_is_not_included(pool: ThreadPoolExecutor) -> None:
    bucket = Bucket(pool)
    assert await bucket.store.read_range(StoredObject("k", 7, "e1"), 1, 3) == b"on"
    sent = {"Bucket": "lake", "Key": "k", "Range": "bytes=1-2", "IfMatch": '"e1"'}
    assert bucket.s3.named("get_object") == [sent]


@pytest.mark.parametrize("code", ["PreconditionFailed", "412", "NoSuchKey", "InvalidRange"])
async def test_an_object_that_is_no_longer_that_of_the_listing_is_a_transient_error(
    pool: ThreadPoolExecutor, code: str
) -> None:
    store = Bucket(pool, get_object=refusing(code)).store
    for reading in (store.read_range(StoredObject("k", 7, "e1"), 0, 3), store.check_file(StoredObject("k", 7, "e1"))):
        with pytest.raises(AwsError) as caught:
            await reading
        assert (caught.value.reason, caught.value.transient) == ("ObjectChanged", True)


async def test_a_changed_object_is_recognized_when_nothing_that_aws_says_may_be_quoted(
    pool: ThreadPoolExecutor,
) -> None:
    KNOWN.add("mdm", "ab")  # as a short external ID
    for code in ("PreconditionFailed", "NoSuchKey", "InvalidRange"):
        with pytest.raises(AwsError) as caught:
            await Bucket(pool, get_object=refusing(code)).store.read_range(StoredObject("k", 7, "e1"), 0, 3)
        assert caught.value.reason == "ObjectChanged"


async def test_an_object_longer_or_shorter_than_in_the_listing_is_a_transient_error(pool: ThreadPoolExecutor) -> None:
    for size in (6, 8):
        with pytest.raises(AwsError) as caught:
            await Bucket(pool).store.check_file(StoredObject("k", size, "e1"))
        assert (caught.value.reason, caught.value.transient) == ("ReadInterrupted", True)


async def test_an_object_that_is_denied_raises(pool: ThreadPoolExecutor) -> None:
    with pytest.raises(AwsError) as caught:
        await Bucket(pool, get_object=refusing("AccessDenied")).store.read_range(StoredObject("k", 7, "e1"), 0, 3)
    assert caught.value.reason == "AccessDenied"


async def test_a_revoked_session_is_removed_from_the_cache(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[AssumedRole] = []
    bucket = Bucket(pool, delete_object=refusing("ExpiredToken"), put_object=refusing("AccessDenied"))
    monkeypatch.setattr(bucket.sessions, "forget", forgotten.append)
    with pytest.raises(AwsError):
        await bucket.store.put("k", b"")
    assert forgotten == []
    with pytest.raises(AwsError):
        await bucket.store.delete("k")
    assert forgotten == [bucket.role]


async def test_an_exception_that_is_not_of_boto3_is_not_translated(pool: ThreadPoolExecutor) -> None:
    def broken(**_: Any) -> None:
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        await Bucket(pool, put_object=broken).store.put("k", b"")


async def test_get_passes_when_another_probe_has_deleted_the_object(pool: ThreadPoolExecutor) -> None:
    bucket = Bucket(pool, get_object=refusing("NoSuchKey"))
    assert await bucket.probe() == dict.fromkeys(ACTIONS)


async def test_a_denial_after_the_end_of_a_session_is_that_of_an_expired_session(pool: ThreadPoolExecutor) -> None:
    for expires, reason in ((datetime(2001, 1, 1, tzinfo=UTC), "ExpiredCredentials"), (WHEN, "AccessDenied")):
        bucket = Bucket(pool, expires, put_object=refusing("AccessDenied"))
        assert (await bucket.probe())["s3:PutObject"] == reason


KMS = Encryption(algorithm="aws:kms", kms_key_arn="arn:aws:kms:us-east-1:111122223333:key/1")


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ({}, "EncryptionDiffers"),
        ({"ServerSideEncryption": "AES256"}, "EncryptionDiffers"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:kms:us-east-1:1:key/2"}, "EncryptionDiffers"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS.kms_key_arn}, None),
        ({"ServerSideEncryption": "aws:kms"}, None),
    ],
)
async def test_the_encryption_is_that_which_s3_returns_for_the_object(
    pool: ThreadPoolExecutor, stored: dict[str, str], reason: str | None
) -> None:
    bucket = Bucket(pool, put_object=lambda **_: stored)
    assert (await bucket.probe(KMS))["Encryption"] == reason


async def test_other_content_than_was_written_fails_the_reading(pool: ThreadPoolExecutor) -> None:
    bucket = Bucket(pool, get_object=lambda **_: object_answer(b"x" * len(store._PROBE_BODY)))
    assert (await bucket.probe())["s3:GetObject"] == "ContentDiffers"


async def test_a_listing_that_does_not_end_is_an_error(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_MAX_PAGES", 3)
    endless = {"Contents": [], "IsTruncated": True, "NextContinuationToken": "x"}
    bucket = Bucket(pool, list_objects_v2=lambda **_: endless)
    with pytest.raises(AwsError, match="the listing has more than 3 pages") as raised:
        assert not [found async for found in bucket.store.list("x/")]
    assert raised.value.transient
    assert len(bucket.s3.named("list_objects_v2")) == 3


ITEM = StoredObject("reltio/a.gz", 7, "0f343b0931126a20f133d67c2b018a3b")


async def test_an_object_is_deleted_only_if_it_is_the_one_that_was_listed(pool: ThreadPoolExecutor) -> None:
    bucket = Bucket(pool)
    assert await bucket.store.delete_listed(ITEM)
    (arguments,) = bucket.s3.named("delete_object")
    assert arguments == {"Bucket": "lake", "Key": ITEM.key, "IfMatch": f'"{ITEM.etag}"'}


@pytest.mark.parametrize(
    ("code", "reason"),
    [("PreconditionFailed", "ObjectChanged"), ("AccessDenied", "AccessDenied"), ("SlowDown", "AWSUnavailable")],
)
async def test_an_object_that_cannot_be_deleted_stays(pool: ThreadPoolExecutor, code: str, reason: str) -> None:
    bucket = Bucket(pool, delete_object=refusing(code))
    with pytest.raises(AwsError) as refused:
        await bucket.store.delete_listed(ITEM)
    assert refused.value.reason == reason
    assert len(bucket.s3.named("delete_object")) == 1


async def test_an_object_that_is_gone_was_not_deleted(pool: ThreadPoolExecutor) -> None:
    bucket = Bucket(pool, delete_object=refusing("NoSuchKey"))
    assert not await bucket.store.delete_listed(ITEM)


async def test_a_store_without_conditional_deletes_deletes_by_key(pool: ThreadPoolExecutor) -> None:
    def delete(**arguments: Any) -> dict[str, Any]:
        if "IfMatch" in arguments:
            raise refusal("NotImplemented")
        return {}

    bucket = Bucket(pool, delete_object=delete)
    assert await bucket.store.delete_listed(ITEM)
    assert bucket.s3.named("delete_object")[1] == {"Bucket": "lake", "Key": ITEM.key}
