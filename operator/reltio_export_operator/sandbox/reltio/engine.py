"""The clockwork: moves tasks through their stages and has their files written."""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .config import SimulatorConfig, Tenant
from .data import selected
from .errors import TASK_LIMIT, busy
from .submit import Order
from .tasks import Task
from .writer import Writer

_TICK = 0.05  # real seconds


@dataclass
class Run:
    """An accepted order with its tasks and the files they wrote."""

    order: Order
    tasks: list[Task]
    behaviour: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    objects: int = 0


class Engine:
    """All runs of all tenants, and the one loop that advances them."""

    def __init__(self, config: SimulatorConfig, tenants: dict[str, Tenant], writer: Writer) -> None:
        self.config = config
        self.runs: list[Run] = []
        self.tasks: dict[str, Task] = {}
        self.behaviours: list[dict[str, Any]] = []
        self._tenants = tenants
        self._writer = writer
        self._active: dict[str, Task] = {}
        self._run_of: dict[str, Run] = {}
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="reltio-writer")
        self._writes: set[asyncio.Task[None]] = set()
        self._real = time.monotonic()
        self.now = time.time()

    async def run(self) -> None:
        """Advance until cancelled."""
        try:
            while True:
                await asyncio.sleep(_TICK)
                self.advance()
        finally:
            for write in self._writes:
                write.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    def advance(self) -> None:
        """Let the simulated time pass that corresponds to the real time since the last call."""
        real = time.monotonic()
        self.now += (real - self._real) * self.config.time_scale
        self._real = real
        for task in list(self._active.values()):
            self._step(task)

    def active(self, tenant: str) -> list[Task]:
        return [t for t in self._active.values() if t.order.tenant == tenant and not t.hidden]

    def history(self, tenant: str) -> list[Task]:
        ended = [t for t in self.tasks.values() if not t.is_active and t.order.tenant == tenant and not t.hidden]
        return sorted(ended, key=lambda task: task.ended or 0, reverse=True)

    def accept(self, order: Order) -> Run:
        """Take an order, unless its place is taken or the tenant has too many tasks. Raises Refusal."""
        for task in self._active.values():
            if task.order.place == order.place:
                raise busy(task.id)
        tenant = self._tenants[order.tenant]
        if sum(t.order.tenant == order.tenant for t in self._active.values()) >= tenant.max_tasks:
            raise TASK_LIMIT
        total = len(selected(tenant, order.export_type, order.parameters))
        parts = max(1, -(-total // self.config.objects_per_task))
        run = Run(order, [], self.behaviours.pop(0) if self.behaviours else {})
        parts = max(parts, int(run.behaviour.get("tasks", 1)))
        for part in range(parts):
            share = total // parts + (part < total % parts)
            task = Task(str(uuid.uuid4()), order, share, (part, parts), self.now)
            task.stuck = bool(run.behaviour.get("stuck"))
            run.tasks.append(task)
            order.task_ids.append(task.id)
            self.tasks[task.id] = self._active[task.id] = task
            self._run_of[task.id] = run
        self.runs.append(run)
        return run

    def pause(self, task: Task) -> None:
        if task.is_active:
            task.status = "PAUSED" if task.status == "SCHEDULED" else "PAUSING"

    def resume(self, task: Task) -> None:
        task.status = "SCHEDULED"
        task.created = self.now

    def stop(self, task: Task) -> None:
        if task.is_active:
            task.status = "CANCELING"

    def end(self, task: Task, status: str, error: str | None = None) -> None:
        task.status, task.error, task.ended = status, error, self.now
        self._active.pop(task.id, None)

    def _step(self, task: Task) -> None:
        if task.writing:
            return
        match task.status:
            case "CANCELING":
                self.end(task, "CANCELED")
            case "PAUSING":
                task.status = "PAUSED"
            case "SCHEDULED" if not task.stuck and self.now >= task.created + self.config.pick_up:
                task.status = "PROCESSING"
                task.started = task.started or self.now
                task.next_stage_at = self.now + self.config.stage
            case "PROCESSING":
                self._work(task)
            case "WAITING":
                self._maybe_finish(task)

    def _work(self, task: Task) -> None:
        if task.stage == 60:
            pace = self.config.objects_per_second
            task.processed = min(task.total, (self.now - (task.next_stage_at - self.config.stage)) * pace)
            if task.processed < task.total:
                return
            behaviour = self._run_of[task.id].behaviour
            if "fail" in behaviour and task.part[0] == task.part[1] - 1:
                self.end(task, "FAILED", str(behaviour["fail"]))
                return
            self._start(task, self._write_files(task))
        elif self.now >= task.next_stage_at:
            self._next_stage(task)

    def _next_stage(self, task: Task) -> None:
        stages = task.stages
        task.stage = stages[stages.index(task.stage) + 1]
        task.next_stage_at = self.now + self.config.stage
        if task.stage == 80:
            task.status = "WAITING"

    def _maybe_finish(self, task: Task) -> None:
        """The last sibling writes the manifest for all of them; then all complete."""
        siblings = self._run_of[task.id].tasks
        if any(sibling.status in ("FAILED", "CANCELED") for sibling in siblings):
            self.end(task, "COMPLETED")
        elif task is siblings[0] and all(sibling.status == "WAITING" for sibling in siblings):
            self._start(task, self._write_manifest(self._run_of[task.id]))

    def _start(self, task: Task, work: Any) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self.end(task, "FAILED", f"{type(error).__name__}: {error}")
            finally:
                task.writing = False

        task.writing = True
        write = asyncio.get_running_loop().create_task(guarded())
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def _write_files(self, task: Task) -> None:
        run = self._run_of[task.id]
        tenant = self._tenants[task.order.tenant]
        rows = selected(tenant, task.order.export_type, task.order.parameters)
        number, parts = task.part
        mine = rows[number::parts]
        first = sum(-(-len(rows[n::parts]) // self.config.objects_per_file) for n in range(number))
        loop = asyncio.get_running_loop()
        names = await loop.run_in_executor(
            self._threads,
            self._writer.write,
            task.order,
            mine,
            first,
            self.config.objects_per_file,
            self.config.compression,
        )
        run.files = sorted([*run.files, *names])
        run.objects += len(mine)
        self._next_stage(task)

    async def _write_manifest(self, run: Run) -> None:
        seconds = self.now - run.tasks[0].created
        if not run.behaviour.get("no_manifest"):
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, self._writer.finish, run.order, run.files, run.objects, seconds)
        for task in run.tasks:
            task.stage = 90
            self.end(task, "COMPLETED")
