"""Draws the growth of each figure with the number of jobs, from the results of the bench.

    .venv/bin/python -m scale.plots RESULTS DIRECTORY

Needs matplotlib, which `make bench` installs apart from the other packages.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from .figures import FIGURES, Figure, Results

COLORS = {"operator": "tab:blue", "raw": "tab:green", "baseline": "tab:orange"}
STYLES = {"sandbox": "--", "real": "-"}


def draw(results: Results, figure: Figure, directory: Path) -> Path | None:
    """A line for each subject and API server. Nothing for a figure that was measured with one size only."""
    axes = None
    for server, sizes in results.items():
        for subject, color in COLORS.items():
            found = [(int(size), one.get(subject, {}).get(figure.key)) for size, one in sizes.items()]
            points = [(size, value) for size, value in found if isinstance(value, int | float)]
            if len(points) < 2:
                continue
            if axes is None:
                _, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
            axes.plot(*zip(*points, strict=True), f"o{STYLES[server]}", color=color, label=f"{subject}, {server}")
    if axes is None:
        return None
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("jobs")
    axes.set_ylabel(figure.unit or "per job")
    axes.set_title(figure.text, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    path = directory / f"scale-{re.sub('[^a-z0-9]+', '-', figure.key)}.png"
    plt.savefig(path, dpi=80, metadata={"Software": None})
    plt.close()
    return path


def main(results: str, directory: str) -> None:
    found: Results = json.loads(Path(results).read_text())
    where = Path(directory)
    where.mkdir(parents=True, exist_ok=True)
    drawn = [path for figure in FIGURES if (path := draw(found, figure, where))]
    print(f"{len(drawn)} plots in {where}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
