"""Each directory with tests is one that `make test` and CI run."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_directory_with_tests_is_run() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    holding = {f"tests/{path.relative_to(ROOT / 'tests').parts[0]}" for path in ROOT.glob("tests/*/**/test_*.py")}
    assert holding - {"tests/image"} == set(configured)  # the image is tested only where it was built


def test_continuous_integration_runs_these_directories() -> None:
    assert '["testpaths"]' in (ROOT / ".ci" / "run").read_text()
