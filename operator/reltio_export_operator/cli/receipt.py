"""Compares a receipt with the status of the job and with the files in its directory."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click
import msgspec
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ResponseStreamingError
from rich.console import Console
from rich.progress import track

from ..api.decoding import decode_job
from ..api.job import Output
from ..api.meta import JOBS, Model
from ..aws.bodies import INTERRUPTED, OtherObjectError, get_object, listing, opened, read_whole
from ..aws.store import PROBE_PREFIX
from ..aws.transport import CALLS, session_factory
from ..delivery.manifest import RECEIPT, UNLISTED_FILES, Delivery, StoredFile, digest_of
from . import complete
from .cluster import CommandError, cluster_options, connect, network, output_option, print_json, without_traceback

T = TypeVar("T")

_CHUNK_BYTES = 1 << 20
_MAX_RECEIPT_BYTES = 256 << 20
_MAX_FURTHER_READS = 2  # of an object that seems to be damaged
_MAX_ATTEMPTS = 3  # to read one object
# Of the whole command: for its calls, and in addition for the bytes that it reads.
_CALL_SECONDS = 120.0
_SLOWEST_BYTES_PER_SECOND = 16 << 10


class _Entry(Model, frozen=True, kw_only=True):
    name: str
    size: int
    etag: str
    sha256: str


class _Receipt(Model, frozen=True, kw_only=True):
    digest: str
    files: tuple[_Entry, ...]


@click.command()
@click.argument("job", shell_complete=complete.jobs)
@click.option("--verify", is_flag=True, help="Compare it with the status of the job, and read every file.")
@cluster_options
@output_option("text", "json")
@without_traceback
def receipt(job: str, verify: bool, context: str | None, namespace: str | None, output: str) -> None:
    """Show the receipt of JOB, read with your own AWS credentials.

    With --verify, the exit code is 0 only if the receipt and every file are unchanged.

    \b
    Example: kubectl reltio-export receipt people --verify -n mdm
    """
    found = decode_job(connect(context, namespace).get(JOBS, job))
    delivered = found.status.output
    if delivered is None or delivered.receipt is None:
        raise CommandError(f"ExportJob {job} has no receipt. Set spec.delivery.receipt to true in a new ExportJob.")
    outside = network()
    try:
        s3 = session_factory(outside)().client("s3", config=CALLS)
        content, recorded, problems = check(s3, delivered, verify=verify)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"s3://{delivered.bucket}/{delivered.prefix} cannot be read: {error}") from None
    if output == "json":
        shown: dict[str, Any] = json.loads(content) if recorded is not None else {}
        print_json({**shown, **({"problems": problems} if verify or problems else {})})
    else:
        if recorded is not None:
            click.echo(f"{delivered.receipt}: {len(recorded.files)} files, digest {recorded.digest}")
        for problem in problems:
            click.echo(f"  {problem}")
        if verify and not problems:
            click.echo("Every file is unchanged since the delivery.")
    sys.exit(1 if problems else 0)


def check(
    s3: Any, delivered: Output, *, verify: bool = True, clock: Callable[[], float] = time.monotonic
) -> tuple[bytes, _Receipt | None, list[str]]:
    """The receipt of a delivery as it is stored and as it reads, and what is wrong.

    `verify`: compare it with the status of the job, and with the bytes of every file. `clock`: seconds.
    Raises BotoCoreError, ClientError, and CommandError when it takes too long as a whole.
    """
    limit = _Limit(_CALL_SECONDS, clock)
    found = _files(s3, delivered, limit)
    listed = found.get(RECEIPT)
    to_read = found.values() if verify else [listed] if listed else []
    limit.extend(sum(file.size for file in to_read) / _SLOWEST_BYTES_PER_SECOND)
    content = _agreed(lambda: _content(s3, delivered, listed), lambda content: _read(content)[0] is not None, limit)
    recorded, problems = _read(content)
    if recorded is not None and verify:
        problems += [*_against_status(recorded, delivered), *_against_bucket(s3, found, recorded, delivered, limit)]
    return content, recorded, problems


class _Limit:
    """The time, in seconds, after which no other call is made. A call that is under way has limits of its own."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._start = clock()

    def extend(self, seconds: float) -> None:
        self._seconds += seconds

    def check(self) -> None:
        if self._clock() - self._start >= self._seconds:
            raise CommandError(
                f"S3 did not answer all requests within {self._seconds:.0f} s. "
                "Check the network, and run the command again."
            )


def _read(content: bytes) -> tuple[_Receipt | None, list[str]]:
    try:
        return msgspec.json.decode(content, type=_Receipt), []
    except msgspec.MsgspecError as error:
        return None, [f"{RECEIPT} is damaged: {error}"]


def _against_status(recorded: _Receipt, delivered: Output) -> Iterator[str]:
    """Differences from the status of the job, which cannot be changed by writing to the bucket."""
    files = {entry.name: StoredFile(entry.size, entry.etag) for entry in recorded.files}
    digest = digest_of(Delivery(None, files), list(files))
    if not digest == recorded.digest == delivered.digest:
        yield f"{RECEIPT} was changed after the delivery: its digest is not that of the job's status"
    if len(recorded.files) != delivered.files:
        yield f"{RECEIPT} lists {len(recorded.files)} files, but the job's status has {delivered.files}"
    size = sum(entry.size for entry in recorded.files)
    if size != delivered.bytes:
        yield f"{RECEIPT} lists {size} bytes, but the job's status has {delivered.bytes}"


def _files(s3: Any, delivered: Output, limit: _Limit) -> dict[str, StoredFile]:
    """The objects in the directory, by their names."""
    found: dict[str, StoredFile] = {}
    token: dict[str, str] = {}
    while True:
        where = {"Bucket": delivered.bucket, "Prefix": delivered.prefix, **token}
        page = _retried(lambda where=where: listing(s3, **where), limit)  # type: ignore[misc]
        for item in page.get("Contents", []):
            name = item["Key"].removeprefix(delivered.prefix)
            found[name] = StoredFile(item["Size"], item["ETag"].strip('"'))
        if not page["IsTruncated"]:
            return found
        token = {"ContinuationToken": page["NextContinuationToken"]}


def _against_bucket(
    s3: Any, found: Mapping[str, StoredFile], recorded: _Receipt, delivered: Output, limit: _Limit
) -> Iterator[str]:
    listed = {entry.name for entry in recorded.files}
    for name in sorted(found.keys() - listed - UNLISTED_FILES):
        if not name.startswith(PROBE_PREFIX) and not (found[name].size == 0 and (not name or name.endswith("/"))):
            yield f"{name} is not listed in the receipt"
    console = Console(stderr=True)
    for entry in track(recorded.files, description="Reading", console=console, disable=not console.is_terminal):
        if entry.name not in found:
            yield f"{entry.name} was not found"
        elif found[entry.name].size != entry.size or not _is_unchanged(s3, delivered, entry, found[entry.name], limit):
            yield f"{entry.name} was changed"


def _content(s3: Any, delivered: Output, file: StoredFile | None) -> bytes:
    size, etag = (file.size, file.etag) if file else (None, "")
    answer = get_object(s3, etag=etag, Bucket=delivered.bucket, Key=delivered.prefix + RECEIPT)
    with opened(answer, size) as body:
        return read_whole(body, _MAX_RECEIPT_BYTES)


def _is_unchanged(s3: Any, delivered: Output, entry: _Entry, file: StoredFile, limit: _Limit) -> bool:
    def read() -> str:
        sums = hashlib.sha256()
        answer = get_object(s3, etag=file.etag, Bucket=delivered.bucket, Key=delivered.prefix + entry.name)
        with opened(answer, entry.size) as body:
            while chunk := body.read(_CHUNK_BYTES):
                sums.update(chunk)
        return sums.hexdigest()

    return _agreed(read, lambda sha256: sha256 == entry.sha256, limit) == entry.sha256


def _agreed(read: Callable[[], T], is_good: Callable[[T], bool], limit: _Limit) -> T:
    """What `read` returns. What is not good must be the same twice in a row: the transfer may be to blame."""
    result = _retried(read, limit)
    if is_good(result):
        return result
    for _ in range(_MAX_FURTHER_READS):
        again = _retried(read, limit)
        if again == result:
            return again
        result = again
    raise ResponseStreamingError(error="two reads differ")


def _retried(read: Callable[[], T], limit: _Limit) -> T:
    """What `read` returns; a body that was cut off in transit is read again, as botocore does not do that."""
    for attempts_left in reversed(range(_MAX_ATTEMPTS)):
        limit.check()
        try:
            return read()
        except OtherObjectError:
            if not attempts_left:
                raise ResponseStreamingError(error="another object than was listed") from None
        except (*INTERRUPTED, HTTPClientError):
            if not attempts_left:
                raise
    raise AssertionError("the last attempt returns or raises")
