"""The chart as a dependency of another one, as platform teams use it."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from charts import CHART, Manifest, Refused, assert_valid, helm, of_kind, only, pod_of, render

NAME = "reltio-export-operator"
VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart that has ours twice: under its own name and as `second`, each with a condition."""
    folder = tmp_path_factory.mktemp("charts") / "platform"
    helm("package", str(CHART), "--destination", str(folder / "charts"))
    own = {"name": NAME, "version": VERSION, "condition": f"{NAME}.enabled", "tags": ["mdm"]}
    second = {"name": NAME, "version": VERSION, "alias": "second", "condition": "second.enabled"}
    chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [own, second]}
    values = {
        "global": {"team": "mdm"},
        "tags": {"mdm": True},
        NAME: {"enabled": True, "watch": {"namespaces": ["sales"]}},
        "second": {"enabled": False, "crds": {"install": False}, "watch": {"namespaces": ["care"]}},
    }
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    return folder


def names(manifests: list[Manifest], kind: str) -> list[str]:
    return sorted(one["metadata"]["name"] for one in of_kind(manifests, kind))


def test_a_condition_turns_it_on(parent: Path) -> None:
    manifests = render(chart=parent)
    assert_valid(manifests)
    assert names(manifests, "Deployment") == [f"exports-{NAME}"]


def test_a_condition_turns_it_off(parent: Path) -> None:
    assert render({NAME: {"enabled": False}}, chart=parent) == []


def test_it_may_be_there_twice_under_different_names(parent: Path) -> None:
    manifests = render({"second": {"enabled": True}}, chart=parent)
    assert_valid(manifests)
    assert names(manifests, "Deployment") == [f"exports-{NAME}", "exports-second"]
    assert names(manifests, "Lease") == [f"exports-{NAME}", "exports-second"]
    selectors = [one["spec"]["selector"]["matchLabels"] for one in of_kind(manifests, "Deployment")]
    assert selectors[0] != selectors[1]
    assert len(names(manifests, "CustomResourceDefinition")) == len(list((CHART / "files" / "crds").iterdir()))


@pytest.mark.parametrize("values", [{"tags": {"mdm": True}}, {"global": {"x": {"y": 1}}}], ids=["tags", "global"])
def test_values_that_helm_gives_to_every_subchart_are_taken(parent: Path, values: dict[str, Any]) -> None:
    assert only(render({**values, NAME: values}, chart=parent), "Deployment")


@pytest.mark.parametrize("name", [NAME, "second"])
def test_a_misspelt_value_is_still_refused(parent: Path, name: str) -> None:
    with pytest.raises(Refused, match="replcas"):
        render({name: {"enabled": True, "replcas": 1}}, chart=parent)


def test_a_null_in_values_removes_a_default_of_the_subchart(parent: Path) -> None:
    nulls = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    pod = pod_of(render({NAME: {"podSecurityContext": nulls}}, chart=parent))
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_the_package_holds_the_definitions_themselves_and_no_examples(parent: Path) -> None:
    with tarfile.open(parent / "charts" / f"{NAME}-{VERSION}.tgz") as package:
        members = {member.name: member for member in package}
        assert not [name for name in members if "/ci/" in name]
        definitions = [members[f"{NAME}/files/crds/{path.name}"] for path in (CHART / "files" / "crds").iterdir()]
        assert definitions
        assert all(member.isfile() and member.size > 1000 for member in definitions)
