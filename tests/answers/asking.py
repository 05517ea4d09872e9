"""Sending the requests, and making answers comparable."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import aiohttp

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_LONGEST = 600  # characters of a text that are compared
NAMESPACE = "answers"


@dataclass(frozen=True)
class Case:
    """A request. `loose`: the words of the answer are not compared. `fields`: its managedFields are."""

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    loose: bool = False
    fields: bool = False

    def __str__(self) -> str:
        shown = self.body.decode() if isinstance(self.body, bytes) else json.dumps(self.body)
        kind = self.content_type.removeprefix("application/")
        return f"{self.method} {self.path} {shown[:160]}" + (f" ({kind})" if kind != "json" else "")


async def ask(session: aiohttp.ClientSession, url: str, case: Case) -> dict[str, Any]:
    """The answer to a request, without what differs from one server and moment to the next."""
    body = case.body if isinstance(case.body, bytes | None) else json.dumps(case.body).encode()
    headers = {"Accept": case.accept, "User-Agent": "answers/1"}
    if body is not None:
        headers["Content-Type"] = case.content_type
    async with session.request(case.method, url + case.path, data=body, headers=headers, ssl=False) as response:
        text = (await response.read()).decode(errors="replace")
        warnings = response.headers.getall("Warning", [])
        answer: dict[str, Any] = {"code": response.status}
        if warnings:
            answer["warnings"] = warnings
    return answer | _comparable(text, case)


def _comparable(text: str, case: Case) -> dict[str, Any]:
    if case.accept != "application/json":
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        return {} if case.loose else {"text": text}
    if found.get("kind") == "Status" and case.loose:
        return {"reason": found.get("reason", "")}
    if case.loose:
        return {"kind": found.get("kind", "")}
    return {"body": _plain(found, case)}


def _plain(value: Any, case: Case) -> Any:
    if isinstance(value, list):
        return [_plain(item, case) for item in value]
    if isinstance(value, str):
        value = _TIME.sub("<time>", _UID.sub("<uid>", value)).replace(NAMESPACE, "<namespace>")
        return value[:_LONGEST]
    if not isinstance(value, dict):
        return value
    found = {name: _plain(item, case) for name, item in value.items()}
    if "resourceVersion" in found:
        found["resourceVersion"] = "<version>"
    if not case.fields:
        found.pop("managedFields", None)
    elif "managedFields" in found:
        found["managedFields"] = sorted(found["managedFields"], key=lambda entry: json.dumps(entry, sort_keys=True))
    if isinstance(found.get("causes"), list):  # a real server lists some twice
        found["causes"] = [cause for at, cause in enumerate(found["causes"]) if cause not in found["causes"][:at]]
    if found.get("kind") == "Status":
        found.pop("metadata", None)
    return found
