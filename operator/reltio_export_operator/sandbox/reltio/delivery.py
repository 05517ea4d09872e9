"""Writing the files of an export, true or as its behaviour has it. All of it may block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .config import SimulatorConfig
from .content import compressed, encoded, file_name
from .data import Record
from .destinations import Folder, ObjectSink
from .submit import Order, normal
from .tasks import Run, Task


class Delivery:
    """Puts part files and, last of all, the manifest."""

    def __init__(self, config: SimulatorConfig, sink: ObjectSink) -> None:
        self._config = config
        self._sink = sink

    def open(self, order: Order) -> Folder:
        return self._sink.open(order)

    def write_part(self, task: Task, number: int, rows: Sequence[Record]) -> str:
        """Write one part file; returns its name."""
        order, compression = task.order, self._config.compression
        name = file_name(order, number, compression)
        content = encoded(rows, order, as_array=self._config.json_array)
        _folder(task).put(_key(order, name), compressed(content, name, compression))
        return name

    def finish(self, run: Run, seconds: float) -> None:
        """Clean up and write the manifest: uses all four actions that the role must allow."""
        order, folder = run.order, _folder(run.tasks[0])
        folder.keys(_key(order, ""))
        marker = _key(order, "_writing")
        folder.put(marker, b"")
        folder.get(marker)
        folder.delete(marker)
        self._damage(run, folder)
        if not run.behaviour.no_manifest:
            folder.put(_key(order, "manifest.json"), json.dumps(_manifest(run, seconds)).encode())

    @staticmethod
    def _damage(run: Run, folder: Folder) -> None:
        odd, order = run.behaviour, run.order
        if odd.extra_file:
            folder.put(_key(order, "part-99999.gz"), b"left over")
        if not run.files:
            return
        last = _key(order, run.files[-1])
        if odd.truncated_file:
            content = folder.get(last)
            folder.put(last, content[: len(content) // 2])
        if odd.missing_file:
            folder.delete(last)


def _folder(task: Task) -> Folder:
    assert task.folder is not None
    return task.folder


def _key(order: Order, name: str) -> str:
    return f"{normal(order.destination['s3Path'])}/{name}"


def _manifest(run: Run, seconds: float) -> dict[str, Any]:
    odd = run.behaviour
    files = sorted(run.files) + ([odd.outside_file] if odd.outside_file else [])
    return {
        "success": not odd.unsuccessful,
        "files": files,
        "totalObjects": run.objects + odd.total_off_by,
        "totalNumberOfFiles": len(files),
        "duration": f"PT{int(seconds)}S",
        "outputFileFormat": run.order.file_format,
    }
