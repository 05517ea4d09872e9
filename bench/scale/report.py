"""Results as tables in Markdown."""

from __future__ import annotations

from .figures import FIGURES, Results, Value

SUBJECTS = ("operator", "raw", "baseline", "alone")


def shown(value: Value | None, digits: int) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:,.{digits}f}"


def tables(results: Results) -> str:
    """A table for each API server: a row for each figure, a column for each size and subject."""
    parts = []
    for server, sizes in results.items():
        columns = [(size, subject) for size, found in sizes.items() for subject in SUBJECTS if subject in found]
        heads = [f"{subject}, {int(size):,}" if size != "0" else subject for size, subject in columns]
        lines = [_row(f"{server} API server", "unit", "goal", "before", *heads), "|---" * (4 + len(heads)) + "|"]
        for figure in FIGURES:
            cells = [shown(sizes[size][subject].get(figure.key), figure.digits) for size, subject in columns]
            if any(cells):
                lines.append(_row(figure.text, figure.unit, figure.goal, figure.before, *cells))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
