"""Validation rules (`x-kubernetes-validations`), first form: on the `cel` package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cel


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule of a schema node."""

    program: Any
    text: str
    is_transition: bool
    message: str
    reason: str
    field_path: str


def compile_rules(raw: Mapping[str, Any], *, root: bool = False) -> tuple[Rule, ...]:
    """Compile the rules of one node; a rule that does not parse raises ValueError."""
    rules = []
    for entry in raw.get("x-kubernetes-validations", ()):
        program = cel.compile(entry["rule"])
        rules.append(
            Rule(
                program=program,
                text=entry["rule"],
                is_transition="oldSelf" in program.variables(),
                message=entry.get("message", ""),
                reason=entry.get("reason", "FieldValueInvalid"),
                field_path=entry.get("fieldPath", ""),
            )
        )
    return tuple(rules)


def evaluate_rules(value: Any, schema: Any, old: Any, path: str = "") -> list[Any]:
    return []
