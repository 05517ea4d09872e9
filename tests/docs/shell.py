"""A shell that runs one command after the other, as a reader of a document does in a terminal."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from docs.markdown import Command

_LONGEST_OUTPUT = 4000  # characters that a failure shows


@dataclass(frozen=True)
class Outcome:
    """How a command ended. The code is None when it did not end in time."""

    command: Command
    code: int | None
    output: str

    def __str__(self) -> str:
        ended = f"ended with code {self.code}" if self.code is not None else "did not end"
        return f"\n{self.command.place}: the command {ended}\n\n$ {self.command.text}\n{self.output[-_LONGEST_OUTPUT:]}"


class Shell:
    """Bash in a folder, with this environment. What a command exports is there for the next one."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._script = folder / f".command-{uuid.uuid4().hex}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bash.kill()
        self._bash.wait()
        self._script.unlink(missing_ok=True)

    def run(self, command: Command, within: float) -> Outcome:
        """Run one command. After one that does not end in time the shell is of no more use."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        end = f"<end-{uuid.uuid4().hex}>"
        self._script.write_text(command.text + "\n")
        self._bash.stdin.write(f"source {self._script} </dev/null; printf '\\n%s %s\\n' '{end}' $?\n".encode())
        self._bash.stdin.flush()
        output = self._read(end, within)
        before, found, after = output.partition(end)
        if not found:
            return Outcome(command, None, before)
        return Outcome(command, int(after), before.rstrip("\n"))

    def _read(self, end: str, within: float) -> str:
        assert self._bash.stdout is not None
        output = b""
        limit = time.monotonic() + within
        with selectors.DefaultSelector() as selector:
            selector.register(self._bash.stdout, selectors.EVENT_READ)
            while not output.endswith(b"\n") or end.encode() not in output:
                if not selector.select(max(0.0, limit - time.monotonic())):
                    break
                chunk = os.read(self._bash.stdout.fileno(), 65536)
                if not chunk:
                    break
                output += chunk
        return output.decode(errors="replace")
