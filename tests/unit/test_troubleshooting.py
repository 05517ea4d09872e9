"""The catalogues of reasons are complete, and docs/troubleshooting.md is generated from them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hack_modules
from reltio_export_operator.cli import remedies
from reltio_export_operator.runtime import metrics
from reltio_export_operator.targets import readiness

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "operator" / "reltio_export_operator"
# Calls with a reason, and the argument that holds it.
CALLS = {
    "ConditionReason": (0, "reason"),
    "CallFailure": (0, "reason"),
    "Event": (1, "reason"),
    "Check": (2, "reason"),
    "Condition": (2, "reason"),
    "call_failed": (1, "reason"),
    "call_unknown": (1, "reason"),
    "put": (2, "reason"),
    "report_invalid": (1, "reason"),
    "post_event": (3, "reason"),
}


troubleshooting = hack_modules.load("troubleshooting")
ENTRIES = [
    entry.reason for catalogue in troubleshooting.CATALOGUES.values() for entry in troubleshooting.entries(catalogue)
]
NAMES = {reason.name for reason in ENTRIES}


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Tuple | ast.Set | ast.List):
        for element in node.elts:
            yield from _literals(element)
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)


def _reasons(tree: ast.AST) -> Iterator[str]:
    """Every literal that is used as a reason: in calls, and in comparisons with an attribute `reason`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CALLS:
                position, keyword = CALLS[name]
                for argument in node.args[position : position + 1]:
                    yield from _literals(argument)
                for given in node.keywords:
                    if given.arg == keyword:
                        yield from _literals(given.value)
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Attribute) and side.attr == "reason" for side in sides):
                for side in sides:
                    yield from _literals(side)


def _modules() -> Iterator[Path]:
    return (path for path in SOURCE.rglob("*.py") if "sandbox" not in path.relative_to(SOURCE).parts)


def test_the_page_is_generated_from_the_catalogues() -> None:
    page = troubleshooting.PAGE.read_text(encoding="utf-8")
    assert page == troubleshooting.page(), "run make docs"


def test_placeholders_are_shown_as_values_in_code_font() -> None:
    assert troubleshooting._markdown("Within {seconds:.0f} s: `kubectl get {name}` | {error}") == (
        "Within `<seconds>` s: `kubectl get <name>` \\| `<error>`"
    )


def test_every_entry_of_a_catalogue_is_on_the_page() -> None:
    for catalogue in troubleshooting.CATALOGUES.values():
        defined = re.findall(
            r"\bReason\($|\bReason\(['\"_A-Z]", Path(str(catalogue.__file__)).read_text(), re.MULTILINE
        )
        assert len(defined) == len(list(troubleshooting.entries(catalogue)))


@pytest.mark.parametrize("path", sorted(_modules()), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_reason_in_the_code_is_in_a_catalogue(path: Path) -> None:
    used = set(_reasons(ast.parse(path.read_text(encoding="utf-8"))))
    assert used <= NAMES


def test_reasons_are_found_in_calls_and_in_comparisons() -> None:
    code = (
        "put('Ready', 'True', 'A', m); CallFailure('B', 'x'); Event('Normal', 'C' if x else 'D', m); e.reason in ('E',)"
    )
    assert set(_reasons(ast.parse(code))) == {"A", "B", "C", "D", "E"}


def test_reasons_in_tables_of_the_code_are_in_a_catalogue() -> None:
    assert readiness.TRANSIENT | metrics.COUNTED_EVENTS | remedies._COMMANDS.keys() <= NAMES


@pytest.mark.parametrize("reason", ENTRIES, ids=lambda reason: f"{reason.name}-{reason.text[:20]}")
def test_names_are_camel_case_and_messages_end_with_a_full_stop(reason: object) -> None:
    assert isinstance(reason, troubleshooting.Reason)
    assert re.fullmatch(r"([A-Z][A-Za-z]+)?", reason.name)
    for text in (reason.text, reason.action, reason.about):
        # The messages of failed calls and of conditions, which some end with, are sentences themselves.
        assert not text or re.search(r"(\.|\{error\}|\{message\})$", text), text
        assert text == " ".join(text.split())
