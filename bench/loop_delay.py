"""Measure how long the event loop of the operator is held up by the largest answers that the limits permit.

    .venv/bin/python bench/loop_delay.py [--only GROUP] [--row TEXT]

The real operator runs on the sandbox, and every service that it asks is behind a gateway, which gives each kind of
answer in each shape. A delay is how late a timer of 5 ms was, or the CPU time that the process used meanwhile if that
is less: then another process had the core. Exits with 1 when a delay is longer than 100 ms, or an answer was not asked
for. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loop_stage import WITHIN, Stage, staged, warm  # first: it makes the packages of the project importable

from attack.gateway import Answer, text  # isort: skip
from integration.conftest import condition  # isort: skip
from reltio_export_operator.delivery.limits import LIMITS  # isort: skip
from reltio_export_operator.runtime import bounds  # isort: skip
from reltio_export_sandbox.environment import BUCKET  # isort: skip
from shapes import Shapes, json_shapes, xml_shapes  # isort: skip

LONGEST_DELAY = 0.1  # seconds
MIB = 2**20
XML = "application/xml"


def answered(content: bytes, content_type: str = "application/json", status: int = 200) -> Answer:
    return text(status, content.decode(), content_type)


WANTED = ""  # measure only rows with this text


def wanted(row: str) -> bool:
    return WANTED in row


def limits(kind: bounds.Answer, *, less: int = 4096) -> tuple[int, int, int]:
    """Size, values and depth of what fits into an answer beside what belongs there."""
    found = bounds.answer_limits(kind)
    return int(found.decoded_bytes) - less, int(found.entries) - 64, int(found.depth) - 8


Row = tuple[str, float, int, str]
Rows = AsyncIterator[Row]


async def start() -> Rows:
    """From the start of the process until a target is Ready and a job Complete."""
    async with staged() as stage:
        await stage.target("warm")
        await stage.world.ready("warm")
        yield ("start and first verification", *await stage.measured())
        await stage.world.job(target="warm")
        await stage.world.finished()
        yield ("first job", *await stage.measured())


async def verification() -> Rows:
    """Answers to the calls that verify a target."""
    kind = bounds.Answer
    async with warm() as stage:
        rows: list[tuple[str, Callable[[Stage, bytes], Any], Shapes]] = [
            ("token", _token, json_shapes(*limits(kind.TOKEN))),
            ("error of the token service", _token_error, json_shapes(60 << 10, 900, 8)),
            ("number of tasks", _total, json_shapes(*limits(kind.RELTIO))),
            ("error of Reltio", _total_error, json_shapes(60 << 10, 90_000, 20)),
            ("STS", _sts, xml_shapes(*limits(kind.AWS))),
            ("error of STS", _sts_error, xml_shapes(*limits(kind.AWS_ERROR))),
            ("error of S3", _page_error, xml_shapes(*limits(kind.AWS_ERROR))),
            ("page of a listing of S3", _page, xml_shapes(*limits(kind.AWS))),
        ]
        for number, (name, rule, shapes) in enumerate(rows):
            for index, (shape, content) in enumerate(shapes):
                if not wanted(f"{name}: {shape}"):
                    continue
                target = f"t{number}-{index}"
                if name in ("token", "error of the token service"):
                    await stage.secret(target)  # its token is not known yet
                answering = rule(stage, content)
                await stage.reset()
                await stage.target(target, target if "token" in name else "reltio-api")
                await stage.used(*answering)
                yield (f"{name}: {shape}", *await stage.measured())
                stage.clear()
                await stage.world.delete("ExportTarget", target)
                await asyncio.sleep(0.2)


def _token(stage: Stage, content: bytes) -> list[Any]:
    body = b'{"access_token":"t","expires_in":3600,"more":' + content + b"}"
    return [stage.reltio.on("/oauth/token", answered(body))]


def _token_error(stage: Stage, content: bytes) -> list[Any]:
    return [stage.reltio.on("/oauth/token", answered(b'{"error":"x","more":' + content + b"}", status=400))]


def _total(stage: Stage, content: bytes) -> list[Any]:
    return [stage.reltio.on("/tasks/_total", answered(b'{"total":1,"more":' + content + b"}"))]


def _total_error(stage: Stage, content: bytes) -> list[Any]:
    body = b'{"errorMessage":"x","errorData":' + content + b"}"
    return [stage.reltio.on("/tasks/_total", answered(body, status=400))]


def _xml(before: str, content: bytes, after: str) -> bytes:
    return b'<?xml version="1.0"?>' + before.encode() + content + after.encode()


def _sts(stage: Stage, content: bytes) -> list[Any]:
    body = _xml("<AssumeRoleResponse><AssumeRoleResult><X>", content, "</X></AssumeRoleResult></AssumeRoleResponse>")
    return [stage.aws.on("", answered(body, XML), body="Action=AssumeRole")]


def _sts_error(stage: Stage, content: bytes) -> list[Any]:
    body = _xml(
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>", content, "</Message></Error></ErrorResponse>"
    )
    return [stage.aws.on("", answered(body, XML, 403), body="Action=AssumeRole")]


def _page(stage: Stage, content: bytes) -> list[Any]:
    body = _xml("<ListBucketResult><Contents><Key>x</Key><X>", content, "</X></Contents></ListBucketResult>")
    return [stage.aws.on("list-type=2", answered(body, XML))]


def _page_error(stage: Stage, content: bytes) -> list[Any]:
    body = _xml("<Error><Code>AccessDenied</Code><Message>", content, "</Message></Error>")
    return [stage.aws.on("list-type=2", answered(body, XML, 403))]


async def exports() -> Rows:
    """Answers to the calls of jobs."""
    size, values, depth = limits(bounds.Answer.RELTIO)
    room = max(1, size // 100 - 40)
    tasks: Shapes = [
        ("100 large tasks", b",".join(b'{"id":"%d","x":"%s"}' % (n, b"x" * room) for n in range(100))),
        ("many small tasks", b",".join(b'{"id":"%d"}' % n for n in range(values // 2))),
    ]
    tasks += [(name, b'{"id":"1","parameters":' + one + b"}") for name, one in json_shapes(size, values, depth)]
    async with warm() as stage:
        for number, (shape, content) in enumerate(tasks):
            if not wanted(f"list of tasks: {shape}"):
                continue
            # One that runs, so that its tasks are asked for: a job may end by what the last answer did not show.
            await stage.world.job(f"running-{number}", target="warm")
            await stage.world.until("ExportJob", f"running-{number}", lambda raw: raw.get("status", {}).get("tasks"))
            rule = stage.reltio.on("/tasks?", answered(b"[" + content + b"]"))
            await stage.reset()
            await stage.used(rule)
            yield (f"list of tasks: {shape}", *await stage.measured())
            stage.clear()
        for number, (shape, content) in enumerate(json_shapes(*limits(bounds.Answer.SUBMISSION))):
            if not wanted(f"submission: {shape}"):
                continue
            rule = stage.reltio.on("/export/", answered(b'{"taskIds":["x"],"more":' + content + b"}"), times=1)
            await stage.reset()
            await stage.world.job(f"job-{number}", target="warm")
            await stage.used(rule)
            yield (f"submission: {shape}", *await stage.measured())
            stage.clear()
            await stage.remove(f"job-{number}")


async def deliveries() -> Rows:
    """Manifests and listings."""
    size, values = int(LIMITS.manifest_bytes) - 4096, int(LIMITS.manifest_values) - 64
    names = [f"part-{number:07}" for number in range(int(LIMITS.objects) - 10)]
    listed = json.dumps(names[::-1]).encode()
    manifests: Shapes = [(shape, b'"more":' + one) for shape, one in json_shapes(size, values, 200)]
    manifests += [("names of no file", b'"files":' + listed)]
    async with warm() as stage:
        for number, (shape, content) in enumerate(manifests):
            if not wanted(f"manifest: {shape}"):
                continue
            job = f"job-{number}"
            await stage.world.job(job, target="warm", delivery={"verify": "Manifest"})
            rule = stage.aws.on(
                "list-type=2", _replaced(stage, b'{"success":true,' + content + b"}"), times=1, query=job
            )
            await stage.reset()
            await stage.used(rule)
            await stage.manifest_used(job)
            yield (f"manifest: {shape}", *await stage.measured())
            stage.clear()
            await stage.remove(job)
        if not wanted("delivery of many files"):
            return
        await stage.world.job("large", target="warm", delivery={"verify": "Manifest"})
        manifest = {"success": True, "files": names[::-1], "totalObjects": 1}
        pages = stage.aws.on("list-type=2", _listing(stage, names), query="large")
        read = stage.aws.on("manifest.json", answered(json.dumps(manifest).encode()), query="large")
        await stage.reset()
        await stage.used(pages, read)
        with contextlib.suppress(TimeoutError):
            await _over(stage, "large")
        yield (f"delivery of {len(names):,} files in another order", *await stage.measured())


async def _over(stage: Stage, job: str) -> None:
    async with asyncio.timeout(WITHIN):
        while True:
            raw = await stage.world.get("ExportJob", job)
            if condition(raw, "Complete") or condition(raw, "Failed") or condition(raw, "Stalled"):
                return
            await asyncio.sleep(0.2)


def _replaced(stage: Stage, manifest: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        prefix = parse_qs(urlsplit(stage.aws.requests[-1].path).query)["prefix"][0]
        s3 = stage.world.sandbox.cloud.client("s3")
        await asyncio.to_thread(s3.put_object, Bucket=BUCKET, Key=prefix + "manifest.json", Body=manifest)
        await text(503, "<Error><Code>SlowDown</Code></Error>", XML)(writer)

    return answer


def _listing(stage: Stage, names: list[str]) -> Answer:
    """Pages of a directory of these files and a manifest, in no order."""
    shuffled = ["manifest.json", *names[::7], *(name for number, name in enumerate(names) if number % 7)]

    async def answer(writer: asyncio.StreamWriter) -> None:
        query = parse_qs(urlsplit(stage.aws.requests[-1].path).query)
        prefix, begin = query["prefix"][0], int(query.get("continuation-token", ["0"])[0])
        page = shuffled[begin : begin + 1000]
        more = begin + 1000 < len(shuffled)
        objects = "".join(
            f"<Contents><Key>{prefix}{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{number:032x}&quot;</ETag><Size>10</Size></Contents>"
            for number, name in enumerate(page)
        )
        token = f"<NextContinuationToken>{begin + 1000}</NextContinuationToken>" if more else ""
        body = (
            f"<ListBucketResult><Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{objects}</ListBucketResult>"
        )
        await text(200, body, XML)(writer)

    return answer


_GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410,"status":"Failure","reason":"Expired"}}\n'


async def api_server() -> Rows:
    """Objects, lists and watch lines."""
    size, values, depth = limits(bounds.Answer.API_SERVER)
    shapes = json_shapes(size, values - 300, depth)
    async with warm() as stage:
        for number, (shape, content) in enumerate(shapes):
            if not wanted(f"watch line: {shape}"):
                continue
            rule = stage.kube.on(
                "/exportjobs?", answered(_event("MODIFIED", _job(f"job-{number}", content))), query="watch=", times=1
            )
            await _watched_again(stage)
            yield await _kube_row(stage, f"watch line: {shape}", rule)
        lists = [(shape, [_job("listed", content)]) for shape, content in shapes]
        room = size // 500 - 700
        lists.append(("500 objects", [_job(f"listed-{n}", b'"' + b"x" * room + b'"') for n in range(500)]))
        lists.append(
            (
                "500 objects of many fields",
                [
                    _job(f"many-{n}", json.dumps({f"k{k}": "" for k in range(values // 500 - 20)}).encode())
                    for n in range(500)
                ],
            )
        )
        for shape, items in lists:
            if not wanted(f"list: {shape}"):
                continue
            page = b'{"kind":"ExportJobList","metadata":{"resourceVersion":"1"},"items":['
            rule = stage.kube.on_list(answered(page + b",".join(items) + b"]}"), times=1)
            stage.kube.on("/exportjobs?", answered(_GONE), query="watch=", times=1)
            await _watched_again(stage)
            yield await _kube_row(stage, f"list: {shape}", rule)
        for number, (shape, content) in enumerate(shapes):
            if not wanted(f"object: {shape}"):
                continue
            rule = stage.kube.on(f"/exportjobs/get-{number}", answered(_job(f"get-{number}", content)))
            stage.kube.on(
                "/exportjobs?", answered(_event("ADDED", _job(f"get-{number}", b"1"))), query="watch=", times=1
            )
            await _watched_again(stage)
            yield await _kube_row(stage, f"object: {shape}", rule)
        if wanted("5,000 watch lines"):  # the last row, as the operator asks for each of these jobs
            small = b"".join(_event("MODIFIED", _job(f"small-{number}", b"1")) for number in range(5_000))
            rule = stage.kube.on("/exportjobs?", answered(small), query="watch=", times=1)
            await _watched_again(stage)
            yield await _kube_row(stage, "5,000 watch lines", rule)


async def _watched_again(stage: Stage) -> None:
    """End the watch of jobs, so that kopf asks for it again."""
    await stage.reset()
    stage.kube.end_watches()


async def _kube_row(stage: Stage, name: str, rule: Any) -> Row:
    await stage.used(rule)
    row = (name, *await stage.measured())
    stage.clear()
    return row


def _job(name: str, content: bytes) -> bytes:
    """An ExportJob with this value as an annotation, which is of any type here."""
    head = {
        "apiVersion": "export.reltio.com/v1alpha1",
        "kind": "ExportJob",
        "metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1", "generation": 1},
        "spec": {"targetRef": {"name": "warm"}, "export": {"type": "Entities"}},
        "status": {"observedGeneration": 0, "conditions": []},
    }
    return json.dumps(head).encode()[:-1] + b',"more":' + content + b"}"


def _event(type_: str, raw: bytes) -> bytes:
    return b'{"type":"' + type_.encode() + b'","object":' + raw + b"}\n"


GROUPS: dict[str, Callable[[], Rows]] = {
    "start": start,
    "verification": verification,
    "exports": exports,
    "deliveries": deliveries,
    "api-server": api_server,
}


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", choices=["", *GROUPS], help="measure only this group")
    parser.add_argument("--row", default="", help="measure only rows with this text, in groups that have any")
    arguments = parser.parse_args()
    only = arguments.only
    global WANTED
    WANTED = arguments.row
    worst, missed, began = 0.0, 0, time.monotonic()
    print(f"{'answer':<62} {'delay':>7} {'memory':>8}")
    for name, group in GROUPS.items():
        if only and name != only:
            continue
        async for row, delay, peak, why in group():
            worst, missed = max(worst, delay), missed + ("NOT ASKED" in why)
            mark = "   <-- TOO LONG" if delay > LONGEST_DELAY else ""
            print(f"{row:<62} {delay * 1000:>4.0f} ms {peak // MIB:>4} MiB   {why}{mark}", flush=True)
    print(f"\nlongest delay  {worst * 1000:.0f} ms")
    print(f"time           {time.monotonic() - began:.0f} s")
    print(f"not asked for  {missed}")
    return 1 if worst > LONGEST_DELAY or missed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
