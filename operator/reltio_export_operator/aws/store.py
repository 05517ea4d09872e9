"""A bucket seen through an assumed role."""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError, ResponseStreamingError

from ..api.target import Encryption
from ..delivery.integrity import CHUNK, Ranged, Readable, Summary, is_zip, read_through, read_zip
from .errors import AwsError, bucket_region, from_botocore, region_mismatch
from .sessions import AssumedRole, RoleSessions

_RANGE = 4 << 20
CANARY = ".reltio-export-operator-probe-"
_CANARY_BODY = b"written and deleted by reltio-export-operator to verify this target\n"

Outcome = tuple[str, AwsError | None]


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing; size in bytes, the ETag without its quotes."""

    key: str
    size: int
    etag: str
    modified: datetime


class ObjectStore:
    """Async calls on one bucket. Each raises AwsError."""

    def __init__(self, sessions: RoleSessions, role: AssumedRole, bucket: str, *, bulk: bool = False) -> None:
        self._sessions = sessions
        self._run = sessions.run_bulk if bulk else sessions.run
        self._role = role
        self._s3 = role.s3
        self._bucket = bucket

    async def region(self) -> str | None:
        """Where the bucket is. S3 tells it also to a role that may do nothing there; None: it did not."""

        def head() -> str | None:
            try:
                return bucket_region(self._s3.head_bucket(Bucket=self._bucket))
            except ClientError as error:
                region = bucket_region(error.response)
                if region is None:
                    raise
                return region

        found: str | None = await self._call("s3:ListBucket", head)  # the permission that HeadBucket needs
        return found

    async def blocks_public_access(self) -> bool:
        """Whether all four settings of S3 Block Public Access are on; needs s3:GetBucketPublicAccessBlock."""

        def read() -> bool:
            try:
                answer = self._s3.get_public_access_block(Bucket=self._bucket)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "NoSuchPublicAccessBlockConfiguration":
                    return False
                raise
            settings: dict[str, Any] = dict(answer["PublicAccessBlockConfiguration"])
            return len(settings) == 4 and all(settings.values())

        return bool(await self._call("s3:GetBucketPublicAccessBlock", read))

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Every object under the prefix, a page at a time."""
        token: dict[str, Any] = {}
        while True:
            page = await self._call(
                "s3:ListBucket", self._s3.list_objects_v2, Bucket=self._bucket, Prefix=prefix, **token
            )
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"], item["ETag"].strip('"'), item["LastModified"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def read(self, key: str, *, limit: int) -> bytes | None:
        """The object's content up to `limit` bytes, or None when there is no such object."""
        return await self._read(key, limit)

    async def read_range(self, key: str, start: int, end: int) -> bytes | None:
        """The bytes from `start` up to but not with `end`, or None when there is no such object."""
        return await self._read(key, end - start, Range=f"bytes={start}-{end - 1}")

    async def read_through(self, key: str, size: int) -> Summary:
        """Read the whole object, and tell whether it is whole. One streamed request; many ranges for a ZIP."""
        left = threading.Event()
        try:
            summary: Summary = await self._call("s3:GetObject", self._read_through, key, size, left)
        finally:
            left.set()
        return summary

    def _read_through(self, key: str, size: int, left: threading.Event) -> Summary:
        try:
            if not is_zip(key, b""):
                with self._s3.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
                    stream = _Stream(body, left)
                    if not is_zip(key, stream.head):
                        return read_through(key, stream)
            ranged = Ranged(size, lambda start, end: self._range(key, start, end, left))
            return read_zip(io.BufferedReader(ranged, _RANGE))
        except (ReadTimeoutError, ResponseStreamingError) as error:
            raise from_botocore(error, "s3:GetObject", self._bucket) from None

    def _range(self, key: str, start: int, end: int, left: threading.Event) -> bytes:
        _end_if(left)
        with self._s3.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={start}-{end - 1}")["Body"] as body:
            return body.read()

    async def put(self, key: str, body: bytes, encryption: Encryption | None = None) -> None:
        await self._call(
            "s3:PutObject", self._s3.put_object, Bucket=self._bucket, Key=key, Body=body, **_encrypted(encryption)
        )

    async def delete(self, key: str) -> None:
        """Delete the object. S3 does not tell whether there was one."""
        await self._call("s3:DeleteObject", self._s3.delete_object, Bucket=self._bucket, Key=key)

    async def probe(self, prefix: str, encryption: Encryption | None, *, who: str) -> AsyncIterator[Outcome]:
        """List, put, get and delete a small object under the prefix; yields each action with its outcome.

        A failed list does not keep the others from being tried; get and delete need the put to have worked. The
        object's key ends with `who`, the same for each probe of a target: where it cannot be deleted, one is left.
        """
        try:
            await self._call("s3:ListBucket", self._list_in_region, prefix)
        except AwsError as error:
            yield "s3:ListBucket", error
        else:
            yield "s3:ListBucket", None
        for outcome in await self._run(self._canary, f"{prefix}{CANARY}{who}", encryption):
            yield outcome

    def _list_in_region(self, prefix: str) -> None:
        # Below the prefix, as for an export, which a policy may tell from the prefix itself. boto3 follows a bucket to
        # where it is; the service is told the region and does not.
        answer = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=f"{prefix}{CANARY}/", MaxKeys=1)
        asked, actual = self._role.key.region, bucket_region(answer)
        if asked and actual and asked != actual:
            raise region_mismatch(self._bucket, asked, actual)

    def _canary(self, key: str, encryption: Encryption | None) -> Sequence[Outcome]:
        """Put, get and delete in one go: it runs to its end, and leaves nothing, also when nobody waits any more."""
        where: dict[str, Any] = {"Bucket": self._bucket, "Key": key}

        def put() -> None:
            self._s3.put_object(**where, Body=_CANARY_BODY, **_encrypted(encryption))

        def get() -> None:
            try:
                self._s3.get_object(**where)["Body"].read()
            except ClientError as error:
                # It may be read, but another probe of the same target has just deleted it.
                if error.response.get("Error", {}).get("Code") != "NoSuchKey":
                    raise

        def delete() -> None:
            self._s3.delete_object(**where)

        written = self._tried("s3:PutObject", put)
        if written[1] is None:
            return [written, self._tried("s3:GetObject", get), self._tried("s3:DeleteObject", delete)]
        if written[1].transient:
            self._tried("s3:DeleteObject", delete)  # the put may have had its effect
        return [written]

    def _tried(self, action: str, call: Callable[[], None]) -> Outcome:
        try:
            call()
        except (BotoCoreError, ClientError) as error:
            return action, from_botocore(error, action, self._bucket)
        return action, None

    async def _read(self, key: str, limit: int, **part: Any) -> bytes | None:
        def read() -> bytes:
            with self._s3.get_object(Bucket=self._bucket, Key=key, **part)["Body"] as body:
                return body.read(limit)

        try:
            content: bytes = await self._call("s3:GetObject", read)
        except AwsError as error:
            if error.code in ("NoSuchKey", "404"):
                return None
            raise
        return content

    async def _call(self, action: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await self._run(call, *args, **kwargs)
        except (BotoCoreError, ClientError) as error:
            failure = from_botocore(error, action, self._bucket)
        if failure.reason == "ExpiredCredentials":
            self._sessions.forget(self._role)
        raise failure


def _encrypted(encryption: Encryption | None) -> dict[str, Any]:
    """The parameters of a put that ask for server-side encryption."""
    if encryption is None:
        return {}
    key = {"SSEKMSKeyId": encryption.kms_key_arn} if encryption.kms_key_arn else {}
    return {"ServerSideEncryption": encryption.algorithm, **key}


class _Stream:
    """A body whose head was looked at, and that is read only as long as somebody waits for it."""

    def __init__(self, body: Readable, left: threading.Event) -> None:
        self.head = body.read(CHUNK)
        self._unread = self.head
        self._body = body
        self._left = left

    def read(self, size: int, /) -> bytes:
        _end_if(self._left)
        data, self._unread = self._unread, b""
        return data or self._body.read(size)


def _end_if(left: threading.Event) -> None:
    """A thread cannot be cancelled: it ends by itself when nobody waits for it any more."""
    if left.is_set():
        raise AwsError("Cancelled", "Reading was given up.", "")
