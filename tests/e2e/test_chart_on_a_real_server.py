"""The chart on a real API server: what it admits, what Helm does with a release, and who may do what."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from allowed_roles import ACCOUNT, ALLOWED, VECTORS, Vector
from charts import CHART, NAME, Manifest, only, render
from reltio_export_sandbox.environment import crds
from tools import tool
from unit.chart.test_values import CASES, NAMED

NEED_MORE = {"CustomResourceDefinition", "ServiceMonitor"}  # what the other tests apply, and what is not installed here
EXAMPLES = ("eks", "openshift")
KINDS = (
    "clusterroles,clusterrolebindings,configmaps,deployments,jobs,leases,networkpolicies,poddisruptionbudgets,pods,"
    "rolebindings,roles,serviceaccounts,services"
)


@dataclass(frozen=True)
class Cluster:
    """Stock kubectl and helm as the administrator of a real API server."""

    kubeconfig: Path

    def run(self, program: str, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """What the program prints; with `check` off, what it says of its failure too."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        command = [tool(program), *arguments]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, timeout=120, check=False
        )
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout + ("" if check else done.stderr)

    def kubectl(self, *arguments: str, objects: list[Manifest] | None = None, check: bool = True) -> str:
        return self.run("kubectl", *arguments, stdin=yaml.safe_dump_all(objects or []), check=check)

    def helm(self, *arguments: str, check: bool = True) -> str:
        return self.run("helm", *arguments, check=check)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def namespace(self, name: str = "", **labels: str) -> str:
        chosen = name or f"chart-{secrets.token_hex(4)}"
        metadata = {"name": chosen, "labels": labels}
        self.kubectl("apply", "-f", "-", objects=[{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
        return chosen

    def can(self, user: str, verb: str, resource: str, namespace: str) -> bool:
        kind, status, _ = resource.partition("/status")
        part = ("--subresource=status",) if status else ()
        answer = self.kubectl("auth", "can-i", verb, kind, *part, "-n", namespace, "--as", user, check=False)
        return answer.splitlines()[0] == "yes"


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path) -> Cluster:
    return Cluster(kubeconfig)


@pytest.fixture(scope="module")
def restricted(cluster: Cluster) -> str:
    return cluster.namespace(**{"pod-security.kubernetes.io/enforce": "restricted"})


def pods(manifests: list[Manifest], namespace: str) -> Iterator[Manifest]:
    """The pods that the release starts, as somebody could create them."""
    for kind in ("Deployment", "Job", "Pod"):
        found = only(manifests, kind)
        template = found if kind == "Pod" else found["spec"]["template"]
        metadata = {"name": f"{kind.lower()}-{secrets.token_hex(4)}", "namespace": namespace}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.parametrize("example", ["default", *EXAMPLES])
def test_every_pod_is_admitted_where_restricted_is_enforced(cluster: Cluster, restricted: str, example: str) -> None:
    values = () if example == "default" else ("--values", str(CHART / "ci" / f"{example}-values.yaml"))
    for pod in pods(render({}, *values), restricted):
        assert "created" in cluster.kubectl("create", "-f", "-", objects=[pod])


def test_a_pod_that_may_be_root_is_not_admitted_there(cluster: Cluster, restricted: str) -> None:
    values = {"podSecurityContext": {"runAsNonRoot": None, "runAsUser": None}}
    for pod in pods(render(values), restricted):
        answer = cluster.kubectl("create", "-f", "-", objects=[pod], check=False)
        assert 'violates PodSecurity "restricted' in answer


def test_the_api_takes_what_every_value_renders(cluster: Cluster) -> None:
    for name in ("ops", *NAMED["watch"]["namespaces"]):
        cluster.namespace(name)
    cluster.kubectl("create", "priorityclass", "high", "--value=1")
    rendered = [one for values, _ in CASES.values() for named in ({}, NAMED) for one in render({**named, **values})]
    different = {json.dumps(one): one for one in rendered if one["kind"] not in NEED_MORE}  # most are the same
    arguments = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    answer = cluster.kubectl(*arguments, objects=list(different.values()), check=False).splitlines()
    taken = [line for line in answer if line.endswith("serverside-applied (server dry run)")]
    assert len(taken) == len(different) > len(CASES), set(answer) - set(taken)


def left_of(cluster: Cluster, namespace: str) -> list[str]:
    """What of the release is still there."""
    selector = "app.kubernetes.io/instance=exports"
    text = cluster.kubectl("get", KINDS, "-n", namespace, "-l", selector, "-o", "name")
    return text.split()


def test_a_release_is_installed_upgraded_and_uninstalled_without_a_trace(cluster: Cluster) -> None:
    namespace = cluster.namespace()
    release = ("exports", str(CHART), "-n", namespace)
    quick = ("--take-ownership", "--set", "uninstall.policy=Ignore")
    cluster.helm("install", *release, *quick)
    assert cluster.get("deployment", NAME, "-n", namespace)["spec"]["strategy"]["type"] == "RollingUpdate"

    held = {"holderIdentity": "pod-1", "leaseDurationSeconds": 15, "leaseTransitions": 3}
    cluster.kubectl("patch", "lease", NAME, "-n", namespace, "--type=merge", "-p", json.dumps({"spec": held}))
    single = ("--set", "replicas=1", "--set", "settings.leaderElect=false")
    cluster.helm("upgrade", *release, *quick, *single)
    assert cluster.get("deployment", NAME, "-n", namespace)["spec"]["strategy"] == {"type": "Recreate"}
    assert cluster.get("lease", NAME, "-n", namespace)["spec"] == held
    assert "leaderElect: false" in cluster.get("configmap", NAME, "-n", namespace)["data"]["config.yaml"]

    cluster.helm("upgrade", *release, *quick, "--set", "commonLabels.team=mdm")
    assert cluster.get("deployment", NAME, "-n", namespace)["spec"]["strategy"]["type"] == "RollingUpdate"
    assert cluster.get("lease", NAME, "-n", namespace)["spec"] == held

    cluster.helm("uninstall", "exports", "-n", namespace)
    assert left_of(cluster, namespace) == []
    assert cluster.get("crd", "exportjobs.export.reltio.com")["status"]["conditions"]
    cluster.helm("install", *release, "--set", "uninstall.policy=Ignore")
    cluster.helm("uninstall", "exports", "-n", namespace)
    assert left_of(cluster, namespace) == []


def test_people_may_do_what_their_roles_say(cluster: Cluster) -> None:
    """Kubernetes adds these ClusterRoles to view, edit and admin, of which the later include the earlier."""
    namespace = cluster.namespace()
    roles = [one for one in render({"rbac": {"aggregate": True}}) if one["kind"] == "ClusterRole"]
    cluster.kubectl("apply", "-f", "-", objects=roles)
    included = {"view": ("view",), "edit": ("view", "edit"), "admin": ("view", "edit", "admin")}
    for user, names in included.items():
        for name in names:
            role = f"ops-{NAME}-{name}"
            binding = ("create", "rolebinding", f"{user}-{name}", "-n", namespace, "--user", user)
            cluster.kubectl(*binding, "--clusterrole", role)
    may = {
        (user, verb, resource)
        for user in included
        for verb in ("get", "create", "patch", "delete")
        for resource in ("exporttargets", "exportjobs", "secrets", "exportjobs/status")
        if cluster.can(user, verb, resource, namespace)
    }
    write = ("create", "patch", "delete")
    assert may == {
        *((user, "get", resource) for user in included for resource in ("exporttargets", "exportjobs")),
        *((user, verb, "exportjobs") for user in ("edit", "admin") for verb in write),
        *(("admin", verb, "exporttargets") for verb in write),
    }


def test_the_operator_may_work_in_the_namespaces_of_its_release_and_in_no_others(cluster: Cluster) -> None:
    ops, sales = cluster.namespace(), cluster.namespace()
    values = {"watch": {"namespaces": [sales]}, "uninstall": {"policy": "Ignore"}}
    install = ("install", "exports", str(CHART), "-n", ops, "--take-ownership", "--set-json")
    cluster.helm(*install, json.dumps({**values, "rbac": {"clusterRole": False}}))
    user = f"system:serviceaccount:{ops}:{NAME}"
    for verb, resource in (
        ("list", "exportjobs"),
        ("patch", "exportjobs/status"),
        ("get", "secrets"),
        ("create", "events"),
    ):
        assert cluster.can(user, verb, resource, sales), (verb, resource)
        assert not cluster.can(user, verb, resource, "default"), (verb, resource)
    assert cluster.can(user, "update", f"leases.coordination.k8s.io/{NAME}", ops)
    assert not cluster.can(user, "update", "leases.coordination.k8s.io/another", ops)
    assert not cluster.can(user, "get", "secrets", ops)
    assert not cluster.can(user, "list", "secrets", sales)
    cluster.helm("uninstall", "exports", "-n", ops)
    cluster.helm(*install, json.dumps(values))
    for verb, resource in (
        ("list", "exporttargets"),
        ("watch", "exportjobs"),
        ("patch", "exportjobs"),
        ("patch", "exportjobs/status"),
    ):
        assert cluster.can(user, verb, resource, "default"), (verb, resource)
    for verb, resource in (
        ("get", "secrets"),
        ("create", "events"),
        ("create", "exportjobs"),
        ("delete", "exportjobs"),
        ("patch", "exporttargets"),
    ):
        assert not cluster.can(user, verb, resource, "default"), (verb, resource)
    cluster.helm("uninstall", "exports", "-n", ops)


def test_the_policy_of_allowed_roles_refuses_what_the_operator_refuses(cluster: Cluster) -> None:
    values = {"allowedRolesPolicy": {"enabled": True}, "settings": {"allowedRoles": ALLOWED}}
    manifests = render(values)
    policy = [only(manifests, kind) for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")]
    valid = [one for one in VECTORS if one.role.count(":role/") == 1 and not one.role.endswith("-")]
    for namespace in {one.namespace for one in valid}:
        cluster.namespace(namespace)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", objects=crds())
    names = [f"crd/{one['metadata']['name']}" for one in crds()]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    cluster.kubectl("apply", "-f", "-", objects=policy)
    try:
        _wait_for(lambda: not _is_taken(cluster, Vector("care", f"{ACCOUNT}never", False)))
        assert {one: _is_taken(cluster, one) for one in valid} == {one: one.allowed for one in valid}
        answer = _created(cluster, Vector("care", f"{ACCOUNT}never", False), "--dry-run=server")
        assert (
            f"RoleNotAllowed: the settings of the operator do not allow {ACCOUNT}never to targets in namespace"
            in answer
        )

        _created(cluster, Vector("care", f"{ACCOUNT}shared/r", True))
        change = json.dumps({"spec": {"s3": {"roleARN": f"{ACCOUNT}never"}}})
        assert "RoleNotAllowed" in cluster.kubectl(*_PATCH, change, check=False)
        cluster.kubectl(*_PATCH, json.dumps({"metadata": {"finalizers": ["example.com/x"]}}))
        refuse_all = render({**values, "settings": {"allowedRoles": {"sales": []}}})
        cluster.kubectl("apply", "-f", "-", objects=[only(refuse_all, "ValidatingAdmissionPolicy")])
        _wait_for(lambda: not _is_taken(cluster, Vector("care", f"{ACCOUNT}shared/r", True)))
        cluster.kubectl("delete", "exporttarget", "lake", "-n", "care", "--wait=false")
        cluster.kubectl(*_PATCH, json.dumps({"metadata": {"finalizers": None}}))
        assert "NotFound" in cluster.kubectl("get", "exporttarget", "lake", "-n", "care", check=False)
    finally:
        cluster.kubectl("delete", "-f", "-", objects=policy)
    _wait_for(lambda: _is_taken(cluster, Vector("care", f"{ACCOUNT}never", False)))


_PATCH = ("patch", "exporttarget", "lake", "-n", "care", "--type=merge", "-p")


def _is_taken(cluster: Cluster, vector: Vector) -> bool:
    answer = _created(cluster, vector, "--dry-run=server")
    assert "created" in answer or "RoleNotAllowed" in answer or "AlreadyExists" in answer, answer
    return "RoleNotAllowed" not in answer


def _created(cluster: Cluster, vector: Vector, *options: str) -> str:
    documents = yaml.safe_load_all((CHART.parents[1] / "examples" / "target.yaml").read_text())
    (example,) = [one for one in documents if one["kind"] == "ExportTarget"]
    example["metadata"] = {"name": "lake", "namespace": vector.namespace}
    example["spec"]["s3"]["roleARN"] = vector.role
    return cluster.kubectl("create", "-f", "-", *options, objects=[example], check=False)


def _wait_for(condition: Callable[[], bool]) -> None:
    """The API server takes a moment to use a policy that was written."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "The policy has no effect."
        time.sleep(0.5)
