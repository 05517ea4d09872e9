"""Deliveries whose bodies are cut off or damaged on the way, and what the operator makes of them."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import ssl
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from builders import job, running
from reltio_export_operator.api.job import ExportJob, Output
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.sessions import AssumedRole, RoleKey, RoleSessions
from reltio_export_operator.aws.store import ObjectStore
from reltio_export_operator.cli import receipt
from reltio_export_operator.controllers.jobs.delivery_reader import DeliveryReader
from reltio_export_operator.delivery.manifest import RECEIPT
from reltio_export_operator.runtime.network import Network
from reltio_export_operator.runtime.trust import Trust

from .server import CUTTING, LISTING, LYING, OF_LISTINGS, OF_PARTS, Fault, Server

BUCKET = "acme-mdm-exports"
ALWAYS = 1_000_000
_KEY = RoleKey(Owner("mdm", "lake"), "arn:aws:iam::111122223333:role/reltio-exporter", None, "us-east-1", (), 3600)
_ROWS = [f"row-{number},{number * 7919}" for number in range(40)]
CSV = ("\n".join(_ROWS) + "\n").encode()
JSON = "".join(json.dumps({"uri": f"entities/{number}"}) + "\n" for number in range(40)).encode()


def _zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("part.csv", (2031, 1, 15, 3, 0, 0)), content)
    return packed.getvalue()


FILES = {
    "CSV": ("part-0.csv", CSV),
    "JSON": ("part-0.json", JSON),
    "gzip": ("part-0.gz", gzip.compress(CSV, mtime=0)),
    "ZIP": ("part-0.zip", _zip(CSV)),
}
SUBJECTS = (*FILES, "manifest", "receipt", "file of a receipt", "listing")


@dataclass(frozen=True)
class Row:
    """A body (`subject`), what happens to it (`kind`) at which byte, and over what."""

    subject: str
    kind: str
    position: int
    where: str
    tls: bool

    def __str__(self) -> str:
        return f"{self.subject}, {self.kind}, {self.where}, {'TLS' if self.tls else 'plain'}"


def rows() -> Iterator[Row]:
    for tls in (False, True):
        for subject in SUBJECTS:
            _, body = _struck(subject)
            line_end = body.find(b"\n", len(body) // 2) + 1 or len(body) // 3
            places = {
                "before the first byte": 0,
                "after one byte": 1,
                "at the end of a line": line_end,
                "in the middle": len(body) // 2 + 1,
                "before the last byte": len(body) - 1,
            }
            for kind in CUTTING:
                for where, position in places.items():
                    yield Row(subject, kind, position, where, tls)
            lying = {"listing": OF_LISTINGS, "ZIP": LYING + OF_PARTS}
            for kind in lying.get(subject, LYING):
                yield Row(subject, kind, 0, "whole", tls)


def _struck(subject: str) -> tuple[str, bytes]:
    name, body = FILES.get(subject, FILES["CSV"])
    if subject == "manifest":
        return "manifest.json", _objects("CSV")["manifest.json"]
    if subject == "receipt":
        return RECEIPT, b"{}" * 100
    if subject == "listing":
        return LISTING, b"<x/>" * 50
    return name, body


def _objects(subject: str) -> dict[str, bytes]:
    name, body = FILES.get(subject, FILES["CSV"])
    manifest = {"success": True, "files": [name], "totalObjects": 40, "totalNumberOfFiles": 1, "note": "x\n" * 20}
    return {name: body, "manifest.json": json.dumps(manifest, indent=1).encode()}


class Bench:
    """A server, and the product's own S3 client on it. `outcomes` plays a row."""

    def __init__(self, server: Server, s3: Any, pool: ThreadPoolExecutor) -> None:
        self._server, self._s3, self._pool = server, s3, pool

    def outcomes(self, row: Row) -> tuple[str, str, str]:
        """Without a fault, with one that passes by itself, and with one that does not."""
        subject = job(
            spec={
                "export": {"type": "Entities"},
                "delivery": {"verify": "Full", "receipt": True},
            },
            status=running("COMPLETED"),
        )
        submission = subject.status.submission
        assert submission is not None
        self._server.objects = {submission.path + name: body for name, body in _objects(row.subject).items()}
        key = LISTING if row.subject == "listing" else submission.path + _struck(row.subject)[0]
        seen = []
        for times in (0, 1, ALWAYS):
            self._server.strike(key, Fault(row.kind, row.position, times))
            seen.append(self._receipt(subject) if "receipt" in row.subject else self._delivery(subject))
        assert self._server.hits > 0, f"{row}: the fault struck nothing"
        return seen[0], seen[1], seen[2]

    def _delivery(self, subject: ExportJob) -> str:
        role = AssumedRole(_KEY, self._s3, datetime(2031, 1, 15, 3, 0, tzinfo=UTC))
        store = ObjectStore(RoleSessions(self._pool), role, BUCKET)

        async def open_store() -> ObjectStore:
            return store

        async def at_once(_: float) -> None:
            """No backoff."""

        without_receipt = msgspec.structs.replace(
            subject,
            spec=msgspec.structs.replace(
                subject.spec, delivery=msgspec.structs.replace(subject.spec.delivery, receipt=False)
            ),
        )
        try:
            delivery = asyncio.run(DeliveryReader(open_store, without_receipt, {}, sleep=at_once).delivery())
        except AwsError as error:
            return "transient" if error.transient else f"final: {error}"
        found = delivery.differences or delivery.missing or delivery.uncertain
        return f"failed: {found}" if found else f"delivered {[report.sha256 for report in delivery.reports.values()]}"

    def _receipt(self, subject: ExportJob) -> str:
        submission = subject.status.submission
        assert submission is not None
        objects = self._server.objects
        if submission.path + RECEIPT not in objects:
            objects[submission.path + RECEIPT] = receipt_file(objects, submission.path)
        recorded = json.loads(objects[submission.path + RECEIPT])
        delivered = Output(
            bucket=BUCKET,
            prefix=submission.path,
            files=len(recorded["files"]),
            bytes=sum(entry["size"] for entry in recorded["files"]),
            digest=recorded["digest"],
            receipt=RECEIPT,
        )
        try:
            _, _, problems = receipt.check(self._s3, delivered)
        except (BotoCoreError, ClientError):
            return "transient"
        return f"failed: {problems}" if problems else "proved"


def receipt_file(objects: dict[str, bytes], path: str) -> bytes:
    from hashlib import md5, sha256

    from reltio_export_operator.delivery.manifest import Delivery, StoredFile, digest_of

    names = [key.removeprefix(path) for key in objects if not key.endswith("manifest.json")]
    stored = {
        name: StoredFile(len(objects[path + name]), md5(objects[path + name], usedforsecurity=False).hexdigest())
        for name in names
    }
    entries = [
        {"name": name, "size": file.size, "etag": file.etag, "sha256": sha256(objects[path + name]).hexdigest()}
        for name, file in stored.items()
    ]
    return json.dumps({"digest": digest_of(Delivery(None, stored), names), "files": entries}, indent=1).encode()


@contextmanager
def bench(tls: tuple[ssl.SSLContext, str] | None) -> Iterator[Bench]:
    """`tls`: the context of the server, and the certificate of its authority in PEM form."""
    network = Network(trust=Trust(tls[1])) if tls else Network()
    with Server({}, tls[0] if tls else None).running() as server, ThreadPoolExecutor(4) as pool:
        yield Bench(server, server.client(network, read_timeout=0.3), pool)


def is_right(clean: str, once: str, always: str) -> bool:
    """What passes by itself changes nothing, and what does not is neither a proof nor a failure."""
    return clean.startswith(("delivered", "proved")) and once == clean and always == "transient"
