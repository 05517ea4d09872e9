"""Reads the bodies of S3 objects so that a body that was cut off in transit is an error, never a shorter object.

The `with` statement on a body of botocore gives the stream of urllib3 without botocore's checks of length and checksum
(`StreamingBody.__enter__` of botocore 1.44.5), so bodies are opened here alone.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from typing import Any, Protocol

import urllib3.exceptions
from botocore.exceptions import FlexibleChecksumError, IncompleteReadError, ResponseStreamingError
from botocore.parsers import ResponseParserError

# What reading a body raises when it was cut off or damaged in transit: the object may be whole.
INTERRUPTED = (IncompleteReadError, FlexibleChecksumError, ResponseStreamingError)

_CHUNK_BYTES = 1 << 20
# A body that is slower than this is given up: botocore's read timeout only limits the time between two packets.
_SLOWEST_BYTES_PER_SECOND = 16 << 10
_GRACE_SECONDS = 60.0
_OF_OBJECT = frozenset({"Key", "Size", "ETag"})  # what a listing says of an object


class Body(Protocol):
    """`read` returns at most `size` bytes, and nothing only at the end of the whole body."""

    def read(self, size: int, /) -> bytes: ...


class OtherObjectError(Exception):
    """The answer has an ETag that is not that of the listing."""


def listing(s3: Any, **parameters: Any) -> Any:
    """A page of a listing. One that cannot be parsed, or was cut off to nothing, is an error, not an empty page."""
    with _parsed():
        page = s3.list_objects_v2(**parameters)
    complete = all(item.keys() >= _OF_OBJECT for item in page.get("Contents", ()))
    if not complete or "IsTruncated" not in page or (page["IsTruncated"] and not page.get("NextContinuationToken")):
        raise ResponseStreamingError(error="not a listing")
    return page


def get_object(s3: Any, *, etag: str = "", part: tuple[int, int] | None = None, **which: Any) -> Any:
    """The answer to GetObject for an object that is to have this ETag, or to have any if it is empty.

    `part`: its first byte, and the first one after it. Raises OtherObjectError, BotoCoreError and ClientError.
    """
    if etag:
        which["IfMatch"] = f'"{etag}"'
    if part is not None:
        which["Range"] = f"bytes={part[0]}-{part[1] - 1}"
    with _parsed():
        answer = s3.get_object(**which)
    try:
        _compare(answer, etag, part)
    except BaseException:
        answer["Body"].close()
        raise
    return answer


def _compare(answer: Any, etag: str, part: tuple[int, int] | None) -> None:
    """Whether the answer is for what was asked: a server that does not know If-Match or Range ignores them."""
    found = str(answer.get("ETag", "")).strip('"')
    if etag and found and found != etag:
        raise OtherObjectError
    if part is not None and not str(answer.get("ContentRange", "")).startswith(f"bytes {part[0]}-{part[1] - 1}/"):
        raise ResponseStreamingError(error="another part of the object")


@contextlib.contextmanager
def _parsed() -> Iterator[None]:
    """Headers and XML that botocore cannot parse are errors of the transfer. It raises ValueError for a bad number."""
    try:
        yield
    except (ResponseParserError, ValueError) as error:
        raise ResponseStreamingError(error=type(error).__name__) from None


@contextlib.contextmanager
def opened(answer: Any, expected: int | None = None) -> Iterator[Body]:
    """The body of an answer of GetObject, closed at the end.

    `expected`: its length in bytes, where the caller knows it from a listing. Reading raises BotoCoreError if the body
    ends before or after its length, or does not match the checksum that S3 returned. Every such error is transient:
    the object may be whole.
    """
    stream = answer["Body"]
    stated = answer.get("ContentLength")
    length = expected if expected is not None else stated
    if stated is not None and length != stated:
        stream.close()
        raise IncompleteReadError(actual_bytes=stated, expected_bytes=length)
    with contextlib.closing(stream), _time_limit(stream, length):
        yield _CheckedBody(stream, length)


def read_whole(body: Body, limit: int) -> bytes:
    """The first `limit` bytes of the body, or all if it has less."""
    content = bytearray()
    while len(content) < limit and (chunk := body.read(min(_CHUNK_BYTES, limit - len(content)))):
        content += chunk
    return bytes(content)


class _CheckedBody:
    def __init__(self, stream: Any, length: int | None) -> None:
        self._stream = stream
        self._length = length
        self._count = 0

    def read(self, size: int, /) -> bytes:
        try:
            chunk: bytes = self._stream.read(size)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise ResponseStreamingError(error=error) from None
        except ValueError as error:  # a checksum that is not base64, or a stream that the time limit shut down
            raise FlexibleChecksumError(error_msg=type(error).__name__) from None
        self._count += len(chunk)
        at_end = not chunk and size > 0
        if self._length is not None and (self._count > self._length or (at_end and self._count < self._length)):
            raise IncompleteReadError(actual_bytes=self._count, expected_bytes=self._length)
        return chunk


@contextlib.contextmanager
def _time_limit(stream: Any, length: int | None) -> Iterator[None]:
    """Shut the connection down when the body takes too long. A read that is under way then ends with an error."""
    shutdown = getattr(getattr(stream, "_raw_stream", None), "shutdown", None)
    if shutdown is None or length is None:
        yield
        return
    timer = threading.Timer(_GRACE_SECONDS + length / _SLOWEST_BYTES_PER_SECOND, shutdown)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
