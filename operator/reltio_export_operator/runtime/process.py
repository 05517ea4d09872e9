"""The life of the process: its signals, the thread of its event loop, and its exit.

The event loop has a thread of its own, and the main thread waits for signals. So a signal is taken also when the loop
is blocked, no library can replace the handlers (asyncio's and kopf's work in the main thread alone), and the bound on
the shutdown holds whatever the loop does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, NoReturn

STOP_SECONDS = 20.0  # from the first signal to the exit, at most; a pod has 30 by default

_log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether the process is asked to end. `is_set` is up to date at once, before the event loop knows."""

    def __init__(self) -> None:
        self.signal = ""  # the name of the one that asked
        self._set = False
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def is_set(self) -> bool:
        return self._set

    async def wait(self) -> None:
        """Wait for the request, in the event loop that was bound."""
        await self._event.wait()

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def set(self) -> None:
        """Ask for the end. Safe in a signal handler and from any thread."""
        self._set = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._event.set)


def run(
    main: Callable[[StopRequest], Coroutine[Any, Any, None]],
    *,
    prepare: Callable[[], None] = lambda: None,
    stop_seconds: float = STOP_SECONDS,
) -> None:
    """Run `main` in an event loop until it ends; call it in the main thread. Raises what `main` raises.

    `prepare` is called before, in the same thread: it may take as long as it needs to, as no loop waits for it.
    SIGTERM and SIGINT set the StopRequest. A second one ends the process at once, and so does a `main` that takes
    longer than `stop_seconds` to end. Threads may still run when this returns: follow it with `leave`.
    """
    stop = StopRequest()
    outcome: list[BaseException | None] = []
    with _wake_ups() as (wakes, wake), _signals_to(stop):
        threading.Thread(
            target=_loop_until_ended, args=(main, prepare, stop, outcome, wake), name="event-loop", daemon=True
        ).start()
        deadline: float | None = None
        while not outcome:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([wakes], [], [], left)[0]:
                _log.error("The shutdown took longer than %.0f s. Exiting without finishing it.", stop_seconds)
                leave(1)
            wakes.recv(4096)
            if stop.is_set() and deadline is None:
                _log.info("Received %s. Shutting down.", stop.signal)
                deadline = time.monotonic() + stop_seconds
    if outcome[0] is not None:
        raise outcome[0]


def leave(code: int) -> NoReturn:
    """End the process now. Threads that wait for an answer from outside, as AWS's, are not waited for."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def _wake_ups() -> Iterator[tuple[socket.socket, Callable[[], None]]]:
    """A socket that is readable after each signal and each call of the function.

    Waiting on it misses none. A lock would: a signal may come right before it is waited for, or to another thread.
    """
    wakes, waker = socket.socketpair()
    with wakes, waker:
        wakes.setblocking(False)
        waker.setblocking(False)
        before = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)

        def wake() -> None:
            with contextlib.suppress(OSError):  # full, so it is readable; or closed, so nobody waits
                waker.send(b"\0")

        try:
            yield wakes, wake
        finally:
            signal.set_wakeup_fd(before)


@contextlib.contextmanager
def _signals_to(stop: StopRequest) -> Iterator[None]:
    def handle(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.signal = signal.Signals(number).name
        stop.set()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _loop_until_ended(
    main: Callable[[StopRequest], Coroutine[Any, Any, None]],
    prepare: Callable[[], None],
    stop: StopRequest,
    outcome: list[BaseException | None],
    wake: Callable[[], None],
) -> None:
    error: BaseException | None = None
    try:
        prepare()
        # Not asyncio.run: it would wait for the threads of the default executor, which may hang in a DNS lookup.
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        stop.bind(loop)
        if stop.is_set():
            stop.set()  # it came before the loop was there
        loop.run_until_complete(main(stop))
    except BaseException as raised:
        error = raised
    outcome.append(error)
    wake()
