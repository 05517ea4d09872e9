"""The custom resource definitions, read as data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reltio_export_operator.sandbox.apiserver.structural import broken_rules

CRDS = sorted((Path(__file__).parents[2] / "crds").glob("*.yaml"))

Schema = dict[str, Any]


def schema_of(path: Path) -> Schema:
    crd = yaml.safe_load(path.read_text())
    (version,) = crd["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every schema node with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


@pytest.fixture(params=CRDS, ids=lambda path: path.stem)
def schema(request: pytest.FixtureRequest) -> Schema:
    return schema_of(request.param)


def test_both_kinds_are_defined() -> None:
    assert [path.stem for path in CRDS] == ["exportjobs", "exporttargets"]


def test_every_field_is_typed(schema: Schema) -> None:
    assert [path for path, node in nodes(schema) if "type" not in node] == []


def test_strings_and_lists_of_the_spec_are_bounded(schema: Schema) -> None:
    """Unbounded values make the API server refuse a CRD whose rules read them, as too costly."""
    unbounded = [
        path
        for path, node in nodes(schema["properties"]["spec"])
        if (node["type"] == "string" and not node.keys() & {"maxLength", "enum"})
        or (node["type"] == "array" and "maxItems" not in node)
    ]
    assert unbounded == []


def test_every_rule_has_a_message_for_people(schema: Schema) -> None:
    rules = [rule for _, node in nodes(schema) for rule in node.get("x-kubernetes-validations", [])]
    assert rules
    assert [rule for rule in rules if len(rule.get("message", "")) < 20] == []


def test_field_paths_of_rules_exist(schema: Schema) -> None:
    dangling = [
        (path, rule["fieldPath"])
        for path, node in nodes(schema)
        for rule in node.get("x-kubernetes-validations", [])
        if "fieldPath" in rule and rule["fieldPath"].removeprefix(".") not in node["properties"]
    ]
    assert dangling == []


def test_a_new_object_is_not_yet_observed(schema: Schema) -> None:
    """kstatus takes an object without status for healthy; the default makes it wait for the operator."""
    assert schema["properties"]["status"]["default"] == {"observedGeneration": -1}


def broken(field: str, value: object) -> int:
    """How many rules of a field of a target's spec the value breaks."""
    schema = schema_of(next(path for path in CRDS if path.stem == "exporttargets"))["properties"]["spec"]
    for name in field.split("."):
        schema = schema["properties"][name]
    return len(list(broken_rules(value, None, schema, field)))


@pytest.mark.parametrize("field", ["reltio.authURL", "reltio.exportServiceURL"])
@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://auth.reltio.com/oauth/token", True),
        ("https://auth.reltio.com", True),
        ("https://10.0.0.1:8443/jobs", True),
        ("https://[2001:db8::1]:8443/jobs", True),
        ("http://127.0.0.1:4010/jobs", True),
        ("http://simulator.test.svc.cluster.local:80/jobs", True),
        ("https://auth.reltio.com:abc/oauth", False),
        ("https://[bad/oauth", False),
        ("https://user@auth.reltio.com/", False),
        ("https://auth.reltio.com/a b", False),
        ("https://auth.reltio.com/?a=b", False),
        ("https://\u00e9.example.com/", False),
        ("http://auth.reltio.com/oauth", False),
    ],
)
def test_a_url_has_a_scheme_a_host_and_perhaps_a_port_and_a_path(field: str, url: str, fits: bool) -> None:
    assert (broken(field, url) == 0) is fits


@pytest.mark.parametrize(("interval", "fits"), [("1m", True), ("60s", True), ("59s", False), ("0s", False)])
def test_a_target_is_verified_each_minute_at_most(interval: str, fits: bool) -> None:
    assert (broken("verification.interval", interval) == 0) is fits


@pytest.mark.parametrize(("kind", "fits"), [("key/1234abcd-12ab", True), ("alias/lake", False)])
def test_a_key_is_named_by_itself_and_not_by_an_alias(kind: str, fits: bool) -> None:
    arn = f"arn:aws:kms:us-east-1:111122223333:{kind}"
    assert (broken("s3.serverSideEncryption.kmsKeyARN", arn) == 0) is fits
