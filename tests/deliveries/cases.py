"""Deliveries with their truth: good ones in each layout, and what is done to them.

Layouts as recorded from public sources:
Spark: `part-00000-<uuid>-c000.csv.gz` and `_SUCCESS`,
https://github.com/apache/spark/blob/master/core/src/main/scala/org/apache/spark/internal/io/HadoopMapReduceCommitProtocol.scala
Hadoop: `part-r-00000`, `_SUCCESS`, `_temporary`,
https://github.com/apache/hadoop/blob/trunk/hadoop-mapreduce-project/hadoop-mapreduce-client/hadoop-mapreduce-client-core/src/main/java/org/apache/hadoop/mapreduce/lib/output/FileOutputCommitter.java
and `.part-r-00000.crc`,
https://github.com/apache/hadoop/blob/trunk/hadoop-common-project/hadoop-common/src/main/java/org/apache/hadoop/fs/ChecksumFileSystem.java
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .writers import ROWS, Written

Files = dict[str, bytes]
Ending = Literal["proved", "open", "failed", "waits"]
_UUID = "6b3c2f6e-2f5c-4f0e-9d6e-0f1f3f5a7b9c"
TOTAL = len(ROWS)


@dataclass(frozen=True)
class Case:
    """A delivery. `arrived`: whether all of the data is there and readable, whatever its manifest says.

    `endings`: what the operator may make of it.
    """

    name: str
    files: Files
    manifest: object
    arrived: bool
    endings: tuple[Ending, ...]
    export: Mapping[str, Any] = field(default_factory=lambda: {"type": "Entities"})
    verify: str = "Objects"
    manifest_name: str = "manifest.json"


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _members(content: bytes) -> bytes:
    half = len(content) // 2
    return _gzip(content[:half]) + _gzip(content[half:]) + _gzip(b"")


def _zip(content: bytes, *, others: Mapping[str, bytes] | None = None, zip64: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in {"part": content, **(others or {})}.items():
            with archive.open(zipfile.ZipInfo(name, (2031, 1, 15, 3, 0, 0)), "w", force_zip64=zip64) as member:
                member.write(body)
    return out.getvalue()


@dataclass(frozen=True)
class Layout:
    """How parts become files. `is_odd`: unusual, so that nothing is proved."""

    name: str
    pack: Callable[[bytes], bytes]
    file: str  # with {n} for the number, and {suffix}
    extra: Mapping[str, bytes] = field(default_factory=dict)
    is_odd: bool = False
    has_checksum: bool = True


_SPARK = {"_SUCCESS": b"", f".part-00000-{_UUID}-c000.csv.gz.crc": b"crc\0", "_committed_1": b"{}", "_started_1": b""}
_HADOOP = {"_SUCCESS": b"", ".part-r-00000.gz.crc": b"crc\0", "_logs/history/job.xml": b"<x/>", "_temporary/0/x": b"y"}
_MAC = {"__MACOSX/._part": bytes(range(256))}
LAYOUTS = (
    Layout("gzip", _gzip, "part-{n:05d}.gz"),
    Layout("plain", bytes, "part-{n:05d}{suffix}", has_checksum=False),
    Layout("ZIP", _zip, "tenant_entities_part_{n}.zip"),
    Layout("gzip of many members", _members, "part-{n:05d}{suffix}.gz"),
    Layout("gzip with padding", lambda content: _gzip(content) + bytes(512), "part-{n:05d}.gz"),
    Layout("gzip with trailing bytes", lambda content: _gzip(content) + b"trailing", "part-{n:05d}.gz", is_odd=True),
    Layout("compressed twice", lambda content: _gzip(_gzip(content)), "part-{n:05d}.gz", is_odd=True),
    Layout("gzip without a suffix", _gzip, "part-{n:05d}"),
    Layout("text named .gz", bytes, "part-{n:05d}.gz", is_odd=True, has_checksum=False),
    Layout("ZIP64", lambda content: _zip(content, zip64=True), "part-{n:05d}.zip"),
    Layout("ZIP of a Mac", lambda content: _zip(content, others=_MAC), "part-{n:05d}.zip"),
    Layout("ZIP named .gz", _zip, "part-{n:05d}.gz"),
    Layout("Spark", _gzip, f"part-{{n:05d}}-{_UUID}-c000{{suffix}}.gz", _SPARK),
    Layout("Hadoop", _gzip, "part-r-{n:05d}.gz", _HADOOP),
    Layout("one directory below", _gzip, "type=HCP/part-{n:05d}.gz"),
)

AS_WRITTEN = Layout("as the library compressed it", bytes, "part-{n:05d}{suffix}")


def _delivery(written: Written, layout: Layout) -> tuple[Files, dict[str, Any]]:
    names = [
        layout.file.format(n=number, suffix=written.container or written.suffix) for number in range(len(written.parts))
    ]
    files = {name: layout.pack(part) for name, part in zip(names, written.parts, strict=True)}
    manifest = {
        "success": True,
        "files": names,
        "totalObjects": TOTAL,
        "totalNumberOfFiles": len(names),
        "duration": "PT8M7S",
        "outputFileFormat": written.format,
    }
    return {**files, **layout.extra}, manifest


def good(written: Sequence[Written]) -> Iterator[Case]:
    """Each writer as plain text, gzip and ZIP, and a few writers in each other layout."""
    for number, one in enumerate(written):
        layouts = (*LAYOUTS[:3], LAYOUTS[3 + number % (len(LAYOUTS) - 3)])
        for layout in (AS_WRITTEN,) if one.container else layouts:
            files, manifest = _delivery(one, layout)
            proved = one.follows_rfc and not layout.is_odd and not (layout.name.startswith("text") and _is_opaque(one))
            endings: tuple[Ending, ...] = ("proved",) if proved else ("open",)
            if not layout.has_checksum and not _ends_with_line(one):
                endings = ("open",)
            if layout.name == "text named .gz" and not one.follows_rfc:
                endings = ("open", "failed")  # its first line shows no documented column
            yield Case(
                f"{one.writer}, {layout.name}",
                files,
                manifest,
                True,
                endings,
                {"type": "Entities", "fileFormat": one.format},
            )


def _is_opaque(written: Written) -> bool:
    return written.parts[0][:2] in (b"\xff\xfe", b"\xfe\xff")


def _ends_with_line(written: Written) -> bool:
    return written.format == "JSON" or written.parts[-1].rstrip(b"\0").endswith(b"\n")


def manifests(one: Written) -> Iterator[Case]:
    """One delivery under each manifest that the documentation allows, and some others."""
    files, base = _delivery(one, LAYOUTS[0])
    path = "reltio/mdm/nightly/u-1-1/"
    names = base["files"]
    exact: dict[str, object] = {
        "success as text": {**base, "success": "true"},
        "totals as text": {**base, "totalObjects": str(TOTAL), "totalNumberOfFiles": "2"},
        "no totalNumberOfFiles": _without(base, "totalNumberOfFiles"),
        "totalObjects with a point": {**base, "totalObjects": float(TOTAL)},
        "a field more": {**base, "tasks": [{"id": 1}]},
        "keys": {**base, "files": [path + name for name in names]},
        "keys with a bucket": {**base, "files": [f"acme-mdm-exports/{path}{name}" for name in names]},
        "relative names": {**base, "files": [f"./{name}" for name in names]},
        "last directory and name": {**base, "files": [f"u-1-1/{name}" for name in names]},
        "entries as objects": {**base, "files": [{"fileName": name, "fileSize": 5} for name in names]},
    }
    for scheme in ("s3", "s3a", "s3n"):
        exact[f"{scheme} URLs"] = {**base, "files": [f"{scheme}://acme-mdm-exports/{path}{name}" for name in names]}
    for host in ("acme-mdm-exports.s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com/acme-mdm-exports"):
        exact[f"https://{host}"] = {**base, "files": [f"https://{host}/{path}{name}?X-Amz-Date=1" for name in names]}
    for name, manifest in exact.items():
        yield Case(f"manifest: {name}", files, manifest, True, ("proved",))
    odd: dict[str, object] = {
        "no success": _without(base, "success"),
        "success null": {**base, "success": None},
        "no totalObjects": _without(base, "totalObjects"),
        "totalObjects -1": {**base, "totalObjects": -1},
        "estimated totalObjects, more": {**base, "totalObjects": TOTAL + 3},
        "estimated totalObjects, fewer": {**base, "totalObjects": TOTAL - 3},
        "totalObjects counts rows and headers": {**base, "totalObjects": TOTAL + 2},
        "totalNumberOfFiles counts the manifest": {**base, "totalNumberOfFiles": 3},
        "a file twice": {**base, "files": [*names, names[0]]},
        "files alone": {"files": names},
    }
    for name, manifest in odd.items():
        yield Case(f"manifest: {name}", files, manifest, True, ("open",))
    for verify, ending in (("Manifest", "open"), ("Full", "proved")):
        yield Case(f"verify {verify}", files, base, True, (ending,), verify=verify)  # type: ignore[arg-type]
    yield Case("manifest: odd, verify Manifest", files, _without(base, "success"), True, ("open",), verify="Manifest")
    below = {f"2031-01-15/{name}": body for name, body in files.items()}
    yield Case("a directory was added", below, base, True, ("proved",), manifest_name="2031-01-15/manifest.json")
    yield Case("a directory was added to the files", below, base, True, ("proved",))
    yield Case("another object", {**files, "summary.json": b"{}"}, base, True, ("open",))
    missing: dict[str, object] = {"none": None, "no JSON": b"{", "no files": _without(base, "files"), "a list": names}
    for name, manifest in missing.items():
        yield Case(f"no list of files: {name}", files, manifest, True, ("waits",))
    yield Case("no list of files: empty list", files, {**base, "files": [], "totalObjects": 0}, True, ("waits",))


def empty() -> Iterator[Case]:
    """Exports without objects."""
    base = {"success": True, "files": [], "totalObjects": 0, "totalNumberOfFiles": 0}
    header = b"ID,Type,Attributes.Name\r\n"
    yield Case("no objects", {}, base, True, ("proved",))
    yield Case("no objects, no list", {}, _without(base, "files"), True, ("proved",))
    yield Case("no objects, _SUCCESS", {"_SUCCESS": b""}, base, True, ("proved",))
    for name, body in {"part-00000.gz": _gzip(b""), "part-00000.csv": b"", "part-00001.gz": _gzip(header)}.items():
        listed = {**base, "files": [name], "totalNumberOfFiles": 1}
        yield Case(f"no objects, {name} of {len(body)} bytes", {name: body}, listed, True, ("proved",))
        yield Case(f"no objects, {name} of {len(body)} bytes unlisted", {name: body}, base, True, ("open", "proved"))
    window = {"type": "Entities", "updatedSince": "2030-01-15T00:00:00Z"}
    estimated = {**base, "files": ["part-00000.gz"], "totalObjects": 1, "totalNumberOfFiles": 1}
    yield Case(
        "no objects in a window, estimated as 1", {"part-00000.gz": _gzip(header)}, estimated, True, ("open",), window
    )
    lost = {**estimated, "totalObjects": 12}
    yield Case("headers alone of a full export", {"part-00000.gz": _gzip(header)}, lost, False, ("failed",))


def other_types() -> Iterator[Case]:
    """Exports whose records are not objects: activities with items, merge trees, slices."""
    items = [["activityId", "user", "id", "objectUri"]] + [
        [f"a{n // 3}", "x", f"i{n}", f"entities/{n}"] for n in range(12)
    ]
    rows = "".join(",".join(row) + "\r\n" for row in items).encode()
    activities = [{"uri": f"activities/a{n}", "items": [{"id": f"i{m}"} for m in range(3)]} for n in range(4)]
    lines = "".join(json.dumps(one) + "\n" for one in activities).encode()
    trees = b'{"uri":"entities/1","merges":[]}\n' * 3
    contents = {
        "Activities, CSV": ("Activities", rows, {4: "open", 12: "proved"}),
        "Activities, JSON": ("Activities", lines, {12: "open", 4: "proved"}),
        "merge trees": ("MergeTree", trees, {3: "open", 9: "open"}),
    }
    for name, (type_, body, totals) in contents.items():
        for total, ending in totals.items():
            for file, packed in (("part-0.gz", _gzip(body)), ("part-0.txt", body)):
                manifest = {"success": True, "files": [file], "totalObjects": total, "totalNumberOfFiles": 1}
                export = {"type": type_, "fileFormat": "JSON" if body.startswith(b"{") else "CSV"}
                yield Case(f"{name}, {total} objects, {file}", {file: packed}, manifest, True, (ending,), export)  # type: ignore[arg-type]
                cut = body[: body[: len(body) * 2 // 3].rindex(b"\n") + 1]
                if file == "part-0.txt":
                    yield Case(f"{name}, {total} objects, cut", {file: cut}, manifest, False, ("open",), export)


def bad(cases: Sequence[Case]) -> Iterator[Case]:
    """What can happen to a delivery that arrived."""
    for case in cases:
        manifest = case.manifest
        if not isinstance(manifest, dict) or not case.name.endswith(
            tuple(layout.name for layout in (*LAYOUTS, AS_WRITTEN))
        ):
            continue
        last = str(manifest["files"][-1])
        body = case.files[last]
        is_packed = body.startswith((b"\x1f\x8b", b"PK"))
        lost = replace(case, arrived=False)
        # Of many members, a cut may be between two of them.
        is_certain = is_packed and "many members" not in case.name
        never: tuple[Ending, ...] = ("failed",) if is_certain else ("failed", "open")

        def with_last(
            content: bytes, what: str, endings: tuple[Ending, ...], lost: Case = lost, last: str = last
        ) -> Case:
            return replace(lost, name=f"{lost.name}: {what}", files={**lost.files, last: content}, endings=endings)

        others = {name: content for name, content in case.files.items() if name != last}
        yield replace(lost, name=f"{case.name}: a file is missing", files=others, endings=("failed",))
        data = body.rstrip(b"\0") if is_packed else body  # without padding
        yield with_last(data[: len(data) // 2], "half of a file", never)
        yield with_last(data[:-5], "a file without its last bytes", _cut_end(case, never))
        yield with_last(b"<html><body>Log in</body></html>\n" * 9, "a page instead of a file", ("failed", "open"))
        yield replace(
            lost, name=f"{case.name}: not successful", manifest={**manifest, "success": False}, endings=("failed",)
        )
        twin = last.replace("1", "7", 1)
        yield replace(
            case,
            name=f"{case.name}: a file more",
            files={**case.files, twin: body},
            arrived=False,
            endings=("failed",),
        )
        if is_packed:
            middle = len(data) // 2 if body.startswith(b"\x1f\x8b") else _in_first_member(body)
            yield with_last(
                body[:middle] + bytes([body[middle] ^ 0x55]) + body[middle + 1 :], "a changed byte", ("failed", "open")
            )
            yield with_last(b"", "an empty file", ("failed", "open"))
        else:
            end = body[: len(body) * 3 // 4].rfind(b"\n") + 1
            yield with_last(body[:end], "cut at the end of a line", ("failed", "open"))
            yield with_last(b"", "an empty file", ("failed", "open"))


def _in_first_member(archive: bytes) -> int:
    """A position in the compressed bytes of the first member of a ZIP, after its header of 30 bytes, name and extra."""
    name, extra = (int.from_bytes(archive[at : at + 2], "little") for at in (26, 28))
    return 30 + name + extra + 5


def _cut_end(case: Case, never: tuple[Ending, ...]) -> tuple[Ending, ...]:
    return ("open", "failed") if "trailing" in case.name else never


def labels() -> Iterator[Case]:
    """Headers with labels of the tenant: the first line of a file may be a header or a record."""
    body = b"First Name,State\r\n" + b"Ada,NY\r\n" * 5
    export = {"type": "Entities", "headersStyle": "Label"}
    for total, ending in ((5, "open"), (6, "open")):
        manifest = {"success": True, "files": ["part-0.gz"], "totalObjects": total, "totalNumberOfFiles": 1}
        yield Case(f"labels, {total} objects", {"part-0.gz": _gzip(body)}, manifest, True, (ending,), export)  # type: ignore[arg-type]


def outside(one: Written) -> Iterator[Case]:
    """Manifests that list what is not in the directory."""
    files, base = _delivery(one, LAYOUTS[0])
    for name in (
        "../other/part-00000.gz",
        "s3://other/part-00000.gz",
        "https://evil.example.com/part-00000.gz",
        "part-9.gz",
    ):
        manifest = {**base, "files": [*base["files"], name], "totalNumberOfFiles": 3}
        yield Case(f"manifest lists {name}", files, manifest, False, ("failed",))


def _without(manifest: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in manifest.items() if key != name}


def all_cases(written: Sequence[Written]) -> list[Case]:
    arrived = list(good(written))
    few = [*manifests(written[0]), *outside(written[0]), *empty(), *other_types(), *labels()]
    return [*few, *arrived, *bad(arrived)]
