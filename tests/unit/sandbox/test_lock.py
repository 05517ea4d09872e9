"""A directory belongs to one sandbox at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reltio_export_operator.runtime.settings import ConfigurationError
from reltio_export_sandbox.lock import DirectoryLock

HOLDER = """
import sys
from pathlib import Path
from reltio_export_sandbox.lock import DirectoryLock
with DirectoryLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(directory: Path) -> subprocess.Popen[str]:
    """Another process that holds the directory."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_the_error_of_a_second_sandbox_names_the_holder_and_what_to_do(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    with pytest.raises(ConfigurationError) as refused, DirectoryLock(tmp_path):
        pass
    assert f"(process {holder.pid})" in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert "--directory" in str(refused.value)
    holder.communicate("")
    with DirectoryLock(tmp_path):
        pass


def test_a_sandbox_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with DirectoryLock(tmp_path):
        assert (tmp_path / "sandbox.pid").read_text() == f"{os.getpid()}\n"


def test_two_directories_may_be_held_at_once(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path / "one"), DirectoryLock(tmp_path / "two"):
        pass
