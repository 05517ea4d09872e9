"""Reads a delivery: the manifest, the listing, and the files as far as the job asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

from ..api.job import ExportJob
from ..aws.integrity import ZIP_TAIL, glance
from ..aws.store import CANARY, ObjectStore
from ..jobs.delivery import (
    CHECKSUMS,
    MANIFEST,
    RECEIPT,
    Delivery,
    FileReport,
    StoredFile,
    differences_of,
    is_countable,
    listed_files,
    receipt_of,
)

_MANIFEST_LIMIT = 16 * 2**20
WHOLE_FILE = 8 * 2**20  # bytes up to which `Objects` reads a file to its end
WHOLE_IN_ALL = 256 * 2**20  # bytes that `Objects` reads of one delivery in this way
_AT_ONCE = 4


async def inspect(store: ObjectStore, job: ExportJob) -> Delivery:
    """What lies in the directory of the job's attempt. Raises AwsError.

    Requests: one GET for the manifest and a LIST for each 1,000 objects; then `Objects` makes up to two GETs a file
    and reads 256 MiB at most, `Full` reads every byte.
    """
    submission = job.status.submission
    assert submission is not None
    path, verify = submission.path, job.spec.delivery.verify
    content = await store.read(path + MANIFEST, limit=_MANIFEST_LIMIT)
    files = {
        item.key.removeprefix(path): StoredFile(item.size, item.etag)
        async for item in store.list(path)
        if not item.key.removeprefix(path).startswith(CANARY)
    }
    delivery = Delivery(
        _parsed(content), files, bucket=submission.s3.bucket, path=path, countable=is_countable(job.spec.export)
    )
    if verify not in ("Objects", "Full") or differences_of(delivery):
        return delivery
    names = listed_files(delivery) or []
    reports = await _read(store, path, files, names, full=verify == "Full")
    delivery = replace(delivery, reports=reports)
    if job.spec.delivery.receipt and not differences_of(delivery):
        await _leave_receipt(store, job, delivery, names)
        delivery = replace(delivery, receipt=f"{submission.destination}{RECEIPT}")
    return delivery


async def _read(
    store: ObjectStore, path: str, files: dict[str, StoredFile], names: Sequence[str], *, full: bool
) -> dict[str, FileReport]:
    places = asyncio.Semaphore(_AT_ONCE)
    whole = set(names) if full else _small_ones(files, names)

    async def read(name: str) -> FileReport:
        async with places:
            if name in whole:
                summary = await store.read_through(path + name, files[name].size)
                return FileReport(summary.problem, summary.sha256, summary.records, summary.has_header)
            return FileReport(await _glance(store, path + name, files[name].size))

    reports = await asyncio.gather(*(read(name) for name in names))
    return dict(zip(names, reports, strict=True))


def _small_ones(files: dict[str, StoredFile], names: Sequence[str]) -> set[str]:
    """The files that `Objects` reads to their end: small ones first, within the limit in all."""
    chosen, budget = set(), WHOLE_IN_ALL
    for name in sorted(names, key=lambda name: files[name].size):
        budget -= files[name].size
        if files[name].size > WHOLE_FILE or budget < 0:
            break
        chosen.add(name)
    return chosen


async def _glance(store: ObjectStore, key: str, size: int) -> str | None:
    head = await store.read_range(key, 0, min(size, 512)) or b""
    tail = await store.read_range(key, max(0, size - ZIP_TAIL), size) or b"" if key.endswith(".zip") else b""
    return glance(key, size, head, tail)


async def _leave_receipt(store: ObjectStore, job: ExportJob, delivery: Delivery, names: list[str]) -> None:
    submission = job.status.submission
    assert submission is not None
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
    await store.put(submission.path + CHECKSUMS, checksums.encode(), encryption)
    await store.put(submission.path + RECEIPT, json.dumps(receipt, indent=2).encode(), encryption)


def _parsed(content: bytes | None) -> object | None:
    if content is None:
        return None
    try:
        parsed: object = json.loads(content)
    except ValueError:
        return "unparsable"
    return parsed
