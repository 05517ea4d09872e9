"""The ClusterRoles that extend view, edit and admin."""

from __future__ import annotations

import pytest

from charts import Manifest, assert_valid, of_kind, render

WRITE = {"create", "update", "patch", "delete", "deletecollection"}
KINDS = ("exporttargets", "exportjobs", "exportschedules")
NAMED = {"watch": {"namespaces": ["sales"]}}


def granted(values: Manifest) -> dict[str, set[tuple[str, str]]]:
    """What is added to each of the cluster's roles, as (resource, verb)."""
    manifests = render(values)
    assert_valid(manifests)
    added: dict[str, set[tuple[str, str]]] = {}
    for role in of_kind(manifests, "ClusterRole"):
        for label, value in role["metadata"]["labels"].items():
            prefix, _, name = label.partition("aggregate-to-")
            if prefix == "rbac.authorization.k8s.io/" and value == "true":
                rules = [(r, v) for rule in role["rules"] for r in rule["resources"] for v in rule["verbs"]]
                added.setdefault(name, set()).update(rules)
                assert all(rule["apiGroups"] == ["export.reltio.com"] for rule in role["rules"])
    return added


@pytest.mark.parametrize("values", [{}, NAMED], ids=["all", "named"])
def test_people_get_no_rights_unless_it_is_asked_for(values: Manifest) -> None:
    assert granted(values) == {}


@pytest.mark.parametrize("values", [{}, NAMED], ids=["all", "named"])
def test_view_reads_edit_writes_jobs_and_schedules_and_admin_writes_targets(values: Manifest) -> None:
    reading = {(kind, verb) for kind in KINDS for verb in ("get", "list", "watch")}
    assert granted({**values, "rbac": {"aggregate": True}}) == {
        "view": reading,
        "edit": {(kind, verb) for kind in ("exportjobs", "exportschedules") for verb in WRITE},
        "admin": {("exporttargets", verb) for verb in WRITE},
    }


def test_they_do_not_depend_on_the_roles_of_the_operator() -> None:
    assert set(granted({"rbac": {"aggregate": True, "create": False}})) == {"view", "edit", "admin"}
