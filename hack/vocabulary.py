"""Find words in the repository that vocabulary.txt does not allow. Run by `make lint`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORDS = ROOT / "hack" / "vocabulary.txt"
CHECKED = (
    *("operator", "tests", "hack", "bench", "crds", "helm", "examples", "docs", ".github"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "Makefile", "Dockerfile", "pyproject.toml"),
)
_SUFFIXES = (".py", ".md", ".yaml", ".yml", ".json", ".toml", ".tpl", ".txt", ".sh", "Makefile", "Dockerfile")
_URL = re.compile(r"https?://\S+")
_NAME_PARTS = re.compile(r"_|(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Entry:
    """A pattern that must not appear, and what to write instead."""

    pattern: re.Pattern[str]
    suggestion: str


@dataclass(frozen=True)
class Vocabulary:
    entries: tuple[Entry, ...]
    skipped: tuple[str, ...]  # paths from the root of the repository, folders with a slash at the end


def parse(text: str) -> Vocabulary:
    """Read vocabulary.txt. Raises ValueError with the line that has no suggestion."""
    entries: list[Entry] = []
    skipped: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("skip "):
            skipped.append(line.removeprefix("skip ").strip())
            continue
        pattern, separator, suggestion = line.partition("  ")
        if not separator:
            raise ValueError(f"No suggestion in {line!r}.")
        entries.append(Entry(re.compile(pattern, re.IGNORECASE), suggestion.strip()))
    return Vocabulary(tuple(entries), tuple(skipped))


def findings(text: str, entries: tuple[Entry, ...]) -> Iterator[tuple[int, str, str]]:
    """Line number, match and suggestion of each word that must not appear."""
    for number, line in enumerate(text.splitlines(), 1):
        words = _NAME_PARTS.sub(" ", _URL.sub("", line))
        for entry in entries:
            match = entry.pattern.search(words)
            if match:
                yield number, match[0], entry.suggestion


def checked_files(skipped: tuple[str, ...]) -> Iterator[Path]:
    """The text files of the repository without the skipped ones and vocabulary.txt itself."""
    for name in CHECKED:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            relative = path.relative_to(ROOT).as_posix()
            if path.is_file() and path != WORDS and path.name.endswith(_SUFFIXES) and not relative.startswith(skipped):
                yield path


def report() -> list[str]:
    """A line for each word in the repository that must not appear."""
    vocabulary = parse(WORDS.read_text(encoding="utf-8"))
    return [
        f"{path.relative_to(ROOT)}:{number}: {match!r}; write: {suggestion}"
        for path in checked_files(vocabulary.skipped)
        for number, match, suggestion in findings(path.read_text(encoding="utf-8"), vocabulary.entries)
    ]


if __name__ == "__main__":
    found = report()
    print("\n".join(found))
    sys.exit(1 if found else 0)
