"""Async calls on one bucket with the session of an assumed role."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from botocore.exceptions import ClientError

from ..api.foreign import KNOWN, own, quote
from ..api.target import Encryption
from ..delivery.integrity import CHUNK_BYTES, RangeStream, Readable, Reading, Summary, is_zip, read_file, read_zip
from ..delivery.limits import Meter
from . import messages
from .bodies import OtherObjectError, get_object, listing, opened, read_whole
from .errors import CALL_FAILURES, OTHER_OBJECT, AwsError, bucket_region, from_botocore, object_changed, region_mismatch
from .sessions import AssumedRole, RoleSessions

P = ParamSpec("P")
T = TypeVar("T")

_RANGE_BYTES = 4 << 20  # of one request while a ZIP is read
_HEAD_BYTES = 4  # that show the format of a file
PROBE_PREFIX = ".reltio-export-operator-probe-"  # of the name of the object that a verification writes and deletes
_KEY = ":key/"  # in the ARN of a KMS key, which may also name an alias
_MAX_PAGES = 1_000  # of a listing; S3 returns 1,000 objects a page, and a store that returns fewer must return some
_PROBE_BODY = b"written and deleted by reltio-export-operator to verify this target\n"

_NOT_FOUND = frozenset({"NoSuchKey", "404"})
_UNCONDITIONAL = frozenset({"NotImplemented", "501"})  # codes of stores that know no If-Match with DELETE

ActionResult = tuple[str, AwsError | None]  # an action such as s3:PutObject or ENCRYPTION, and why it failed
ENCRYPTION = "Encryption"  # as an action of a probe: whether S3 encrypted the object as requested


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing. `size` is in bytes; `etag` has no quotes. `modified` is when it was written, in UTC."""

    key: str
    size: int
    etag: str
    modified: datetime | None = None


class ObjectStore:
    """Every method raises AwsError.

    Reading the files of a delivery has threads of its own: no other call waits for it.
    """

    def __init__(self, sessions: RoleSessions, role: AssumedRole, bucket: str) -> None:
        self._sessions = sessions
        self._role = role
        self._s3 = role.s3
        self._bucket = bucket
        self._namespace = role.key.owner.namespace
        self._place = sessions.place("s3", role.key.role_arn, role.key.region)

    async def compute(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what takes some milliseconds with what was read, in the threads of short calls, off the event loop."""
        return await self._sessions.run(None, self._namespace, call, *args, **kwargs)

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

    async def setting(self, call: str, permission: str, *, absent: str | None) -> Mapping[str, Any]:
        """A setting of the bucket, as this method of boto3's S3 client returns it.

        `{}` where the bucket has no such setting: S3 answers with the error code `absent`.
        """

        def read() -> Mapping[str, Any]:
            try:
                answer: Mapping[str, Any] = getattr(self._s3, call)(Bucket=self._bucket)
            except ClientError as error:
                if absent is not None and error.response.get("Error", {}).get("Code") == absent:
                    return {}
                raise
            return answer

        found: Mapping[str, Any] = await self._call(permission, read)
        return found

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Every object under the prefix. One request for each page of 1,000 objects."""
        token: dict[str, Any] = {}
        for _ in range(_MAX_PAGES):
            page = await self._call("s3:ListBucket", listing, self._s3, Bucket=self._bucket, Prefix=prefix, **token)
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"], item["ETag"].strip('"'), item.get("LastModified"))
            if not page["IsTruncated"]:
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}
        limit = own(f"the listing has more than {_MAX_PAGES:,} pages")
        raise AwsError(messages.ANSWER_BEYOND_LIMITS, action="s3:ListBucket", resource=self._bucket, limit=limit)

    async def exists(self, key: str) -> bool:
        """Whether the object is in the listing. One request."""
        where = {"Bucket": self._bucket, "Prefix": key, "MaxKeys": 1}
        page = await self._call("s3:ListBucket", listing, self._s3, **where)
        return any(item["Key"] == key for item in page.get("Contents", []))

    async def has_objects(self, prefix: str) -> bool:
        """Whether any object is under the prefix. One request."""
        page = await self._call("s3:ListBucket", listing, self._s3, Bucket=self._bucket, Prefix=prefix, MaxKeys=1)
        return bool(page.get("Contents"))

    async def read(self, file: StoredObject) -> bytes:
        """The whole object, which is that of the listing, in memory."""
        run = self._sessions.run
        content: bytes = await self._of_listing(file, self._range, file, 0, file.size, run=run)
        return content

    async def read_range(self, file: StoredObject, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, without `end` itself; the object is that of the listing."""
        part: bytes = await self._of_listing(file, self._range, file, start, min(end, file.size))
        return part

    async def check_file(self, file: StoredObject, delivery: Meter | None = None) -> Summary:
        """Read the object to its end and check its integrity. One streamed request; for a ZIP one for each 4 MiB.

        The object is that of the listing, byte by byte as long as it says. Each slice of the work is queued by itself,
        so that files take turns. `delivery`: what may be spent on all its files.
        """
        cancelled = threading.Event()
        meter = (delivery or Meter.of_delivery(file.size)).of_file(file.size)
        reading = self._reading(file, cancelled, meter)
        try:
            while True:
                summary: Summary | None = await self._of_listing(file, _step, reading, meter)
                if summary is not None:
                    return summary
        finally:
            cancelled.set()
            with contextlib.suppress(ValueError):  # a thread is in it, and ends it
                reading.close()

    async def _of_listing(
        self,
        file: StoredObject,
        call: Callable[..., Any],
        *args: Any,
        run: Callable[..., Awaitable[Any]] | None = None,
    ) -> Any:
        """A call that reads this object. Raises AwsError with reason ObjectChanged if it is no longer the same."""
        try:
            return await self._call_in(run or self._sessions.run_bulk, "s3:GetObject", call, *args)
        except OtherObjectError:
            raise object_changed(self._bucket, "") from None
        except AwsError as error:
            if error.code in OTHER_OBJECT:
                raise object_changed(self._bucket, error.code) from None
            raise

    def _get(self, file: StoredObject, part: tuple[int, int] | None = None) -> Any:
        return get_object(self._s3, etag=file.etag, part=part, Bucket=self._bucket, Key=file.key)

    def _reading(self, file: StoredObject, cancelled: threading.Event, meter: Meter) -> Reading:
        def read(start: int, end: int) -> bytes:
            _raise_if(cancelled)
            return self._range(file, start, end)

        parts = io.BufferedReader(RangeStream(file.size, read), _RANGE_BYTES)
        # A file is what its first bytes say. Its name only says whether to begin with parts of it.
        if not is_zip(file.key, b"") or not is_zip(file.key, parts.peek(_HEAD_BYTES)):
            with opened(self._get(file), file.size) as body:
                stream = _Stream(body, cancelled)
                if not is_zip(file.key, stream.head):
                    return (yield from read_file(file.key, stream, meter))
        return (yield from read_zip(parts, meter))

    def _range(self, file: StoredObject, start: int, end: int) -> bytes:
        part = None if (start, end) == (0, file.size) else (start, end)  # S3 has checksums of whole objects only
        with opened(self._get(file, part), end - start) as body:
            return read_whole(body, end - start + 1)  # one more, so that the end of the body is seen

    async def put(self, key: str, body: bytes, encryption: Encryption | None = None) -> None:
        await self._call(
            "s3:PutObject", self._s3.put_object, Bucket=self._bucket, Key=key, Body=body, **_encrypted(encryption)
        )

    async def find(self, key: str, limit: int) -> tuple[bytes, str] | None:
        """Content and ETag of an object of at most `limit` bytes; None if it does not exist."""

        def read() -> tuple[bytes, str] | None:
            try:
                answer = get_object(self._s3, Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "NoSuchKey":
                    return None
                raise
            size = int(answer["ContentLength"])
            with opened(answer, size) as body:
                if size > limit:
                    beyond = own(f"{key} has more than {limit:,} bytes")
                    raise AwsError(
                        messages.ANSWER_BEYOND_LIMITS, action="s3:GetObject", resource=self._bucket, limit=beyond
                    )
                return read_whole(body, size + 1), str(answer["ETag"]).strip('"')

        found: tuple[bytes, str] | None = await self._call("s3:GetObject", read)
        return found

    async def put_if(self, key: str, body: bytes, etag: str | None, encryption: Encryption | None = None) -> None:
        """Write the object if it still has this ETag, or if it does not exist where that is None.

        Otherwise raises AwsError with code PreconditionFailed, or ConditionalRequestConflict for a write at the same
        time: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": f'"{etag}"'}
        where = {"Bucket": self._bucket, "Key": key, "Body": body}
        await self._call("s3:PutObject", self._s3.put_object, **where, **condition, **_encrypted(encryption))

    async def delete(self, key: str) -> None:
        """Delete the object. Succeeds also if it does not exist."""
        await self._call("s3:DeleteObject", self._s3.delete_object, Bucket=self._bucket, Key=key)

    async def delete_listed(self, item: StoredObject) -> bool:
        """Delete the object of a listing; False if it is not there any more. With versioning, its versions stay.

        Raises AwsError with reason ObjectChanged if it is no longer the same. A store that does not implement
        conditional deletes deletes it by its key.
        """

        def delete() -> None:
            where: dict[str, Any] = {"Bucket": self._bucket, "Key": item.key}
            try:
                self._s3.delete_object(**where, IfMatch=f'"{item.etag}"')
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _UNCONDITIONAL:
                    raise
                self._s3.delete_object(**where)

        try:
            await self._call("s3:DeleteObject", delete)
        except AwsError as error:
            if error.code in _NOT_FOUND:
                return False
            if error.code in OTHER_OBJECT:
                raise object_changed(self._bucket, error.code) from None
            raise
        return True

    async def probe(self, prefix: str, encryption: Encryption | None, *, name: str) -> AsyncIterator[ActionResult]:
        """List the prefix, then put, get and delete a small object under it. Yields a result for each action.

        The other actions are tried even if list failed; get and delete only if put succeeded. With `encryption`, there
        is a result for ENCRYPTION as well, by what S3 returns about the object. The key of the object ends with
        `name`. Use the same one for each probe of a target: if it may not be deleted, only one stays.
        """
        try:
            await self._call("s3:ListBucket", self._list_in_region, prefix)
        except AwsError as error:
            yield "s3:ListBucket", error
        else:
            yield "s3:ListBucket", None
        try:
            results = await self._call("s3:PutObject", self._probe_object, f"{prefix}{PROBE_PREFIX}{name}", encryption)
        except AwsError as error:  # calls are paused: nothing was tried
            results = [("s3:PutObject", error)]
        for result in results:
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

        answers: list[Any] = []  # to put and get, which state the encryption of the object

        def put() -> None:
            answers.append(self._s3.put_object(**where, Body=_PROBE_BODY, **_encrypted(encryption)) or {})

        def get() -> None:
            try:
                answer = get_object(self._s3, **where)
                with opened(answer, len(_PROBE_BODY)) as body:
                    if read_whole(body, len(_PROBE_BODY) + 1) != _PROBE_BODY:
                        raise AwsError(messages.CONTENT_DIFFERS, bucket=self._bucket)
                answers.append(answer)
            except ClientError as error:
                # It may be read, but another probe of the same target deleted it just now.
                if error.response.get("Error", {}).get("Code") != "NoSuchKey":
                    raise

        def delete() -> None:
            self._s3.delete_object(**where)

        written = self._try("s3:PutObject", put)
        if written[1] is None:
            results = [written, self._try("s3:GetObject", get), self._try("s3:DeleteObject", delete)]
            if encryption is not None:
                results.append((ENCRYPTION, self._encryption_failure(encryption, answers)))
            return results
        if written[1].transient:
            self._try("s3:DeleteObject", delete)  # the object may have been written
        return [written]

    def _encryption_failure(self, expected: Encryption, answers: Sequence[Any]) -> AwsError | None:
        """Why the object is not encrypted as requested; None if it is.

        S3 states algorithm and key of the object in its answers to PutObject and GetObject:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html (text of botocore 1.44.5)
        """
        actual: Any = next((answer for answer in answers if answer.get("ServerSideEncryption")), {})
        algorithm, key = actual.get("ServerSideEncryption"), actual.get("SSEKMSKeyId")
        by_id = expected.kms_key_arn is not None and _KEY in expected.kms_key_arn  # S3 returns no alias
        if algorithm == expected.algorithm and (not by_id or key in (None, expected.kms_key_arn)):
            return None
        stored = f"with {algorithm}" if algorithm else "without a statement about its encryption"
        wanted: str = expected.algorithm
        if algorithm == expected.algorithm:
            stored, wanted = f"with key {key}", f"key {expected.kms_key_arn}"
        shown = quote(stored, KNOWN.of([self._role.key.owner.namespace]), limit=300)
        return AwsError(messages.ENCRYPTION_DIFFERS, bucket=self._bucket, actual=shown, expected=wanted)

    def _try(self, action: str, call: Callable[[], None]) -> ActionResult:
        try:
            call()
        except CALL_FAILURES as error:
            return action, self._failure(error, action)
        except AwsError as error:
            return action, error
        return action, None

    async def _call(self, action: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._call_in(self._sessions.run, action, call, *args, **kwargs)

    async def _call_in(
        self, run: Callable[..., Awaitable[Any]], action: str, call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        try:
            return await run(self._place, self._namespace, call, *args, **kwargs)
        except CALL_FAILURES as error:
            raise self._failure(error, action) from None

    def _failure(self, error: Exception, action: str) -> AwsError:
        """A denial after the end of the session is that of an expired session, whatever AWS called it."""
        failure = from_botocore(error, action, self._bucket, secrets=self._role.key.owner.secrets)
        if failure.reason == messages.ACCESS_DENIED.name and self._sessions.has_expired(self._role):
            failure = AwsError(messages.EXPIRED_CREDENTIALS, code=failure.code)
        if failure.reason == messages.EXPIRED_CREDENTIALS.name:
            self._sessions.forget(self._role)
        return failure


def _step(reading: Reading, meter: Meter) -> Summary | None:
    """Do the next slice of the work; the result after the last one. Only the time of the thread itself counts."""
    began = time.thread_time()
    try:
        next(reading)
    except StopIteration as end:
        summary: Summary = end.value
        return summary
    finally:
        meter.work(time.thread_time() - began)
    return None


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
