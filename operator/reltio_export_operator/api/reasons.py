"""Reasons of conditions and events, with the messages that people read.

Each kind has a catalogue of them (`jobs/messages.py`, `targets/messages.py`), and so has each service
(`reltio/messages.py`, `aws/messages.py`). docs/troubleshooting.md is generated from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, Unpack

from .foreign import Quoted, own


class Values(TypedDict, total=False):
    """The values of all templates. Those that text of others enters take only what went through `foreign.quote`."""

    actual: Quoted
    answer: Quoted
    caller: Quoted
    detail: Quoted
    differences: Quoted
    error: Quoted
    explanation: Quoted
    failure: Quoted
    found: Quoted
    limit: Quoted
    message: Quoted
    names: Quoted
    problem: Quoted
    problems: Quoted
    provider: Quoted
    statuses: Quoted

    action: str
    actions: str
    algorithm: str
    annotation: str
    bucket: str
    cause: str
    command: str
    configured: str
    destination: str
    doubt: str
    doubts: str
    early: str
    expected: str
    field: str
    host: str
    how: str
    job: str
    manager: str
    manifest: str
    mode: str
    name: str
    namespace: str
    path: str
    principals: str
    proxy: str
    reason: str
    region: str
    releases: str
    resource: str
    role: str
    secret: str
    since: str
    target: str
    task: str
    tasks: str
    time: str
    uid: str
    variable: str
    check: str | None
    parameter: str | None
    seconds: float
    attempt: int | str
    attempts: int
    bytes: int
    count: int
    files: int
    hours: int
    minutes: int
    objects: int
    pages: int
    size: int
    total: int


@dataclass(frozen=True)
class ConditionReason:
    """Reason and message of a condition or an event."""

    reason: str
    message: Quoted


@dataclass(frozen=True)
class Reason:
    """A reason in CamelCase and the template of its message: what happened, then what to do.

    Both parts are templates for `str.format`. An empty `action` means that no action is needed. `about` is what
    docs/troubleshooting.md shows instead of a text that is only a placeholder.
    """

    name: str
    text: str
    action: str = ""
    about: str = ""

    def __call__(self, **values: Unpack[Values]) -> ConditionReason:
        """The reason with these values filled in."""
        message, remedy = self.parts(**values)
        return ConditionReason(self.name, own(f"{message} {remedy}".strip()))

    def parts(self, **values: Unpack[Values]) -> tuple[Quoted, Quoted]:
        """What happened, and what to do, with these values filled in."""
        return own(self.text.format(**values)), own(self.action.format(**values))
