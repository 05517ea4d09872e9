"""Find Python modules that are too long to read in one go. Run by `make lint`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKED = ("operator", "tests", "hack", "bench")
MOST_LINES = 420


def report(root: Path = ROOT) -> list[str]:
    """A line for each module that has more than MOST_LINES lines."""
    lengths = {
        path.relative_to(root).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for top in CHECKED
        for path in sorted((root / top).rglob("*.py"))
    }
    return [
        f"{path}: {length} lines, more than {MOST_LINES}; split it by subject"
        for path, length in lengths.items()
        if length > MOST_LINES
    ]


if __name__ == "__main__":
    found = report()
    print("\n".join(found))
    sys.exit(1 if found else 0)
