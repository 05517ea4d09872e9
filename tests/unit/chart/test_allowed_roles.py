"""The policy of the chart refuses the targets that the operator refuses, and no others."""

from __future__ import annotations

from typing import Any

import cel
import pytest

from allowed_roles import ALLOWED, VECTORS, Vector
from charts import Manifest, only, render
from reltio_export_operator.runtime.settings_loader import load

VALUES: Manifest = {"allowedRolesPolicy": {"enabled": True}, "settings": {"allowedRoles": ALLOWED}}


@pytest.fixture(scope="module")
def policy() -> Manifest:
    return dict(only(render(VALUES), "ValidatingAdmissionPolicy")["spec"])


def allows(policy: Manifest, namespace: str, role: str) -> bool:
    (expression,) = [one["expression"] for one in policy["variables"] if one["name"] == "allowed"]
    found: Any = cel.evaluate(expression, {"variables": {"roleARN": role}, "request": {"namespace": namespace}})
    return bool(found)


@pytest.mark.parametrize("vector", VECTORS, ids=str)
def test_the_policy_agrees_with_the_operator(policy: Manifest, vector: Vector) -> None:
    assert allows(policy, vector.namespace, vector.role) is vector.allowed


def test_the_operator_reads_the_same_patterns(tmp_path: Any) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(only(render(VALUES), "ConfigMap")["data"]["config.yaml"])
    read = load({"RELTIO_EXPORT_CONFIG": str(file)}).settings.allowed_roles
    assert {name: list(patterns) for name, patterns in read.items()} == ALLOWED


def test_a_setting_that_lists_no_role_refuses_every_target() -> None:
    values = {"allowedRolesPolicy": {"enabled": True}, "settings": {"allowedRoles": {"sales": []}}}
    policy = only(render(values), "ValidatingAdmissionPolicy")["spec"]
    assert not allows(policy, "sales", "arn:aws:iam::111122223333:role/x")


def test_a_release_that_watches_some_namespaces_leaves_the_others_to_other_releases() -> None:
    constraints = only(render({**VALUES, "watch": {"namespaces": ["sales"]}}), "ValidatingAdmissionPolicy")["spec"][
        "matchConstraints"
    ]
    assert constraints["namespaceSelector"]["matchExpressions"][0]["values"] == ["sales"]
