"""Names are taken and refused as an API server does."""

from __future__ import annotations

import pytest

from reltio_export_sandbox.apiserver import names


@pytest.mark.parametrize(
    ("name", "plural", "valid"),
    [
        ("nightly.people-1", "exportjobs", True),
        ("x" * 253, "exportjobs", True),
        ("x" * 254, "exportjobs", False),
        ("Nightly", "exportjobs", False),
        ("a..b", "exportjobs", False),
        ("a.-b", "exportjobs", False),
        ("-a", "exportjobs", False),
        ("a_b", "exportjobs", False),
        ("mdm-prod", "namespaces", True),
        ("mdm.prod", "namespaces", False),
        ("x" * 64, "namespaces", False),
    ],
)
def test_a_name_is_one_or_is_refused_with_the_rule(name: str, plural: str, valid: bool) -> None:
    problems = list(names.problems(name, plural=plural))
    assert (not problems) is valid
    assert all(problem.field == "metadata.name" for problem in problems)


def test_a_name_that_is_made_up_is_no_longer_than_a_label() -> None:
    assert len(names.generated("x" * 100)) == 63
    assert names.generated("lake-entities-").startswith("lake-entities-")
