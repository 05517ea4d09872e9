"""Time that passes only when nobody has anything to do, and an event loop that can die after any step."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from types import CodeType
from typing import Any

PACKAGE = "reltio_export_operator"
START = datetime(2031, 1, 15, 3, 0, tzinfo=UTC)  # when the clock of the world is at 0


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Stalled(Exception):
    """Nothing is left to happen, ever."""


class Clock:
    """Monotonic seconds, and what the world outside of the operator does at its own times."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._numbers), what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self.at(self.now + seconds, what)

    def advance(self, until: float | None) -> None:
        """Go on to `until`, or to the next thing on the agenda if that is earlier, and let it happen."""
        upcoming = self._agenda[0][0] if self._agenda else None
        if upcoming is None and until is None:
            raise Stalled
        if upcoming is not None and (until is None or upcoming <= until):
            _, _, what = heapq.heappop(self._agenda)
            self.now = max(self.now, upcoming)
            what()
        elif until is not None:
            self.now = max(self.now, until)


class MortalLoop(asyncio.BaseEventLoop):
    """Runs ready callbacks one by one, counts them, and raises at the step that was set.

    Each callback is one step of a task from an await to the next one, so dying before each callback in turn means
    dying at every await, in whatever order the tasks of a run interleave.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        last_step: int | None = None,
        record: bool = False,
        interrupt: tuple[int, Callable[[], None]] | None = None,
    ) -> None:
        super().__init__()
        self.clock = clock
        self.steps = 0
        self.last_step = last_step
        self.places: list[str | None] = []
        self.dead = False
        self._record = record
        self._interrupt = interrupt  # before which step a signal comes, and its handler
        self._clock_resolution = 1e-9
        self.set_task_factory(lambda loop, coro, **more: asyncio.tasks._PyTask(coro, loop=loop, **more))  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.clock.now

    def die(self) -> None:
        """Nothing planned will happen; a coroutine that is closed may plan more, which will not happen either."""
        self.dead = True
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]

    def call_exception_handler(self, context: Any) -> None:
        if not self.dead:
            super().call_exception_handler(context)

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        if self.dead:
            return asyncio.Handle(callback, args, self, context)
        return super().call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        if self.dead:
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector here."""

    def _process_events(self, event_list: Any) -> None:
        """There are no files to watch."""

    def _run_once(self) -> None:
        timers, ready = self._scheduled, self._ready  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not ready:
            self.clock.advance(timers[0]._when if timers else None)
        while timers and timers[0]._when <= self.clock.now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            place = _place(handle._callback) if self._record else None
            if self.steps == self.last_step:
                raise Killed
            if self._interrupt and self.steps == self._interrupt[0]:
                self._interrupt[1]()
            self.steps += 1
            if self._record:
                self.places.append(place)
            handle._run()
            if self._stopping:  # type: ignore[attr-defined]
                return


def _place(callback: Any) -> str | None:
    """Where in the product the task that is about to run was waiting; None for what is not the product's."""
    task = getattr(callback, "__self__", None)
    coroutine: Any = task.get_coro() if isinstance(task, asyncio.tasks._PyTask) else None  # type: ignore[attr-defined]
    found = None
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None and f"/{PACKAGE}/" in frame.f_code.co_filename:
            found = _name(frame.f_code, frame.f_lineno)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return found


def _name(code: CodeType, line: int) -> str:
    _, _, path = code.co_filename.rpartition(f"/{PACKAGE}/")
    return f"{path}:{line} {code.co_qualname if hasattr(code, 'co_qualname') else code.co_name}"
