"""Signals and the exit, tried on a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

OPERATOR = Path(__file__).parents[3] / "operator"
PROLOGUE = """
import asyncio, signal, sys, threading, time
from reltio_export_operator.runtime import process

def say(text):
    print(text, flush=True)
"""
EPILOGUE = """
try:
    process.run(main, stop_seconds=STOP_SECONDS)
except ValueError as error:
    say(f"raised {error}")
    process.leave(3)
say("left")
process.leave(0)
"""


class Process:
    """A process that runs this `main`. It says "ready" once it may be signalled."""

    def __init__(self, main: str, stop_seconds: float = 60) -> None:
        code = PROLOGUE + textwrap.dedent(main) + EPILOGUE.replace("STOP_SECONDS", repr(stop_seconds))
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(OPERATOR)},
        )

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, list[str]]:
        """The exit code, and what was still said."""
        rest, _ = self._process.communicate(timeout=60)
        return self._process.returncode, rest.splitlines()


WAITING = """
async def main(stop):
    say("ready")
    await stop.wait()
    say("stopping")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_the_end_which_is_code_0(number: signal.Signals) -> None:
    process = Process(WAITING)
    assert process.line() == "ready"
    process.signal(number)
    assert process.end() == (0, ["stopping", "left"])


def test_a_handler_that_a_library_installs_in_the_loop_cannot_take_the_signal() -> None:
    process = Process(
        """
        async def main(stop):
            try:
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: say("stolen"))
            except (RuntimeError, ValueError):
                pass  # only the main thread may
            say("ready")
            await stop.wait()
        """
    )
    assert process.line() == "ready"
    process.signal(signal.SIGTERM)
    assert process.end() == (0, ["left"])


def test_the_request_is_known_before_the_loop_hears_of_it() -> None:
    process = Process(
        """
        async def main(stop):
            say("ready")
            while not stop.is_set():  # the loop is blocked
                pass
            say("known")
        """
    )
    assert process.line() == "ready"
    process.signal(signal.SIGTERM)
    assert process.end() == (0, ["known", "left"])


def test_a_second_signal_ends_the_process_at_once() -> None:
    process = Process(
        """
        async def main(stop):
            say("ready")
            await stop.wait()
            say("stopping")
            await asyncio.Event().wait()
        """
    )
    assert process.line() == "ready"
    process.signal(signal.SIGTERM)
    assert process.line() == "stopping"
    process.signal(signal.SIGTERM)
    assert process.end() == (128 + signal.SIGTERM, [])


def test_a_shutdown_that_hangs_ends_at_its_bound_also_when_the_loop_is_blocked() -> None:
    process = Process(
        """
        async def main(stop):
            say("ready")
            await stop.wait()
            say("stopping")
            while True:
                time.sleep(0.1)
        """,
        stop_seconds=0.2,
    )
    assert process.line() == "ready"
    process.signal(signal.SIGTERM)
    code, said = process.end()
    assert code == 1
    assert "left" not in said


def test_threads_that_hang_do_not_keep_the_process() -> None:
    process = Process(
        """
        async def main(stop):
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, threading.Event().wait)
            say("ready")
            await stop.wait()
        """
    )
    assert process.line() == "ready"
    process.signal(signal.SIGTERM)
    assert process.end() == (0, ["left"])


def test_what_is_prepared_is_ready_before_the_loop_starts() -> None:
    process = Process(
        """
        def main(stop):
            say(f"main {threading.current_thread().name}")
            return asyncio.sleep(0)

        def prepare():
            say(f"prepare {threading.current_thread().name}")
            assert asyncio._get_running_loop() is None

        run, process.run = process.run, lambda main, **options: run(main, prepare=prepare, **options)
        """
    )
    assert process.end() == (0, ["prepare event-loop", "main event-loop", "left"])


def test_what_main_raises_is_raised_in_the_main_thread() -> None:
    process = Process(
        """
        async def main(stop):
            raise ValueError("no cluster")
        """
    )
    assert process.end() == (3, ["raised no cluster"])
