"""The table of docs/delivery.md is that of the code, and each rule of it does what it says."""

from __future__ import annotations

from pathlib import Path

from hack_modules import load
from reltio_export_operator.delivery.findings import RULES

rules = load("delivery_rules")
PAGE = Path(__file__).parents[3] / "docs" / "delivery.md"


def test_the_table_is_generated_from_the_rules() -> None:
    text = PAGE.read_text()
    assert rules.page(text) == text, "run make docs"
    assert rules.table() in text


def test_each_rule_has_a_name_of_its_own_and_a_known_effect() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {rule.effect for rule in RULES} == set(rules.EFFECTS)
