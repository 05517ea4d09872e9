"""Attacks by who may create objects: reading Secrets, reaching hosts, using roles of other namespaces."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping

from .gateway import redirect, text
from .rows import Attack, Row
from .stage import Setup, Stage

BAIT = "db-password-7f1c"  # in a Secret of another workload
_BASIC = base64.b64encode(f"root:{BAIT}".encode()).decode()
TOKEN = '{"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600}'


def rows() -> Iterator[Row]:
    yield from _secrets()
    yield from _hosts()
    yield from _roles()


def _secrets() -> Iterator[Row]:
    """The attacker may create targets, but not read Secrets."""
    labels: dict[str, Mapping[str, str]] = {
        "without a label": {},
        "with the label false": {"export.reltio.com/allow": "false"},
        "with an empty label": {"export.reltio.com/allow": ""},
        "with another's label": {"reltio.com/allow": "true"},
    }
    for how, found in labels.items():
        yield Row(f"another workload's Secret as credentials, {how}", "Secrets opt in", _credentials(found))
        yield Row(f"another workload's Secret as external ID, {how}", "Secrets opt in", _external_id(found))


def _credentials(labels: Mapping[str, str]) -> Attack:
    async def attack(stage: Stage) -> str:
        await stage.secret("database", labels=labels, user="root", password=BAIT)
        stage.reltio.on("/oauth/token", text(200, TOKEN))
        ref = {"name": "database", "clientIDKey": "user", "clientSecretKey": "password"}
        await stage.target(reltio={"credentialsSecretRef": ref})
        await stage.outcome("ExportTarget", "lake")
        return _received(stage)

    return attack


def _external_id(labels: Mapping[str, str]) -> Attack:
    async def attack(stage: Stage) -> str:
        await stage.secret()
        await stage.secret("database", labels=labels, password=BAIT)
        await stage.target(externalID=None, externalIDSecretRef={"name": "database", "key": "password"})
        await stage.outcome("ExportTarget", "lake")
        return _received(stage)

    return attack


def _received(stage: Stage) -> str:
    """The bait, wherever it came out."""
    for place in (stage.listener, stage.reltio, stage.aws):
        for request in place.requests:
            if BAIT in request or _BASIC in request:
                return "the value of a Secret"
    return ""


def _hosts() -> Iterator[Row]:
    """The attacker chooses where requests go, and reads the answers in status."""
    for name, to in {
        "loopback": "http://127.0.0.1:PORT",
        "loopback by name": "http://localhost:PORT",
    }.items():
        for field in ("authURL", "exportServiceURL"):
            yield Row(f"{field} on {name}", "allowed hosts", _host(to, field), Setup(is_allowed=False))
    rebound = "https://evil.reltio.com:PORT"
    yield Row("a name of Reltio that resolves to loopback", "allowed hosts", _host(rebound, "authURL"), _REBOUND)
    for path in ("/oauth/token", "/tasks/_total"):
        yield Row(f"redirect of {path}", "redirects are not followed", _redirected(path))
    yield Row("answer of an internal service in status", "only documented errors are quoted", _quoted)


_REBOUND = Setup(
    is_allowed=False,
    settings={"RELTIO_EXPORT_RELTIO_HOSTS": "*.reltio.com:*"},
    prelude="""
import socket
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **options: resolve(
    "127.0.0.1" if host in ("evil.reltio.com", b"evil.reltio.com") else host, *more, **options
)
""",
)


def _host(to: str, field: str) -> Attack:
    async def attack(stage: Stage) -> str:
        await stage.secret()
        url = to.replace("PORT", str(stage.listener.port)) + ("/oauth/token" if field == "authURL" else "/jobs")
        stage.listener.on("/oauth/token", text(200, TOKEN))
        # The token endpoint answers, so that the export service is asked as well.
        auth = stage.listener.url + "/oauth/token" if field == "exportServiceURL" else ""
        await stage.target(reltio={"authURL": auth, field: url})
        await stage.outcome("ExportTarget", "lake", within=8)
        path = "/oauth/token" if field == "authURL" else "/jobs"
        asked = [request for request in stage.listener.requests if request.path.startswith(path)]
        if to.startswith("https:"):  # the listener has no certificate: a connection is all that it can get
            return "a connection to an address of the attacker's choice" if stage.listener.connections else ""
        return "a request to a host of the attacker's choice" if asked else ""

    return attack


def _redirected(path: str) -> Attack:
    async def attack(stage: Stage) -> str:
        await stage.secret()
        stage.reltio.on(path, redirect(stage.listener.url + "/taken"))
        await stage.target()
        await stage.outcome("ExportTarget", "lake", within=8)
        return "a request to another host" if stage.listener.requests else ""

    return attack


async def _quoted(stage: Stage) -> str:
    await stage.secret()
    stage.reltio.on("/tasks/_total", text(404, "root:x:0:0:internal", "text/plain"))
    await stage.target()
    await stage.outcome("ExportTarget", "lake", within=8)
    return "the text of an internal service" if "root:x:0:0" in await stage.published() else ""


_ACCOUNT = "arn:aws:iam::123456789012:role/"
_ROLES = {
    "a role of another namespace": "other-*",
    "a role whose name begins as an allowed one": "reltio-exporte",
    "a role whose name ends as an allowed one": "*-reltio-exporter",
    "a role in a path": "teams/*/reltio-exporter",
}


def _roles() -> Iterator[Row]:
    """The role trusts the operator, but the settings keep it for others."""
    for name, pattern in _ROLES.items():
        allowed = {"RELTIO_EXPORT_ALLOWED_ROLES": json.dumps({"default": [_ACCOUNT + pattern]})}
        yield Row(f"target with {name}", "allowed roles", _role, Setup(settings=allowed))


async def _role(stage: Stage) -> str:
    await stage.secret()
    await stage.target()
    await stage.outcome("ExportTarget", "lake", within=8)
    assumed = [request for request in stage.aws.requests if "Action=AssumeRole" in request]
    return "a session of the role" if assumed else ""
