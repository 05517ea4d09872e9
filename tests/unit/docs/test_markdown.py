"""Commands are found in Markdown, and documents that hide one are refused with file and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.markdown import ROOT, Command, DocumentError, all_commands, commands, is_complete, summary
from docs.shell import Outcome, Shell


def document(*lines: str) -> str:
    return "\n".join(lines)


def test_every_line_of_a_shell_fence_is_a_command_but_for_comments_and_empty_lines() -> None:
    text = document("# Title", "", "```sh", "# first", "make demo   # shows it", "", "make test", "```")
    assert commands(text, "x.md") == [Command("x.md", 5, "make demo   # shows it"), Command("x.md", 7, "make test")]


@pytest.mark.parametrize(
    "lines",
    [
        ("kubectl apply \\", "  -f a.yaml"),
        ("cat <<EOF", "$ not a prompt", "EOF"),
        ("echo 'one", "two'"),
        ("for x in 1 2; do", "  echo $x", "done"),
        ("echo a | ", "cat"),
    ],
)
def test_a_command_ends_where_a_shell_would_run_it(lines: tuple[str, ...]) -> None:
    expected = [Command("x.md", 2, "\n".join(lines)), Command("x.md", 2 + len(lines), "true")]
    assert commands(document("```sh", *lines, "true", "```"), "x.md") == expected


def test_a_console_has_prompts() -> None:
    text = document("```console", "$ kubectl apply \\", ">   -f a.yaml", "", "$ true", "```")
    assert [(one.line, one.text) for one in commands(text, "x.md")] == [
        (2, "kubectl apply \\\n  -f a.yaml"),
        (5, "true"),
    ]


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("<!-- not-run: needs a registry -->", {"not_run": "needs a registry"}),
        ("<!-- run-by: .ci/run -->", {"run_by": ".ci/run"}),
        ("<!-- needs: aws -->", {"needs": "aws"}),
        ("<!-- another comment -->", {}),
    ],
)
def test_a_mark_stands_right_above_its_fence(mark: str, expected: dict[str, str]) -> None:
    text = document(mark, "```sh", "true", "```", "", mark, "", "```sh", "true", "```")
    assert commands(text, "x.md") == [Command("x.md", 3, "true", **expected), Command("x.md", 9, "true")]


def test_a_fence_in_a_list_is_read_without_its_indentation() -> None:
    assert commands(document("1. Do:", "   ```sh", "   true", "   ```"), "x.md") == [Command("x.md", 3, "true")]


def test_a_fence_within_a_longer_one_is_content() -> None:
    assert commands(document("````text", "```sh", "true", "```", "````"), "x.md") == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("```", "make demo", "```"), "x.md:1: language '' of the fence is none of sh, console"),
        (("```bash", "true", "```"), "x.md:1: language 'bash'"),
        (("text", "```sh", "true"), "x.md:2: the fence is not closed"),
        (("```console", "$ true", "output", "```"), "x.md:3: output belongs into a fence of language text: output"),
        (("```sh", "echo 'x", "```"), "x.md:2: the command has no end: echo 'x"),
        (("<!-- not-run: x -->", "```yaml", "a: b", "```"), "x.md:1: a mark stands above a fence without commands"),
        (("<!-- not-run: x -->", "<!-- needs: y -->", "```sh", "true", "```"), "x.md:2: more than one mark"),
    ],
)
def test_a_document_that_would_hide_a_command_is_refused(lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(DocumentError) as refused:
        commands(document(*lines), "x.md")
    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    ("text", "complete"), [("true", True), ("if true; then", False), ("a \\", False), ("echo ) # wrong", True)]
)
def test_what_is_wrong_is_complete_and_what_waits_is_not(text: str, complete: bool) -> None:
    assert is_complete(text) is complete


def test_what_a_command_exports_is_there_for_the_next_one_and_failures_name_the_place(tmp_path: Path) -> None:
    with Shell(tmp_path, {"PATH": "/usr/bin:/bin"}) as shell:
        assert shell.run(Command("x.md", 1, "export A=1; cat"), 30).code == 0
        assert shell.run(Command("x.md", 2, "echo $A; cd /"), 30) == Outcome(
            Command("x.md", 2, "echo $A; cd /"), 0, "1"
        )
        assert shell.run(Command("x.md", 3, "pwd"), 30).output == "/"
        failed = shell.run(Command("x.md", 4, "echo why >&2; false"), 30)
        assert (failed.code, str(failed)) == (
            1,
            "\nx.md:4: the command ended with code 1\n\n$ echo why >&2; false\nwhy",
        )
        stuck = shell.run(Command("x.md", 5, "echo begun; exec tail -f /dev/null"), 0.5)
        assert (stuck.code, stuck.output.strip()) == (None, "begun")


def test_those_that_are_not_run_are_counted_and_listed_with_their_reason() -> None:
    found = [
        Command("a.md", 1, "one"),
        Command("a.md", 2, "two", needs="aws"),
        Command("a.md", 3, "three", run_by=".ci/run"),
        Command("b.md", 4, "four \\\n  more", not_run="needs a cluster"),
    ]
    assert summary(found) == [
        "commands of the docs: 2 run by tests/docs, 1 by others, 1 not run",
        "b.md:4: not run, needs a cluster: four \\",
    ]


def test_the_documents_follow_the_conventions_and_have_commands() -> None:
    """The message names file and line. `tests/docs/markdown.py` describes the conventions."""
    assert len(all_commands()) > 10


def test_what_is_said_to_be_run_elsewhere_is_run_there() -> None:
    for command in (one for one in all_commands() if one.run_by):
        file = ROOT / command.run_by
        assert file.is_file(), f"{command.place}: there is no {command.run_by}"
        text = re.sub(r"\s+#.*", "", command.text)
        assert text in file.read_text(), f"{command.place}: {command.run_by} does not run `{text}`"
