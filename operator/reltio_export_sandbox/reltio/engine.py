"""The clockwork: moves tasks through their stages and has their files written."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from .agenda import Agenda
from .behaviour import Behaviour
from .config import SimulatorConfig, Tenant
from .content import counts
from .data import read, selected
from .delivery import Delivery
from .destinations import ObjectSink
from .errors import busy, storage_error, task_limit
from .submit import Order
from .tasks import DONE, EXPORTING, MANIFEST, Run, Task

_CREDIT_WAIT = 600.0  # without credits for this long, a task is rescheduled


class Engine:
    """All runs of all tenants. Nothing moves but by `advance`."""

    def __init__(
        self,
        config: SimulatorConfig,
        tenants: dict[str, Tenant],
        sink: ObjectSink,
        *,
        executor: Executor,
        now: float,
        seed: int | None = None,
    ) -> None:
        self.config = config
        self.runs: list[Run] = []
        self.tasks: dict[str, Task] = {}
        self.behaviours: list[Behaviour] = []
        self._tenants = tenants
        self._agenda = Agenda(executor, now)
        self._delivery = Delivery(config, sink)
        self._active: dict[str, dict[str, Task]] = {tenant: {} for tenant in tenants}
        self._ended: dict[str, list[Task]] = {tenant: [] for tenant in tenants}
        self._places: dict[tuple[str, str], Run] = {}
        self._run_of: dict[str, Run] = {}
        self._random = random.Random(seed)

    @property
    def now(self) -> float:
        """Simulated seconds since the epoch."""
        return self._agenda.now

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._agenda.advance(seconds)

    def active(self, tenant: str) -> list[Task]:
        """Tasks that have not ended, oldest first."""
        return [task for task in self._active[tenant].values() if task.is_shown(self.now, in_lists=True)]

    def history(self, tenant: str) -> list[Task]:
        """Tasks that have ended, the last one first."""
        return [task for task in reversed(self._ended[tenant]) if task.is_shown(self.now, in_lists=True)]

    def find(self, task_id: str) -> Task | None:
        task = self.tasks.get(task_id)
        return task if task is not None and task.is_shown(self.now, in_lists=False) else None

    def run_of(self, task: Task) -> Run:
        return self._run_of[task.id]

    def shuffled(self, tasks: list[Task]) -> list[Task]:
        """The same tasks in another order."""
        return self._random.sample(tasks, len(tasks))

    def new_task_id(self) -> str:
        return str(self._random.getrandbits(48)) if self.config.numeric_ids else self.new_id()

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def accept(self, order: Order) -> Run:
        """Take an order, unless its place is taken or the tenant has too many tasks. Raises Refusal."""
        if self.config.storage_error:
            raise storage_error(self.config.storage_error)
        if (holder := self._places.get(order.place)) is not None:
            raise busy(next(task.id for task in holder.tasks if task.is_active))
        tenant = self._tenants[order.tenant]
        if len(self._active[order.tenant]) >= tenant.max_tasks:
            raise task_limit(self.config.task_limit_status)
        run = Run(order, [], self._behaviour(order))
        run.counted["read"] = read(tenant, order.export_type)
        total = len(self._rows(run))
        parts = max(run.behaviour.tasks, -(-total // self.config.objects_per_task), 1)
        for part in range(parts):
            share = total // parts + (part < total % parts)
            task = Task(self.new_task_id(), order, share, (part, parts), self.now, run.behaviour)
            run.tasks.append(task)
            order.task_ids.append(task.id)
            self.tasks[task.id] = self._active[order.tenant][task.id] = task
            self._run_of[task.id] = run
            self._schedule(task, "SCHEDULED")
        self._places[order.place] = run
        self.runs.append(run)
        self._plan_oddities(run)
        return run

    def pause(self, task: Task) -> None:
        if task.is_active and task.status != "CANCELING":
            self._interrupt(task, "PAUSING")

    def resume(self, task: Task) -> None:
        """Put a paused task back into the queue."""
        task.restored = True
        self._schedule(task, "SCHEDULED")

    def stop(self, task: Task, *, at_once: bool = False) -> None:
        if task.is_active:
            self._interrupt(task, "CANCELING")
            if at_once:
                self._settle(task)

    def force(self, task: Task, status: str, error: str | None = None) -> None:
        """Put a task into any state, as an administrator of the simulator."""
        task.turn += 1
        if status in ("COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "CANCELED"):
            self._end(task, status, error)
        else:
            task.status = status

    def forget(self, task: Task) -> None:
        """Lose the task: it does nothing more, and nobody finds it."""
        if not task.is_active:
            return
        task.turn += 1
        task.status, task.ended = "CANCELED", self.now
        self._release(task)
        del self.tasks[task.id]

    def _behaviour(self, order: Order) -> Behaviour:
        for behaviour in self.behaviours:
            if re.search(behaviour.name, order.name):
                self.behaviours.remove(behaviour)
                return behaviour
        return Behaviour()

    def _rows(self, run: Run) -> list[dict[str, Any]]:
        order = run.order
        return selected(self._tenants[order.tenant], order.export_type, order.parameters)[: run.behaviour.rows]

    def _plan_oddities(self, run: Run) -> None:
        odd = run.behaviour
        for task in run.tasks:
            for seconds, act in (
                (odd.paused_after, self.pause),
                (odd.canceled_after, self.stop),
                (odd.lost_after, self.forget),
            ):
                if seconds is not None:
                    self._agenda.after(seconds, lambda act=act, task=task: act(task))  # type: ignore[misc]

    def _plan(self, task: Task, seconds: float, step: Callable[[Task], None]) -> None:
        """Take this step then, unless something else has come in between."""
        turn = task.turn
        self._agenda.after(seconds, lambda: step(task) if task.is_active and task.turn == turn else None)

    def _schedule(self, task: Task, status: str) -> None:
        task.status = status
        task.turn += 1
        if not task.behaviour.stuck:
            every = self.config.pick_up
            self._plan(task, every - self.now % every, self._pick_up)

    def _pick_up(self, task: Task) -> None:
        odd = task.behaviour
        if task.writing:  # it was paused and resumed faster than a file is written
            self._schedule(task, task.status)
            return
        if self.config.serial and self._is_another_running(task):
            self._schedule(task, task.status)
            return
        task.started = task.started or self.now
        if odd.status:
            task.status = odd.status
        elif odd.out_of_credits and not task.had_credits_pause:
            task.had_credits_pause = True
            task.status = "WAITING_FOR_RESOURCE"
            self._plan(task, _CREDIT_WAIT, lambda task: self._schedule(task, "SCHEDULED_POLL"))
        elif odd.throttled and task.stage == 0:
            task.status = "THROTTLING"
            self._plan(task, odd.throttled, self._process)
        else:
            self._process(task)

    def _is_another_running(self, task: Task) -> bool:
        others = self._active[task.order.tenant].values()
        return any(other.started is not None and other.order is not task.order for other in others)

    def _process(self, task: Task) -> None:
        task.status = "PROCESSING"
        if task.folder is None:
            self._work(task, lambda: self._delivery.open(task.order), self._opened)
        else:
            self._continue(task)

    @staticmethod
    def _opened(task: Task, folder: Any) -> None:
        task.folder = folder

    def _continue(self, task: Task) -> None:
        if task.stage == EXPORTING:
            self._export_part(task)
        elif task.stage == MANIFEST:
            self._join(task)
        else:
            self._plan(task, self.config.stage, self._next_stage)

    def _next_stage(self, task: Task) -> None:
        stages = task.stages
        task.stage = stages[stages.index(task.stage) + 1]
        self._continue(task)

    def _export_part(self, task: Task) -> None:
        """Plan the end of the next part file, or of the exporting."""
        number, parts = task.part
        task.rows = task.rows or self._rows(self._run_of[task.id])[number::parts]
        per_file = task.behaviour.rows_per_file or self.config.objects_per_file
        task.part_since, task.part_rows = self.now, min(per_file, len(task.rows) - task.exported)
        if task.part_rows > 0:
            self._plan(task, task.part_rows / self.config.objects_per_second, self._write_part)
        elif task.behaviour.fail and number == parts - 1:
            self._end(task, "FAILED", task.behaviour.fail)
        else:
            self._next_stage(task)

    def _write_part(self, task: Task) -> None:
        run = self._run_of[task.id]
        rows = task.rows[task.exported : task.exported + task.part_rows]
        number = run.next_file
        run.next_file += 1
        self._work(task, lambda: self._delivery.write_part(run, task, number, rows), self._part_written)

    def _part_written(self, task: Task, _: None) -> None:
        run = self._run_of[task.id]
        run.objects += task.part_rows
        run.counted += counts(task.rows[task.exported : task.exported + task.part_rows], run.order)
        task.exported += task.part_rows

    def _join(self, task: Task) -> None:
        """The last sibling to get here writes the manifest for all of them; then all complete."""
        run = self._run_of[task.id]
        task.status = "WAITING"
        active = [sibling for sibling in run.tasks if sibling.is_active]
        if any(sibling.status in ("FAILED", "CANCELED") for sibling in run.tasks):
            for sibling in active:
                if sibling.status == "WAITING":
                    self._end(sibling, "COMPLETED")
        elif all(sibling.status == "WAITING" for sibling in active):
            seconds = self.now - task.created
            self._work(task, lambda: self._delivery.finish(run, seconds), lambda _, __: self._complete(run))

    def _complete(self, run: Run) -> None:
        for task in run.tasks:
            if task.is_active:
                task.stage = DONE
                self._end(task, task.behaviour.ends_as)
        late = run.behaviour.manifest_after
        if late and not run.behaviour.no_manifest:
            self._agenda.after(late, lambda: self._agenda.work(lambda: self._delivery.write_manifest(run, 0), _ignore))

    def _work(self, task: Task, job: Callable[[], Any], keep: Callable[[Task, Any], None]) -> None:
        """Have it done and keep its result; then continue, or obey what was asked for meanwhile. Fails with it."""

        def done(future: Future[Any]) -> None:
            task.writing = False
            if not task.is_active:
                return
            error = future.exception()
            if error is not None:
                self._end(task, "FAILED", f"{type(error).__name__}: {error}")
                return
            keep(task, future.result())
            if task.status in ("PAUSING", "CANCELING"):
                self._settle(task)
            elif task.status == "PROCESSING":
                self._continue(task)

        task.writing = True
        self._agenda.work(job, done)

    def _interrupt(self, task: Task, status: str) -> None:
        """A pause or a stop takes effect when the part in progress is done with."""
        task.status = status
        task.turn += 1
        self._plan(task, self.config.control_delay, self._settle)

    def _settle(self, task: Task) -> None:
        if task.writing:
            return
        if task.status == "CANCELING":
            self._end(task, "CANCELED")
        else:
            task.status, task.paused = "PAUSED", self.now

    def _end(self, task: Task, status: str, error: str | None = None) -> None:
        task.status, task.error, task.ended = status, error, self.now
        self._ended[task.order.tenant].append(task)
        self._release(task)

    def _release(self, task: Task) -> None:
        """Free what an ended task holds; siblings that wait for it need not any longer."""
        task.rows, task.folder = (), None
        self._active[task.order.tenant].pop(task.id, None)
        run = self._run_of[task.id]
        if not any(sibling.is_active for sibling in run.tasks):
            self._places.pop(task.order.place, None)
        elif task.status in ("FAILED", "CANCELED"):
            waiting = [sibling for sibling in run.tasks if sibling.status == "WAITING"]
            if waiting:
                self._join(waiting[0])


def _ignore(_: Future[Any]) -> None:
    """Nothing depends on the result."""
