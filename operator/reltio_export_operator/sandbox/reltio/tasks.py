"""Tasks: their life, and how the service shows them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

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


@dataclass
class Task:
    """One task. Times are simulated seconds since the epoch; `part` tells which siblings' share it exports."""

    id: str
    order: Order
    total: int
    part: tuple[int, int]
    created: float
    status: str = "SCHEDULED"
    stage: int = 0
    processed: float = 0.0
    started: float | None = None
    ended: float | None = None
    next_stage_at: float = 0.0
    error: str | None = None
    hidden: str = ""  # "lists" or "everywhere", for tests
    stuck: bool = False
    writing: bool = False
    files: list[str] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return self.status not in ENDED

    @property
    def stages(self) -> list[int]:
        """The stages this task walks through: headers are collected for CSV only."""
        csv = str(self.order.query.get("fileFormat", "csv")).upper() == "CSV" and self.order.export_type != "MERGE_TREE"
        return [stage for stage in STAGES if csv or not 20 <= stage <= 50]

    def shown(self, rate: float) -> dict[str, Any]:
        """As the service shows it. Values of `parameters` are all strings."""
        order = self.order
        counters = "relations" if order.export_type == "RELATIONS" else "entities"
        state: dict[str, Any] = {
            "statusId": self.stage,
            "status": STAGES[self.stage],
            "storageType": "S3",
            "numberOfObjects": self.total,
            "numberOfProcessedObjects": int(self.processed),
            "globalStatus": {
                f"{counters}Total": self.total,
                f"{counters}Number": int(self.processed),
                "overallThroughput": int(rate) if self.stage == 60 else 0,
            },
        }
        if self.status == "PROCESSING" and self.stage == 60:
            left = (self.total - self.processed) / rate
            state |= {"eta": f"{int(left // 60)}m {int(left % 60)}s", "etaMillis": int(left * 1000)}
        task: dict[str, Any] = {
            "id": self.id,
            "createdTime": int(self.created * 1000),
            "createdBy": "export_client",
            "updatedTime": int((self.ended or self.started or self.created) * 1000),
            "updatedBy": "export_client",
            "type": "com.reltio.export.tasks.v4.ExportTask",
            "status": self.status,
            "name": order.name,
            "parallelExecution": True,
            "nodesGroup": "default",
            "groupId": order.group_id,
            "parameters": {
                "tenantId": order.tenant,
                "exportType": order.export_type,
                **{key: value if isinstance(value, str) else json.dumps(value) for key, value in order.query.items()},
            },
            "currentState": state,
        }
        if self.started is not None:
            task["startTime"] = int(self.started * 1000)
        if self.ended is not None:
            task["endTime"] = int(self.ended * 1000)
        if self.error:
            task["error"] = self.error
        return task
