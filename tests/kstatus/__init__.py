"""What kstatus makes of our objects, as its published library said (README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Raw = dict[str, Any]
Shape = tuple[Any, ...]

OBJECTS = Path(__file__).parent / "objects.jsonl"  # seen in lives on a real API server
SHAPES = Path(__file__).parent / "shapes.jsonl"  # made: each combination that kstatus reads
_READ = ("Ready", "Reconciling", "Stalled")  # the conditions that kstatus reads of a kind that it does not know


def shape_of(raw: Raw) -> Shape:
    """All that kstatus reads of a custom resource: two objects of one shape have one result."""
    meta, status = raw["metadata"], raw.get("status", {})
    observed = status.get("observedGeneration")
    conditions = [(c["type"], c["status"]) for c in status.get("conditions", []) if c["type"] in _READ]
    return ("deletionTimestamp" in meta, observed is None or observed == meta["generation"], *conditions)


def recorded(file: Path = OBJECTS) -> list[Raw]:
    """The objects with their results: `{"object": ..., "result": ...}`."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def results() -> dict[Shape, str]:
    return {shape_of(one["object"]): one["result"] for one in recorded(SHAPES)}
