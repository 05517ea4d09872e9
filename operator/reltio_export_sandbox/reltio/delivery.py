"""Writing the files of an export, true or as its behaviour has it. All of it may block."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .config import SimulatorConfig
from .content import combined_name, compressed, encoded, file_name, key_of, listed_as
from .data import Record
from .destinations import Folder, ObjectSink
from .submit import Order
from .tasks import Run, Task


class Delivery:
    """Puts part files and, last of all, the manifest."""

    def __init__(self, config: SimulatorConfig, sink: ObjectSink) -> None:
        self._config = config
        self._sink = sink

    def open(self, order: Order) -> Folder:
        return self._sink.open(order)

    def write_part(self, run: Run, task: Task, number: int, rows: Sequence[Record]) -> None:
        """Write one part file, or keep its rows for the combined ones."""
        if run.order.is_combined:
            run.rows.extend(rows)
        else:
            self._write(run, self._folder(task), file_name(run.order, number, self._config), rows)

    def finish(self, run: Run, seconds: float) -> None:
        """Clean up and write the manifest: uses all four actions that the role must allow."""
        order, folder = run.order, self._folder(run.tasks[0])
        folder.keys(self._key(order, ""))
        for number, rows in enumerate(cut(run.rows, order.part_bytes), 1):
            self._write(run, folder, combined_name(order, number, self._config), rows)
        probe = self._key(order, "_writing")
        folder.put(probe, b"")
        folder.get(probe)
        folder.delete(probe)
        self._damage(run, folder)
        if not run.behaviour.no_manifest and not run.behaviour.manifest_after:
            self.write_manifest(run, seconds)

    def write_manifest(self, run: Run, seconds: float) -> None:
        manifest = json.dumps(self._manifest(run, seconds)).encode()
        self._folder(run.tasks[0]).put(self._key(run.order, "manifest.json"), manifest)

    def _write(self, run: Run, folder: Folder, name: str, rows: Sequence[Record]) -> None:
        content = encoded(rows, run.order, as_array=self._config.json_array)
        packed = compressed(content, name, self._config.compression)
        folder.put(self._key(run.order, name), packed)
        run.files.append(name)
        run.sizes[name] = len(packed)

    def _folder(self, task: Task) -> Folder:
        if task.folder is None or self._config.renew_sessions:
            return self.open(task.order)
        return task.folder

    def _manifest(self, run: Run, seconds: float) -> dict[str, Any]:
        odd = run.behaviour
        files = [listed_as(run.order, name, self._config) for name in sorted(run.files)]
        files += [odd.outside_file] if odd.outside_file else []
        return {
            "success": not odd.unsuccessful,
            "files": files,
            "totalObjects": run.counted[self._config.total_counts] + odd.total_off_by,
            "totalNumberOfFiles": len(files),
            "duration": f"PT{int(seconds)}S",
            "outputFileFormat": run.order.file_format.lower(),
        }

    def _key(self, order: Order, name: str) -> str:
        return key_of(order, name, self._config)

    def _damage(self, run: Run, folder: Folder) -> None:
        odd, order = run.behaviour, run.order
        if odd.extra_file:
            folder.put(self._key(order, "part-99999.gz"), b"left over")
        if not run.files:
            return
        last = self._key(order, run.files[-1])
        if odd.truncated_file:
            content = folder.get(last)
            folder.put(last, content[: len(content) // 2])
        if odd.missing_file:
            folder.delete(last)


def cut(rows: Sequence[Record], size: float | None) -> Iterator[Sequence[Record]]:
    """The rows in lots of about this many bytes; all in one without a size."""
    start, held = 0, 0
    for end, row in enumerate(rows, 1):
        held += len(json.dumps(row))
        if (size is not None and held >= size) or end == len(rows):
            yield rows[start:end]
            start, held = end, 0
