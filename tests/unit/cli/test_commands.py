"""Commands that need no cluster, and errors of those that do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from builders import T0, target
from reltio_export_operator.api.target import Check, TargetStatus
from reltio_export_operator.cli import targets
from reltio_export_operator.cli.cluster import connect
from reltio_export_operator.cli.main import main, plugin
from reltio_export_operator.targets import readiness

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


def test_plan_shows_the_request_and_masks_secrets(manifest: Path) -> None:
    result = call("plan", "-f", str(manifest), "-o", "json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert shown["url"] == "https://na99-prod.reltio.com/jobs/export/acme01/entities"
    assert shown["query"]["filter"] == "equals(type,'HCP')"
    assert shown["body"] == {"ovOnly": False}
    assert shown["headers"]["externalId"] == "***"
    assert "very-confidential" not in result.output


def test_plan_shows_text_by_default(manifest: Path) -> None:
    result = call("plan", "-f", str(manifest))
    assert result.output.startswith("POST https://na99-prod.reltio.com/jobs/export/acme01/entities\n")


def test_plan_names_the_wrong_field(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(JOB.replace("type: Entities", "type: Everything"))
    result = call("plan", "-f", str(path))
    assert result.exit_code == 2
    assert "$.spec.export.type" in result.output


@pytest.mark.parametrize(
    ("format_", "word"),
    [("json", "MaxSessionDuration"), ("terraform", "aws_iam_role"), ("cloudformation", "AWS::IAM::Role")],
)
def test_policy_has_each_output_format(manifest: Path, format_: str, word: str) -> None:
    result = call("policy", "-f", str(manifest), "--principal", "123456789012", "-o", format_)
    assert result.exit_code == 0, result.output
    assert word in result.output


def test_policy_requires_a_principal(manifest: Path) -> None:
    result = call("policy", "-f", str(manifest))
    assert result.exit_code == 2
    assert "--principal" in result.output


@pytest.mark.parametrize(
    "arguments", [["why", "people"], ["cancel", "people"], ["rerun", "people"], ["verify", "lake"], ["run", "lake"]]
)
def test_a_missing_kubeconfig_is_reported_without_a_traceback(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert result.output.startswith("Error: Cannot load the kubeconfig")
    assert "Traceback" not in result.output


def test_verify_requires_a_name_or_a_file() -> None:
    assert "Use either" in call("verify").output


@pytest.mark.parametrize(
    "command", ["cancel", "external-id", "list", "plan", "policy", "receipt", "rerun", "run", "status", "verify", "why"]
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "kubectl reltio-export" in result.output


def test_the_operator_has_the_commands_of_the_plugin_as_well() -> None:
    result = CliRunner().invoke(main, ["--help"])
    for command in ("run", "demo", "sandbox", "why", "verify"):
        assert command in result.output


@pytest.mark.parametrize(
    ("field", "change", "text"),
    [
        ("filter:", "filtre:", "Unknown field spec.export.filtre. Did you mean filter?"),
        ("targetRef: {name: lake}", "targetRef: {name: lake, kind: X}", "Unknown field spec.targetRef.kind."),
        ("arn:aws:iam::111122223333:role", "arn:aws:iam:111122223333:role", "spec.s3.roleARN must be the full ARN"),
    ],
)
def test_an_unknown_or_malformed_field_is_refused(tmp_path: Path, field: str, change: str, text: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(JOB.replace(field, change))
    result = call("plan", "-f", str(path))
    assert result.exit_code == 2
    assert text in result.output


def test_a_manifest_may_be_a_list_on_standard_input() -> None:
    documents = [yaml.safe_load(one) for one in JOB.split("---")]
    listed = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": documents})
    assert call("plan", "-f", "-", stdin=JOB).output == call("plan", "-f", "-", stdin=listed).output
    assert call("plan", "-f", "-", stdin=listed).exit_code == 0


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"- text", b"kind: ExportJob\nmetadata: text"])
def test_a_file_without_a_manifest_is_reported_without_a_traceback(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    result = call("plan", "-f", str(path))
    assert result.exit_code == 2
    assert str(path) in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "is not valid YAML in line 1"),
        ("token: [very-confidential", "is not valid YAML in line 1"),
        ("text", "is empty or no mapping"),
        ("[]", "is empty or no mapping"),
        ("", "is empty or no mapping"),
        ("contexts: 1", "has no current-context"),
        ("kind: Config", "has no current-context"),
        ("current-context: x", "has no context x"),
    ],
)
def test_a_malformed_kubeconfig_is_reported_without_a_traceback(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    result = call("why", "people", kubeconfig=str(path))
    assert result.exit_code == 2
    assert result.output.startswith("Error: Cannot load the kubeconfig")
    assert text in result.output
    assert "does not exist" not in result.output
    assert "very-confidential" not in result.output


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    result = call("why", "people", "--context", "prod", kubeconfig=str(kubeconfig_of(tmp_path, "one")))
    assert result.exit_code == 2
    assert "has no context prod. List them with kubectl config get-contexts." in result.output


def kubeconfig_of(folder: Path, name: str) -> Path:
    """A kubeconfig with one context, which has a namespace of its own. Its server does not exist."""
    path = folder / name
    entries = {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.invalid:6443"}}],
        "users": [{"name": name, "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"ns-{name}"}}],
    }
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": name, **entries}))
    return path


@pytest.mark.parametrize(
    ("named", "context", "reached"),
    [
        (["one"], None, "one"),
        (["two", "one"], None, "two"),
        (["one", "two"], None, "one"),
        (["absent", "two", "one"], None, "two"),
        (["one", "two"], "two", "two"),
    ],
)
def test_a_command_reaches_the_cluster_that_kubectl_reaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str], context: str | None, reached: str
) -> None:
    for name in ("one", "two"):
        kubeconfig_of(tmp_path, name)
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(str(tmp_path / name) for name in named))
    cluster = connect(context, None)
    assert cluster.namespace == f"ns-{reached}"
    assert cluster.core.api_client.configuration.host == f"https://{reached}.invalid:6443"


def test_without_the_variable_the_kubeconfig_of_the_user_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig_of(tmp_path, "mine").rename(tmp_path / ".kube" / "config")
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("KUBECONFIG", raising=False)
        else:
            monkeypatch.setenv("KUBECONFIG", value)
        assert connect(None, None).namespace == "ns-mine"


def test_the_namespaces_of_the_file_and_of_the_option_must_not_differ(manifest: Path, tmp_path: Path) -> None:
    both = call("plan", "-f", str(manifest), "-n", "other")
    assert both.exit_code == 2
    assert "has namespace mdm, but -n is other" in both.output
    bare = tmp_path / "bare.yaml"
    bare.write_text(JOB.replace(", namespace: mdm", ""))
    shown = json.loads(call("plan", "-f", str(bare), "-n", "other", "-o", "json").output)
    assert shown["query"]["name"].startswith("other.people")


@pytest.mark.parametrize("principal", ["reltio", "12345", "arn:aws:s3:::bucket"])
def test_a_principal_must_be_an_account_or_an_arn(manifest: Path, principal: str) -> None:
    result = call("policy", "-f", str(manifest), "--principal", principal)
    assert result.exit_code == 2
    assert "neither an account id of 12 digits nor an IAM ARN" in result.output


@pytest.mark.parametrize(("document", "action"), [("trust", "sts:AssumeRole"), ("permissions", "s3:PutObject")])
def test_policy_can_show_a_single_document(manifest: Path, document: str, action: str) -> None:
    result = call("policy", "-f", str(manifest), "--principal", "123456789012", "--document", document)
    shown = json.loads(result.stdout)
    assert set(shown) == {"Version", "Statement"}
    assert action in str(shown["Statement"])


def test_policy_warns_about_a_missing_external_id(tmp_path: Path) -> None:
    path = tmp_path / "open.yaml"
    path.write_text(JOB.replace("    externalID: very-confidential\n", ""))
    result = call("policy", "-f", str(path), "--principal", "123456789012")
    assert "no external ID" in result.stderr
    assert json.loads(result.stdout)["MaxSessionDuration"] == 43200


def test_policy_says_that_the_operator_needs_the_role_as_well(manifest: Path) -> None:
    reltio, own = "123456789012", "arn:aws:iam::111122223333:role/operator"
    assert "Repeat --principal" in call("policy", "-f", str(manifest), "--principal", reltio).stderr
    assert "Repeat" not in call("policy", "-f", str(manifest), "--principal", reltio, "--principal", own).stderr


def test_checks_that_were_not_reached_share_a_line_and_nothing_is_cut_in_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "word " * 100
    checks = (
        Check(name="AssumeRole", status="False", reason="AccessDenied", message=long.strip(), remedy="Do this."),
        *(
            Check(name=name, status="Unknown", reason="NotReached", message="Not checked, because AssumeRole failed.")
            for name in ("ListBucket", "PutObject")
        ),
    )
    targets._print(msgspec.structs.replace(target(), status=TargetStatus(checks=checks)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"AssumeRole  False    AccessDenied: {long.strip()} Do this."
    assert lines[1] == "ListBucket, PutObject  Unknown  Not checked, because AssumeRole failed."
    assert lines[2].startswith("Ready=")


def test_a_suspended_target_is_not_shown_as_one_whose_readiness_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    status = readiness.suspended_status(target(spec={"suspend": True}), T0)
    targets._print(msgspec.structs.replace(target(), status=status))
    assert capsys.readouterr().out == "The target is suspended. Set spec.suspend to false to continue.\n"


@pytest.mark.parametrize("text", ["Invalid parameter: [filenameTemplate] given", "denied on [/x]"])
def test_brackets_in_messages_are_not_interpreted_as_markup(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused = Check(name="PutObject", status="False", reason="X", message=text)
    targets._print(msgspec.structs.replace(target(), status=TargetStatus(checks=(refused,))))
    assert text in capsys.readouterr().out


def test_an_unexpected_error_is_reported_without_a_traceback(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reltio_export_operator.cli.plan.planned", lambda *_: 1 / 0)
    result = call("plan", "-f", str(manifest))
    assert result.exit_code == 2
    assert result.output.startswith("Error: ZeroDivisionError: division by zero. Set RELTIO_EXPORT_TRACEBACK=1")


def test_verify_of_a_file_refuses_a_role_that_the_settings_of_the_operator_do_not_allow(
    manifest: Path, tmp_path: Path
) -> None:
    """Nothing is called: there is no network and no cluster in this test."""
    settings = tmp_path / "settings.yaml"
    settings.write_text("allowedRoles: {sales: ['arn:aws:iam::111122223333:role/*']}\n")
    for how in (["--config", str(settings)], []):
        variable = {} if how else {"RELTIO_EXPORT_CONFIG": str(settings)}
        environment = {"KUBECONFIG": "/nowhere", **variable}
        result = CliRunner().invoke(plugin, ["verify", "-f", str(manifest), *how, "-o", "json"], env=environment)
        assert result.exit_code == 1, result.output
        ready = {one["type"]: one for one in json.loads(result.stdout)["conditions"]}["Ready"]
        assert (ready["status"], ready["reason"]) == ("False", "RoleNotAllowed")


def test_verify_of_a_file_reports_a_mistake_in_the_settings(manifest: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("allowedRoles: {sales: exporter}\n")
    result = call("verify", "-f", str(manifest), "--config", str(settings))
    assert result.exit_code == 2
    assert "allowedRoles.sales must be a list of patterns" in result.output
