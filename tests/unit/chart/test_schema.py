"""The schema of the values: as deep as the values, and nothing misspelt gets past it."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from charts import CHART, SCHEMA, Refused, definitions, helm, render

Path = tuple[str, ...]
FOR_PARENTS = {"enabled", "global", "tags"}
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return resolved(SCHEMA["definitions"][reference.rpartition("/")[2]]) if reference else schema


def closed(schema: dict[str, Any], at: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object in the schema that lists its fields, with where it is; `*` stands for an element of a list."""
    schema = resolved(schema)
    if "properties" in schema:
        yield at, schema
        for name, inner in schema["properties"].items():
            yield from closed(inner, (*at, name))
    if "items" in schema:
        yield from closed(schema["items"], (*at, "*"))


CLOSED = dict(closed(SCHEMA))


def nested(at: Path, value: Any) -> Any:
    for name in reversed(at):
        value = [value] if name == "*" else {name: value}
    return value


@pytest.mark.parametrize("at", CLOSED, ids=lambda at: ".".join(at) or "top")
def test_a_misspelt_value_is_refused_at_every_depth(at: Path) -> None:
    assert CLOSED[at]["additionalProperties"] is False
    validator = jsonschema.Draft7Validator(SCHEMA)
    refusals = [error.message for error in validator.iter_errors(nested(at, {"misspelt": 1}))]
    assert any("misspelt" in message for message in refusals), refusals


@pytest.mark.parametrize(
    "values",
    [
        {"replcas": 1},
        {"metrics": {"service": {"enable": True}}},
        {"resources": {"limit": {"memory": "1Gi"}}},
        {"networkPolicy": {"ingress": {"from": [{"podSelektor": {}}]}}},
        {"tolerations": [{"kee": "spot"}]},
        {"podSecurityContext": {"runAsUsr": 1}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_helm_refuses_what_the_schema_refuses(values: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="not allowed"):
        render(values)


def leaves(values: dict[str, Any], at: Path = ()) -> Iterator[Path]:
    for name, value in values.items():
        yield (*at, name)
        if isinstance(value, dict):
            yield from leaves(value, (*at, name))


def test_every_value_is_in_the_schema_and_every_value_of_the_schema_has_a_default() -> None:
    """Below what Kubernetes defines, such as a pod's affinity, there are no defaults."""
    listed = {(*at, name) for at, schema in CLOSED.items() for name in schema["properties"] if "*" not in at}
    present = set(leaves(VALUES))
    free = {at[:-1] for at in present if at[:-1] not in CLOSED}  # mappings of any names, such as labels
    assert {at for at in present if at[:-1] not in free} <= listed
    of_kubernetes = {"resources", "podSecurityContext", "securityContext", "affinity", "dnsConfig", "strategy"}
    ours = {at for at in listed if at[0] not in FOR_PARENTS | of_kubernetes | {"settings"} or len(at) == 1}
    assert {at for at in ours if at[0] not in FOR_PARENTS} <= present


def test_every_value_has_a_comment() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    missing = []
    for number, line in enumerate(lines):
        key = re.match(r"\s*(\w+):(.*)$", line)
        if not key or line.lstrip().startswith(("#", "-")):
            continue
        opens = not key[2].strip()  # a mapping: its fields have the comments
        inside_list = any(re.match(r"\s*- ", above) for above in lines[max(0, number - 3) : number])
        if not opens and not inside_list and not lines[number - 1].lstrip().startswith("#"):
            missing.append(line)
    assert missing == []


KUBERNETES = {
    "affinity": "core.v1.Affinity",
    "dnsConfig": "core.v1.PodDNSConfig",
    "envFrom": "core.v1.EnvFromSource",
    "extraEnv": "core.v1.EnvVar",
    "extraVolumeMounts": "core.v1.VolumeMount",
    "extraVolumes": "core.v1.Volume",
    "hostAliases": "core.v1.HostAlias",
    "imagePullSecrets": "core.v1.LocalObjectReference",
    "networkPolicy.egress": "networking.v1.NetworkPolicyEgressRule",
    "networkPolicy.ingress.from": "networking.v1.NetworkPolicyPeer",
    "podSecurityContext": "core.v1.PodSecurityContext",
    "resources": "core.v1.ResourceRequirements",
    "securityContext": "core.v1.SecurityContext",
    "strategy": "apps.v1.DeploymentStrategy",
    "tolerations": "core.v1.Toleration",
    "topologySpreadConstraints": "core.v1.TopologySpreadConstraint",
}


def test_every_value_of_the_schema_is_described() -> None:
    undescribed = {
        ".".join((*at, name))
        for at, schema in CLOSED.items()
        for name, inner in schema["properties"].items()
        if "description" not in inner and not any(".".join(at).startswith(name) for name in KUBERNETES)
    }
    assert undescribed == set()


def differences(ours: dict[str, Any], theirs: dict[str, Any], at: Path) -> Iterator[str]:
    """Where a type of Kubernetes that the schema spells out has other fields than Kubernetes says."""
    ours = resolved(ours)
    if "$ref" in theirs:
        theirs = definitions("1.37")[theirs["$ref"].rpartition("/")[2]]
    if "items" in ours:
        yield from differences(ours["items"], theirs.get("items", theirs), (*at, "*"))
    if "properties" in ours:
        fields = theirs.get("properties", {})
        if set(ours["properties"]) != set(fields):
            yield f"{'.'.join(at)}: {sorted(set(ours['properties']) ^ set(fields))}"
        for name, inner in ours["properties"].items():
            yield from differences(inner, fields.get(name, {}), (*at, name))


@pytest.mark.parametrize("value", KUBERNETES)
def test_the_schema_knows_every_field_that_kubernetes_has(value: str) -> None:
    ours = SCHEMA
    for name in value.split("."):
        ours = ours["properties"][name]
    theirs = definitions("1.37")[f"io.k8s.api.{KUBERNETES[value]}"]
    assert list(differences(ours, theirs, (value,))) == []


@pytest.mark.parametrize("values", sorted((CHART / "ci").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_example_values_are_taken(values: Any) -> None:
    assert not list(jsonschema.Draft7Validator(SCHEMA).iter_errors(yaml.safe_load(values.read_text())))
    helm("lint", "--strict", str(CHART), "--values", str(values))


def test_a_quantity_of_something_unknown_is_refused() -> None:
    refusals = list(jsonschema.Draft7Validator(SCHEMA).iter_errors({"resources": {"requests": {"memry": "1Gi"}}}))
    assert refusals
    kept = copy.deepcopy(VALUES)
    kept["resources"]["limits"]["nvidia.com/gpu"] = 1
    assert not list(jsonschema.Draft7Validator(SCHEMA).iter_errors(kept))
