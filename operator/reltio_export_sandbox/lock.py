"""One sandbox per directory: its kubeconfig and logs must not be those of another that still runs."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from reltio_export_operator.runtime.settings import ConfigurationError

_NAME = "sandbox.pid"


class DirectoryLock:
    """Holds a directory until exit. The kernel releases it with the process, so a crash leaves nothing to clear up."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = -1

    def __enter__(self) -> Self:
        """Raises ConfigurationError when another process holds the directory."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._directory / _NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode().strip()
            os.close(self._file)
            raise ConfigurationError(
                f"Another sandbox{f' (process {holder})' if holder else ''} uses {self._directory}. Stop it with "
                "Ctrl-C in its terminal, or choose another directory with --directory."
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.ftruncate(self._file, 0)  # not unlinked: another process may have it open to lock it next
        os.close(self._file)
