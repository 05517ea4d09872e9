"""A task of the service, as plain values."""

from __future__ import annotations

import re

import msgspec

_ATTEMPT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-\d+")  # <uid of a job>-<attempt>


class ObservedTask(msgspec.Struct, frozen=True, kw_only=True):
    """One task of the Export Service at one moment.

    Times are epoch milliseconds. None means that the service did not say. `name` is the service's name for the task;
    `export_name` is the one that the submission asked for. In documented examples the first contains the second.
    """

    id: str
    status: str
    name: str | None = None
    export_name: str | None = None
    group_id: str | None = None
    stage_id: int | None = None
    stage: str | None = None
    processed: int | None = None
    total: int | None = None
    rate: float | None = None
    eta_seconds: float | None = None
    created_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    error: str | None = None

    def names_attempt(self, attempt_id: str) -> bool:
        """Whether one of the names contains this attempt id."""
        exactly = re.compile(re.escape(attempt_id) + r"(?!\d)")
        return any(exactly.search(name) for name in (self.name, self.export_name) if name)

    @property
    def attempt_ids(self) -> frozenset[str]:
        """The attempt ids in the names."""
        return frozenset(found for name in (self.name, self.export_name) if name for found in _ATTEMPT_ID.findall(name))
