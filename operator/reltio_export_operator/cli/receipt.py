"""Checks a receipt against the job's status and against what lies beside it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import click
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import track

from ..api.decoding import decode_job
from ..api.job import Output
from ..api.meta import JOBS, Model
from ..aws.store import PROBE_PREFIX
from ..aws.transport import session_factory
from ..delivery.manifest import RECEIPT, UNLISTED_FILES, Delivery, StoredFile, digest_of
from . import complete
from .cluster import UsageProblem, cluster_options, connect, friendly, network, output_option, print_json

_CHUNK = 1 << 20


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
@click.option("--verify", is_flag=True, help="Compare it with the job's status, and read every file.")
@cluster_options
@output_option("text", "json")
@friendly
def receipt(job: str, verify: bool, context: str | None, namespace: str | None, output: str) -> None:
    """Show the receipt of JOB, read with your own AWS credentials; with --verify exit with 0 only if all is whole.

    \b
    Example: kubectl reltio-export receipt people --verify -n mdm
    """
    found = decode_job(connect(context, namespace).get(JOBS, job))
    where = found.status.output
    if where is None or where.receipt is None:
        raise UsageProblem(f"ExportJob {job} has no receipt. Jobs with spec.delivery.receipt: true leave one.")
    outside = network()
    try:
        s3 = session_factory(outside)().client("s3")
        content = s3.get_object(Bucket=where.bucket, Key=where.prefix + RECEIPT)["Body"].read()
        held, problems = _read(content)
        if held is not None and verify:
            problems += [*_against_status(held, where), *_against_bucket(s3, held, where)]
    except (BotoCoreError, ClientError) as error:
        raise UsageProblem(f"s3://{where.bucket}/{where.prefix} cannot be read: {error}") from None
    if output == "json":
        shown: dict[str, Any] = json.loads(content) if held is not None else {}
        print_json({**shown, **({"problems": problems} if verify or problems else {})})
    else:
        if held is not None:
            click.echo(f"{where.receipt}: {len(held.files)} files, digest {held.digest}")
        for problem in problems:
            click.echo(f"  {problem}")
        if verify and not problems:
            click.echo("Every file is as it was delivered.")
    sys.exit(1 if problems else 0)


def _read(content: bytes) -> tuple[_Receipt | None, list[str]]:
    try:
        return msgspec.json.decode(content, type=_Receipt), []
    except msgspec.MsgspecError as error:
        return None, [f"{RECEIPT} is damaged: {error}"]


def _against_status(held: _Receipt, where: Output) -> Iterator[str]:
    """What the job's status, which nobody who may write to the bucket can change, says otherwise."""
    files = {entry.name: StoredFile(entry.size, entry.etag) for entry in held.files}
    digest = digest_of(Delivery(None, files), list(files))
    if not digest == held.digest == where.digest:
        yield f"{RECEIPT} has another digest than the job's status: it was changed after the delivery"
    if len(held.files) != where.files:
        yield f"{RECEIPT} lists {len(held.files)} files, the job's status counts {where.files}"
    size = sum(entry.size for entry in held.files)
    if size != where.bytes:
        yield f"{RECEIPT} lists {size} bytes, the job's status counts {where.bytes}"


def _against_bucket(s3: Any, held: _Receipt, where: Output) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=where.bucket, Prefix=where.prefix)
    there = {
        item["Key"].removeprefix(where.prefix): item["Size"] for page in pages for item in page.get("Contents", [])
    }
    listed = {entry.name for entry in held.files}
    for name in sorted(there.keys() - listed - UNLISTED_FILES):
        if not name.startswith(PROBE_PREFIX) and not (there[name] == 0 and (not name or name.endswith("/"))):
            yield f"{name} is there but not on the receipt"
    console = Console(stderr=True)
    for entry in track(held.files, description="Reading", console=console, disable=not console.is_terminal):
        if entry.name not in there:
            yield f"{entry.name} is missing"
        elif there[entry.name] != entry.size or _sha256(s3, where, entry.name) != entry.sha256:
            yield f"{entry.name} differs"


def _sha256(s3: Any, where: Output, name: str) -> str:
    sums = hashlib.sha256()
    with s3.get_object(Bucket=where.bucket, Key=where.prefix + name)["Body"] as body:
        while chunk := body.read(_CHUNK):
            sums.update(chunk)
    return sums.hexdigest()
