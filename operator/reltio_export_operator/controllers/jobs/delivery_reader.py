"""Reads a delivery: the manifest, the listing, and the files as far as spec.delivery.verify says."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ...api.job import ExportJob, Submission
from ...aws.errors import AwsError, reads_differ
from ...aws.messages import EXPIRED_CREDENTIALS, OBJECT_CHANGED
from ...aws.store import PROBE_PREFIX, ObjectStore, StoredObject
from ...delivery.integrity import ZIP_TAIL_BYTES, check_ends, is_zip
from ...delivery.manifest import (
    CHECKSUMS,
    MANIFEST,
    RECEIPT,
    Delivery,
    FileReport,
    StoredFile,
    differences_of,
    is_countable,
    listed_files,
    may_be_empty,
    receipt_of,
)

_MAX_MANIFEST_BYTES = 16 * 2**20
_MAX_WHOLE_FILE_BYTES = 8 * 2**20  # `Objects` reads smaller files to their end
_MAX_WHOLE_BYTES = 256 * 2**20  # that `Objects` reads to their end in one delivery
_MAX_CONCURRENT_FILES = 4
_MAX_LISTINGS = 3  # of a directory that changes while it is read, before the delivery check fails
_MAX_FURTHER_READS = 2  # of an object that seems to be damaged
_MAX_ATTEMPTS = 4  # to read one file, before the delivery check fails
_RETRY_SECONDS = 2.0  # before the second attempt; doubled for each further one

_EMPTY = FileReport(sha256=hashlib.sha256(b"").hexdigest(), records=0)

T = TypeVar("T")
Reports = MutableMapping[tuple[str, str], FileReport]  # by name and ETag


class DeliveryReader:
    """Reads the delivery of one attempt. `known` has the reports of earlier checks, and keeps those of this one.

    `open_store` returns the bucket. It is called again when the session of the role has expired during a long read.
    """

    def __init__(
        self,
        open_store: Callable[[], Awaitable[ObjectStore]],
        job: ExportJob,
        known: Reports,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        submission = job.status.submission
        assert submission is not None
        self._open = open_store
        self._store: ObjectStore | None = None
        self._opening = asyncio.Lock()
        self._job = job
        self._submission: Submission = submission
        self._path = submission.path
        self._known = known
        self._sleep = sleep

    async def delivery(self) -> Delivery:
        """The delivery of the attempt. Raises AwsError, and the errors of `open_store`.

        Requests: one GET for the manifest and one LIST for each 1,000 objects. `Objects` makes up to two GETs for each
        file and reads at most 256 MiB; `Full` reads every byte. Each object is read as it was listed: if one has
        changed since then, the directory is listed again.
        """
        for listings_left in reversed(range(_MAX_LISTINGS)):
            try:
                return await self._read_directory()
            except AwsError as error:
                if error.reason != OBJECT_CHANGED.name or not listings_left:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _read_directory(self) -> Delivery:
        files = await self._retried(self._listing)
        content = await self._manifest(files)
        delivery = Delivery(
            _parsed(content),
            files,
            bucket=self._submission.s3.bucket,
            path=self._path,
            countable=is_countable(self._job.spec.export),
            may_be_empty=may_be_empty(self._job.spec.export),
            manifest_sha256=hashlib.sha256(content or b"").hexdigest(),
        )
        spec = self._job.spec.delivery
        if spec.verify not in ("Objects", "Full") or differences_of(delivery):
            return delivery
        names = listed_files(delivery) or []
        whole = set(names) if spec.verify == "Full" else _smallest_files(delivery, names)
        delivery = replace(delivery, reports=await self._read_all(delivery, names, whole))
        if spec.receipt and not differences_of(delivery):
            await self._write_receipt(delivery, names)
            delivery = replace(delivery, receipt=f"{self._submission.destination}{RECEIPT}")
        return delivery

    async def _opened(self, instead_of: ObjectStore | None = None) -> ObjectStore:
        async with self._opening:
            if self._store is None or self._store is instead_of:
                self._store = await self._open()
            return self._store

    async def _listing(self, store: ObjectStore) -> dict[str, StoredFile]:
        return {
            item.key.removeprefix(self._path): StoredFile(item.size, item.etag)
            async for item in store.list(self._path)
            if not item.key.removeprefix(self._path).startswith(PROBE_PREFIX)
            and not (item.key.endswith("/") and not item.size)  # a folder of the S3 console
        }

    async def _manifest(self, files: Mapping[str, StoredFile]) -> bytes | None:
        """The manifest of the listing. Reltio writes it last, so the listing that has it has the files as well."""
        if MANIFEST not in files:
            return None

        async def read(store: ObjectStore) -> bytes:
            return await store.read_range(listed, 0, min(listed.size, _MAX_MANIFEST_BYTES)) if listed.size else b""

        listed = self._listed(MANIFEST, files[MANIFEST])
        return await self._agreed(read, lambda content: isinstance(_parsed(content), dict))

    async def _read_all(self, delivery: Delivery, names: Sequence[str], whole: set[str]) -> dict[str, FileReport]:
        remaining: Iterator[str] = iter(names)
        reports: dict[str, FileReport] = {}

        async def read() -> None:
            for name in remaining:
                file = delivery.files[name]
                known = self._known.get((name, file.etag))
                if known is None:
                    known = self._known[name, file.etag] = await self._report(name, file, name in whole)
                reports[name] = known

        try:
            async with asyncio.TaskGroup() as readers:
                for _ in range(_MAX_CONCURRENT_FILES):
                    readers.create_task(read())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return {name: reports[name] for name in names}

    async def _report(self, name: str, file: StoredFile, whole: bool) -> FileReport:
        """The report on one file."""

        def read(store: ObjectStore) -> Awaitable[FileReport]:
            return _read_whole(store, listed) if whole else _read_ends(store, listed)

        listed = self._listed(name, file)
        return await self._agreed(read, lambda report: report.problem is None)

    async def _agreed(self, read: Callable[[ObjectStore], Awaitable[T]], is_good: Callable[[T], bool]) -> T:
        """What `read` returns. What is not good must be the same twice in a row: the transfer may be to blame."""
        result = await self._retried(read)
        if is_good(result):
            return result
        for _ in range(_MAX_FURTHER_READS):
            again = await self._retried(read)
            if again == result:
                return again
            result = again
        raise reads_differ(self._submission.s3.bucket)

    def _listed(self, name: str, file: StoredFile) -> StoredObject:
        return StoredObject(self._path + name, file.size, file.etag)

    async def _retried(self, read: Callable[[ObjectStore], Awaitable[T]]) -> T:
        """What `read` returns. Transient errors are retried here, so that other files are not read again."""
        store = await self._opened()
        delay = _RETRY_SECONDS
        for attempts_left in reversed(range(_MAX_ATTEMPTS)):
            try:
                return await read(store)
            except AwsError as error:
                expired = error.reason == EXPIRED_CREDENTIALS.name
                if not attempts_left or not (expired or error.transient) or error.reason == OBJECT_CHANGED.name:
                    raise
            if expired:
                store = await self._opened(instead_of=store)
            else:
                await self._sleep(delay)
                delay *= 2
        raise AssertionError("the last attempt returns or raises")

    async def _write_receipt(self, delivery: Delivery, names: list[str]) -> None:
        job, submission = self._job, self._submission
        about = {
            "job": {"namespace": job.metadata.namespace, "name": job.metadata.name, "uid": job.metadata.uid},
            "attempt": submission.attempt,
            "tenant": submission.service.tenant,
            "tasks": [task.id for task in job.status.tasks],
            "destination": submission.destination,
            "manifest": delivery.manifest,
        }
        receipt, checksums = receipt_of(delivery, names, about)
        encryption = submission.s3.server_side_encryption
        store = await self._opened()
        await store.put(self._path + CHECKSUMS, checksums.encode(), encryption)
        await store.put(self._path + RECEIPT, json.dumps(receipt, indent=2).encode(), encryption)


async def _read_ends(store: ObjectStore, file: StoredObject) -> FileReport:
    return FileReport(await _check_ends(store, file)) if file.size else _EMPTY


async def _read_whole(store: ObjectStore, file: StoredObject) -> FileReport:
    if not file.size:
        return _EMPTY
    summary = await store.check_file(file)
    return FileReport(summary.problem, summary.sha256, summary.records, summary.empty_lines, summary.first_lines)


async def _check_ends(store: ObjectStore, file: StoredObject) -> str | None:
    size = file.size
    head = await store.read_range(file, 0, min(size, 512))
    tail = await store.read_range(file, max(0, size - ZIP_TAIL_BYTES), size) if is_zip(file.key, head) else b""
    return check_ends(file.key, size, head, tail)


def _smallest_files(delivery: Delivery, names: Sequence[str]) -> set[str]:
    """The files that `Objects` reads to their end: the smallest ones, up to the limit for one delivery."""
    files = delivery.files
    chosen, bytes_left = set(), _MAX_WHOLE_BYTES
    for name in sorted(names, key=lambda name: files[name].size):
        bytes_left -= files[name].size
        if files[name].size > _MAX_WHOLE_FILE_BYTES or bytes_left < 0:
            break
        chosen.add(name)
    return chosen


def _parsed(content: bytes | None) -> object | None:
    if content is None:
        return None
    try:
        parsed: object = json.loads(content)
    except (ValueError, RecursionError):
        return "unparsable"
    return "null" if parsed is None else parsed
