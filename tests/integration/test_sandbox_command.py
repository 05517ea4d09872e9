"""What `make sandbox` prints works when it is pasted into another terminal, and the demo's output can be copied."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools import tool

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from reltio_export_operator.cli.main import main; main()"]
LIMIT = 90


@contextmanager
def sandbox(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `sandbox` and what it has printed."""
    process = subprocess.Popen(
        [*PROGRAM, "sandbox", "--directory", str(directory), "--examples", str(ROOT / "examples")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator"), "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        printed = ""
        while "Log:" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        yield process, printed
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT)


def commands(printed: str) -> list[str]:
    """The lines to paste. The AWS command line need not be installed, and a watch does not end."""
    lines = [line.strip() for line in printed.splitlines() if line.startswith("  ")]
    return [line for line in lines if not line.endswith(" -w") and (shutil.which("aws") or not line.startswith("aws "))]


def paste(lines: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the lines in a shell elsewhere that knows nothing of the sandbox."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "kubectl").unlink(missing_ok=True)
    (tools / "kubectl").symlink_to(tool("kubectl"))
    aws = Path(shutil.which("aws") or "/usr/bin/aws").parent
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin:{aws}:{Path(sys.executable).parent}",
        "HOME": os.environ.get("HOME", str(folder)),
        "AWS_SESSION_TOKEN": "of something else",
        "AWS_PROFILE": "nobody",
    }
    script = "set -e\n" + "\n".join(lines)
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )


def test_the_printed_lines_work_in_another_terminal(tmp_path: Path) -> None:
    with sandbox(tmp_path / "a folder") as (_, printed):
        lines = commands(printed)
        assert any(line.startswith("export KUBECONFIG=") for line in lines)
        assert any(line.startswith("aws s3 ls ") for line in printed.replace("  ", "").splitlines())
        done = paste(lines, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "exportjob.export.reltio.com/people condition met" in done.stdout
        assert "Every file is unchanged" in done.stdout
        assert "Ready=True" in done.stdout
        if shutil.which("aws"):
            assert "_export-receipt.json" in done.stdout


def test_every_example_runs_on_the_sandbox(tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox") as (_, printed):
        exports = [line for line in commands(printed) if line.startswith(("export ", "unset "))]
        examples = tmp_path / "sandbox" / "examples"
        ready = "kubectl wait --for=condition=Ready exporttargets --all --timeout=60s"
        complete = "kubectl wait --for=condition=Complete exportjobs --all --timeout=80s"
        done = paste([*exports, f"kubectl apply -R -f {examples}", ready, complete], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("exportjob.export.reltio.com") == 2 * len([*examples.glob("jobs/*"), "job.yaml"])


def test_a_second_sandbox_leaves_the_first_one_alone_and_a_crash_leaves_nothing_behind(tmp_path: Path) -> None:
    with sandbox(tmp_path) as (first, _):
        before = (tmp_path / "kubeconfig").read_text()
        second = subprocess.run(
            [*PROGRAM, "sandbox", "--directory", str(tmp_path), "--examples", str(ROOT / "examples")],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
            timeout=LIMIT,
            check=False,
        )
        assert second.returncode == 2
        assert f"Another sandbox (process {first.pid}) uses {tmp_path}." in second.stderr
        assert "--directory" in second.stderr
        assert (tmp_path / "kubeconfig").read_text() == before
        children = _children(first.pid)
        assert len(children) == 2  # the operator and AWS
        first.kill()
        first.wait(LIMIT)
        end = time.monotonic() + LIMIT
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < end, "processes of a killed sandbox are still there"
            time.sleep(0.1)
    with sandbox(tmp_path):
        assert (tmp_path / "kubeconfig").read_text() != before


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_the_demo_prints_the_url_in_one_piece(terminal: bool, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "COLUMNS": "20", "TERM": "xterm"}
    command = [*PROGRAM, "demo", "--examples", str(ROOT / "examples")]
    if terminal:
        printed, code = _on_a_terminal(command, environment)
    else:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)
        printed, code = done.stdout, done.returncode
    assert code == 0, printed
    assert re.search(r"^Delivered to s3://acme-mdm-exports/reltio/[\d-]+/people/[0-9a-f-]+/\r?$", printed, re.MULTILINE)
    assert "The records are equal." in printed


def _on_a_terminal(command: list[str], environment: dict[str, str]) -> tuple[str, int]:
    leader, follower = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    printed = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        printed += chunk
    os.close(leader)
    return printed.decode(), process.wait(LIMIT)
