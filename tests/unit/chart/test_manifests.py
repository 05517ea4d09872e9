"""What the chart installs without any value, and in named namespaces."""

from __future__ import annotations

import pytest
import yaml

from charts import (
    CHART,
    HOOK,
    ROOT,
    Manifest,
    container_of,
    environment,
    helm,
    of_kind,
    only,
    pod_of,
    pod_specs,
    render,
)

Grants = set[tuple[str, str, str]]  # API group, resource, verb

IN_WATCHED_NAMESPACES: Grants = {
    *(("export.reltio.com", "exporttargets", verb) for verb in ("get", "list", "watch")),
    *(("export.reltio.com", "exportschedules", verb) for verb in ("get", "list", "watch")),
    *(("export.reltio.com", "exportjobs", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")),
    ("export.reltio.com", "exportschedules/status", "patch"),
    ("export.reltio.com", "exporttargets/status", "patch"),
    ("export.reltio.com", "exportjobs/status", "patch"),
    ("", "secrets", "get"),
    ("", "events", "create"),
}
FOR_ELECTION: Grants = {
    *(("coordination.k8s.io", "leases", verb) for verb in ("get", "create", "update")),
    ("", "events", "create"),
}
FOR_DELETION: Grants = {  # no Secrets
    *(("export.reltio.com", "exporttargets", verb) for verb in ("get", "list", "watch")),
    *(("export.reltio.com", "exportjobs", verb) for verb in ("get", "list", "watch", "patch")),
    ("export.reltio.com", "exportjobs/status", "patch"),
}
NAMED = {"watch": {"namespaces": ["sales", "care"]}}


def grants(role: Manifest) -> Grants:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_helm_finds_nothing_to_complain_about() -> None:
    helm("lint", "--strict", str(CHART))


def test_all_namespaces_are_watched_by_a_cluster_role_with_the_verbs_in_use() -> None:
    manifests = render()
    election = only(manifests, "Role")
    assert grants(only(manifests, "ClusterRole")) == IN_WATCHED_NAMESPACES
    assert grants(election) == FOR_ELECTION
    assert election["metadata"]["namespace"] == "ops"


def test_named_namespaces_are_watched_by_a_role_in_each() -> None:
    manifests = render(NAMED)
    roles = {role["metadata"]["namespace"]: grants(role) for role in of_kind(manifests, "Role")}
    assert roles == {"sales": IN_WATCHED_NAMESPACES, "care": IN_WATCHED_NAMESPACES, "ops": FOR_ELECTION}
    assert grants(only(manifests, "ClusterRole")) == FOR_DELETION


def test_named_namespaces_can_be_watched_without_rights_in_the_cluster() -> None:
    manifests = render({**NAMED, "rbac": {"clusterRole": False}})
    assert len(of_kind(manifests, "Role")) == 3
    assert not of_kind(manifests, "ClusterRole")
    assert not of_kind(manifests, "ClusterRoleBinding")
    assert environment(manifests)["RELTIO_EXPORT_NAMESPACES"] == "sales,care"


def test_the_namespace_of_the_release_can_itself_be_watched() -> None:
    roles = of_kind(render({"watch": {"namespaces": ["ops"]}}), "Role")
    assert len({role["metadata"]["name"] for role in roles}) == len(roles) == 2


@pytest.mark.parametrize(
    "values", [{}, NAMED, {**NAMED, "rbac": {"clusterRole": False}}], ids=["all", "named", "named alone"]
)
def test_every_role_is_bound_to_the_service_account_of_the_pods(values: Manifest) -> None:
    manifests = render(values)
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


def test_a_lease_is_read_and_renewed_under_the_elected_name_only() -> None:
    manifests = render()
    variables = environment(manifests)
    for rule in only(manifests, "Role")["rules"]:
        if rule["verbs"] != ["create"]:  # which cannot be limited to a name
            assert rule["resourceNames"] == [variables["RELTIO_EXPORT_LEASE_NAME"]]
    assert variables["RELTIO_EXPORT_LEASE_NAMESPACE"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}


@pytest.mark.parametrize("component", ["operator", "pre-delete", "test"])
def test_every_pod_is_restricted(component: str) -> None:
    pod = pod_specs(render())[component]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_only_tmp_is_writable() -> None:
    writable = [mount["mountPath"] for mount in container_of(render())["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp"]


def test_two_replicas_are_spread_and_kept_from_being_drained_at_once() -> None:
    manifests = render()
    deployment = only(manifests, "Deployment")["spec"]
    selector = deployment["selector"]
    assert deployment["replicas"] == 2
    assert only(manifests, "PodDisruptionBudget")["spec"] == {"maxUnavailable": 1, "selector": selector}
    assert all(spread["labelSelector"] == selector for spread in pod_of(manifests)["topologySpreadConstraints"])
    assert selector["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("values", "suffix"),
    [
        ({}, ":" + yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]),
        ({"tag": "1.2.3"}, ":1.2.3"),
        ({"tag": "1.2.3", "digest": f"sha256:{'0' * 64}"}, "@sha256:" + "0" * 64),
    ],
    ids=["release", "tag", "digest"],
)
def test_the_image_is_always_of_a_named_version(values: Manifest, suffix: str) -> None:
    images = {spec["containers"][0]["image"] for spec in pod_specs(render({"image": values})).values()}
    assert images == {"reltio-export-operator" + suffix}


def test_the_service_account_carries_the_role_for_irsa() -> None:
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/operator"}
    account = only(render({"serviceAccount": {"annotations": annotations}}), "ServiceAccount")
    assert account["metadata"]["annotations"] == annotations


def test_the_definitions_are_those_of_the_project_and_outlive_the_release() -> None:
    rendered = {crd["metadata"]["name"]: crd for crd in of_kind(render(), "CustomResourceDefinition")}
    sources = [yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")]
    assert len(sources) == len(rendered)
    for source in sources:
        crd = rendered[source["metadata"]["name"]]
        assert crd["spec"] == source["spec"]
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_definitions_can_be_left_to_others() -> None:
    manifests = render({"crds": {"install": False}})
    assert not of_kind(manifests, "CustomResourceDefinition")
    assert of_kind(manifests, "Deployment")


def test_the_kubelet_asks_the_port_on_which_the_operator_answers() -> None:
    manifests = render({"metrics": {"port": 9100}})
    container = container_of(manifests)
    assert container["ports"] == [{"name": "metrics", "containerPort": 9100}]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert environment(manifests)["RELTIO_EXPORT_METRICS_PORT"] == "9100"


def test_what_runs_only_now_and_then_is_a_hook() -> None:
    hooks = {one["kind"] for one in render() if HOOK in one["metadata"].get("annotations", {})}
    assert hooks == {"Job", "Pod"}
