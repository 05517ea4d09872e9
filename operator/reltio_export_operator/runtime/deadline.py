"""Ends a blocking request that takes too long as a whole: timeouts of sockets hold from one packet to the next.

The connection is shut down from a timer's thread, whatever the request waits for: TLS, headers or the body.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
from typing import Any, Self

_current = threading.local()


class Deadline:
    """The limit, in seconds, of the request that this thread sends within the `with` statement."""

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._pass) if seconds < math.inf else None

    def __enter__(self) -> Self:
        _current.deadline = self
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _current.deadline = None
        if self._timer is not None:
            self._timer.cancel()
        self._hold(None)

    def watch(self, connected: socket.socket) -> None:
        """The request uses this connection. TLS takes over its file descriptor later, so a copy is kept."""
        self._hold(socket.socket(fileno=os.dup(connected.fileno())))

    def _hold(self, handle: socket.socket | None) -> None:
        with self._lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = handle
        if self.has_passed:
            self._shut_down()

    def _pass(self) -> None:
        self.has_passed = True
        self._shut_down()

    def _shut_down(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._handle is not None:
                self._handle.shutdown(socket.SHUT_RDWR)


class Watched:
    """Mixed into a connection of urllib3, which the deadline of its thread's request can then shut down."""

    sock: Any

    def _new_conn(self) -> Any:
        connected = super()._new_conn()  # type: ignore[misc]
        _watch(connected)
        return connected

    def request(self, *args: Any, **options: Any) -> Any:
        if self.sock is not None:
            _watch(self.sock)
        return super().request(*args, **options)  # type: ignore[misc]


def _watch(connected: socket.socket) -> None:
    deadline: Deadline | None = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.watch(connected)
