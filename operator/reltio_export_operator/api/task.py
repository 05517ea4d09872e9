"""A task of the service, as plain values."""

from __future__ import annotations

import re

import msgspec

from .foreign import ForeignText

# How the service wraps the names of some tasks. A name that a client chose ends with a letter or digit, so no client
# can imitate it.
_WRAPPED = re.compile(r"[a-z]+-export-task\[(.+)_[0-9a-f]{6}\]", re.DOTALL)


class ObservedTask(msgspec.Struct, frozen=True, kw_only=True):
    """One task of the Export Service at one moment.

    Times are epoch milliseconds. None means that the service did not say. `name` is the service's name for the task,
    which is documented to be the one that the submission asked for; some versions wrap it, or show it as
    `parameters.exportName` (`export_name`).
    """

    id: str
    status: str
    name: str | None = None
    export_name: str | None = None
    group_id: str | None = None
    stage_id: int | None = None
    stage: ForeignText | None = None
    processed: int | None = None
    total: int | None = None
    rate: float | None = None
    eta_seconds: float | None = None
    created_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    error: ForeignText | None = None
    is_parallel: bool | None = None  # whether it may run beside other tasks of the tenant

    @property
    def given_names(self) -> frozenset[str]:
        """The names that the submission of this task may have asked for, each as a whole."""
        found = {name for name in (self.name, self.export_name) if name}
        found |= {wrapped[1] for name in found if (wrapped := _WRAPPED.fullmatch(name))}
        return frozenset(found)
