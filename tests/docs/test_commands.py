"""Every command of the README and the docs, run as it is written against one running sandbox.

The commands run in a copy of the tracked files, in which the examples have the values of the sandbox. Each document has
a shell of its own, and finds the target `lake` and the completed jobs `people` and `with-receipt`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from docs.markdown import ROOT, Command, all_commands
from docs.shell import Outcome, Shell
from tools import tool

LIMIT = 90  # seconds for a command
COMMANDS = [command for command in all_commands() if not command.not_run and not command.run_by]
PREPARE = (
    "kubectl apply -f examples/target.yaml -f examples/job.yaml -f examples/jobs/with-receipt.yaml",
    "kubectl wait --for=condition=Complete exportjobs --all --timeout=80s",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files, with the programs of the project beside them."""
    copy = tmp_path_factory.mktemp("docs") / "reltio-export-operator"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file() or source.is_symlink():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy / name, follow_symlinks=False)
    programs = copy.parent / "bin"
    programs.mkdir()
    for name in ("kubectl", "helm"):
        (programs / name).symlink_to(tool(name))
    return copy


@pytest.fixture(scope="module")
def environment(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of someone who has pasted what a running sandbox prints."""
    program = [sys.executable, "-c", "from reltio_export_operator.cli.main import main; main()", "sandbox"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RELTIO_", "KUBE"))}
    plain["PATH"] = f"{folder.parent / 'bin'}:{Path(sys.executable).parent}:{plain['PATH']}"
    started = {**plain, "PYTHONPATH": str(folder / "operator"), "PYTHONUNBUFFERED": "1"}
    sandbox = subprocess.Popen(program, cwd=folder, env=started, stdout=subprocess.PIPE, text=True)
    try:
        assert sandbox.stdout is not None
        printed: list[str] = []
        while not printed or "Log:" not in printed[-1]:
            line = sandbox.stdout.readline()
            assert line, "".join(printed)
            printed.append(line)
        exports = [line.strip() for line in printed if line.startswith(("  export ", "  unset "))]
        exported = subprocess.run(
            ["bash", "-c", "\n".join([*exports, "env -0"])], env=plain, capture_output=True, check=True, text=True
        )
        shutil.copytree(folder / ".sandbox" / "examples", folder / "examples", dirs_exist_ok=True)
        yield dict(pair.split("=", 1) for pair in exported.stdout.split("\0") if pair)
    finally:
        sandbox.send_signal(signal.SIGINT)
        sandbox.communicate(timeout=LIMIT)


@pytest.fixture(scope="module")
def outcomes(folder: Path, environment: dict[str, str]) -> dict[str, Outcome]:
    """How each command ended, by its place."""
    found: dict[str, Outcome] = {}
    for _, commands in groupby(COMMANDS, lambda command: command.path):
        with Shell(folder, environment) as shell:
            for text in PREPARE:
                prepared = shell.run(Command("preparation", 0, text), LIMIT)
                assert prepared.code == 0, str(prepared)
            for command in commands:
                if command.needs and not shutil.which(command.needs, path=environment["PATH"]):
                    continue
                found[command.place] = shell.run(command, LIMIT)
                if found[command.place].code is None:
                    break
    return found


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.place} {command.text[:60]}")
def test_the_command_works_as_it_is_written(command: Command, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes.get(command.place)
    if outcome is None:
        assert command.needs, f"{command.place}: an earlier command of the document did not end"
        return
    assert outcome.code == 0, str(outcome)
