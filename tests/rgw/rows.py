"""What the operator must do with S3 and STS of RGW. Each row returns what was seen, or raises AssertionError."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Awaitable, Callable, Coroutine
from hashlib import sha256

import pytest

from reltio_export_operator.api.target import Encryption, ExportTarget
from reltio_export_operator.aws.errors import AwsError
from reltio_export_operator.aws.owner import Owner
from reltio_export_operator.aws.store import ObjectStore, StoredObject
from reltio_export_operator.cli import receipt
from reltio_export_operator.delivery.limits import Meter
from reltio_export_operator.delivery.manifest import RECEIPT
from reltio_export_operator.targets import permissions

from .cluster import REGION, Keys
from .stage import ACCOUNT, ACTIONS, BUCKET, ROLE, Stage, allow, document, output_of

CONTROL = "odd/control\x01\x1f"  # RGW answers 500 where it is a prefix
Row = Callable[[Stage], Coroutine[None, None, str]]

# Keys that a bucket may hold beside an export, and names of exports and tenants in other alphabets.
ODD_NAMES = (
    "with space",
    "plus+plus",
    "percent%2F%zz",
    "amp&<tag>'\"",
    "hash#question?x=y",
    "back\\slash",
    "comma,semi;colon:",
    "tilde~^`|{}[]",
    "ümläut",
    "日本語",
    "👩🏽‍🚀",
    "e\u0301 combined",
    "non\u00a0breaking",
    "two//slashes",
    "ends with dot.",
    "...",
    "line\nfeed",
    "carriage\rreturn",
    "tab\tbed",
    "delete\x7f",
    "*star$dollar",
    "a" * 900,
)


def _failing(target: ExportTarget) -> dict[str, str]:
    return {check.name: check.reason for check in target.status.checks if check.status == "False"}


async def _reason_of(call: Awaitable[object]) -> str:
    """Why a call fails."""
    with pytest.raises(AwsError) as caught:
        await call
    return caught.value.reason


# -- verification

_OPEN = {
    "WrongExternalIDRefused": "ExternalIDNotRequired",
    "MissingExternalIDRefused": "NoExternalID",
}  # of advisory checks in each row: RGW cannot evaluate an external ID


async def _fails(stage: Stage, expected: dict[str, str], **s3: object) -> str:
    """Exactly these checks fail, each with a remedy."""
    target = await stage.verify(**s3)
    found = {name: reason for name, reason in _failing(target).items() if name not in _OPEN}
    assert found == expected, target.status.checks
    assert not target.is_ready
    assert all(check.remedy for check in target.status.checks if check.status == "False")
    return ", ".join(f"{name}: {reason}" for name, reason in found.items())


async def everything_right(stage: Stage) -> str:
    target = await stage.verify()
    found = {check.name: check.status for check in target.status.checks}
    assert target.is_ready, target.status.checks
    assert _failing(target) == _OPEN, target.status.checks
    assert found["PublicAccessBlocked"] == "Unknown"
    left = list(stage.owner.list_objects_v2(Bucket=BUCKET, Prefix="reltio/.reltio").get("Contents", []))
    assert not left, left
    return f"Ready, {sum(status == 'True' for status in found.values())} checks passed, no object left"


async def role_missing(stage: Stage) -> str:
    return await _fails(stage, {"AssumeRole": "RoleNotFound"}, roleARN=f"{ROLE}-none")


async def not_trusted(stage: Stage) -> str:
    stage.set_trust(f"arn:aws:iam::{ACCOUNT}:user/somebody")
    try:
        return await _fails(stage, {"AssumeRole": "AssumeRoleDenied"})
    finally:
        stage.set_trust()


async def external_id_missing(stage: Stage) -> str:
    stage.set_trust(Condition={"StringEquals": {"sts:ExternalId": "other"}})
    try:
        return await _fails(stage, {"AssumeRole": "AssumeRoleDenied"}, externalID="mine")
    finally:
        stage.set_trust()


async def keys_unknown(stage: Stage) -> str:
    stage.use(Keys("AKIAUNKNOWN", "secret"))
    try:
        return await _fails(stage, {"AssumeRole": "AssumeRoleDenied"})
    finally:
        stage.use(stage.operator)


async def bucket_missing(stage: Stage) -> str:
    return await _fails(stage, {"Bucket": "BucketNotFound"}, bucket="acme-none")


def without(action: str) -> Row:
    async def row(stage: Stage) -> str:
        left = [one for one in ACTIONS if one != action]
        stage.permit(allow(left, [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]))
        try:
            seen = await _fails(stage, {action.removeprefix("s3:"): "AccessDenied"})
        finally:
            stage.permit_everything()
        assert (await stage.verify()).is_ready
        return f"{seen}; Ready once it is allowed"

    return row


async def other_directory(stage: Stage) -> str:
    objects = allow(["s3:PutObject", "s3:GetObject", "s3:DeleteObject"], [f"arn:aws:s3:::{BUCKET}/elsewhere/*"])
    stage.permit(allow(["s3:ListBucket", "s3:GetBucketPublicAccessBlock"], [f"arn:aws:s3:::{BUCKET}"]), objects)
    try:
        seen = await _fails(stage, {"PutObject": "AccessDenied"})
        assert (await stage.verify(path="/elsewhere/")).is_ready
    finally:
        stage.permit_everything()
    return f"{seen}; Ready with the path that the role allows"


async def bucket_policy(stage: Stage) -> str:
    denied = {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject"], "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}
    stage.owner.put_bucket_policy(Bucket=BUCKET, Policy=document(denied))
    try:
        return await _fails(stage, {"PutObject": "AccessDenied"})
    finally:
        stage.owner.delete_bucket_policy(Bucket=BUCKET)


async def encryption(stage: Stage) -> str:
    return await _fails(stage, {"PutObject": "AWSError"}, serverSideEncryption={"algorithm": "AES256"})


# -- STS


async def limited_session(stage: Stage) -> str:
    role = await stage.limited_role("reltio/")
    assert role.policy == 0
    inside, outside = StoredObject("reltio/a", 1, ""), StoredObject("elsewhere/a", 1, "")
    store = ObjectStore(stage.sessions, role, BUCKET)
    stage.put_all({inside.key: b"x", outside.key: b"x"})
    assert await store.read(inside) == b"x"
    for call in (store.read(outside), store.put(outside.key, b"y"), store.delete(outside.key)):
        assert await _reason_of(call) == "AccessDenied"
    return "3 calls outside of the path are denied"


async def policy_refused(stage: Stage) -> str:
    role = await stage.role(
        [permissions.export_policy(BUCKET, "reltio/", any_kms_key=True), permissions.bucket_policy(BUCKET)]
    )
    assert role.policy is None
    return "both session policies with kms: actions are refused, the session has none"


async def session_is_shared(stage: Stage) -> str:
    first = await stage.sessions.assume(Owner("mdm", "lake"), ROLE, None, region=REGION)
    again = await stage.sessions.assume(Owner("mdm", "lake"), ROLE, None, region=REGION)
    assert first is again
    return f"one AssumeRole for two callers, session until {first.expires:%H:%M}"


async def tagged_session(stage: Stage) -> str:
    tagged = await stage.sessions.assume(Owner("mdm", "x" * 200), ROLE, None, region=REGION, fresh=True)
    return f"a name of 200 characters becomes one of {len(tagged.key.owner.session_name)}"


# -- listing


def listing_of(count: int) -> Row:
    async def row(stage: Stage) -> str:
        prefix = f"listing/{count}/"
        wanted = {f"{prefix}{number:05d}.csv": b"" for number in range(count)}
        stage.put_all(wanted)
        store = await stage.store()
        found = [item.key async for item in store.list(prefix)]
        assert found == sorted(wanted), (len(found), len(wanted))
        return f"{len(found)} objects, {-(-count // 1000) or 1} pages"

    return row


async def odd_keys(stage: Stage) -> str:
    prefix = "odd/"
    wanted = {f"{prefix}{number:02d} {name}": f"{number}".encode() for number, name in enumerate(ODD_NAMES)}
    wanted[CONTROL] = b"control"
    stage.put_all(wanted)
    store = await stage.store()
    listed = {item.key: item async for item in store.list(prefix)}
    assert set(listed) == set(wanted), set(listed) ^ set(wanted)
    for key, content in wanted.items():
        assert key == CONTROL or await store.exists(key), key
        assert await store.read(listed[key]) == content, key
        await store.delete(key)
    assert not await store.has_objects(prefix)
    return f"{len(wanted)} keys listed, read and deleted"


async def odd_paths(stage: Stage) -> str:
    """The directory of an attempt, as a target's path may name it."""
    store = await stage.store()
    for number, name in enumerate(ODD_NAMES):
        prefix = f"paths/{number:02d} {name}/"
        stage.put_all({f"{prefix}part-0.csv": b"x"})
        assert [item.key async for item in store.list(prefix)] == [f"{prefix}part-0.csv"], prefix
    return f"{len(ODD_NAMES)} prefixes listed"


# -- reading


async def ranges(stage: Stage) -> str:
    content = bytes(range(256)) * 5000
    stage.put_all({"ranges/a.bin": content})
    store = await stage.store()
    (file,) = [item async for item in store.list("ranges/")]
    places = (
        (0, 1),
        (0, 512),
        (len(content) - 1, len(content)),
        (1000, 300_000),
        (len(content) - 5, len(content) + 99),
    )
    for start, end in places:
        assert await store.read_range(file, start, end) == content[start:end], (start, end)
    return f"{len(places)} ranges of {len(content)} bytes"


async def replaced_object(stage: Stage) -> str:
    stage.put_all({"changed/a.csv": b"first\n"})
    store = await stage.store()
    (file,) = [item async for item in store.list("changed/")]
    stage.put_all({"changed/a.csv": b"other\n"})
    for call in (store.read(file), store.read_range(file, 0, 3), store.check_file(file)):
        assert await _reason_of(call) == "ObjectChanged"
    return "If-Match: 3 calls say ObjectChanged"


async def deleted_object(stage: Stage) -> str:
    stage.put_all({"gone/a.csv": b"first\n"})
    store = await stage.store()
    (file,) = [item async for item in store.list("gone/")]
    stage.owner.delete_object(Bucket=BUCKET, Key=file.key)
    assert await _reason_of(store.read(file)) == "ObjectChanged"
    return "ObjectChanged"


async def multipart(stage: Stage) -> str:
    part = b"".join(b"row-%d,%d\n" % (number, number * 7919) for number in range(400_000))[: 6 << 20]
    key, parts = "multipart/a.csv", 5
    upload = stage.owner.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    done = [
        {
            "PartNumber": number,
            "ETag": stage.owner.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=part)[
                "ETag"
            ],
        }
        for number in range(1, parts + 1)
    ]
    store = await stage.store()
    assert not [item async for item in store.list("multipart/")], "an upload that is not complete is not an object"
    stage.owner.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload, MultipartUpload={"Parts": done})
    (file,) = [item async for item in store.list("multipart/")]
    assert file.etag.endswith(f"-{parts}")
    found = await store.check_file(file, Meter.of_delivery(file.size))
    assert found.sha256 == sha256(part * parts).hexdigest()
    assert await store.read_range(file, len(part) - 10, len(part) + 10) == (part * 2)[len(part) - 10 : len(part) + 10]
    return f"{file.size >> 20} MiB of {parts} parts, ETag with -{parts}"


async def zipped(stage: Stage) -> str:
    rows = b"".join(b"row-%d,%d\n" % (number, number) for number in range(300_000))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for number in range(3):
            archive.writestr(f"part-{number}.csv", rows)
    stage.put_all({"zip/a.zip": packed.getvalue(), "zip/b.csv.gz": gzip.compress(rows)})
    store = await stage.store()
    found = [await store.check_file(item) async for item in store.list("zip/")]
    assert [(one.problem, one.records) for one in found] == [(None, 900_000), (None, 300_000)], found
    return f"ZIP of {len(packed.getvalue()) >> 20} MiB by ranges, and gzip: 900,000 and 300,000 lines"


async def empty_object(stage: Stage) -> str:
    stage.put_all({"empty/a.csv": b""})
    store = await stage.store()
    (file,) = [item async for item in store.list("empty/")]
    assert (file.size, await store.read(file)) == (0, b"")
    return "0 bytes"


async def encrypted_object(stage: Stage) -> str:
    store = await stage.store()
    assert await _reason_of(store.put("encrypted/a.csv", b"x", Encryption(algorithm="AES256"))) == "AWSError"
    return "refused, and it is not transient"


# -- delivery


def delivery_of(parts: int, verify: str, attempt: int) -> Row:
    async def row(stage: Stage) -> str:
        files = {f"part-{number:05d}.csv": b"uri,name\n" + b"e/%d,x\n" % number * 4 for number in range(parts)}
        subject, delivery = await stage.deliver(files, records=4 * parts, verify=verify, attempt=attempt)
        assert not delivery.differences, delivery.differences[:3]
        output = output_of(subject, delivery)
        s3 = (await stage.role()).s3  # the owner of the bucket may not read what a role has written
        _, recorded, problems = receipt.check(s3, output)
        assert recorded is not None
        assert (len(recorded.files), problems) == (parts, []), problems[:3]
        changed = next(iter(files))
        stage.put_all({output.prefix + changed: files[changed].replace(b"x", b"y")})
        _, _, problems = receipt.check(s3, output)
        assert problems == [f"{changed} was changed"], problems[:3]
        return f"{parts} files, receipt proves each; one changed file is found"

    return row


async def damaged_delivery(stage: Stage) -> str:
    good = gzip.compress(b"uri,name\n" + b"e/1,x\n" * 100, mtime=0)
    files = {"part-0.csv.gz": good, "part-1.csv.gz": good[:-9], "part-2.csv": b"uri,name\ne/1,x\n"}
    _, delivery = await stage.deliver(files, records=201, verify="Full", attempt=90)
    assert [text for text in delivery.differences if "part-1" in text], delivery.differences
    return delivery.differences[0]


async def missing_file(stage: Stage) -> str:
    subject, delivery = await stage.deliver({"part-0.csv": b"a\n1\n"}, records=1, verify="Full", attempt=91)
    assert not delivery.differences, delivery.differences
    output = output_of(subject, delivery)
    stage.owner.delete_object(Bucket=BUCKET, Key=f"{output.prefix}part-0.csv")
    _, _, problems = receipt.check((await stage.role()).s3, output)
    assert problems == ["part-0.csv was not found"], problems
    return problems[0]


async def changed_receipt(stage: Stage) -> str:
    subject, delivery = await stage.deliver({"part-0.csv": b"a\n1\n"}, records=1, verify="Full", attempt=92)
    output = output_of(subject, delivery)
    stage.put_all({output.prefix + RECEIPT: b'{"digest": "0", "files": []}'})
    _, _, problems = receipt.check((await stage.role()).s3, output)
    assert problems, "a receipt that was changed"
    return problems[0]


ROWS: dict[str, Row] = {
    "verification: everything right": everything_right,
    "verification: role does not exist": role_missing,
    "verification: role trusts somebody else": not_trusted,
    "verification: role asks for an external ID": external_id_missing,
    "verification: keys that RGW does not know": keys_unknown,
    "verification: bucket does not exist": bucket_missing,
    **{f"verification: role may not {action}": without(action) for action in ACTIONS[:4]},
    "verification: role is bound to another directory": other_directory,
    "verification: bucket policy denies writing": bucket_policy,
    "verification: encryption is requested": encryption,
    "STS: session policy of a path": limited_session,
    "STS: session policy that is refused": policy_refused,
    "STS: session is shared": session_is_shared,
    "STS: long names": tagged_session,
    **{f"listing: {count} objects": listing_of(count) for count in (0, 1, 999, 1000, 1001, 2345)},
    "listing: odd keys": odd_keys,
    "listing: odd prefixes": odd_paths,
    "reading: ranges": ranges,
    "reading: object was replaced": replaced_object,
    "reading: object was deleted": deleted_object,
    "reading: multipart upload": multipart,
    "reading: ZIP and gzip": zipped,
    "reading: empty object": empty_object,
    "writing: encryption is requested": encrypted_object,
    "delivery: 2,500 parts, Objects": delivery_of(2500, "Objects", 1),
    "delivery: 2,500 parts, Full": delivery_of(2500, "Full", 2),
    "delivery: a damaged part": damaged_delivery,
    "receipt: a part was deleted": missing_file,
    "receipt: it was changed": changed_receipt,
}
