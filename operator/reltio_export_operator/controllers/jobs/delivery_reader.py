"""Reads a delivery: the manifest, the listing, and the files as far as the job asks."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import replace

from ...api.job import ExportJob, Submission
from ...aws.errors import AwsError
from ...aws.store import PROBE_PREFIX, ObjectStore
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

_MANIFEST_LIMIT = 16 * 2**20
WHOLE_FILE = 8 * 2**20  # bytes up to which `Objects` reads a file to its end
WHOLE_IN_ALL = 256 * 2**20  # bytes that `Objects` reads of one delivery in this way
_AT_ONCE = 4
_TRIES = 4  # for one file, before the whole look is given up for a while
_PAUSE = 2.0  # seconds before the second try, doubled for each one after

Reports = MutableMapping[tuple[str, str], FileReport]  # by name and ETag


class DeliveryReader:
    """Looks at the delivery of one attempt; what it has read of the files is kept, should it have to begin anew.

    `open_store` gives the bucket; it is called again when the session of the role has ended, as long reads outlive it.
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
        """What lies in the directory of the job's attempt. Raises what opening the bucket raises, and AwsError.

        Requests: one GET for the manifest and a LIST for each 1,000 objects; then `Objects` makes up to two GETs a
        file and reads 256 MiB at most, `Full` reads every byte.
        """
        store = await self._opened()
        content = await store.read(self._path + MANIFEST, limit=_MANIFEST_LIMIT)
        delivery = Delivery(
            _parsed(content),
            await self._listing(store),
            bucket=self._submission.s3.bucket,
            path=self._path,
            countable=is_countable(self._job.spec.export),
            may_be_empty=may_be_empty(self._job.spec.export),
            manifest_sha256=hashlib.sha256(content or b"").hexdigest(),
        )
        asked = self._job.spec.delivery
        if asked.verify not in ("Objects", "Full") or differences_of(delivery):
            return delivery
        names = listed_files(delivery) or []
        whole = set(names) if asked.verify == "Full" else _small_ones(delivery, names)
        delivery = replace(delivery, reports=await self._read_all(delivery, names, whole))
        if asked.receipt and not differences_of(delivery):
            await self._leave_receipt(delivery, names)
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
            and not (item.key.endswith("/") and not item.size)  # a folder, as S3's console makes them
        }

    async def _read_all(self, delivery: Delivery, names: Sequence[str], whole: set[str]) -> dict[str, FileReport]:
        left: Iterator[str] = iter(names)
        reports: dict[str, FileReport] = {}

        async def read() -> None:
            for name in left:
                file = delivery.files[name]
                known = self._known.get((name, file.etag))
                if known is None:
                    known = self._known[name, file.etag] = await self._read(name, file, name in whole)
                reports[name] = known

        try:
            async with asyncio.TaskGroup() as readers:
                for _ in range(_AT_ONCE):
                    readers.create_task(read())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return {name: reports[name] for name in names}

    async def _read(self, name: str, file: StoredFile, whole: bool) -> FileReport:
        """The report on one file. A hiccup is no reason to begin with all others anew."""
        store = await self._opened()
        pause = _PAUSE
        for tries_left in reversed(range(_TRIES)):
            try:
                return await _report(store, self._path + name, file.size, whole)
            except AwsError as error:
                ended = error.reason == "ExpiredCredentials"
                if not tries_left or not (ended or error.transient):
                    raise
            if ended:
                store = await self._opened(instead_of=store)
            else:
                await self._sleep(pause)
                pause *= 2
        raise AssertionError("the last try returns or raises")

    async def _leave_receipt(self, delivery: Delivery, names: list[str]) -> None:
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


async def _report(store: ObjectStore, key: str, size: int, whole: bool) -> FileReport:
    if not size:
        return FileReport(sha256=hashlib.sha256(b"").hexdigest(), records=0)
    if not whole:
        return FileReport(await _check_ends(store, key, size))
    summary = await store.check_file(key, size)
    return FileReport(summary.problem, summary.sha256, summary.records, summary.empty_lines, summary.first_lines)


async def _check_ends(store: ObjectStore, key: str, size: int) -> str | None:
    head = await store.read_range(key, 0, min(size, 512)) or b""
    tail = await store.read_range(key, max(0, size - ZIP_TAIL_BYTES), size) or b"" if is_zip(key, head) else b""
    return check_ends(key, size, head, tail)


def _small_ones(delivery: Delivery, names: Sequence[str]) -> set[str]:
    """The files that `Objects` reads to their end: small ones first, within the limit in all."""
    files = delivery.files
    chosen, budget = set(), WHOLE_IN_ALL
    for name in sorted(names, key=lambda name: files[name].size):
        budget -= files[name].size
        if files[name].size > WHOLE_FILE or budget < 0:
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
