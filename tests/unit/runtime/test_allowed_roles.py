"""The roles that targets of a namespace may name."""

from __future__ import annotations

import pytest

from allowed_roles import ALLOWED, VECTORS, Vector
from reltio_export_operator.runtime.allowed_roles import AllowedRoles, matches


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_a_target_may_use_the_roles_of_its_namespace_and_those_of_all(vector: Vector) -> None:
    assert AllowedRoles(ALLOWED).allows(vector.namespace, vector.role) is vector.allowed


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_without_patterns_every_role_is_allowed(vector: Vector) -> None:
    assert AllowedRoles({}).allows(vector.namespace, vector.role)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("*", "", True),
        ("**", "x", True),
        ("a**b", "ab", True),
        ("*a*a*", "a", False),
        ("*a*a*", "xaya", True),
        ("a*b*c", "abxc", True),
        ("a*bc*c", "abc", False),
        ("a", "a\n", False),
        ("a*", "a\n", True),
        ("", "a", False),
    ],
)
def test_stars_do_not_share_characters(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected
