"""Deliveries that are made to exhaust the operator that reads them: manifests, listings, and files that inflate."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

from integration.conftest import condition
from reltio_export_sandbox.environment import BUCKET

from .gateway import Answer, packed_lines, text
from .rows import Attack, Row
from .stage import MIB, Stage

_BUSY = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_CPU_SECONDS = 15.0  # that one delivery may take
_SLOW = b'{"a":1}\n'  # the line whose counting takes longest
Objects = Mapping[str, bytes]


def rows() -> Iterator[Row]:
    entries = [f"part-{number:07d}.gz" for number in range(600_000)]
    yield Row("manifest of 600,000 files", "limits of deliveries", _delivering(lambda: _manifest(entries)))
    yield Row("manifest of one long name", "limits of deliveries", _delivering(lambda: _manifest(["x" * (15 * MIB)])))
    yield Row(
        "manifest of many keys",
        "limits of deliveries",
        _delivering(lambda: {"manifest.json": json.dumps({f"k{number}": [{}] for number in range(900_000)}).encode()}),
    )
    yield Row("gzip file that inflates a thousand times", "limits of deliveries", _delivering(_gzip_bomb, busy=True))
    yield Row("ZIP that inflates a thousand times", "limits of deliveries", _delivering(_zip_bomb, busy=True))
    yield Row("gzip file of 500 members", "limits of deliveries", _delivering(_many_members, busy=True))


def _manifest(names: list[str]) -> Objects:
    return {"manifest.json": json.dumps({"success": True, "files": names, "totalObjects": 1}).encode()}


def _with_manifest(name: str, content: bytes) -> Objects:
    manifest = {"success": True, "files": [name], "totalObjects": 1000, "totalNumberOfFiles": 1}
    return {name: content, "manifest.json": json.dumps(manifest).encode()}


def _gzip_bomb() -> Objects:
    return _with_manifest("part-0.gz", packed_lines(1000 * MIB, _SLOW))


def _many_members() -> Objects:
    return _with_manifest("part-0.gz", packed_lines(2 * MIB, _SLOW) * 500)


def _zip_bomb() -> Objects:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("part.csv", "w") as member:
        block = _SLOW * (MIB // len(_SLOW))
        for _ in range(1000):
            member.write(block)
    return _with_manifest("part-0.zip", packed.getvalue())


def _delivering(objects: Callable[[], Objects], *, busy: bool = False) -> Attack:
    """The files of a finished export are replaced by these before the operator sees them.

    `busy`: the attacker gets CPU of the operator, measured as what it uses from then on.
    """

    async def attack(stage: Stage) -> str:
        await stage.warm_up()
        prepared = await asyncio.to_thread(objects)
        stage.aws.on("list-type=2", _replaced(stage, prepared), times=1, query="nightly")
        before = stage.cpu_seconds()
        await stage.world.job(target="warm", delivery={"verify": "Full"})
        job = await stage.outcome("ExportJob", "nightly", within=80)
        if not any("nightly" in request.path for request in stage.aws.requests):
            raise RuntimeError(f"the delivery was not read: {job.get('status')}")
        if busy and (used := stage.cpu_seconds() - before) > _CPU_SECONDS:
            return f"{used:.0f} s of CPU"
        return "a failed job" if condition(job, "Failed") and not busy else ""

    return attack


def _replaced(stage: Stage, objects: Objects) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        query = parse_qs(urlsplit(stage.aws.requests[-1].path).query)
        prefix = query["prefix"][0]
        await asyncio.to_thread(_put, stage, prefix, objects)
        await text(503, _BUSY, "application/xml")(writer)

    return answer


def _put(stage: Stage, prefix: str, objects: Objects) -> None:
    s3 = stage.world.sandbox.cloud.client("s3")
    for key, _ in stage.world.sandbox.cloud.list_objects(BUCKET):
        if key.startswith(prefix):
            s3.delete_object(Bucket=BUCKET, Key=key)
    for name, content in objects.items():
        s3.put_object(Bucket=BUCKET, Key=prefix + name, Body=content)
