"""No file has words that hack/vocabulary.txt does not allow."""

from __future__ import annotations

import pytest

import hack_modules

vocabulary = hack_modules.load("vocabulary")
ENTRIES = vocabulary.parse(vocabulary.WORDS.read_text(encoding="utf-8")).entries


def found(text: str) -> list[str]:
    return [match.lower() for _, match, _ in vocabulary.findings(text, ENTRIES)]


def test_the_repository_has_no_word_that_is_not_allowed() -> None:
    assert vocabulary.report() == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("def let_go(self) -> None:", "let go"),
        ("letGo: true", "let go"),
        ('raise Error("None needed: the call is repeated.")', "none needed"),
        ("_STOPWATCH = 1", "stopwatch"),
        ("# the next look finds it", "next look"),
        ("It hangs on the lease.", "hangs on"),
        ("a value that is no number", "is no "),
    ],
)
def test_words_are_found_in_names_messages_and_comments(line: str, word: str) -> None:
    assert found(line) == [word]


@pytest.mark.parametrize(
    "line",
    [
        "https://docs.reltio.com/export-at-a-glance",
        "Look for the export in Reltio's console.",
        "It doubles with each failure.",
        "a delete marker of S3",
        "There is no export, and it is no longer listed.",
        "--strict-markers",
        "commend, amendment, unfoldtold",
    ],
)
def test_words_with_another_meaning_are_not_found(line: str) -> None:
    assert found(line) == []


def test_a_finding_has_line_and_suggestion() -> None:
    parsed = vocabulary.parse("# comment\n\nskip tests/\nwhil(e|st)  during\n")
    assert parsed.skipped == ("tests/",)
    assert list(vocabulary.findings("a\nwhilst", parsed.entries)) == [(2, "whilst", "during")]


def test_an_entry_without_a_suggestion_is_an_error() -> None:
    with pytest.raises(ValueError, match="No suggestion"):
        vocabulary.parse("told")


def test_every_skipped_path_exists() -> None:
    for path in vocabulary.parse(vocabulary.WORDS.read_text(encoding="utf-8")).skipped:
        assert (vocabulary.ROOT / path).exists(), f'remove or correct "skip {path}" in hack/vocabulary.txt'


def test_skipped_paths_and_the_list_itself_are_not_checked() -> None:
    files = {path.relative_to(vocabulary.ROOT).as_posix() for path in vocabulary.checked_files(("tests/", "docs/"))}
    assert "README.md" in files
    assert "operator/reltio_export_operator/jobs/naming.py" in files
    assert "helm/reltio-export-operator/values.yaml" in files
    assert not any(name.startswith(("tests/", "docs/")) or name == "hack/vocabulary.txt" for name in files)
