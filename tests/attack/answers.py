"""Attacks with answers: endless, huge, deep, slow and compressed ones, at each service that the operator asks."""

from __future__ import annotations

from collections.abc import Iterator

from reltio_export_sandbox.environment import BUCKET

from .gateway import Answer, bomb, endless, stream
from .rows import Attack, Row
from .stage import MIB, Stage

HUGE = 350 * MIB  # bytes, once decoded
_LIMITS = "answer limits"
_WITHIN = 20.0  # seconds that an attack has


def rows() -> Iterator[Row]:
    """Each kind of answer at each endpoint."""
    token, total = ('{"access_token": "t", "expires_in": 3600, "filler": ', '""}'), ('{"total": 1, "filler": ', '""}')
    for kind, answer in _json(*token):
        yield Row(f"token endpoint: {kind} answer", _LIMITS, verifying("/oauth/token", answer))
    for kind, answer in _json(*total):
        yield Row(f"number of tasks: {kind} answer", _LIMITS, verifying("/tasks/_total", answer))
    for kind, answer in _json('{"errorMessage": ', '""}', status=500):
        yield Row(f"error of Reltio: {kind} answer", _LIMITS, verifying("/tasks/_total", answer))
    for kind, answer in _json('{"taskIds": ["x"], "filler": ', '""}'):
        yield Row(f"submission: {kind} answer", _LIMITS, running("/export/", answer))
    for kind, answer in _json("[", "]"):
        yield Row(f"list of tasks: {kind} answer", _LIMITS, running("/tasks?", answer))
    for kind, answer in _xml("<AssumeRoleResponse>", "</AssumeRoleResponse>"):
        yield Row(f"STS: {kind} answer", _LIMITS, verifying("", answer, aws=True, body="Action=AssumeRole"))
    for kind, answer in _xml("<Error><Code>AccessDenied</Code>", "</Error>", status=403):
        yield Row(f"error of S3: {kind} answer", _LIMITS, verifying(f"/{BUCKET}", answer, aws=True))
    for kind, answer in _xml("<ListBucketResult>", "</ListBucketResult>"):
        yield Row(f"listing of S3: {kind} answer", _LIMITS, verifying("list-type=2", answer, aws=True))


def _json(prefix: str, suffix: str, *, status: int = 200) -> Iterator[tuple[str, Answer]]:
    yield "compressed", bomb(prefix.encode(), suffix.encode(), HUGE, status=status)
    yield "huge", stream(prefix.encode(), b" " * 1024, HUGE, suffix.encode(), status=status)
    yield "endless", endless(prefix.encode(), HUGE, status=status)
    yield "crowded", stream(prefix.encode() + b"[", b"[],", 60 * MIB, b"[]]" + suffix[-1:].encode(), status=status)


def _xml(prefix: str, suffix: str, *, status: int = 200) -> Iterator[tuple[str, Answer]]:
    head = b'<?xml version="1.0"?>' + prefix.encode()
    kind = "application/xml"
    yield "huge", stream(head, b" " * 1024, HUGE, suffix.encode(), status=status, content_type=kind)
    yield "endless", endless(head, HUGE, status=status, content_type=kind)
    yield "deep", stream(head, b"<a>", 40 * MIB, suffix.encode(), status=status, content_type=kind)


def verifying(path: str, answer: Answer, *, aws: bool = False, body: str = "") -> Attack:
    """The answer comes while a target is verified."""

    async def attack(stage: Stage) -> str:
        await stage.warm_up()
        (stage.aws if aws else stage.reltio).on(path, answer, body=body)
        await stage.secret("other", clientID="other", clientSecret="other-secret")
        name = "other" if path == "/oauth/token" else "reltio-api"  # its token is not known yet
        await stage.target(reltio={"credentialsSecretRef": {"name": name}})
        await stage.outcome("ExportTarget", "lake", within=_WITHIN)
        return ""

    return attack


def running(path: str, answer: Answer) -> Attack:
    """The answer comes while a job is submitted and runs."""

    async def attack(stage: Stage) -> str:
        await stage.warm_up()
        stage.reltio.on(path, answer)
        await stage.world.job(target="warm")
        await stage.outcome("ExportJob", "nightly", within=_WITHIN)
        return ""

    return attack
