"""The NetworkPolicy, and the examples for EKS and OpenShift: which connections they let through."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from charts import CHART, OPERATOR, Manifest, assert_valid, of_kind, only, pod_specs, render

ALL: Manifest = {"networkPolicy": {"enabled": True}}


@dataclass(frozen=True)
class Peer:
    """The other end of a connection: an address, or a pod with labels in a namespace with labels."""

    port: int
    protocol: str = "TCP"
    address: str = "203.0.113.7"
    pod: dict[str, str] | None = None
    namespace: dict[str, str] = field(default_factory=lambda: {"kubernetes.io/metadata.name": "ops"})


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, "the examples need no more"
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def is_peer(rule: Manifest, other: Peer) -> bool:
    if "ipBlock" in rule:
        address, network = ipaddress.ip_address(other.address), ipaddress.ip_network(rule["ipBlock"]["cidr"])
        return other.pod is None and address.version == network.version and address in network
    if other.pod is None:
        return False
    namespace = rule.get("namespaceSelector", {"matchLabels": {"kubernetes.io/metadata.name": "ops"}})
    return selects(namespace, other.namespace) and selects(rule.get("podSelector", {}), other.pod)


def allowed(policy: Manifest, direction: str, other: Peer) -> bool:
    """Whether the policy lets a connection of its pods through, as Kubernetes defines it."""
    if direction.capitalize() not in policy["policyTypes"]:
        return True
    side = {"ingress": "from", "egress": "to"}[direction]
    for rule in policy.get(direction, []):
        ports = rule.get("ports")
        peers: list[Any] = rule.get(side, [])
        fits = not ports or any((p["port"], p["protocol"]) == (other.port, other.protocol) for p in ports)
        if fits and (not peers or any(is_peer(one, other) for one in peers)):
            return True
    return False


def policy_of(values: Manifest) -> Manifest:
    manifests = render(values)
    assert_valid(manifests)
    return dict(only(manifests, "NetworkPolicy")["spec"])


def example(name: str) -> Manifest:
    return dict(yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text()))


def in_namespace(name: str, port: int, protocol: str = "TCP", **labels: str) -> Peer:
    return Peer(port, protocol, pod=labels, namespace={"kubernetes.io/metadata.name": name})


def test_there_is_none_by_default() -> None:
    assert not of_kind(render(), "NetworkPolicy")


def test_only_the_metrics_port_is_reached_and_egress_is_unrestricted() -> None:
    policy = policy_of({**ALL, "metrics": {"port": 9100}})
    assert allowed(policy, "ingress", Peer(9100))
    assert allowed(policy, "ingress", in_namespace("monitoring", 9100))
    assert not allowed(policy, "ingress", Peer(9100, "UDP"))
    assert not allowed(policy, "ingress", Peer(8080))
    assert allowed(policy, "egress", Peer(6443))


def test_it_holds_for_every_pod_of_the_release() -> None:
    manifests = render(ALL)
    selector = only(manifests, "NetworkPolicy")["spec"]["podSelector"]
    labels = [
        only(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"],
        only(manifests, "Job")["spec"]["template"]["metadata"]["labels"],
        only(manifests, "Pod")["metadata"]["labels"],
    ]
    assert len(labels) == len(pod_specs(manifests))
    assert all(selects(selector, one) for one in labels)


@pytest.mark.parametrize("name", ["eks", "openshift"])
def test_helm_test_reaches_the_operator_however_the_policy_is_narrowed(name: str) -> None:
    manifests = render(example(name))
    policy = only(manifests, "NetworkPolicy")["spec"]
    test = only(manifests, "Pod")["metadata"]["labels"]
    assert allowed(policy, "ingress", in_namespace("ops", 8080, **test))
    assert allowed(policy, "egress", in_namespace("ops", 8080, **OPERATOR))
    assert not allowed(policy, "ingress", in_namespace("other", 8080, app="curious"))


POD_IDENTITY, METADATA = "169.254.170.23", "169.254.169.254"
DNS = {"k8s-app": "kube-dns"}
CONNECTIONS = [
    ("eks", "egress", Peer(443, address="10.0.12.34"), True),  # the API server, behind its Service
    ("eks", "egress", Peer(443), True),  # AWS and Reltio
    ("eks", "egress", in_namespace("kube-system", 53, "UDP", **DNS), True),
    ("eks", "egress", in_namespace("kube-system", 53, "TCP", **DNS), True),
    ("eks", "egress", Peer(53, "UDP", address="169.254.20.10"), True),
    ("eks", "egress", Peer(80, address=POD_IDENTITY), True),
    ("eks", "egress", Peer(80, address="fd00:ec2::23"), True),
    ("eks", "egress", Peer(80, address=METADATA), False),  # the role of the node
    ("eks", "egress", Peer(5432, address="10.0.3.4"), False),
    ("eks", "ingress", in_namespace("monitoring", 8080), True),
    ("openshift", "egress", Peer(6443, address="10.0.0.5"), True),
    ("openshift", "egress", Peer(443), True),
    ("openshift", "egress", in_namespace("openshift-dns", 5353, "UDP"), True),
    ("openshift", "egress", in_namespace("openshift-dns", 53, "UDP"), False),
    ("openshift", "egress", Peer(80, address=METADATA), False),
    (
        "openshift",
        "ingress",
        Peer(8080, pod={}, namespace={"network.openshift.io/policy-group": "monitoring"}),
        True,
    ),
    ("openshift", "ingress", in_namespace("sales", 8080), False),
]


@pytest.mark.parametrize(("name", "direction", "other", "expected"), CONNECTIONS)
def test_the_examples_let_through_what_the_operator_needs(
    name: str, direction: str, other: Peer, expected: bool
) -> None:
    assert allowed(policy_of(example(name)), direction, other) is expected
