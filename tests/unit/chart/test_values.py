"""Each value of the chart: what it renders, and that the Kubernetes API takes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from charts import (
    NAME,
    OPERATOR,
    Manifest,
    assert_valid,
    container_of,
    environment,
    of_kind,
    only,
    pod_of,
    pod_specs,
    render,
)

Manifests = list[Manifest]


def deployment(manifests: Manifests) -> Manifest:
    return dict(only(manifests, "Deployment")["spec"])


def template_metadata(manifests: Manifests) -> Manifest:
    return dict(deployment(manifests)["template"]["metadata"])


def mounted(manifests: Manifests) -> dict[str, str]:
    return {mount["name"]: mount["mountPath"] for mount in container_of(manifests)["volumeMounts"]}


def volumes(manifests: Manifests) -> dict[str, Manifest]:
    return {volume["name"]: volume for volume in pod_of(manifests)["volumes"]}


def metadata(manifests: Manifests, field: str) -> list[dict[str, str]]:
    return [manifest["metadata"].get(field, {}) for manifest in manifests]


def every_pod(manifests: Manifests, field: str) -> list[Any]:
    return [spec.get(field) for spec in pod_specs(manifests).values()]


def ca(kind: str, name_field: str, manifests: Manifests) -> bool:
    _, source = volumes(manifests)["config"]["projected"]["sources"]
    item = {"key": "root.pem", "path": "ca/ca.crt"}
    return (
        source == {kind: {name_field: "company", "items": [item]}}
        and mounted(manifests)["config"] == "/etc/reltio-export-operator"
        and environment(manifests)["RELTIO_EXPORT_CA_BUNDLE"] == "/etc/reltio-export-operator/ca/ca.crt"
    )


MEMORY = {"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi", "cpu": 1}}
SPREAD = {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
OWN_SPREAD = {**SPREAD, "topologyKey": "row", "labelSelector": {"matchLabels": {"a": "b"}}}
NODES = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "arch", "operator": "In", "values": ["arm64"]}]}]}
AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": NODES}}
TOLERATION = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}
FROM_SECRET = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
DNS = {"nameservers": ["10.0.0.10"], "searches": ["example.com"], "options": [{"name": "ndots", "value": "2"}]}
OBJECT = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "more", "namespace": "{{ .Release.Namespace }}"},
    "data": {"release": "{{ .Release.Name }}"},
}
TEXT = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-text\n"

CASES: dict[str, tuple[Manifest, Callable[[Manifests], Any]]] = {
    "no value": ({}, lambda found: len(found) > 10),
    "pull policy": ({"image": {"pullPolicy": "Always"}}, lambda m: container_of(m)["imagePullPolicy"] == "Always"),
    "pull secrets": (
        {"imagePullSecrets": [{"name": "registry"}]},
        lambda m: every_pod(m, "imagePullSecrets") == [[{"name": "registry"}]] * 3,
    ),
    "name": (
        {"nameOverride": "exporter"},
        lambda m: deployment(m)["selector"]["matchLabels"]["app.kubernetes.io/name"] == "exporter",
    ),
    "full name": (
        {"fullnameOverride": "exporter"},
        lambda m: only(m, "Deployment")["metadata"]["name"] == environment(m)["RELTIO_EXPORT_LEASE_NAME"] == "exporter",
    ),
    "long full name": (
        {"fullnameOverride": "x" * 63},
        lambda m: all(len(one["metadata"]["name"]) <= 63 for one in m if one["kind"] in ("Job", "Pod", "Service")),
    ),
    "common labels": (
        {"commonLabels": {"team": "mdm", "app.kubernetes.io/name": "other"}},
        lambda m: (
            all(labels["team"] == "mdm" for labels in metadata(m, "labels"))
            and template_metadata(m)["labels"]["team"] == "mdm"
            and deployment(m)["selector"]["matchLabels"] == OPERATOR
            and template_metadata(m)["labels"].items() >= OPERATOR.items()
        ),
    ),
    "common annotations": (
        {"commonAnnotations": {"owner": "mdm"}},
        lambda m: (
            all(annotations["owner"] == "mdm" for annotations in metadata(m, "annotations"))
            and template_metadata(m)["annotations"]["owner"] == "mdm"
        ),
    ),
    "policy of allowed roles": (
        {"allowedRolesPolicy": {"enabled": True}, "settings": {"allowedRoles": {"*": ["arn:aws:iam::1*:role/*"]}}},
        lambda m: (
            only(m, "ValidatingAdmissionPolicyBinding")["spec"]["policyName"]
            == only(m, "ValidatingAdmissionPolicy")["metadata"]["name"]
        ),
    ),
    "no policy of allowed roles": (
        {"settings": {"allowedRoles": {"*": ["arn:aws:iam::1*:role/*"]}}},
        lambda m: not of_kind(m, "ValidatingAdmissionPolicy"),
    ),
    "strategy": (
        {"strategy": {"rollingUpdate": {"maxSurge": 0}}},
        lambda m: (
            deployment(m)["strategy"]
            == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}
        ),
    ),
    "recreate": ({"strategy": {"type": "Recreate"}}, lambda m: deployment(m)["strategy"] == {"type": "Recreate"}),
    "one replica without election": (
        {"replicas": 1, "settings": {"leaderElect": False}},
        lambda m: deployment(m)["strategy"] == {"type": "Recreate"},
    ),
    "one replica with election": (
        {"replicas": 1},
        lambda m: deployment(m)["strategy"]["type"] == "RollingUpdate",
    ),
    "no replica": ({"replicas": 0}, lambda m: deployment(m)["replicas"] == 0),
    "history": ({"revisionHistoryLimit": 0}, lambda m: deployment(m)["revisionHistoryLimit"] == 0),
    "grace period": (
        {"terminationGracePeriodSeconds": 90},
        lambda m: pod_of(m)["terminationGracePeriodSeconds"] == 90,
    ),
    "CA from a ConfigMap": (
        {"caBundle": {"configMapName": "company", "key": "root.pem"}},
        lambda m: ca("configMap", "name", m),
    ),
    "CA from a Secret": (
        {"caBundle": {"secretName": "company", "key": "root.pem"}},
        lambda m: ca("secret", "name", m),
    ),
    "variables": (
        {"extraEnv": [{"name": "AWS_REGION", "value": "eu-west-1"}, FROM_SECRET]},
        lambda m: environment(m)["AWS_REGION"] == "eu-west-1" and FROM_SECRET in container_of(m)["env"],
    ),
    "variables from a Secret": (
        {"envFrom": [{"prefix": "A_", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "c", "optional": True}}]},
        lambda m: (
            container_of(m)["envFrom"]
            == [{"prefix": "A_", "secretRef": {"name": "s"}}, {"configMapRef": {"name": "c", "optional": True}}]
        ),
    ),
    "volumes": (
        {
            "extraVolumes": [{"name": "keys", "secret": {"secretName": "keys"}}, {"name": "work", "emptyDir": {}}],
            "extraVolumeMounts": [{"name": "keys", "mountPath": "/keys", "readOnly": True}],
        },
        lambda m: set(volumes(m)) == {"tmp", "config", "keys", "work"} and mounted(m)["keys"] == "/keys",
    ),
    "more objects": (
        {"extraObjects": [OBJECT, TEXT]},
        lambda m: (
            [(one["metadata"].get("namespace"), one["metadata"]["name"]) for one in of_kind(m, "ConfigMap")[-2:]]
            == [("ops", "more"), (None, "exports-text")]
            and of_kind(m, "ConfigMap")[-2]["data"] == {"release": "exports"}
        ),
    ),
    "Service": (
        {"metrics": {"port": 9100, "service": {"annotations": {"prometheus.io/scrape": "true"}}}},
        lambda m: (
            only(m, "Service")["spec"]["ports"]
            == [{"name": "metrics", "port": 9100, "targetPort": "metrics", "appProtocol": "http"}]
            and only(m, "Service")["metadata"]["annotations"] == {"prometheus.io/scrape": "true"}
            and only(m, "Service")["spec"]["selector"] == OPERATOR
        ),
    ),
    "no Service": (
        {"metrics": {"service": {"enabled": False}}},
        lambda m: not of_kind(m, "Service") and not of_kind(m, "Pod"),
    ),
    "ServiceMonitor": (
        {"metrics": {"serviceMonitor": {"enabled": True, "interval": "1m", "labels": {"release": "prometheus"}}}},
        lambda m: (
            only(m, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
            <= only(m, "Service")["metadata"]["labels"].items()
            and only(m, "ServiceMonitor")["metadata"]["labels"]["release"] == "prometheus"
            and only(m, "ServiceMonitor")["spec"]["endpoints"][0]["port"]
            == only(m, "Service")["spec"]["ports"][0]["name"]
        ),
    ),
    "existing ServiceAccount": (
        {"serviceAccount": {"create": False, "name": "existing"}},
        lambda m: (
            not of_kind(m, "ServiceAccount")
            and pod_of(m)["serviceAccountName"] == "existing"
            and all(one["subjects"][0]["name"] == "existing" for one in of_kind(m, "RoleBinding"))
        ),
    ),
    "no roles": (
        {"rbac": {"create": False}},
        lambda m: not [one for one in m if "rbac" in one["apiVersion"]],
    ),
    "no roles, named namespaces": (
        {"rbac": {"create": False}, "watch": {"namespaces": ["sales"]}},
        lambda m: not [one for one in m if "rbac" in one["apiVersion"]],
    ),
    "rights in the named namespaces alone": (
        {"rbac": {"clusterRole": False}, "watch": {"namespaces": ["sales"]}},
        lambda m: not of_kind(m, "ClusterRole") and len(of_kind(m, "Role")) == 2,
    ),
    "no budget": (
        {"podDisruptionBudget": {"enabled": False}},
        lambda m: not of_kind(m, "PodDisruptionBudget"),
    ),
    "budget": (
        {"podDisruptionBudget": {"maxUnavailable": "50%"}},
        lambda m: only(m, "PodDisruptionBudget")["spec"]["maxUnavailable"] == "50%",
    ),
    "resources": (
        {"resources": MEMORY},
        lambda m: [spec["containers"][0]["resources"] for spec in pod_specs(m).values()] == [MEMORY] * 3,
    ),
    "pod labels": (
        {"podLabels": {"cost": "mdm", "app.kubernetes.io/component": "other"}},
        lambda m: template_metadata(m)["labels"].items() >= {"cost": "mdm", **OPERATOR}.items(),
    ),
    "pod annotations": (
        {"podAnnotations": {"a": "b", "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "tmp,work"}},
        lambda m: (
            template_metadata(m)["annotations"].items()
            > {"a": "b", "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": "tmp,work"}.items()
        ),
    ),
    "ids left to the cluster": (
        {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
        lambda m: (
            every_pod(m, "securityContext")
            == [{"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}] * 3
        ),
    ),
    "other ids": (
        {"podSecurityContext": {"runAsUser": 1000650000, "supplementalGroups": [5]}},
        lambda m: (
            pod_of(m)["securityContext"]["runAsUser"] == 1000650000 and pod_of(m)["securityContext"]["fsGroup"] == 65532
        ),
    ),
    "container security": (
        {"securityContext": {"readOnlyRootFilesystem": False, "runAsUser": 7, "capabilities": None}},
        lambda m: (
            container_of(m)["securityContext"]
            == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": False, "runAsUser": 7}
        ),
    ),
    "priority": (
        {"priorityClassName": "high"},
        lambda m: every_pod(m, "priorityClassName") == ["high"] * 3,
    ),
    "node selector": (
        {"nodeSelector": {"kubernetes.io/arch": "arm64"}},
        lambda m: every_pod(m, "nodeSelector") == [{"kubernetes.io/arch": "arm64"}] * 3,
    ),
    "tolerations": ({"tolerations": [TOLERATION]}, lambda m: every_pod(m, "tolerations") == [[TOLERATION]] * 3),
    "affinity": ({"affinity": AFFINITY}, lambda m: every_pod(m, "affinity") == [AFFINITY] * 3),
    "spread": (
        {"topologySpreadConstraints": [SPREAD, OWN_SPREAD]},
        lambda m: (
            pod_of(m)["topologySpreadConstraints"]
            == [{**SPREAD, "labelSelector": {"matchLabels": OPERATOR}}, OWN_SPREAD]
        ),
    ),
    "no spread": (
        {"topologySpreadConstraints": []},
        lambda m: "topologySpreadConstraints" not in pod_of(m),
    ),
    "host aliases": (
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["proxy"]}]},
        lambda m: every_pod(m, "hostAliases") == [[{"ip": "10.0.0.1", "hostnames": ["proxy"]}]] * 3,
    ),
    "DNS": (
        {"dnsPolicy": "None", "dnsConfig": DNS},
        lambda m: every_pod(m, "dnsPolicy") == ["None"] * 3 and every_pod(m, "dnsConfig") == [DNS] * 3,
    ),
}
NAMED = {"watch": {"namespaces": ["sales", "care"]}}


@pytest.mark.parametrize("namespaces", [{}, NAMED], ids=["all", "named"])
@pytest.mark.parametrize("case", CASES)
def test_a_value_renders_what_it_says_and_the_api_takes_it(case: str, namespaces: Manifest) -> None:
    values, holds = CASES[case]
    manifests = render({**namespaces, **values})
    assert_valid(manifests)
    assert holds(manifests), json.dumps(manifests)[-4000:]


def test_every_object_has_a_name_of_its_own() -> None:
    for values in ({}, NAMED, {"networkPolicy": {"enabled": True}, "rbac": {"aggregate": True}}):
        names = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in render(values)]
        assert len(names) == len(set(names))


def test_only_the_pods_of_the_operator_are_selected_by_its_service_and_its_budget() -> None:
    manifests = render()
    assert only(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == OPERATOR
    others = [
        only(manifests, "Pod")["metadata"]["labels"],
        only(manifests, "Job")["spec"]["template"]["metadata"]["labels"],
    ]
    assert all(not OPERATOR.items() <= labels.items() for labels in others)


def test_no_pod_gets_variables_for_the_services_of_its_namespace() -> None:
    assert every_pod(render(), "enableServiceLinks") == [False] * 3


def test_the_autoscaler_may_evict_the_pods_in_spite_of_their_empty_directory() -> None:
    annotations = template_metadata(render())["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"] == "tmp"


def test_openshift_chooses_the_ids_unless_they_were_changed() -> None:
    openshift = ("--api-versions", "security.openshift.io/v1")
    kept = pod_of(render({}, *openshift))["securityContext"]
    assert kept == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    changed = pod_of(render({"podSecurityContext": {"runAsUser": 1234}}, *openshift))["securityContext"]
    assert changed["runAsUser"] == 1234


def test_the_lease_is_part_of_the_release_and_nothing_in_it_is_the_releases() -> None:
    for values in ({}, {"replicas": 1, "settings": {"leaderElect": False}}):
        lease = only(render(values), "Lease")
        assert lease["metadata"]["name"] == NAME
        assert lease["metadata"]["namespace"] == "ops"
        assert "spec" not in lease


def test_a_start_is_waited_for_before_the_pod_is_judged() -> None:
    container = container_of(render())
    startup, readiness = container["startupProbe"], container["readinessProbe"]
    assert startup["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert startup["initialDelaySeconds"] > 0
    assert "initialDelaySeconds" not in readiness  # it would wait for its next period, which makes roll-outs slow
    assert startup["initialDelaySeconds"] + startup["periodSeconds"] * startup["failureThreshold"] >= 60
