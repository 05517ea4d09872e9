"""What an installation brings along is what the code imports."""

from __future__ import annotations

import ast
import fnmatch
import importlib.metadata
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from reltio_export_operator import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "reltio_export_operator"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SANDBOX = ROOT / "operator" / "reltio_export_sandbox"


def imported(path: Path) -> set[str]:
    """Top-level names of other packages that a module imports whenever it runs; not those for type checks alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.partition(".")[0])
    return {name for name in found if name not in sys.stdlib_module_names and not name.startswith("mypy_boto3")}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


DISTRIBUTIONS = importlib.metadata.packages_distributions()


def pinned(name: str) -> set[str]:
    text = (ROOT / "requirements" / name).read_text()
    return {normal(found) for found in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("folder", "lock"),
    [
        pytest.param(PACKAGE, "runtime.txt", id="operator and command line"),
        pytest.param(SANDBOX, "sandbox.txt", id="sandbox"),
    ],
)
def test_every_package_that_is_imported_is_locked(folder: Path, lock: str) -> None:
    locked = pinned(lock)
    missing = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in folder.rglob("*.py")
        for name in imported(path) - {PACKAGE.name, SANDBOX.name}
        if not {normal(one) for one in DISTRIBUTIONS[name]} & locked
    }
    assert missing == set()


def test_every_declared_dependency_is_locked() -> None:
    declared = {normal(re.split(r"[\[<>=~! ]", one)[0]) for one in PROJECT["dependencies"]}
    assert declared <= pinned("runtime.txt")
    assert pinned("runtime.txt") <= pinned("sandbox.txt") <= pinned("dev.txt")


def test_every_locked_package_has_hashes_and_no_index() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert len(re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)) > 0
        assert "://" not in text
        for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
            assert "--hash=sha256:" in block, block


def test_the_version_is_stated_once_and_the_chart_agrees() -> None:
    assert PROJECT["dynamic"] == ["version"]
    chart = yaml.safe_load((ROOT / "helm" / "reltio-export-operator" / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def test_the_image_keeps_every_service_of_aws_that_is_called() -> None:
    kept = runpy.run_path(str(ROOT / "hack" / "image_trim.py"))["AWS_SERVICES"]
    called = {
        argument.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.endswith("client")
        for argument in node.args[:1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    assert {"s3", "sts", "iam"} <= called <= kept


def test_the_build_context_is_what_the_dockerfile_copies() -> None:
    sources = {
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert sources == let_in
    kept_out = [rule for rule in rules[1:] if not rule.startswith("!")]
    cache = str((PACKAGE / "__pycache__").relative_to(ROOT))
    assert any(fnmatch.fnmatch(cache, rule.replace("**/", "*")) for rule in kept_out)
    assert not any(str(SANDBOX.relative_to(ROOT)).startswith(rule) for rule in let_in)


def test_every_landing_runs_all_tests_and_those_of_the_image() -> None:
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    assert '["testpaths"]' in (ROOT / ".ci" / "run").read_text()
    folders = {f"tests/{path.relative_to(ROOT / 'tests').parts[0]}" for path in (ROOT / "tests").glob("*/**/test_*.py")}
    assert folders == {*paths, "tests/image"}
