"""Every regular expression of the operator takes linear time, so that no text can stop the event loop."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from linear import problems

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator" / "reltio_export_operator"
FUNCTIONS = ("compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
# Read from files and variables of the administrator, and bounded; nobody else can send text to them.
OF_THE_ADMINISTRATOR = {"runtime/trust.py", "runtime/settings_loader.py"}
# Made when the program runs, of literal text only.
COMPUTED = {("api/task.py", "re.escape(attempt_id) + '(?!\\\\d)'"), ("kube/watching.py", None)}


@dataclass(frozen=True)
class Pattern:
    file: str
    line: int
    text: str | None  # None: it is not a literal
    source: str
    flags: int
    searches: bool


def patterns() -> Iterator[Pattern]:
    """Every expression that is given to a function of `re`, and every `pattern=` of a setting or field."""
    for path in sorted(OPERATOR.rglob("*.py")):
        name, tree = str(path.relative_to(OPERATOR)), ast.parse(path.read_text())
        matched = only_matched(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called.removeprefix("re.") in FUNCTIONS and called.startswith("re."):
                flags = re.RegexFlag(0)
                for argument in [*node.args[1:], *(one.value for one in node.keywords)]:
                    for flag in re.findall(r"re\.([A-Z]+)", ast.unparse(argument)):
                        flags |= re.RegexFlag[flag]
                target = matched.get(node.lineno, called != "re.fullmatch" and called != "re.match")
                yield Pattern(name, node.lineno, literal(node.args[0]), ast.unparse(node.args[0]), int(flags), target)


def only_matched(tree: ast.Module) -> dict[int, bool]:
    """By the line of its compilation: whether a pattern is used with another method than match and fullmatch."""
    lines = {
        statement.targets[0].id: statement.value.lineno
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and ast.unparse(statement.value).startswith("re.compile")
    }
    methods: dict[str, set[str]] = {name: set() for name in lines}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in methods:
            methods[node.value.id].add(node.attr)
    return {line: not methods[name] <= {"match", "fullmatch"} for name, line in lines.items()}


def literal(node: ast.expr) -> str | None:
    try:
        found = ast.literal_eval(node)
    except ValueError:
        return None
    return found.decode("latin-1") if isinstance(found, bytes) else str(found)


ALL = list(patterns())


def test_the_patterns_are_found() -> None:
    assert len(ALL) > 20
    assert {"reltio/errors.py", "aws/errors.py", "targets/iam.py", "api/masking.py"} <= {one.file for one in ALL}


@pytest.mark.parametrize("pattern", ALL, ids=lambda one: f"{one.file}:{one.line}")
def test_a_pattern_takes_linear_time(pattern: Pattern) -> None:
    if pattern.text is None:
        assert (pattern.file, pattern.source) in COMPUTED or (pattern.file, None) in COMPUTED, pattern
        return
    found = problems(pattern.text, pattern.flags, searches=pattern.searches)
    assert not found or pattern.file in OF_THE_ADMINISTRATOR, f"{pattern.text}: {found}"


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (r"(a+)+b", "a repetition in a repetition"),
        (r"(?:a*)*", "a repetition in a repetition"),
        (r"(?:\w+\s*)+:", "a repetition in a repetition"),
        (r"(a|b+)*c", "a repetition in a repetition"),
        (r"x\s*\s+y", "two repetitions that share characters"),
        (r"x\d+[0-9a-f]*y", "two repetitions that share characters"),
        (r"x.*:.*y", "two repetitions that share characters"),
        (r"x(?:a+)(?:b?)(?:a+)y", "two repetitions that share characters"),
        (r"\s*\(id", "a search that starts again within a repetition"),
        (r"\w+@", "a search that starts again within a repetition"),
        (r"<(script|style).*?</\1>", "a reference to a group"),
        (r"<[^>]+>", "a search that starts again within a repetition"),
        (r"Invalid: (.+?)\. Reason", "a search that starts again within a repetition"),
    ],
)
def test_patterns_that_take_more_are_found(pattern: str, problem: str) -> None:
    assert problem in problems(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"<[^<>]*>", r"a{1,63}b", r"(?:x[0-9]+)*", r"[a-z]+-[0-9]+$", r"not allowed: ([\w-]+:\w+)", r" ?id=\w+", r"^\w+$"],
)
def test_linear_patterns_are_not_refused(pattern: str) -> None:
    assert problems(pattern, searches=not pattern.startswith(("[", "^"))) == []
