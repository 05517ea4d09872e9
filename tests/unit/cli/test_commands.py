"""Commands that need no cluster."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from builders import target
from reltio_export_operator.api.target import Check, TargetStatus
from reltio_export_operator.cli import targets
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


def call(*arguments: str, stdin: str | None = None, kubeconfig: str = "/nowhere") -> Result:
    return CliRunner().invoke(plugin, list(arguments), env={"KUBECONFIG": kubeconfig}, input=stdin)


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


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("filter:", "filtre:", "spec.export.filtre is no field; did you mean filter?"),
        ("targetRef: {name: lake}", "targetRef: {name: lake, kind: X}", "spec.targetRef.kind is no field."),
        ("arn:aws:iam::111122223333:role", "arn:aws:iam:111122223333:role", "spec.s3.roleARN must be the full ARN"),
    ],
)
def test_a_field_that_nobody_knows_or_understands_is_refused(
    tmp_path: Path, field: str, change: str, words: str
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(JOB.replace(field, change))
    result = call("plan", "-f", str(path))
    assert result.exit_code == 2
    assert words in result.output


def test_a_manifest_may_come_from_standard_input_and_as_a_list() -> None:
    documents = [yaml.safe_load(one) for one in JOB.split("---")]
    listed = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": documents})
    assert call("plan", "-f", "-", stdin=JOB).output == call("plan", "-f", "-", stdin=listed).output
    assert call("plan", "-f", "-", stdin=listed).exit_code == 0


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"- text", b"kind: ExportJob\nmetadata: text"])
def test_a_file_that_holds_no_manifest_is_told_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    result = call("plan", "-f", str(path))
    assert result.exit_code == 2
    assert str(path) in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("content", ["{", "text", "[]", "contexts: 1", "current-context: x"])
def test_a_kubeconfig_that_is_none_is_told_in_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    result = call("why", "people", kubeconfig=str(path))
    assert result.exit_code == 2
    assert result.output.startswith("Error: No cluster to talk to")


def test_the_namespace_is_that_of_the_file_or_of_the_option_but_not_two(manifest: Path, tmp_path: Path) -> None:
    both = call("plan", "-f", str(manifest), "-n", "other")
    assert both.exit_code == 2
    assert "is of namespace mdm, and -n says other" in both.output
    bare = tmp_path / "bare.yaml"
    bare.write_text(JOB.replace(", namespace: mdm", ""))
    asked = json.loads(call("plan", "-f", str(bare), "-n", "other", "-o", "json").output)
    assert asked["query"]["name"].startswith("other.people")


@pytest.mark.parametrize("principal", ["reltio", "12345", "arn:aws:s3:::bucket"])
def test_a_principal_is_an_account_or_an_arn(manifest: Path, principal: str) -> None:
    result = call("policy", "-f", str(manifest), "--principal", principal)
    assert result.exit_code == 2
    assert "neither an account id of 12 digits nor an IAM ARN" in result.output


@pytest.mark.parametrize(("document", "action"), [("trust", "sts:AssumeRole"), ("permissions", "s3:PutObject")])
def test_one_policy_document_can_be_had_as_aws_takes_it(manifest: Path, document: str, action: str) -> None:
    result = call("policy", "-f", str(manifest), "--principal", "123456789012", "--document", document)
    shown = json.loads(result.output)
    assert set(shown) == {"Version", "Statement"}
    assert action in str(shown["Statement"])


def test_a_policy_without_an_external_id_is_written_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "open.yaml"
    path.write_text(JOB.replace("    externalID: very-confidential\n", ""))
    result = call("policy", "-f", str(path), "--principal", "123456789012")
    assert "no external ID" in result.stderr
    assert json.loads(result.stdout)["MaxSessionDuration"] == 43200


@pytest.mark.parametrize("text", ["Invalid parameter: [filenameTemplate] given", "denied on [/x]"])
def test_what_a_service_says_is_shown_letter_by_letter(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused = Check(name="PutObject", status="False", reason="X", message=text)
    targets._print(msgspec.structs.replace(target(), status=TargetStatus(checks=(refused,))))
    assert text in capsys.readouterr().out


def test_what_nobody_expected_is_one_sentence_too(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reltio_export_operator.cli.plan.planned", lambda *_: 1 / 0)
    result = call("plan", "-f", str(manifest))
    assert result.exit_code == 2
    assert result.output.startswith("Error: ZeroDivisionError: division by zero. Set RELTIO_EXPORT_TRACEBACK=1")
