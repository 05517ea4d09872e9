"""The Helm chart, as Helm renders it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from reltio_export_operator.runtime import settings_loader
from reltio_export_operator.runtime.settings import json_schema
from tools import tool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "reltio-export-operator"

Manifest = dict[str, Any]
Grants = set[tuple[str, str, str]]  # API group, resource, verb

IN_WATCHED_NAMESPACES: Grants = {
    *(("export.reltio.com", "exporttargets", verb) for verb in ("get", "list", "watch")),
    *(("export.reltio.com", "exportjobs", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")),
    ("export.reltio.com", "exporttargets/status", "patch"),
    ("export.reltio.com", "exportjobs/status", "patch"),
    ("", "secrets", "get"),
    ("", "events", "create"),
}
FOR_ELECTION: Grants = {
    *(("coordination.k8s.io", "leases", verb) for verb in ("get", "create", "update")),
    ("", "events", "create"),
}

# The chart sets these itself, or has no use for them.
NOT_IN_VALUES = {
    "metricsPort",
    "namespaces",
    "leaseName",
    "leaseNamespace",
    "caBundle",
}


@pytest.fixture(scope="module")
def helm() -> str:
    return tool("helm")


def render(helm: str, *arguments: str) -> list[Manifest]:
    command = [helm, "template", "exports", str(CHART), "--namespace", "ops", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def grants(role: Manifest) -> Grants:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def pod_of(manifests: list[Manifest]) -> Manifest:
    (deployment,) = of_kind(manifests, "Deployment")
    pod: Manifest = deployment["spec"]["template"]["spec"]
    return pod


def environment(manifests: list[Manifest]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in pod_of(manifests)["containers"][0]["env"]}


def test_helm_finds_nothing_to_complain_about(helm: str) -> None:
    done = subprocess.run([helm, "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_namespaces_are_watched_by_a_cluster_role_with_the_verbs_in_use(helm: str) -> None:
    manifests = render(helm)
    (cluster_role,) = of_kind(manifests, "ClusterRole")
    (election,) = of_kind(manifests, "Role")
    assert grants(cluster_role) == IN_WATCHED_NAMESPACES
    assert grants(election) == FOR_ELECTION
    assert election["metadata"]["namespace"] == "ops"


def test_named_namespaces_are_watched_by_a_role_in_each_and_nothing_of_the_cluster(helm: str) -> None:
    manifests = render(helm, "--set", "watch.namespaces={sales,care}")
    roles = {role["metadata"]["namespace"]: grants(role) for role in of_kind(manifests, "Role")}
    assert roles == {"sales": IN_WATCHED_NAMESPACES, "care": IN_WATCHED_NAMESPACES, "ops": FOR_ELECTION}
    assert not of_kind(manifests, "ClusterRole")
    assert not of_kind(manifests, "ClusterRoleBinding")
    assert environment(manifests)["RELTIO_EXPORT_NAMESPACES"] == "sales,care"


def test_the_namespace_of_the_release_can_itself_be_watched(helm: str) -> None:
    roles = of_kind(render(helm, "--set", "watch.namespaces={ops}"), "Role")
    assert len({role["metadata"]["name"] for role in roles}) == len(roles) == 2


@pytest.mark.parametrize("arguments", [(), ("--set", "watch.namespaces={sales,care}")], ids=["all", "named"])
def test_every_role_is_bound_to_the_service_account_of_the_pods(helm: str, arguments: tuple[str, ...]) -> None:
    manifests = render(helm, *arguments)
    roles = {
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in manifests
        if one["kind"] in ("Role", "ClusterRole")
    }
    bindings = [one for one in manifests if one["kind"] in ("RoleBinding", "ClusterRoleBinding")]
    bound = {(one["roleRef"]["kind"], one["metadata"].get("namespace"), one["roleRef"]["name"]) for one in bindings}
    assert bound == roles
    account = {"kind": "ServiceAccount", "name": pod_of(manifests)["serviceAccountName"], "namespace": "ops"}
    assert all(one["subjects"] == [account] for one in bindings)


def test_a_lease_is_read_and_renewed_under_the_elected_name_only(helm: str) -> None:
    manifests = render(helm)
    (election,) = of_kind(manifests, "Role")
    variables = environment(manifests)
    for rule in election["rules"]:
        if rule["verbs"] != ["create"]:
            assert rule["resourceNames"] == [variables["RELTIO_EXPORT_LEASE_NAME"]]
    assert variables["RELTIO_EXPORT_LEASE_NAMESPACE"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}


def test_the_pod_is_restricted(helm: str) -> None:
    pod = pod_of(render(helm))
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]


def test_two_replicas_are_spread_and_kept_from_being_drained_at_once(helm: str) -> None:
    manifests = render(helm)
    (deployment,) = of_kind(manifests, "Deployment")
    (budget,) = of_kind(manifests, "PodDisruptionBudget")
    selector = deployment["spec"]["selector"]
    assert deployment["spec"]["replicas"] == 2
    assert budget["spec"] == {"maxUnavailable": 1, "selector": selector}
    assert all(spread["labelSelector"] == selector for spread in pod_of(manifests)["topologySpreadConstraints"])
    assert selector["matchLabels"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("arguments", "suffix"),
    [
        ((), ":" + yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]),
        (("--set", "image.tag=1.2.3"), ":1.2.3"),
        (("--set", f"image.tag=1.2.3,image.digest=sha256:{'0' * 64}"), "@sha256:" + "0" * 64),
    ],
    ids=["release", "tag", "digest"],
)
def test_the_image_is_always_of_a_named_version(helm: str, arguments: tuple[str, ...], suffix: str) -> None:
    assert pod_of(render(helm, *arguments))["containers"][0]["image"] == "reltio-export-operator" + suffix


def test_the_service_account_carries_the_role_for_irsa(helm: str) -> None:
    role = "arn:aws:iam::111122223333:role/operator"
    key = r"serviceAccount.annotations.eks\.amazonaws\.com/role-arn"
    (account,) = of_kind(render(helm, "--set", f"{key}={role}"), "ServiceAccount")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": role}


def test_the_definitions_are_those_of_the_project_and_outlive_the_release(helm: str) -> None:
    rendered = {crd["metadata"]["name"]: crd for crd in of_kind(render(helm), "CustomResourceDefinition")}
    sources = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    assert len(sources) == len(rendered)
    for source in sources:
        crd = rendered[source["metadata"]["name"]]
        assert crd["spec"] == source["spec"]
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_definitions_can_be_left_to_others(helm: str) -> None:
    manifests = render(helm, "--set", "crds.install=false")
    assert not of_kind(manifests, "CustomResourceDefinition")
    assert of_kind(manifests, "Deployment")


def test_settings_arrive_as_the_operator_reads_them(helm: str) -> None:
    values = '{"awsThreads": 4, "pollIntervalSeconds": 2.5, "leaderElect": false, "retryCapSeconds": 3600}'
    variables = environment(render(helm, "--set-json", f"settings={values}"))
    texts = {name: text for name, text in variables.items() if isinstance(text, str)}
    settings = settings_loader.load(texts).settings
    assert (settings.aws_threads, settings.poll_interval_seconds, settings.retry_cap_seconds) == (4, 2.5, 3600)
    assert settings.leader_elect is False


def test_a_setting_that_does_not_exist_is_refused(helm: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        render(helm, "--set", "settings.pollIntervalSecond=5")
    assert "pollIntervalSecond'" in refused.value.stderr


def test_the_schema_of_the_settings_is_that_of_the_operator() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    offered = schema["properties"]["settings"]["properties"]
    expected = {name: setting for name, setting in json_schema().items() if name not in NOT_IN_VALUES}
    assert offered == expected, "Run hack/settings_schema.py."


def test_the_kubelet_asks_the_port_on_which_the_operator_answers(helm: str) -> None:
    (deployment,) = of_kind(render(helm, "--set", "metrics.port=9100"), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["ports"] == [{"name": "metrics", "containerPort": 9100}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert {"name": "RELTIO_EXPORT_METRICS_PORT", "value": "9100"} in container["env"]
