"""The definitions on a real API server: what it accepts, what it refuses, and with which message."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reltio_export_operator.api.decoding import decode_job, decode_target
from reltio_export_operator.api.status_patch import status_patch
from schemas import CRDS, definition, nodes, schema_of, values
from tools import tool

Raw = dict[str, Any]
API = "export.reltio.com/v1alpha1"
TARGET_SPEC: Raw = {
    "reltio": {"environment": "na99-prod", "tenant": "acme01", "credentialsSecretRef": {"name": "reltio-api"}},
    "s3": {"bucket": "acme-mdm-exports", "roleARN": "arn:aws:iam::111122223333:role/reltio-exporter"},
}
JOB_SPEC: Raw = {"targetRef": {"name": "lake"}, "export": {"type": "Entities"}}


class Cluster:
    """A real API server with the definitions applied, and a namespace of the test's own."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self.namespace = f"definitions-{secrets.token_hex(4)}"
        self.apply(*CRDS)
        self.run("wait", "--for=condition=Established", "crd", *(f"{path.stem}.export.reltio.com" for path in CRDS))
        self.run("create", "namespace", self.namespace)

    def run(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [tool("kubectl"), "--kubeconfig", str(self._kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done

    def apply(self, *files: Path) -> None:
        for path in files:
            self.run("apply", "--server-side", "--force-conflicts", "-f", str(path))

    def refused(self, kind: str, spec: Raw) -> str:
        """What kubectl prints about an object that the server refuses; empty when it takes it."""
        done = self.run("create", "--dry-run=server", "-f", "-", stdin=self.manifest(kind, "a", spec), check=False)
        return "" if done.returncode == 0 else done.stderr

    def created(self, kind: str, name: str, spec: Raw) -> Raw:
        done = self.run("create", "-o", "json", "-f", "-", stdin=self.manifest(kind, name, spec))
        raw: Raw = json.loads(done.stdout)
        return raw

    def patch_status(self, name: str, status: Raw) -> Raw:
        patch = json.dumps({"status": status})
        arguments = ("-n", self.namespace, "--subresource=status", "--type=merge", "-p", patch, "-o", "json")
        raw: Raw = json.loads(self.run("patch", "exportjob", name, *arguments).stdout)
        return raw

    def manifest(self, kind: str, name: str, spec: Raw) -> str:
        meta = {"name": name, "namespace": self.namespace}
        return json.dumps({"apiVersion": API, "kind": kind, "metadata": meta, "spec": spec})


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path) -> Iterator[Cluster]:
    cluster = Cluster(kubeconfig)
    yield cluster
    cluster.run("delete", "namespace", cluster.namespace, "--wait=false")


def test_the_definitions_can_be_applied_in_both_ways_and_again(cluster: Cluster) -> None:
    for path in CRDS:
        for flags in ([], [], ["--server-side", "--force-conflicts"]):
            done = cluster.run("apply", *flags, "-f", str(path))
            assert "Warning: unrecognized" not in done.stderr


@pytest.mark.parametrize("path", CRDS, ids=lambda path: path.stem)
def test_explain_describes_every_field(cluster: Cluster, path: Path) -> None:
    document = json.loads(cluster.run("get", "--raw", "/openapi/v3/apis/export.reltio.com/v1alpha1").stdout)
    kind = definition(path.stem)["spec"]["names"]["kind"]
    served = document["components"]["schemas"][f"com.reltio.export.v1alpha1.{kind}"]
    assert [where for where, node in nodes(served) if not (node.get("description") or node.get("allOf"))] == []
    field = "exportjob.spec.export.groupBy.maxUniqueValues"
    assert "at most 2048" in cluster.run("explain", field).stdout


@pytest.mark.parametrize("flags", [[], ["--server-side"]], ids=["client", "server"])
def test_samples_can_be_applied_and_nothing_changes_when_they_are_applied_again(
    cluster: Cluster, flags: list[str]
) -> None:
    """The first apply after the creation may store the default of the status, which a creation leaves out."""
    name = f"sample{len(flags)}"
    both = [cluster.manifest("ExportTarget", name, TARGET_SPEC), cluster.manifest("ExportJob", name, JOB_SPEC)]
    for manifest in both:
        kind = json.loads(manifest)["kind"].lower()
        for _ in range(2):
            cluster.run("apply", *flags, "-f", "-", stdin=manifest)
        before = cluster.run("get", kind, name, "-n", cluster.namespace, "-o", "jsonpath={.metadata.resourceVersion}")
        cluster.run("apply", *flags, "-f", "-", stdin=manifest)
        after = cluster.run("get", kind, name, "-n", cluster.namespace, "-o", "jsonpath={.metadata.resourceVersion}")
        assert before.stdout == after.stdout


@pytest.mark.parametrize(
    ("kind", "spec", "sentence"),
    [
        ("ExportJob", {"export": {"type": "Entities", "updatedSince": "2031-01-15"}}, "not a time in RFC 3339; write"),
        (
            "ExportJob",
            {"export": {"type": "Entities", "updatedSince": "2031-02-30T03:00:00Z"}},
            "not a time in RFC 3339",
        ),
        ("ExportJob", {"export": {"type": "Entities", "partSize": "1Pi"}}, "not a quantity from 100Mi"),
        ("ExportJob", {"export": {"type": "SegmentEntities"}}, "list at least one segment"),
        ("ExportJob", {"targetRef": {"name": "Lake"}}, "not the name of an ExportTarget; use lower-case"),
        ("ExportJob", {"path": "a//b"}, "not a directory that S3 and the service take; use letters"),
        (
            "ExportTarget",
            {"s3": {**TARGET_SPEC["s3"], "bucket": "Acme"}},
            "not a name that S3 allows; use 3 to 63 lower-case",
        ),
        *(
            ("ExportTarget", {"s3": {**TARGET_SPEC["s3"], **wrong}}, sentence)
            for wrong, sentence in (
                ({"bucket": "ab"}, "not a name that S3 allows; use 3 to 63 lower-case"),
                ({"region": "us"}, "not an AWS region; write"),
                ({"roleARN": "reltio-exporter"}, "not the ARN of an IAM role; write arn:"),
                ({"roleARN": ""}, "not the ARN of an IAM role; write arn:"),
                ({"externalID": "x"}, "not an external ID that AWS takes; use 2 or more"),
                (
                    {"serverSideEncryption": {"algorithm": "aws:kms", "kmsKeyARN": "alias/foo"}},
                    "not the ARN of a KMS key; write the ARN of the key and not of an alias",
                ),
            )
        ),
        ("ExportTarget", {"reltio": {**TARGET_SPEC["reltio"], "tenant": ""}}, "not a tenant id; use letters"),
        ("ExportJob", {"targetRef": {"name": ""}}, "not the name of an ExportTarget; use lower-case"),
        ("ExportTarget", {"verification": {"interval": "1d"}}, "not a duration from 1m to 168h; write it"),
        (
            "ExportTarget",
            {"reltio": {**TARGET_SPEC["reltio"], "credentialsSecretRef": {"name": "a", "clientIDKey": "a b"}}},
            "not a key of a Secret; use letters",
        ),
    ],
)
def test_a_refusal_says_what_to_write_instead(cluster: Cluster, kind: str, spec: Raw, sentence: str) -> None:
    base = JOB_SPEC if kind == "ExportJob" else TARGET_SPEC
    assert cluster.refused(kind, base) == ""
    assert sentence in cluster.refused(kind, {**base, **spec})


@pytest.mark.parametrize(("plural", "decode"), [("exportjobs", decode_job), ("exporttargets", decode_target)])
@given(data=st.data())
@settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_what_the_server_takes_can_be_decoded(cluster: Cluster, plural: str, decode: Any, data: st.DataObject) -> None:
    kind = definition(plural)["spec"]["names"]["kind"]
    base = JOB_SPEC if kind == "ExportJob" else TARGET_SPEC
    drawn = data.draw(SPECS[plural])
    for spec in ({**base, **drawn}, *({**base, name: value} for name, value in drawn.items())):
        manifest = cluster.manifest(kind, "a", spec)
        done = cluster.run("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=manifest, check=False)
        if done.returncode == 0:
            decode(json.loads(done.stdout))


SPECS = {plural: values(schema_of(plural)["properties"]["spec"]) for plural in ("exportjobs", "exporttargets")}


def test_a_status_of_another_version_is_kept_and_can_be_written_to(cluster: Cluster, tmp_path: Path) -> None:
    """A definition that was stricter or laxer than this one has admitted what is stored."""
    cluster.created("ExportJob", "old", JOB_SPEC)
    lax = definition("exportjobs")
    lax = json.loads(json.dumps(lax))
    lax["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    (tmp_path / "lax.yaml").write_text(yaml.safe_dump(lax))
    stored = {
        "attempts": "three",
        "phase": "Hibernating",
        "startTime": "then",
        "submission": {"id": 7},
        "tasks": [{"id": "a", "status": 4}],
        "conditions": [{"type": "Complete", "status": "Maybe"}],
    }
    cluster.apply(tmp_path / "lax.yaml")
    try:
        while cluster.patch_status("old", stored)["status"].get("attempts") != "three":
            pass  # the server takes a moment to serve the other definition
    finally:
        cluster.apply(*CRDS)
    raw = json.loads(cluster.run("get", "exportjob", "old", "-n", cluster.namespace, "-o", "json").stdout)
    before = decode_job(raw)
    assert before.status_problems
    stalled = {
        "type": "Stalled",
        "status": "True",
        "reason": "A",
        "message": "",
        "lastTransitionTime": "2031-01-15T03:00:00Z",
    }
    after = decode_job({**raw, "status": {**raw["status"], "conditions": [*raw["status"]["conditions"], stalled]}})
    written = cluster.patch_status("old", status_patch(raw["status"], before.status, after.status))
    kept = {name: value for name, value in written["status"].items() if name != "conditions"}
    assert (
        kept.items()
        >= {name: stored[name] for name in ("attempts", "phase", "startTime", "submission", "tasks")}.items()
    )
    assert [one["status"] for one in written["status"]["conditions"]] == ["Maybe", "True"]
