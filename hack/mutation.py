"""Change decisions at random and count how many changes the unit tests notice: `make mutation`.

    python hack/mutation.py [--count 140] [--seed TEXT] [--jobs 2] [--only TEXT] [--list]

Each mutant is one small change of one expression in jobs/, targets/ or delivery/. The sample is drawn with the hash of
the commit as seed, so nobody chooses it. A mutant in hack/mutation_equivalent.txt changes nothing that can be observed;
each line there has a reason, and at most 3% of a sample may be listed. The exit code is 1 below 95%.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("operator/reltio_export_operator")
ROOMS = ("jobs", "targets", "delivery")
TEXT_ONLY = {"messages.py"}  # catalogues of messages hold no decision
EQUIVALENT = ROOT / "hack" / "mutation_equivalent.txt"
WANTED, MOST_EQUIVALENT = 0.95, 0.03
TIMEOUT_SECONDS = 300  # a mutant that never ends is noticed

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change: its file, the place of its node in a walk of the tree, and the expression before and after."""

    path: Path
    index: int
    line: int
    before: str
    after: str

    @property
    def name(self) -> str:
        return f"{self.path.relative_to(PACKAGE)}: {self.before} -> {self.after}"


def changed(node: ast.AST) -> ast.AST | None:
    """The node with one change; None when it is of no kind that is changed."""
    other = copy.deepcopy(node)
    match other:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            other.ops = [COMPARISONS[type(operator)]()]
        case ast.BoolOp():
            other.op = ast.Or() if isinstance(other.op, ast.And) else ast.And()
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case ast.BinOp() if type(other.op) in ARITHMETIC:
            other.op = ARITHMETIC[type(other.op)]()
        case ast.Constant(value=bool()):
            other.value = not other.value
        case ast.Constant(value=int() | float()):
            other.value += 1
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            other.func = ast.Name(id=FUNCTIONS[name], ctx=ast.Load())
        case ast.IfExp():
            other.body, other.orelse = other.orelse, other.body
        case _:
            return None
    return other


def nodes_of(tree: ast.Module) -> Iterator[tuple[int, ast.AST]]:
    """Expressions of function bodies with their place in the walk; annotations and defaults are left out."""
    numbers = {id(node): index for index, node in enumerate(ast.walk(tree))}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                for node in ast.walk(statement):
                    if isinstance(node, ast.expr) and not isinstance(statement, ast.FunctionDef):
                        yield numbers[id(node)], node


def mutants_of(path: Path) -> list[Mutant]:
    tree = ast.parse((ROOT / path).read_text())
    annotations = {
        id(inner) for node in ast.walk(tree) if isinstance(node, ast.AnnAssign) for inner in ast.walk(node.annotation)
    }
    found = []
    for index, node in nodes_of(tree):
        other = changed(node)
        if other is not None and id(node) not in annotations:
            found.append(Mutant(path, index, node.lineno, ast.unparse(node), ast.unparse(other)))  # type: ignore[attr-defined]
    return found


def source_of(mutant: Mutant) -> str:
    tree = ast.parse((ROOT / mutant.path).read_text())
    target = list(ast.walk(tree))[mutant.index]

    class Change(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return changed(node) or node if node is target else self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Change().visit(tree)))


def is_noticed(mutant: Mutant | None) -> bool:
    """Whether a unit test fails with the mutant in place of the original; with the original itself for None."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        work = Path(folder)
        for name in ("operator", "tests", "crds"):
            shutil.copytree(
                ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__", "reltio_export_sandbox")
            )
        shutil.copytree(ROOT / "operator" / "reltio_export_sandbox", work / "operator" / "reltio_export_sandbox")
        shutil.copy(ROOT / "pyproject.toml", work)
        own = f"tests/unit/{ROOMS[0]}"
        if mutant is not None:
            (work / mutant.path).write_text(source_of(mutant))
            own = f"tests/unit/{mutant.path.relative_to(PACKAGE).parts[0]}"
        others = [f"tests/unit/{room}" for room in (*ROOMS, "controllers") if f"tests/unit/{room}" != own]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", own, *others]
        environment = {**os.environ, "PYTHONPATH": str(work / "operator"), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=work, env=environment, capture_output=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def equivalents() -> dict[str, str]:
    """Mutants that change nothing that can be observed, each with its reason."""
    if not EQUIVALENT.exists():
        return {}
    lines = [line for line in EQUIVALENT.read_text().splitlines() if line and not line.startswith("#")]
    return {name: reason for name, _, reason in (line.partition("  # ") for line in lines)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=140)
    parser.add_argument("--seed", default="")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only files whose path contains this text")
    parser.add_argument("--list", action="store_true", help="list the sample without running it")
    arguments = parser.parse_args()
    seed = arguments.seed or commit()
    paths = sorted(
        path
        for room in ROOMS
        for path in (ROOT / PACKAGE / room).rglob("*.py")
        if path.name not in TEXT_ONLY and arguments.only in str(path)
    )
    every = [mutant for path in paths for mutant in mutants_of(path.relative_to(ROOT))]
    sample = random.Random(seed).sample(every, min(arguments.count, len(every)))  # noqa: S311 - a sample, no secret
    if arguments.list:
        print(*(f"{mutant.path}:{mutant.line} {mutant.name}" for mutant in sample), sep="\n")
        return 0
    if is_noticed(None):
        print("The unit tests fail without any change. Run `make unit`.")
        return 2
    with ThreadPoolExecutor(arguments.jobs) as pool:
        noticed = list(pool.map(is_noticed, sample))
    known = equivalents()
    survivors = [mutant for mutant, seen in zip(sample, noticed, strict=True) if not seen]
    listed = [mutant for mutant in survivors if mutant.name in known]
    for mutant in survivors:
        note = f"  (equivalent: {known[mutant.name]})" if mutant in listed else ""
        print(f"survived: {mutant.path}:{mutant.line} {mutant.before} -> {mutant.after}{note}")
    counted = len(sample) - len(listed)
    share = sum(noticed) / counted if counted else 1.0
    print(
        f"{sum(noticed)} of {counted} mutants noticed ({share:.1%}); {len(listed)} equivalent; "
        f"{len(every)} possible; seed {seed}."
    )
    return 0 if share >= WANTED and len(listed) <= MOST_EQUIVALENT * len(sample) else 1


if __name__ == "__main__":
    sys.exit(main())
