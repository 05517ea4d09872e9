"""No Python module is too long to read in one go."""

from __future__ import annotations

from pathlib import Path

import hack_modules

module_length = hack_modules.load("module_length")


def test_no_module_of_the_repository_is_too_long() -> None:
    assert module_length.report() == []


def test_a_module_that_is_too_long_is_named_with_its_length(tmp_path: Path) -> None:
    (tmp_path / "hack").mkdir()
    (tmp_path / "hack" / "long.py").write_text("pass\n" * (module_length.MOST_LINES + 1))
    (tmp_path / "hack" / "short.py").write_text("pass\n" * module_length.MOST_LINES)
    (line,) = module_length.report(tmp_path)
    assert line.startswith("hack/long.py: 421 lines")
