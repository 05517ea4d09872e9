"""Tasks: their life, and how the service shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .behaviour import Behaviour
from .content import is_json
from .data import Record
from .destinations import Folder
from .submit import Order

ENDED = ("COMPLETED", "FAILED", "CANCELED")
STAGES = {
    0: "Not started yet...",
    10: "Getting total...",
    20: "Creating headers for CSV file...",
    30: "Merging headers for CSV file...",
    40: "Wait till parallel tasks create headers for CSV file ...",
    50: "Wait till master task merge all headers for CSV file ...",
    60: "Exporting...",
    70: "Completing upload",
    80: "Writing manifest, preparing urls, sending emails...",
    90: "Completed",
}
EXPORTING, MANIFEST, DONE = 60, 80, 90


@dataclass
class Task:
    """One task. Times are simulated seconds since the epoch; `part` tells which siblings' share it exports."""

    id: str
    order: Order
    total: int
    part: tuple[int, int]
    created: float
    behaviour: Behaviour = field(default_factory=Behaviour)
    status: str = "SCHEDULED"
    stage: int = 0
    started: float | None = None
    paused: float | None = None
    ended: float | None = None
    error: str | None = None
    restored: bool = False
    had_credits_pause: bool = False

    turn: int = 0  # grows when something else is to happen than what was planned
    writing: bool = False
    exported: int = 0  # rows in files
    part_since: float = 0.0
    part_rows: int = 0
    rows: Sequence[Record] = ()
    folder: Folder | None = None

    @property
    def is_active(self) -> bool:
        return self.status not in ENDED

    @property
    def stages(self) -> list[int]:
        """The stages this task walks through: headers are collected for CSV only."""
        return [stage for stage in STAGES if not (is_json(self.order) and 20 <= stage <= 50)]

    def is_shown(self, now: float, in_lists: bool) -> bool:
        """Whether lists, or a look-up by id, show it."""
        odd, age = self.behaviour, now - self.created
        if age < odd.appears_after:
            return False
        gone = odd.hidden == "everywhere" or (odd.hidden == "lists" and in_lists)
        return not (gone and age >= odd.hidden_after)

    def processed(self, now: float, rate: float) -> int:
        """Rows exported so far, those of the part in progress included. `rate` is rows a second."""
        if self.status != "PROCESSING" or self.stage != EXPORTING:
            return self.exported
        return self.exported + min(self.part_rows, int((now - self.part_since) * rate))

    def shown(self, now: float, rate: float) -> dict[str, Any]:
        """As the service shows it. Values of `parameters` are all strings."""
        order = self.order
        task: dict[str, Any] = {
            "id": self.id,
            "groupId": order.group_id,
            "createdTime": _ms(self.created),
            "createdBy": order.user,
            "updatedTime": _ms(self.ended or self.started or self.created),
            "updatedBy": order.user,
            "type": "com.reltio.export.tasks.v4.ExportTask",
            "status": self.status,
            "name": order.name,
            "parallelExecution": True,
            "nodesGroup": "default",
            "parameters": self._parameters(),
            "currentState": self._state(now, rate),
        }
        for key, value in (("startTime", self.started), ("endTime", self.ended), ("pausedTime", self.paused)):
            if value is not None:
                task[key] = _ms(value)
        if self.started is not None and self.ended is not None:
            task["duration"] = duration(self.ended - self.started)
        if self.error:
            task["error"] = self.error
        return task

    def _parameters(self) -> dict[str, str]:
        order = self.order
        window = order.body.get("updateTimeFilter") or {}
        given = {
            "updatedSince": window.get("since"),
            "updatedBefore": window.get("to"),
            "includeType": order.body.get("includeType"),
            "ovOnly": order.body.get("ovOnly", True),
        }
        return {
            "tenantId": order.tenant,
            "username": order.user,
            "exportType": order.export_type,
            "exportName": order.name,
            "fileFormat": order.file_format,
            "queryParams": json.dumps({key: order.query[key] for key in ("filter", "select") if key in order.query}),
            **{key: value if isinstance(value, str) else json.dumps(value) for key, value in order.query.items()},
            **{key: json.dumps(value) for key, value in given.items() if value is not None},
        }

    def _state(self, now: float, rate: float) -> dict[str, Any]:
        kind = "relations" if self.order.export_type == "RELATIONS" else "entities"
        done = self.processed(now, rate)
        overall: dict[str, int] = {f"{kind}Total": self.total, f"{kind}Number": done}
        if not is_json(self.order):
            overall |= {"headerTotal": self.total, "headerNumber": self.total if self.stage > 10 else 0}
        overall["overallThroughput"] = int(rate) if self.stage >= EXPORTING else 0
        state: dict[str, Any] = {
            "statusId": self.stage,
            "status": STAGES[self.stage],
            "storageType": "S3",
            "numberOfObjects": self.total,
            "numberOfReadObjects": done,
            "numberOfProcessedObjects": done,
            "warnings": "[]",
            "globalStatus": overall,
        }
        if self.restored:
            state["restored"] = True
        if self.status == "PROCESSING" and self.stage == EXPORTING:
            left = (self.total - done) / rate
            state |= {"eta": duration(left), "etaMillis": _ms(left)}
        return state


@dataclass
class Run:
    """An accepted order with its tasks and the files they wrote."""

    order: Order
    tasks: list[Task]
    behaviour: Behaviour
    files: list[str] = field(default_factory=list)
    next_file: int = 0
    objects: int = 0


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def duration(seconds: float) -> str:
    """As tasks show it: `16m 11s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"
