"""Commands in fenced blocks of Markdown.

A fence of language `sh` holds commands, one of `console` commands after `$ `. What they print goes into a fence of its
own, of language `text`. A comment right above a fence says why its commands are not run as they stand:

    <!-- not-run: needs a cluster of yours -->     they cannot run here
    <!-- run-by: .ci/run -->                       that file runs them
    <!-- needs: aws -->                            they are run where that program is installed
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_COMMANDS = ("sh", "console")
_OTHERS = ("text", "yaml", "json", "python", "mermaid", "toml", "promql", "hcl", "dockerfile")
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>\S*)\s*$")
_MARK = re.compile(r"^\s*<!-- (?P<name>not-run|run-by|needs): (?P<value>.+?) -->\s*$")
_INCOMPLETE = re.compile(r"unexpected EOF|unexpected end of file|here-document .* delimited by end-of-file")


class DocumentError(Exception):
    """A document does not follow the conventions; the text begins with file and line."""


@dataclass(frozen=True)
class Fence:
    """A fenced block. `line` is that of its first line of content."""

    path: str
    line: int
    language: str
    content: tuple[str, ...]
    marks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A command as it is written. At most one of the marks is set."""

    path: str
    line: int
    text: str
    not_run: str = ""
    run_by: str = ""
    needs: str = ""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def documents() -> list[Path]:
    """The README and its like, the documentation, and the README of the examples."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md"]


def all_commands() -> list[Command]:
    """Every command of every document, in order. Raises DocumentError."""
    found: list[Command] = []
    for path in documents():
        found += commands(path.read_text(), str(path.relative_to(ROOT)))
    return found


def commands(text: str, path: str) -> list[Command]:
    """The commands of one document. Raises DocumentError."""
    return [command for fence in fences(text, path) for command in _commands(fence)]


def summary(found: Iterable[Command]) -> list[str]:
    """Lines that count the commands and list those that no test runs as they are written."""
    commands_ = list(found)
    not_run = [command for command in commands_ if command.not_run]
    elsewhere = [command for command in commands_ if command.run_by]
    run = len(commands_) - len(not_run) - len(elsewhere)
    counted = f"commands of the docs: {run} run by tests/docs, {len(elsewhere)} by others, {len(not_run)} not run"
    lines = [f"{one.place}: not run, {one.not_run}: {one.text.splitlines()[0]}" for one in not_run]
    return [counted, *lines]


def fences(text: str, path: str) -> Iterator[Fence]:
    """The fenced blocks of one document. Raises DocumentError for one that is not closed or not of a known language."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            at += 1
            continue
        end = at + 1
        while end < len(lines) and not re.fullmatch(rf" *{opening['ticks']}`*\s*", lines[end]):
            end += 1
        if end == len(lines):
            raise DocumentError(f"{path}:{at + 1}: the fence is not closed")
        language = opening["language"]
        if language not in (*_COMMANDS, *_OTHERS):
            known = ", ".join((*_COMMANDS, *_OTHERS))
            raise DocumentError(f"{path}:{at + 1}: language '{language}' of the fence is none of {known}")
        marks = _marks(lines[:at])
        if marks and language not in _COMMANDS:
            raise DocumentError(f"{path}:{at}: a mark stands above a fence without commands")
        if len(marks) > 1:
            raise DocumentError(f"{path}:{at}: more than one mark stands above a fence")
        indent = len(opening["indent"])
        content = tuple(line[indent:] if line[:indent].isspace() else line for line in lines[at + 1 : end])
        yield Fence(path, at + 2, language, content, marks)
        at = end + 1


def _marks(before: list[str]) -> dict[str, str]:
    """The marks in the comments that end right above."""
    found: dict[str, str] = {}
    for line in reversed(before):
        mark = _MARK.match(line)
        if mark is None:
            break
        found[mark["name"]] = mark["value"]
    return found


def _commands(fence: Fence) -> Iterator[Command]:
    if fence.language not in _COMMANDS:
        return
    lines = _plain(fence) if fence.language == "console" else enumerate(fence.content, fence.line)
    pending: list[str] = []
    began = fence.line
    for number, line in lines:
        if not pending:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            began = number
        pending.append(line)
        if is_complete("\n".join(pending)):
            yield _command(fence, began, pending)
            pending = []
    if pending:
        raise DocumentError(f"{fence.path}:{began}: the command has no end: {pending[0]}")


def _plain(fence: Fence) -> Iterator[tuple[int, str]]:
    """Lines of a console without their prompts."""
    continued: list[str] = []
    for number, line in enumerate(fence.content, fence.line):
        if continued:
            text = line.removeprefix("> ")
        elif line.startswith("$ "):
            text = line[2:]
        elif line.strip():
            raise DocumentError(f"{fence.path}:{number}: output belongs into a fence of language text: {line}")
        else:
            continue
        continued.append(text)
        yield number, text
        if is_complete("\n".join(continued)):
            continued = []


def _command(fence: Fence, line: int, parts: Iterable[str]) -> Command:
    marks = {name.replace("-", "_"): value for name, value in fence.marks.items()}
    return Command(fence.path, line, "\n".join(parts), **marks)


def is_complete(text: str) -> bool:
    """Whether a shell would run the text rather than wait for more."""
    if text.endswith("\\"):
        return False
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
    return _INCOMPLETE.search(done.stderr) is None
