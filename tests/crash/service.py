"""The Export Service reduced to what decides how many exports there are: submissions, the busy path, lists, controls.

Smaller and much faster than the sandbox's simulator, which serves the integration tests.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from .clock import START, Clock

_ROWS = gzip.compress(b"ID\n1\n2\n3\n4\n", mtime=0)
ENDED = ("COMPLETED", "FAILED", "CANCELED")
QUEUED, WORK, CONTROL = 3.0, 20.0, 1.0  # seconds until a task is picked up, until it is done, until a stop takes effect


@dataclass
class Task:
    id: str
    export: Export
    created: float
    status: str = "SCHEDULED"
    left: float = WORK
    since: float = 0.0
    ended: float | None = None
    error: str | None = None
    turn: int = 0


@dataclass
class Export:
    """One accepted submission."""

    number: int
    name: str
    path: str
    group: str
    tasks: list[Task] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return any(task.status not in ENDED for task in self.tasks)

    @property
    def is_complete(self) -> bool:
        return all(task.status == "COMPLETED" for task in self.tasks)


class Service:
    """Takes requests at any time, moves tasks on the world's clock, writes files when an export completes."""

    tenant = "acme01"

    def __init__(self, clock: Clock, objects: dict[str, bytes]) -> None:
        self._clock = clock
        self._objects = objects
        self._numbers = itertools.count(1)
        self._behaviours: list[dict[str, Any]] = []
        self.exports: list[Export] = []
        self.tasks: dict[str, Task] = {}
        self.submissions: list[float] = []  # when somebody asked for an export
        self.full_until = 0.0  # until then the tenant has too many tasks
        self.shows_names = True
        self.is_imitated = False  # other clients give their exports names like those of ours
        self.is_ordered = True  # the history shows the latest task first
        self.older_tasks = 0  # tasks of other clients in the history
        self.leaves_partial_data = False  # a task that fails or is stopped has written a file
        self.foreign: list[Export] = []
        self.stopped: list[str] = []  # tasks of other clients that were paused, resumed or stopped

    def forget(self, id_: str) -> None:
        """The task runs on, but is not shown any more."""
        del self.tasks[id_]

    def behave(self, **behaviour: Any) -> None:
        """How the next export goes: `tasks`, `fail`, `status` (stuck in it), `manifest` False, `lost`."""
        self._behaviours.append(behaviour)

    def exports_of(self, uid: str) -> list[Export]:
        return [export for export in self.exports if uid in export.name]

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/oauth/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 300}, request=request)
        path = path.removeprefix("/jobs/")
        status, body = self._route(request, path)
        return httpx.Response(status, json=body, request=request)

    def _route(self, request: httpx.Request, path: str) -> tuple[int, Any]:
        if path.startswith(f"export/{self.tenant}/"):
            return self._submit(request)
        if found := re.fullmatch(rf"{self.tenant}/tasks(/history)?", path):
            ended = bool(found.group(1))
            return 200, self._history(request) if ended else self._active(request)
        if found := re.fullmatch(rf"{self.tenant}/tasks/([^/]+)(?:/_(pause|resume|stop))?", path):
            task = self.tasks.get(found.group(1))
            if task is None:
                return 404, {"errorCode": 404, "errorMessage": "not found"}
            if found.group(2):
                if task.export in self.foreign:
                    self.stopped.append(task.id)
                self._control(task, found.group(2))
                return 200, {"status": "success"}
            return 200, self._shown(task)
        return 404, {"errorMessage": path}

    def _active(self, request: httpx.Request) -> list[Any]:
        first, last = _bounds(request)
        return [self._shown(task) for task in [t for t in self.tasks.values() if t.status not in ENDED][first:last]]

    def _history(self, request: httpx.Request) -> list[Any]:
        """Our tasks and some of other clients that have ended; after them, those that ended before the world began."""
        first, last = _bounds(request)
        ended = sorted((t for t in self.tasks.values() if t.status in ENDED), key=lambda t: (t.ended or 0.0, t.id))
        count = len(ended) + self.older_tasks
        shown = []
        for place in range(first, min(last, count)):
            at = place if self.is_ordered else place * _STRIDE % count
            shown.append(self._shown(ended[-1 - at]) if at < len(ended) else _older(at - len(ended)))
        return shown

    def _shown(self, task: Task) -> dict[str, Any]:
        shown = _shown(task)
        return shown if self.shows_names else {key: value for key, value in shown.items() if key != "name"}

    def _submit(self, request: httpx.Request) -> tuple[int, Any]:
        path = request.headers["s3Path"].strip("/")
        self.submissions.append(self._clock.now)
        if self._clock.now < self.full_until:
            return 429, {"errorMessage": "Too many requests."}
        for export in self.exports:
            if export.path == path and export.is_active:
                owner = next(task for task in export.tasks if task.status not in ENDED)
                text = f"Task '{owner.id}' is already exporting data to this custom destination."
                return 400, {
                    "errorCode": 549,
                    "errorMessage": f"Invalid export parameter: s3, gcs, azure. Reason: {text}",
                }
        name = request.url.params["name"]
        export = self._start(name, path, self._behaviours.pop(0) if self._behaviours else {})
        if self.is_imitated:
            self._imitate(name)
        return 200, {"taskIds": [task.id for task in export.tasks], "groupId": export.group, "status": "scheduled"}

    def _start(self, name: str, path: str, behaviour: dict[str, Any]) -> Export:
        number = next(self._numbers)
        export = Export(number, name, path, f"g{number}")
        self.exports.append(export)
        for part in range(behaviour.get("tasks", 1)):
            task = Task(f"task-{number}-{part}", export, self._clock.now, left=WORK * (1 + part / 3))
            task.error = behaviour.get("fail") if part == 0 else None
            export.tasks.append(task)
            self.tasks[task.id] = task
            self._then(task, QUEUED, lambda task=task: self._process(task))
        return export

    def _imitate(self, name: str) -> None:
        """Other clients start exports under names like this one, which run on, and show some that have ended."""
        uid = name[-38:]
        for imitation in (
            f"copy of {name}",
            f"{name} copy",
            f"{name}0",
            uid,
            f"x{uid}",
            f"Export: {name}",
            name.upper(),
        ):
            for status in ("PROCESSING", "FAILED", "COMPLETED", "CANCELED"):
                self._foreign(imitation, status, self._clock.now)
        self._foreign(name, "PROCESSING", self._clock.now - 3600.0)  # from before the intent

    def _foreign(self, name: str, status: str, created: float) -> None:
        number = next(self._numbers)
        export = Export(number, name, f"others/{number}", f"g{number}")
        task = Task(f"foreign-{number}", export, created, status=status)
        task.ended = self._clock.now if status in ENDED else None
        export.tasks.append(task)
        self.foreign.append(export)
        self.tasks[task.id] = task

    def _then(self, task: Task, seconds: float, what: Any) -> None:
        task.turn += 1
        turn = task.turn
        self._clock.after(seconds, lambda: what() if task.turn == turn and task.status not in ENDED else None)

    def _process(self, task: Task) -> None:
        task.status, task.since = "PROCESSING", self._clock.now
        self._then(task, task.left, lambda: self._end(task, "FAILED" if task.error else "COMPLETED"))

    def _control(self, task: Task, verb: str) -> None:
        if task.status in ENDED:
            return
        if task.status == "PROCESSING":
            task.left = max(0.0, task.left - (self._clock.now - task.since))
        if verb == "resume":
            if task.status in ("PAUSED", "PAUSING"):
                task.status = "SCHEDULED"
                self._then(task, QUEUED, lambda: self._process(task))
        elif verb == "pause" and task.status not in ("CANCELING", "PAUSED"):
            task.status = "PAUSING"
            self._then(task, CONTROL, lambda: setattr(task, "status", "PAUSED"))
        elif verb == "stop":
            task.status = "CANCELING"
            self._then(task, CONTROL, lambda: self._end(task, "CANCELED"))

    def _end(self, task: Task, status: str) -> None:
        task.status, task.ended = status, self._clock.now
        export = task.export
        prefix = f"{export.path}/"
        if self.leaves_partial_data and status != "COMPLETED":
            self._objects[f"{prefix}{task.id}.gz"] = _ROWS
        if export.is_complete:
            self._objects[f"{prefix}part-00000.gz"] = _ROWS
            manifest = {"success": True, "files": ["part-00000.gz"], "totalObjects": 4, "totalNumberOfFiles": 1}
            self._objects[f"{prefix}manifest.json"] = json.dumps(manifest).encode()


_STRIDE = 7_919  # a prime, so that every place is shown once


def _bounds(request: httpx.Request) -> tuple[int, int]:
    offset, most = int(request.url.params.get("offset", 0)), int(request.url.params.get("max", 10))
    return offset, offset + most


def _older(number: int) -> dict[str, Any]:
    """A task of another client that ended before the world began; a higher number is an older one."""
    ended = -3600.0 - 60.0 * number
    return {
        "id": f"older-{number}",
        "name": f"nightly {number}",
        "status": "COMPLETED",
        "groupId": f"older-{number}",
        "createdTime": _millis(ended - 600.0),
        "endTime": _millis(ended),
    }


def _millis(seconds: float) -> int:
    """A time of the world as epoch milliseconds."""
    return int((START.timestamp() + seconds) * 1000)


def _shown(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "name": task.export.name,
        "status": task.status,
        "groupId": task.export.group,
        "createdTime": _millis(task.created),
        **({"endTime": _millis(task.ended)} if task.ended is not None else {}),
        **({"error": task.error} if task.status == "FAILED" else {}),
    }
