"""Async calls on one bucket with the session of an assumed role."""

from __future__ import annotations

import io
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError, ResponseStreamingError

from ..api.target import Encryption
from ..delivery.integrity import CHUNK_BYTES, RangeStream, Readable, Summary, check_file, check_zip, is_zip
from .errors import AwsError, bucket_region, from_botocore, region_mismatch
from .messages import EXPIRED_CREDENTIALS
from .sessions import AssumedRole, RoleSessions

_RANGE_BYTES = 4 << 20  # of one request while a ZIP is read
PROBE_PREFIX = ".reltio-export-operator-probe-"  # of the name of the object that a verification writes and deletes
_PROBE_BODY = b"written and deleted by reltio-export-operator to verify this target\n"

ActionResult = tuple[str, AwsError | None]  # an action such as s3:PutObject, and why it failed


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing. `size` is in bytes; `etag` has no quotes."""

    key: str
    size: int
    etag: str
    modified: datetime


class ObjectStore:
    """Every method raises AwsError. `bulk`: run in the pool for calls that may take minutes."""

    def __init__(self, sessions: RoleSessions, role: AssumedRole, bucket: str, *, bulk: bool = False) -> None:
        self._sessions = sessions
        self._run = sessions.run_bulk if bulk else sessions.run
        self._role = role
        self._s3 = role.s3
        self._bucket = bucket

    async def region(self) -> str | None:
        """The region of the bucket; None if S3 does not return it.

        S3 returns it whatever the role may do in the bucket:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html (text of botocore 1.44.5)
        """

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
        """Every object under the prefix. One request for each page of 1,000 objects."""
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
        """The first `limit` bytes of the object, or None if it does not exist."""
        return await self._read(key, limit)

    async def read_range(self, key: str, start: int, end: int) -> bytes | None:
        """The bytes from `start` to `end`, without `end` itself, or None if the object does not exist."""
        return await self._read(key, end - start, Range=f"bytes={start}-{end - 1}")

    async def check_file(self, key: str, size: int) -> Summary:
        """Read the object to its end and check its integrity. One streamed request; for a ZIP one for each 4 MiB."""
        cancelled = threading.Event()
        try:
            summary: Summary = await self._call("s3:GetObject", self._check_file, key, size, cancelled)
        finally:
            cancelled.set()
        return summary

    def _check_file(self, key: str, size: int, cancelled: threading.Event) -> Summary:
        try:
            if not is_zip(key, b""):
                with self._s3.get_object(Bucket=self._bucket, Key=key)["Body"] as body:
                    stream = _Stream(body, cancelled)
                    if not is_zip(key, stream.head):
                        return check_file(key, stream)
            ranged = RangeStream(size, lambda start, end: self._range(key, start, end, cancelled))
            return check_zip(io.BufferedReader(ranged, _RANGE_BYTES))
        except (ReadTimeoutError, ResponseStreamingError) as error:
            raise from_botocore(error, "s3:GetObject", self._bucket) from None

    def _range(self, key: str, start: int, end: int, cancelled: threading.Event) -> bytes:
        _raise_if(cancelled)
        with self._s3.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={start}-{end - 1}")["Body"] as body:
            return body.read()

    async def put(self, key: str, body: bytes, encryption: Encryption | None = None) -> None:
        await self._call(
            "s3:PutObject", self._s3.put_object, Bucket=self._bucket, Key=key, Body=body, **_encrypted(encryption)
        )

    async def delete(self, key: str) -> None:
        """Delete the object. Succeeds also if it does not exist."""
        await self._call("s3:DeleteObject", self._s3.delete_object, Bucket=self._bucket, Key=key)

    async def probe(self, prefix: str, encryption: Encryption | None, *, name: str) -> AsyncIterator[ActionResult]:
        """List the prefix, then put, get and delete a small object under it. Yields a result for each action.

        The other actions are tried even if list failed; get and delete only if put succeeded. The key of the object
        ends with `name`. Use the same one for each probe of a target: if it may not be deleted, only one stays.
        """
        try:
            await self._call("s3:ListBucket", self._list_in_region, prefix)
        except AwsError as error:
            yield "s3:ListBucket", error
        else:
            yield "s3:ListBucket", None
        for result in await self._run(self._probe_object, f"{prefix}{PROBE_PREFIX}{name}", encryption):
            yield result

    def _list_in_region(self, prefix: str) -> None:
        # A prefix below that of the target, as an export uses: a policy may allow it and not the prefix itself.
        # boto3 follows a redirect to the region of the bucket; Reltio uses the region that it is given.
        answer = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=f"{prefix}{PROBE_PREFIX}/", MaxKeys=1)
        configured, region = self._role.key.region, bucket_region(answer)
        if configured and region and configured != region:
            raise region_mismatch(self._bucket, configured, region)

    def _probe_object(self, key: str, encryption: Encryption | None) -> Sequence[ActionResult]:
        """Put, get and delete in one thread, so that the object is deleted even if the caller is cancelled."""
        where: dict[str, Any] = {"Bucket": self._bucket, "Key": key}

        def put() -> None:
            self._s3.put_object(**where, Body=_PROBE_BODY, **_encrypted(encryption))

        def get() -> None:
            try:
                self._s3.get_object(**where)["Body"].read()
            except ClientError as error:
                # It may be read, but another probe of the same target deleted it just now.
                if error.response.get("Error", {}).get("Code") != "NoSuchKey":
                    raise

        def delete() -> None:
            self._s3.delete_object(**where)

        written = self._try("s3:PutObject", put)
        if written[1] is None:
            return [written, self._try("s3:GetObject", get), self._try("s3:DeleteObject", delete)]
        if written[1].transient:
            self._try("s3:DeleteObject", delete)  # the object may have been written
        return [written]

    def _try(self, action: str, call: Callable[[], None]) -> ActionResult:
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
        if failure.reason == EXPIRED_CREDENTIALS.name:
            self._sessions.forget(self._role)
        raise failure


def _encrypted(encryption: Encryption | None) -> dict[str, Any]:
    """The parameters of PutObject for server-side encryption."""
    if encryption is None:
        return {}
    key = {"SSEKMSKeyId": encryption.kms_key_arn} if encryption.kms_key_arn else {}
    return {"ServerSideEncryption": encryption.algorithm, **key}


class _ReadCancelledError(Exception):
    """The caller no longer waits for the object, so nobody sees this error."""


class _Stream:
    """A body with its first chunk in `head`. Reading ends with an error once the caller was cancelled."""

    def __init__(self, body: Readable, cancelled: threading.Event) -> None:
        self.head = body.read(CHUNK_BYTES)
        self._unread = self.head
        self._body = body
        self._cancelled = cancelled

    def read(self, size: int, /) -> bytes:
        _raise_if(self._cancelled)
        data, self._unread = self._unread, b""
        return data or self._body.read(size)


def _raise_if(cancelled: threading.Event) -> None:
    """A thread cannot be cancelled, so it has to check for itself."""
    if cancelled.is_set():
        raise _ReadCancelledError
