"""Commands that need no cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reltio_export_operator.cli.main import main, plugin

JOB = """
apiVersion: export.reltio.com/v1alpha1
kind: ExportJob
metadata: {name: people, namespace: mdm}
spec: {targetRef: {name: lake}, export: {type: Entities, filter: "equals(type,'HCP')", operationalValuesOnly: false}}
---
apiVersion: export.reltio.com/v1alpha1
kind: ExportTarget
metadata: {name: lake, namespace: mdm}
spec:
  reltio: {environment: na99-prod, tenant: acme01, credentialsSecretRef: {name: reltio-api}}
  s3:
    bucket: acme-mdm-exports
    path: /reltio/
    roleARN: arn:aws:iam::111122223333:role/reltio-exporter
    externalID: very-confidential
"""


def call(*arguments: str) -> Result:
    return CliRunner().invoke(plugin, list(arguments), env={"KUBECONFIG": "/nowhere"})


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


def test_a_plan_shows_the_request_and_no_secret(manifest: Path) -> None:
    result = call("plan", "-f", str(manifest), "-o", "json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert shown["url"] == "https://na99-prod.reltio.com/jobs/export/acme01/entities"
    assert shown["query"]["filter"] == "equals(type,'HCP')"
    assert shown["body"] == {"ovOnly": False}
    assert shown["headers"]["externalId"] == "***"
    assert "very-confidential" not in result.output


def test_a_plan_is_readable_without_options(manifest: Path) -> None:
    result = call("plan", "-f", str(manifest))
    assert result.output.startswith("POST https://na99-prod.reltio.com/jobs/export/acme01/entities\n")


def test_a_plan_names_the_field_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(JOB.replace("type: Entities", "type: Everything"))
    result = call("plan", "-f", str(path))
    assert result.exit_code == 2
    assert "$.spec.export.type" in result.output


@pytest.mark.parametrize(
    ("form", "word"),
    [("json", "MaxSessionDuration"), ("terraform", "aws_iam_role"), ("cloudformation", "AWS::IAM::Role")],
)
def test_a_policy_is_written_in_each_form(manifest: Path, form: str, word: str) -> None:
    result = call("policy", "-f", str(manifest), "--principal", "123456789012", "-o", form)
    assert result.exit_code == 0, result.output
    assert word in result.output


def test_a_policy_needs_somebody_to_trust(manifest: Path) -> None:
    result = call("policy", "-f", str(manifest))
    assert result.exit_code == 2
    assert "--principal" in result.output


@pytest.mark.parametrize("arguments", [["why", "people"], ["cancel", "people"], ["verify", "lake"], ["run", "lake"]])
def test_without_a_cluster_one_sentence_says_so(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.output.startswith("Error: No cluster to talk to")
    assert "Traceback" not in result.output


def test_verify_wants_a_name_or_a_file() -> None:
    assert "Give either" in call("verify").output


@pytest.mark.parametrize("command", ["cancel", "plan", "policy", "receipt", "run", "status", "verify", "why"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "kubectl reltio-export" in result.output


def test_the_operator_has_the_same_commands_beside_its_own() -> None:
    result = CliRunner().invoke(main, ["--help"])
    for command in ("run", "demo", "sandbox", "why", "verify"):
        assert command in result.output
