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
from ...delivery import limits
from ...delivery.integrity import ZIP_TAIL_BYTES, check_ends, is_compressed, is_zip
from ...delivery.limits import DeliveryTooLargeError, Meter
from ...delivery.manifest import (
    CHECKSUMS,
    EMPTY_FILE,
    MANIFEST,
    RECEIPT,
    Delivery,
    FileReport,
    StoredFile,
    has_items,
    is_countable,
    manifest_name,
    may_be_empty,
    parse,
    receipt_of,
)
from ...delivery.order import in_order
from ...delivery.records import Proof

_MAX_WHOLE_FILE_BYTES = 8 * 2**20  # `Objects` reads smaller files to their end
_MAX_WHOLE_BYTES = 256 * 2**20  # that `Objects` reads to their end in one delivery
_MAX_CONCURRENT_FILES = 4
_MAX_LISTINGS = 3  # of a directory that changes while it is read, before the delivery check fails
_MAX_FURTHER_READS = 2  # of an object that seems to be damaged
_MAX_ATTEMPTS = 4  # to read one file, before the delivery check fails
_RETRY_SECONDS = 2.0  # before the second attempt; doubled for each further one

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
        store = await self._opened()
        name = manifest_name(files)
        content, manifest = await self._manifest(name, files)
        delivery = Delivery(
            manifest,
            files,
            bucket=self._submission.s3.bucket,
            path=self._path,
            countable=is_countable(self._job.spec.export),
            has_items=has_items(self._job.spec.export),
            may_be_empty=may_be_empty(self._job.spec.export),
            manifest_sha256=hashlib.sha256(content or b"").hexdigest(),
            manifest_name=name or MANIFEST,
        )
        await store.compute(delivery.prepare)
        spec = self._job.spec.delivery
        # What is odd about a manifest may be overlooked only if the files are whole, so they are read.
        if delivery.differences or delivery.has_no_list or (spec.verify == "Manifest" and not delivery.uncertain):
            return delivery
        names = delivery.to_read
        whole = set(names) if spec.verify == "Full" else await store.compute(_smallest_files, delivery, names)
        delivery = replace(delivery, reports=await self._read_all(delivery, names, whole))
        await store.compute(delivery.prepare)
        if spec.receipt and not delivery.differences and delivery.missing is None:
            await self._write_receipt(delivery, names)
            delivery = replace(delivery, receipt=f"{self._submission.destination}{RECEIPT}")
            await store.compute(delivery.prepare)
        return delivery

    async def _opened(self, instead_of: ObjectStore | None = None) -> ObjectStore:
        async with self._opening:
            if self._store is None or self._store is instead_of:
                self._store = await self._open()
            return self._store

    async def _listing(self, store: ObjectStore) -> dict[str, StoredFile]:
        files: dict[str, StoredFile] = {}
        count, bound = 0, limits.LIMITS.objects
        async for item in store.list(self._path):
            count += 1
            if count > bound:
                raise DeliveryTooLargeError(f"the directory has more than {bound} objects, the most that are read")
            name = item.key.removeprefix(self._path)
            is_folder = item.key.endswith("/") and not item.size  # of the S3 console
            if not name.startswith(PROBE_PREFIX) and not is_folder:
                files[name] = StoredFile(item.size, item.etag)
        return files

    async def _manifest(self, name: str | None, files: Mapping[str, StoredFile]) -> tuple[bytes | None, object | None]:
        """The manifest of the listing, and its JSON. Reltio writes it last, so the listing has the files as well."""
        if name is None:
            return None, None
        listed, bound = self._listed(name, files[name]), limits.LIMITS.manifest_bytes
        if listed.size > bound:
            raise DeliveryTooLargeError(f"{MANIFEST} has {listed.size} bytes, and {bound} are the most that is read")

        async def read(store: ObjectStore) -> tuple[bytes, object]:
            content = await store.read(listed) if listed.size else b""
            return content, await store.compute(parse, content)

        return await self._agreed(read, lambda result: isinstance(result[1], dict))

    async def _read_all(self, delivery: Delivery, names: Sequence[str], whole: set[str]) -> dict[str, FileReport]:
        remaining: Iterator[str] = iter(names)
        meter = Meter.of_delivery(sum(delivery.files[name].size for name in whole))
        reports: dict[str, FileReport] = {}

        async def read() -> None:
            for name in remaining:
                file = delivery.files[name]
                known = self._known.get((name, file.etag))
                if known is None:
                    known = await self._report(name, file, meter if name in whole else None)
                    self._known[name, file.etag] = known
                reports[name] = known

        try:
            async with asyncio.TaskGroup() as readers:
                for _ in range(_MAX_CONCURRENT_FILES):
                    readers.create_task(read())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return {name: reports[name] for name in names}

    async def _report(self, name: str, file: StoredFile, meter: Meter | None) -> FileReport:
        """The report on one file, which is read to its end if there is a meter."""

        def read(store: ObjectStore) -> Awaitable[FileReport]:
            return _read_ends(store, listed) if meter is None else _read_whole(store, listed, meter)

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
        store = await self._opened()
        receipt, checksums = await store.compute(receipt_of, delivery, names, about)
        encoded = await store.compute(lambda: json.dumps(receipt, indent=2).encode())
        encryption = submission.s3.server_side_encryption
        await store.put(self._path + CHECKSUMS, checksums.encode(), encryption)
        await store.put(self._path + RECEIPT, encoded, encryption)


async def _read_ends(store: ObjectStore, file: StoredObject) -> FileReport:
    if not file.size:
        return EMPTY_FILE
    problem, notes, proof = await _check_ends(store, file)
    return FileReport(problem, notes=notes, proof=proof)


async def _read_whole(store: ObjectStore, file: StoredObject, meter: Meter) -> FileReport:
    if not file.size:
        return EMPTY_FILE
    found = await store.check_file(file, meter)
    return FileReport(
        found.problem,
        found.sha256,
        found.records,
        found.empty_lines,
        found.first_lines,
        partial=found.partial,
        notes=found.notes,
        proof=found.proof,
    )


async def _check_ends(store: ObjectStore, file: StoredObject) -> tuple[str | None, tuple[str, ...], Proof]:
    size = file.size
    head = await store.read_range(file, 0, min(size, 512))
    tail = await store.read_range(file, max(0, size - ZIP_TAIL_BYTES), size) if is_zip(file.key, head) else b""
    problem, notes = check_ends(file.key, size, head, tail)
    return problem, notes, "Own" if is_compressed(head) else "None"


def _smallest_files(delivery: Delivery, names: Sequence[str]) -> set[str]:
    """The files that `Objects` reads to their end: the smallest ones, up to the limit for one delivery."""
    files = delivery.files
    chosen, bytes_left = set(), _MAX_WHOLE_BYTES
    for name in in_order(names, key=lambda name: files[name].size):
        bytes_left -= files[name].size
        if files[name].size > _MAX_WHOLE_FILE_BYTES or bytes_left < 0:
            break
        chosen.add(name)
    return chosen
