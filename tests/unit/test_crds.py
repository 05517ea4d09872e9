"""The custom resource definitions, read as data."""

from __future__ import annotations

import json
import re

import pytest

from reltio_export_sandbox.apiserver.structural import broken_rules
from schemas import CRDS, Schema, definition, nodes, schema_of

PLURALS = [path.stem for path in CRDS]
LARGEST_ANNOTATION = 256 * 1024  # bytes of all annotations of an object; kubectl apply keeps the object in one
# Words of a message that says what to write instead.
INSTEAD = re.compile(r"\b(set|write|use|list|remove|change|create)\b")


@pytest.fixture(params=PLURALS)
def plural(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def schema(plural: str) -> Schema:
    return schema_of(plural)


def test_all_kinds_are_defined() -> None:
    assert PLURALS == ["exportjobs", "exportschedules", "exporttargets"]


def test_the_chart_installs_the_same_definitions() -> None:
    chart = CRDS[0].parents[1] / "helm" / "reltio-export-operator" / "files" / "crds"
    assert {path.name: path.read_text() for path in chart.glob("*.yaml")} == {p.name: p.read_text() for p in CRDS}


def test_every_field_is_typed(schema: Schema) -> None:
    assert [path for path, node in nodes(schema) if "type" not in node] == []


def test_every_field_at_every_depth_is_described_in_whole_sentences(schema: Schema) -> None:
    poor = [
        path
        for path, node in nodes(schema)
        if path != "metadata" and not re.fullmatch(r"[A-Z][^\n]{10,}[^.\s]\.", node.get("description", ""), re.DOTALL)
    ]
    assert poor == []


def test_the_metadata_has_no_schema_of_its_own_which_an_api_server_refuses(schema: Schema) -> None:
    assert schema["properties"]["metadata"] == {"type": "object"}


def test_no_bound_on_the_length_hides_the_sentence_of_a_rule(schema: Schema) -> None:
    """An API server does not evaluate rules for an object that the rest of the schema refuses."""
    hidden = [
        path
        for path, node in nodes(schema["properties"]["spec"], "spec")
        if "minLength" in node and any("self.matches" in rule["rule"] for rule in _rules(node))
    ]
    assert hidden == []


def _rules(node: Schema) -> list[dict[str, str]]:
    return list(node.get("x-kubernetes-validations", []))


def test_every_optional_field_of_the_spec_says_what_happens_without_it(schema: Schema) -> None:
    """The two that are required together are checked with another message."""
    silent = [
        f"{path}.{name}"
        for path, node in nodes(schema["properties"]["spec"], "spec")
        for name, child in node.get("properties", {}).items()
        if name not in node.get("required", ())
        and not re.search(r"Defaults to|[Ww]hen (both are )?omitted|Set either", child["description"])
    ]
    assert silent == []


def test_a_description_names_the_default_that_the_schema_has(schema: Schema) -> None:
    wrong = [
        (path, node["default"])
        for path, node in nodes(schema["properties"]["spec"], "spec")
        if "default" in node and node["default"] not in ({}, "")
        if f"Defaults to {json.dumps(node['default']).strip(chr(34))}." not in node["description"]
    ]
    assert wrong == []


def test_every_column_is_described(plural: str) -> None:
    (version,) = definition(plural)["spec"]["versions"]
    columns = version["additionalPrinterColumns"]
    assert [column["name"] for column in columns if not column.get("description", "").endswith(".")] == []


def test_strings_and_lists_of_the_spec_are_bounded(schema: Schema) -> None:
    """Unbounded values make the API server refuse a CRD whose rules read them, as too costly."""
    unbounded = [
        path
        for path, node in nodes(schema["properties"]["spec"])
        if (node["type"] == "string" and not node.keys() & {"maxLength", "enum"})
        or (node["type"] == "array" and "maxItems" not in node)
    ]
    assert unbounded == []


def test_every_list_says_how_two_appliers_share_it(schema: Schema) -> None:
    silent = [path for path, node in nodes(schema) if node["type"] == "array" and "x-kubernetes-list-type" not in node]
    assert silent == []


def test_the_keys_of_a_keyed_list_are_required_and_not_empty(schema: Schema) -> None:
    loose = [
        (path, key)
        for path, node in nodes(schema)
        for key in node.get("x-kubernetes-list-map-keys", ())
        if key not in node["items"].get("required", ()) or node["items"]["properties"][key].get("minLength", 0) < 1
    ]
    assert loose == []


def test_no_required_field_has_a_default(schema: Schema) -> None:
    both = [
        (path, name)
        for path, node in nodes(schema)
        for name in node.get("required", ())
        if "default" in node["properties"][name]
    ]
    assert both == []


def test_every_rule_says_what_is_wrong_and_what_to_write_instead(schema: Schema) -> None:
    rules = [rule for _, node in nodes(schema) for rule in node.get("x-kubernetes-validations", [])]
    assert rules
    assert [rule for rule in rules if not INSTEAD.search(rule.get("message", ""))] == []


def test_what_is_wrong_with_a_spec_is_said_in_sentences_and_not_by_a_pattern(schema: Schema) -> None:
    spoken = [
        path
        for path, node in nodes(schema["properties"]["spec"])
        if "pattern" in node or node.get("format") not in (None, "int32", "int64")
    ]
    assert spoken == []


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


def test_plain_kubectl_apply_can_keep_the_definition_in_its_annotation(plural: str) -> None:
    assert len(json.dumps(definition(plural))) < LARGEST_ANNOTATION / 3


def broken(field: str, value: object) -> int:
    """How many rules of a field of a target's spec the value breaks."""
    schema = schema_of("exporttargets")["properties"]["spec"]
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
        ("http://localhost:4010/jobs", True),
        ("http://simulator.test.svc.cluster.local:80/jobs", False),
        ("http://kubernetes.default.svc/", False),
        ("http://x.svc.attacker.example/", False),
        ("http://127.attacker.example/", False),
        ("http://127.0.0.1.attacker.example/", False),
        ("http://127.1/", False),
        ("http://localhost.attacker.example/", False),
        ("http://localhost@attacker.example/", False),
        ("https://auth.reltio.com@attacker.example/", False),
        ("https://auth.reltio.com%2eattacker.example/", False),
        ("https://auth.reltio.com\\@attacker.example/", False),
        ("https://auth.reltio.com./", False),
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


@pytest.mark.parametrize(
    ("name", "fits"), [("reltio-api", True), ("a.b", True), ("Reltio", False), ("-a", False), ("a..b", False)]
)
def test_a_secret_is_named_as_the_api_server_names_objects(name: str, fits: bool) -> None:
    assert (broken("reltio.credentialsSecretRef.name", name) == 0) is fits


IMITATION = "0b9a2c4e-1f2d-4a3b-8c7d-5e6f7a8b9c0d-1"


@pytest.mark.parametrize("field", ["path", "export.name"])
@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("nightly", True),
        ("build-0b9a2c4e-1f2d-4a3b-8c7d-5e6f7a8b9c0d", True),
        (IMITATION, False),
        (f"nightly-{IMITATION}", False),
        (IMITATION.upper(), False),
        (f"a{IMITATION}0b", False),
    ],
)
def test_nothing_that_a_user_names_contains_the_id_of_an_attempt(field: str, value: str, fits: bool) -> None:
    schema = schema_of("exportjobs")["properties"]["spec"]
    for name in field.split("."):
        schema = schema["properties"][name]
    assert (not list(broken_rules(value, None, schema, field))) is fits


@pytest.mark.parametrize(("key", "fits"), [("client_id.v2", True), ("client id", False), ("a/b", False)])
def test_a_key_of_a_secret_is_spelled_as_the_api_server_spells_keys(key: str, fits: bool) -> None:
    assert (broken("reltio.credentialsSecretRef.clientIDKey", key) == 0) is fits


@pytest.mark.parametrize("field", ["updatedSince", "updatedBefore", "startTime", "endTime"])
@pytest.mark.parametrize(
    ("moment", "fits"),
    [
        ("2031-01-15T03:00:00Z", True),
        ("2031-01-15T03:00:00.123+05:30", True),
        ("0000-01-01T00:00:00Z", False),  # no date in Python
        ("1000-01-01T00:00:00+23:00", False),
        ("2031-01-15t03:00:00z", False),
        ("2031-01-15T03:00:00", False),
        ("2031-01-15", False),
        ("2031-13-15T03:00:00Z", False),
        ("2031-02-30T03:00:00Z", False),
        ("2031-01-15T23:59:60Z", False),
    ],
)
def test_a_time_is_spelled_in_one_way(field: str, moment: str, fits: bool) -> None:
    schema = schema_of("exportjobs")["properties"]["spec"]["properties"]["export"]["properties"][field]
    assert (list(broken_rules(moment, None, schema, field)) == []) is fits


@pytest.mark.parametrize(
    ("since", "before", "fits"),
    [
        ("2031-01-15T03:00:00Z", "2031-01-15T03:00:01Z", True),
        ("2031-01-15T03:00:00Z", "2031-01-15T03:00:00Z", False),
        ("2031-01-15T03:00:00+01:00", "2031-01-15T02:30:00Z", True),
        ("2031-01-15", "2031-01-14", True),  # each is refused for its spelling, and not for their order
    ],
)
def test_a_window_of_time_has_a_beginning_before_its_end(since: str, before: str, fits: bool) -> None:
    schema = schema_of("exportjobs")["properties"]["spec"]["properties"]["export"]
    export = {"type": "Entities", "updatedSince": since, "updatedBefore": before}
    found = [cause for cause in broken_rules(export, None, schema, "export") if "not later" in str(cause)]
    assert (found == []) is fits
