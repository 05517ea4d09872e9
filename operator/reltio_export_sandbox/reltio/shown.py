"""Tasks as the service shows them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from .config import SimulatorConfig
from .content import EXTENSIONS, is_json, link_to
from .tasks import DONE, EXPORTING, STAGES, Run, Task

_LINK_LIFE = 2 * 86400.0  # seconds; the documentation's example expires after about two days


def shown(task: Task, now: float, config: SimulatorConfig) -> dict[str, Any]:
    """The task object. Times are epoch milliseconds; values of `parameters` are all strings."""
    order = task.order

    def ms(seconds: float) -> int:
        return int((seconds + config.clock_skew) * 1000)

    found: dict[str, Any] = {
        "id": task.id,
        "createdTime": ms(task.created),
        "createdBy": order.user,
        "updatedTime": ms(task.ended or task.started or task.created),
        "updatedBy": order.user,
        "type": "com.reltio.export.tasks.v4.ExportTask",
        "status": task.status,
        "name": f"entity-export-task[{order.name}_{task.id[:6]}]" if config.wrap_names else order.name,
        "parallelExecution": not config.serial,
        "nodesGroup": "default",
        "parameters": _parameters(task, config),
        "currentState": _state(task, now, config),
    }
    if not config.show_names:
        del found["name"]
    if config.group_id:
        found["groupId"] = order.group_id
    for key, value in (("startTime", task.started), ("endTime", task.ended), ("pausedTime", task.paused)):
        if value is not None:
            found[key] = ms(value)
    if task.behaviour.early_end_time and task.started is not None and task.ended is None:
        found["endTime"] = ms(task.started)
    if task.started is not None and task.ended is not None:
        found["duration"] = duration(task.ended - task.started)
    if task.error:
        found["error"] = task.error
    return found


def manifest(run: Run, now: float, config: SimulatorConfig) -> dict[str, Any]:
    """What `_manifest` answers: links to the files."""
    order = run.order
    return {
        "name": order.name,
        "files": [
            {
                "url": link_to(order, name, config),
                "fileName": name,
                "fileSize": run.sizes[name],
                "fileFormat": config.compression if config.compression in EXTENSIONS else order.file_format,
                "urlExpirationTimestamp": _timestamp(now + _LINK_LIFE),
            }
            for name in sorted(run.files)
        ],
    }


def duration(seconds: float) -> str:
    """As tasks show it: `16m 11s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def _timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _parameters(task: Task, config: SimulatorConfig) -> dict[str, str]:
    order = task.order
    window = order.body.get("updateTimeFilter") or {}
    from_body = {
        "updatedSince": window.get("since"),
        "updatedBefore": window.get("to"),
        "includeType": order.body.get("includeType"),
        "ovOnly": order.body.get("ovOnly", True),
    }
    return {
        "tenantId": order.tenant,
        "username": order.user,
        "exportType": order.export_type,
        "exportName": order.name if config.export_names else order.made_up_name,
        "taskId": f"{order.made_up_name}_{task.id[:6]}",
        "fileFormat": order.file_format,
        "fileCompression": config.compression,
        "skipPostprocessing": "true",
        "queryParams": json.dumps({key: order.query[key] for key in ("filter", "select") if key in order.query}),
        **order.query,
        **{key: json.dumps(value) for key, value in from_body.items() if value is not None},
    }


def _processed(task: Task, now: float, rate: float) -> int:
    """Rows exported so far, those of the part in progress included. `rate` is rows a second."""
    if task.status != "PROCESSING" or task.stage != EXPORTING:
        return task.exported
    return task.exported + min(task.part_rows, int((now - task.part_since) * rate))


def _state(task: Task, now: float, config: SimulatorConfig) -> dict[str, Any]:
    order, rate, scale = task.order, config.objects_per_second, config.counter_scale
    kind = "relations" if order.export_type == "RELATIONS" else "entities"
    done, total = _processed(task, now, rate) * scale, task.total * scale
    overall: dict[str, int] = {f"{kind}Total": total, f"{kind}Number": done}
    if not is_json(order):
        overall |= {"headerTotal": total, "headerNumber": total if task.stage > 20 else 0}
    overall["overallThroughput"] = int(rate) if task.stage >= EXPORTING else 0
    state: dict[str, Any] = {
        "statusId": task.stage,
        "status": STAGES[task.stage],
        "storageType": "S3",
        "numberOfObjects": total,
        "numberOfReadObjects": done,
        "numberOfProcessedObjects": done,
        "warnings": "[]",
        "globalStatus": overall,
    }
    if task.restored:
        state["restored"] = True
    if task.status == "PROCESSING" and task.stage == EXPORTING:
        left = (total - done) / scale / rate
        state |= {"eta": duration(left), "etaMillis": int(left * 1000)}
    if task.stage == DONE:
        state |= _links(task)
    return state


def _links(task: Task) -> dict[str, Any]:
    """One combined file has an `exportUrl`; several, and part files, are behind `exportUrls`."""
    order = task.order
    link = f"https://na99-prod.reltio.com/download.html?tenant={order.tenant}&downloadExportUrl={task.id}"
    return {"exportUrl": link} if order.is_combined and order.part_bytes is None else {"exportUrls": [link]}
